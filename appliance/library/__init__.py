"""What the box has heard and been told: clips, labels, sessions, dataset versions."""
