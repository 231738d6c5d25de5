"""Logs of the server itself."""
