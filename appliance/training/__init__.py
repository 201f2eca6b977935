"""Training: a function from a job folder to a result folder. The only home of torch."""
