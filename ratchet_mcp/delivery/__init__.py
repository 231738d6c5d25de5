"""Deliveries: what a run gave goes to files and webhooks by itself, at least once."""
