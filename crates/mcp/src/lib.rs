//! One strict MCP message, its headers, and the table of tools and scopes.
