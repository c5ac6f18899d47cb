"""The server and real HTTP around it; only the issuer is played, with a key of its own. `python -m unittest`."""

import json
import logging
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec

from auth import READ, WRITE
from server import program

KEY, STRANGER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
JWK = jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "1", "alg": "ES256", "use": "sig"}


class Keys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": [JWK]}).encode())

    def log_message(self, *_: object) -> None:
        pass


class Whole(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        logging.disable(logging.ERROR)
        cls.keys = HTTPServer(("127.0.0.1", 0), Keys)
        cls.issuer = f"http://127.0.0.1:{cls.keys.server_port}"
        probe = HTTPServer(("127.0.0.1", 0), Keys)
        cls.resource = f"http://127.0.0.1:{probe.server_port}/mcp"
        probe.server_close()
        app = program(cls.issuer, cls.resource)
        config = uvicorn.Config(app, host="127.0.0.1", port=probe.server_port, log_level="critical")
        cls.server = uvicorn.Server(config)
        cls.threads = [threading.Thread(target=cls.keys.serve_forever), threading.Thread(target=cls.server.run)]
        for thread in cls.threads:
            thread.start()
        while not cls.server.started:
            time.sleep(0.01)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.should_exit = True
        cls.keys.shutdown()
        for thread in cls.threads:
            thread.join()
        cls.keys.server_close()

    def token(self, key=KEY, typ: str = "at+jwt", **more: object) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.resource, "sub": "alex", "client_id": "test", "scope": READ}
        claims |= {"iat": now, "exp": now + 300} | more
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "1", "typ": typ})

    def ask(self, message: dict, token: str | None, **more: str) -> tuple[int, dict, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | more
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        try:
            with urlopen(Request(self.resource, body, headers)) as reply:
                return reply.status, dict(reply.headers), reply.read().decode()
        except HTTPError as refused:
            with refused:
                return refused.code, dict(refused.headers), ""

    def call(self, tool: str, token: str | None, text: str = "milk") -> tuple[int, dict, str]:
        """Opens a session, where the token is good for one, and calls a tool in it."""
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
        status, headers, _ = answer = self.ask({"id": 1, "method": "initialize", "params": hello}, token)
        if status != 200:
            return answer
        session = {"Mcp-Session-Id": headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
        self.ask({"method": "notifications/initialized"}, token, **session)
        params = {"name": tool, "arguments": {} if tool == "list_notes" else {"text": text}}
        return self.ask({"id": 2, "method": "tools/call", "params": params}, token, **session)

    def test_without_a_token_401_and_the_way_to_one(self) -> None:
        status, headers, _ = self.call("list_notes", None)
        self.assertEqual(status, 401)
        where = headers["www-authenticate"].split('resource_metadata="')[1].split('"')[0]
        with urlopen(where) as reply:
            document = json.load(reply)
        self.assertEqual((document["resource"], document["authorization_servers"]), (self.resource, [self.issuer]))

    def test_a_token_that_is_not_for_this_server_is_401(self) -> None:
        bad = {
            "aud": self.token(aud="http://127.0.0.1:1/mcp"),
            "no aud": self.token(aud=None),
            "iss": self.token(iss="http://127.0.0.1:1"),
            "typ": self.token(typ="JWT"),
            "key": self.token(key=STRANGER),
            "exp": self.token(exp=int(time.time()) - 300),
            "no exp": self.token(exp=None),
            "none": jwt.encode({"iss": self.issuer}, None, algorithm="none", headers={"typ": "at+jwt"}),
            "nothing": "x",
        }
        for what, token in bad.items():
            with self.subTest(what):
                self.assertEqual(self.call("list_notes", token)[0], 401)

    def test_reading_needs_one_scope_and_writing_another(self) -> None:
        self.assertEqual(self.call("list_notes", self.token())[0], 200)
        status, headers, _ = self.call("add_note", self.token())
        self.assertEqual(status, 403)
        for part in ("insufficient_scope", READ, WRITE):
            self.assertIn(part, headers["www-authenticate"])
        status, _, text = self.call("add_note", self.token(scope=f"{READ} {WRITE}"))
        self.assertEqual(status, 200)
        self.assertIn("added", text)

    def test_what_no_parser_can_follow_is_401_without_a_token(self) -> None:
        request = Request(self.resource, b"[" * 100_000, {"Content-Type": "application/json"})
        with self.assertRaises(HTTPError) as refused:
            urlopen(request)
        with refused.exception:
            self.assertEqual(refused.exception.code, 401)

    def test_a_call_too_long_to_be_challenged_is_refused_by_the_tool(self) -> None:
        status, _, text = self.call("add_note", self.token(), "milk" * 500_000)
        self.assertEqual(status, 200)
        self.assertIn('"isError":true', text)


if __name__ == "__main__":
    unittest.main()
