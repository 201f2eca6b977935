"""The HTTP API. The only home of FastAPI."""
