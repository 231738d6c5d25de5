"""Work that outlives a call: jobs wait, run, are tried again, and are remembered."""
