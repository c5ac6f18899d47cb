//! One door in front of an MCP server: the guard, and a proxy the caller's token never passes.
