"""MCP tools, one module a toolset."""
