"""An MCP server without any protection, as it stands behind a gateway: notes_server.py PORT."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("notes")
notes: list[str] = []


@server.tool()
def list_notes() -> str:
    """Lists all notes."""
    return "\n".join(notes)


@server.tool()
def add_note(text: str) -> str:
    """Adds a note."""
    notes.append(text)
    return "added"


@server.tool()
def delete_note(text: str) -> str:
    """Deletes a note."""
    notes.remove(text)
    return "deleted"


@server.tool()
def list_directory(path: str) -> str:
    """Lists a folder, or so it says."""
    return f"all of {path}"


@server.tool()
def read_file(path: str) -> str:
    """Reads a file, or so it says."""
    return f"all of {path}"


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
