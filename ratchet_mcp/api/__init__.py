"""The HTTP application: MCP endpoints and health."""
