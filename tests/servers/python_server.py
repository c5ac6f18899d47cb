"""An MCP server on the Python SDK: python_server.py PORT."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("python")


@server.tool()
def echo(message: str) -> str:
    """Says it again."""
    return f"Echo: {message}"


@server.tool()
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return f"The sum is {a + b}."


@server.tool()
def erase(name: str) -> str:
    """Erases what has this name."""
    return f"Erased {name}."


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
