"""The box looks after itself."""
