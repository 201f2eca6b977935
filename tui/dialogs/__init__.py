"""Questions in front of a screen, one kind a file."""
