"""What a task is: definition, loading, schemas, code forms."""
