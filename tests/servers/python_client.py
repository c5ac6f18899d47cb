"""An MCP client on the Python SDK: python_client.py URL CALLBACK NAME MODE.

Speaks in lines of JSON on standard output and does what lines on standard input ask; lines.mjs is the
other side. MODE is `legacy`, or `auto` for the newest revision that the server speaks.
"""

import asyncio
import json
import logging
import sys
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from pydantic import AnyUrl

from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.types import ElicitRequestURLParams, ElicitResult

url, callback, name, mode = sys.argv[1:5]
# The SDK logs an expected refusal with its whole trace.
logging.getLogger("mcp.client.auth.oauth2").setLevel(logging.CRITICAL)


def say(kind: str, **more: Any) -> None:
    print(json.dumps({"kind": kind, **more}), flush=True)


async def heard() -> Any:
    line = await asyncio.to_thread(sys.stdin.readline)
    if not line:
        raise EOFError("the other side went away")
    return json.loads(line)


class Memory(TokenStorage):
    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


memory = Memory()


async def show(authorize_url: str) -> None:
    say("authorize", url=authorize_url)


async def arrive() -> AuthorizationCodeResult:
    arrival = await heard()
    return AuthorizationCodeResult(**dict(parse_qsl(urlsplit(arrival["url"]).query)))


async def elicit(_context: Any, params: Any) -> ElicitResult:
    if not isinstance(params, ElicitRequestURLParams):
        return ElicitResult(action="decline")
    say("elicit", mode="url", url=params.url, message=params.message)
    return ElicitResult(action=(await heard())["action"])


async def obey(client: Client, provider: OAuthClientProvider, wish: dict[str, Any]) -> None:
    if wish["do"] == "tools":
        say("tools", tools=[tool.name for tool in (await client.list_tools()).tools])
    elif wish["do"] == "refresh":
        before = memory.tokens
        # As if the ten minutes had passed.
        provider.context.token_expiry_time = time.time() - 1
        await client.list_tools()
        after = memory.tokens
        say("refreshed", renewed=before is not None and after is not None and before.access_token != after.access_token)
    else:
        try:
            result = await client.call_tool(wish["name"], wish["arguments"])
        except MCPError as error:
            say("refused", code=error.error.code, message=error.error.message, data=error.error.data)
            return
        say("called", text="".join(getattr(part, "text", "") for part in result.content), error=bool(result.is_error))


async def main() -> None:
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name=name,
            redirect_uris=[AnyUrl(callback)],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=memory,
        redirect_handler=show,
        callback_handler=arrive,
    )
    async with httpx2.AsyncClient(auth=provider, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=elicit, cache=None) as client:
            say("ready")
            while True:
                try:
                    wish = await heard()
                except EOFError:
                    return
                await obey(client, provider, wish)


asyncio.run(main())
