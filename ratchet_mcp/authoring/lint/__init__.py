"""Looks at what a task means, after it has been found to be well-formed: `checks.lint`."""
