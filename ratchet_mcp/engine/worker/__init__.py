"""The program inside a worker process."""
