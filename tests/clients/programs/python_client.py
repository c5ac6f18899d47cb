"""An MCP client on the Python SDK: python_client.py URL CALLBACK LOG [DOCUMENT].

Speaks in lines of JSON on standard output and waits for lines on standard input; python.mjs is the
other side. Every HTTP answer is written to LOG.
"""

import asyncio
import json
import logging
import sys
import time
from typing import Any

import httpx2
from pydantic import AnyUrl

from mcp import Client
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

url, callback, log = sys.argv[1:4]
document = sys.argv[4] if len(sys.argv) > 4 and sys.argv[4] else None
# The SDK logs an expected refusal with its whole trace.
logging.getLogger("mcp.client.auth.oauth2").setLevel(logging.CRITICAL)


class Refused(Exception):
    """The SDK wanted a new sign-in after the agent was revoked."""


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
revoked = False


async def show(authorize_url: str) -> None:
    if revoked:
        raise Refused
    say("authorize", url=authorize_url)


async def answer() -> AuthorizationCodeResult:
    return AuthorizationCodeResult(**await heard())


async def record(response: httpx2.Response) -> None:
    entry = {
        "method": response.request.method,
        "origin": f"{response.request.url.scheme}://{response.request.url.netloc.decode()}",
        "path": response.request.url.path,
        "status": response.status_code,
    }
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def text_of(result: Any) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


async def echo(client: Client) -> str:
    return text_of(await client.call_tool("echo", {"text": "portcullis"}))


def holds(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(holds(inner, kind) for inner in error.exceptions)
    return isinstance(error, kind)


async def main() -> None:
    global revoked
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="Python SDK",
            redirect_uris=[AnyUrl(callback)],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=memory,
        redirect_handler=show,
        callback_handler=answer,
        client_metadata_url=document,
    )
    hooks = {"response": [record]}
    async with httpx2.AsyncClient(auth=provider, timeout=30, event_hooks=hooks) as http:
        try:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                tools = (await client.list_tools()).tools
                say("tools", tools=[tool.name for tool in tools])
                say("called", text=await echo(client))

                assert await heard() == "refresh"
                before = memory.tokens
                # As if the ten minutes had passed.
                provider.context.token_expiry_time = time.time() - 1
                text = await echo(client)
                after = memory.tokens
                renewed = before is not None and after is not None and before.access_token != after.access_token
                say("refreshed", text=text, renewed=renewed)

                wish = await heard()
                if wish == "step-up":
                    note = {"name": "step-up", "text": "written after step-up"}
                    result = await client.call_tool("write_note", note)
                    assert not result.is_error, text_of(result)
                    say("stepped-up")
                    wish = await heard()

                assert wish == "revoked"
                revoked = True
                await echo(client)
                say("accepted")
        except BaseException as error:
            # What the redirect handler throws ends the SDK's connection, and comes out in a group.
            if not (revoked and holds(error, Refused)):
                raise
            say("refused")


asyncio.run(main())
