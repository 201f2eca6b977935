"""What bodies look like, with examples; the OpenAPI document is made of them."""
