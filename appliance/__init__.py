"""Earmark: a box that learns to recognise your sounds."""

__version__ = "0.1.0"
