"""Who calls, and what they may do: access tokens of Portcullis (RFC 9068), verified by its published keys."""

import asyncio
import functools
import json
from collections.abc import Callable

import jwt
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier

READ = "{{scope}}:read"
WRITE = "{{scope}}:write"
# The scopes of each tool that needs more than READ.
NEEDS: dict[str, list[str]] = {}
# Bytes of a request that are looked at before the server reads it.
LOOKED_AT = 1_000_000


class Tokens(TokenVerifier):
    """Verifies tokens of `issuer` for the MCP server at `resource`."""

    def __init__(self, issuer: str, resource: str) -> None:
        self.issuer = issuer
        self.resource = resource
        self.keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=5)

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            if str(jwt.get_unverified_header(token).get("typ")).lower() not in ("at+jwt", "application/at+jwt"):
                return None  # any other kind of JWT
            key = await asyncio.to_thread(self.keys.get_signing_key_from_jwt, token)
            claims = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                issuer=self.issuer,
                audience=self.resource,  # a token for another server is refused
                options={"require": ["exp", "iat", "iss", "aud", "sub", "client_id"]},
            )
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=str(claims["client_id"]),
            scopes=str(claims.get("scope", "")).split(),
            expires_at=int(claims["exp"]),
            resource=self.resource,
            subject=str(claims["sub"]),
        )


def needs(*scopes: str) -> Callable[[Callable], Callable]:
    """Marks a tool: a call of it needs these scopes."""

    def mark(tool: Callable) -> Callable:
        NEEDS[tool.__name__] = list(scopes)

        @functools.wraps(tool)
        def checked(*args, **kwargs):
            access = get_access_token()
            if access is None or not set(scopes) <= set(access.scopes):
                raise PermissionError(f"a call of this tool needs {' '.join(scopes)}")
            return tool(*args, **kwargs)

        return checked

    return mark


class Challenge:
    """Answers a call that lacks a scope by 403 and what it needs, before the server sees it: then clients ask for it."""

    def __init__(self, app, tokens: Tokens, metadata: str) -> None:
        self.app, self.tokens, self.metadata = app, tokens, metadata

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        seen, size, more = [], 0, True
        while more and size < LOOKED_AT:
            seen.append(await receive())
            size += len(seen[-1].get("body", b""))
            more = seen[-1].get("more_body", False)
        wanted = await self.wanted(scope, b"".join(message.get("body", b"") for message in seen))
        if wanted:
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(wanted)}", resource_metadata="{self.metadata}"'
            headers = [(b"www-authenticate", challenge.encode()), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            return await send({"type": "http.response.body", "body": b""})

        async def again():
            return seen.pop(0) if seen else await receive()

        return await self.app(scope, again, send)

    async def wanted(self, scope, body: bytes) -> list[str]:
        """What a call of a tool needs, where its token is good and lacks some of it."""
        try:
            message = json.loads(body)
            tool = message["params"]["name"] if message["method"] == "tools/call" else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return []
        needed = NEEDS.get(tool, []) if isinstance(tool, str) else []
        header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        access = await self.tokens.verify_token(header[7:]) if needed and header[:7].lower() == "bearer " else None
        return needed if access is not None and not set(needed) <= set(access.scopes) else []
