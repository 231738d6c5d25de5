"""Where tasks come from: sources and the catalog."""
