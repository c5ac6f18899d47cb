//! A tower layer and extractor that protect an MCP server with OAuth 2.1.
