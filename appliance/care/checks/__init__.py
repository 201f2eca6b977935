"""The checks of the box's health, a file each: facts in, one `Check` out."""
