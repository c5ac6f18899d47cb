"""A SAML identity provider on pysaml2: a login page, its metadata, and one manner at a time.

PUT /manner/NAME says how it answers from now on: `right`, or one of the faults of `MANNERS`. GET /unsolicited answers a
question that nobody asked (IdP-initiated sign-in). The service provider's metadata is fetched when the first person comes,
or made of --sp and --acs where there is none.
"""

import argparse
import base64
import html
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NAMEID_FORMAT_TRANSIENT, NAME_FORMAT_URI, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA1, DIGEST_SHA256, SIG_RSA_SHA1, SIG_RSA_SHA256

MANNERS = ["right", "plain", "sha1", "transient", "unsigned", "audience", "late", "recipient", "unknown-request", "altered"]
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
FOREIGN = "https://somebody-else.example/metadata"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><main><h1>{title}</h1>{body}</main>"""
LOGIN = """{alert}<form method="post" action="/login"><input type="hidden" name="SAMLRequest" value="{request}">
<input type="hidden" name="RelayState" value="{relay}"><label>Name <input name="username"></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form>"""
ANSWER = """<form method="post" action="{acs}"><input type="hidden" name="SAMLResponse" value="{response}">{state}
<button>Continue</button></form><script>document.forms[0].submit()</script>"""
SP = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity}"><md:SPSSODescriptor
 protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" WantAssertionsSigned="true"><md:AssertionConsumerService
 Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{acs}" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>"""

words = argparse.ArgumentParser()
words.add_argument("--port", type=int, required=True)
for name in ["key", "certificate", "people", "sp", "acs"]:
    words.add_argument(f"--{name}", required=True)
words.add_argument("--sp-metadata", help="where the service provider publishes its metadata")
words.add_argument("--manner", choices=MANNERS, default="right")
said = words.parse_args()
base = f"http://localhost:{said.port}"
state = {"manner": said.manner}
servers: dict[int, Server] = {}


def configuration(service_providers: list[str], minutes: int = 5) -> IdPConfig:
    """`minutes`: how long what is said of a person holds."""
    policy = {
        "lifetime": {"minutes": minutes},
        "attribute_restrictions": None,
        "name_form": NAME_FORMAT_URI,
        "nameid_format": NAMEID_FORMAT_PERSISTENT,
        "sign": [],
    }
    endpoints = {"single_sign_on_service": [(f"{base}/sso", BINDING_HTTP_REDIRECT)]}
    config = IdPConfig()
    config.load(
        {
            "entityid": f"{base}/metadata",
            "key_file": said.key,
            "cert_file": said.certificate,
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "metadata": {"inline": service_providers},
            "service": {"idp": {"endpoints": endpoints, "policy": {"default": policy}}},
        }
    )
    return config


def server(minutes: int = 5) -> Server:
    if minutes not in servers:
        ours = urlopen(said.sp_metadata, timeout=10).read().decode() if said.sp_metadata else SP.format(entity=said.sp, acs=said.acs)
        both = [ours, SP.format(entity=FOREIGN, acs=said.acs)]
        servers[minutes] = Server(config=configuration(both, minutes))
    return servers[minutes]


def answer(login: str, person: dict, request_id: str | None) -> str:
    """The signed response for a person, in the manner of the day."""
    manner = state["manner"]
    sha1 = manner == "sha1"
    transient = manner == "transient"
    audience = FOREIGN if manner == "audience" else said.sp
    name_id = NameID(
        format=NAMEID_FORMAT_TRANSIENT if transient else NAMEID_FORMAT_PERSISTENT,
        name_qualifier=f"{base}/metadata",
        sp_name_qualifier=said.sp,
        text=f"pysaml2-{login}",
    )
    farg = None
    if manner == "recipient":
        data = {"recipient": "https://somebody-else.example/acs", "in_response_to": request_id}
        farg = {"assertion": {"subject": {"subject_confirmation": {"subject_confirmation_data": data}}}}
    identity = {"uid": [login], "displayName": [person["name"]], "mail": [person["email"]], "groups": person["groups"]}
    made = server(-10 if manner == "late" else 5).create_authn_response(
        identity,
        in_response_to="id-nobody-asked" if manner == "unknown-request" else request_id,
        destination=said.acs,
        sp_entity_id=audience,
        name_id=name_id,
        authn={"class_ref": PASSWORD, "authn_auth": base},
        sign_response=manner in ("right", "unsigned"),
        sign_assertion=manner != "unsigned",
        sign_alg=SIG_RSA_SHA1 if sha1 else SIG_RSA_SHA256,
        digest_alg=DIGEST_SHA1 if sha1 else DIGEST_SHA256,
        **({"farg": farg} if farg else {}),
    )
    made = str(made)
    return re.sub(r"pysaml2-\w+", "pysaml2-root", made) if manner == "altered" else made


class Idp(BaseHTTPRequestHandler):
    def reply(self, body: str, status: int = 200, kind: str = "text/html; charset=utf-8") -> None:
        encoded = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def page(self, title: str, body: str) -> None:
        self.reply(PAGE.format(title=title, body=body))

    def sign_in(self, request: str, relay: str, alert: str = "") -> None:
        form = LOGIN.format(alert=alert, request=html.escape(request), relay=html.escape(relay))
        self.page("Sign in at Acme", form)

    def send(self, login: str, person: dict, request_id: str | None, relay: str) -> None:
        response = base64.b64encode(answer(login, person, request_id).encode()).decode()
        state = f'<input type="hidden" name="RelayState" value="{html.escape(relay)}">' if relay else ""
        self.page("Going back", ANSWER.format(acs=said.acs, response=response, state=state))

    def do_PUT(self) -> None:
        manner = self.path.removeprefix("/manner/")
        if manner not in MANNERS:
            return self.reply("no such manner", 404)
        state["manner"] = manner
        return self.reply("")

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(place.query).items()}
        if place.path == "/metadata":
            config = configuration([SP.format(entity=said.sp, acs=said.acs)])
            return self.reply(str(entity_descriptor(config)), kind="application/samlmetadata+xml")
        if place.path == "/sso":
            return self.sign_in(query["SAMLRequest"], query.get("RelayState", ""))
        if place.path == "/unsolicited":
            return self.send(query["username"], people()[query["username"]], None, query.get("RelayState", ""))
        return self.reply("no such page", 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        relay = form.get("RelayState", "")
        login = form.get("username", "")
        person = people().get(login)
        if person is None or person["password"] != form.get("password"):
            return self.sign_in(form["SAMLRequest"], relay, "<p role=alert>Wrong name or password.")
        asked = server().parse_authn_request(form["SAMLRequest"], BINDING_HTTP_REDIRECT).message
        return self.send(login, person, asked.id, relay)

    def log_message(self, how: str, *what: object) -> None:
        sys.stderr.write(how % what + "\n")


def people() -> dict:
    with open(said.people, encoding="utf-8") as file:
        return json.load(file)


listener = ThreadingHTTPServer(("127.0.0.1", said.port), Idp)
print("listening", flush=True)
listener.serve_forever()
