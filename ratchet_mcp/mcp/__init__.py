"""The MCP server: tools, resources, transports."""
