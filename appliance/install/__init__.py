"""Installing the box as a service: steps that can be shown first, repeated, and taken back."""
