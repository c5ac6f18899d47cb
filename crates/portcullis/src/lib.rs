//! OAuth 2.1 in front of any MCP server: builder, router, guard and extractor for axum.
