"""How tasks are written, checked, shared and removed."""
