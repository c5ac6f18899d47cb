"""{{name}}: an MCP server whose tokens come from Portcullis. `python server.py` serves it."""

import os
from urllib.parse import urlsplit

import uvicorn
from mcp.server.auth.routes import build_resource_metadata_url
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl

from auth import READ, WRITE, Challenge, Tokens, needs

notes: list[str] = []


def list_notes() -> str:
    """List all notes."""
    return "\n".join(notes)


# A challenge names all that a call needs, so that a client that asks for just that keeps what it had.
@needs(READ, WRITE)
def add_note(text: str) -> str:
    """Add a note."""
    notes.append(text)
    return "added"


@needs(READ, WRITE)
def delete_note(text: str) -> str:
    """Delete a note."""
    if text not in notes:
        return "there is no such note"
    notes.remove(text)
    return "deleted"


def program(issuer: str, resource: str) -> Challenge:
    """The MCP server at `resource`, for tokens of `issuer`."""
    tokens = Tokens(issuer, resource)
    # From text: a URL that was read before has a slash at its end, and the issuer has none.
    auth = AuthSettings.model_validate(
        {
            "issuer_url": issuer,
            "resource_server_url": resource,
            "required_scopes": [READ],
            "validate_token_resource": True,
        }
    )
    server = MCPServer("{{name}}", token_verifier=tokens, auth=auth)
    for tool in (list_notes, add_note, delete_note):
        server.tool()(tool)
    # A website that points its own name here is refused.
    place = urlsplit(resource)
    only = TransportSecuritySettings(allowed_hosts=[place.netloc], allowed_origins=[f"{place.scheme}://{place.netloc}"])
    app = server.streamable_http_app(streamable_http_path=place.path, transport_security=only)
    return Challenge(app, tokens, str(build_resource_metadata_url(AnyHttpUrl(resource))))


if __name__ == "__main__":
    uvicorn.run(
        program(os.environ.get("ISSUER", "{{issuer}}"), os.environ.get("RESOURCE", "http://127.0.0.1:{{port}}/mcp")),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "{{port}}")),
    )
