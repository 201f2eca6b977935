"""What the box has learned: versions, engines, deployments, predictions."""
