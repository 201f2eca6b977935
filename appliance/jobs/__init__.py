"""The queue with one slot, and the child process that trains."""
