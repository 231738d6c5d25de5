"""Tasks that run again and again."""
