"""Care: the box looks after itself: health, space, backups."""
