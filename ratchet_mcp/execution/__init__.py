"""One run, from the request to the recorded outcome."""
