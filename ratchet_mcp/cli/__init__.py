"""The commands of `ratchet`."""
