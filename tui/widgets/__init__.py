"""Widgets that several screens use, one a file."""
