"""How tasks are tested, measured and debugged."""
