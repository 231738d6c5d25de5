"""What is remembered: SQLModel tables, the group-commit writer, repositories."""
