"""The extension io.modelcontextprotocol/tasks (SEP-2663): runs that outlive their call, which a client polls, answers and cancels."""
