// An OpenID provider that lies in one manner at a time; `manner` says in which. It signs nobody in by name: whoever comes is
// Mallory. Its page is skipped, as at a provider that knows its person already.
import { createHmac, createSign, generateKeyPairSync, randomBytes } from "node:crypto";
import http from "node:http";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const seconds = () => Math.floor(Date.now() / 1000);
const pair = (kid) => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { kid, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" } };
};

export class Liar {
  manner = "right";
  clientId = "portcullis";
  secret = randomBytes(24).toString("base64url");
  #key = pair("first");
  #stranger = pair("first");
  #codes = new Map();

  /** `lure(query)` gives the address of another provider that this one sends people on to. */
  static async open({ lure }) {
    const liar = new Liar();
    liar.lure = lure;
    liar.server = http.createServer((request, reply) => liar.#answer(request, reply));
    await new Promise((listening) => liar.server.listen(0, "127.0.0.1", listening));
    liar.issuer = `http://127.0.0.1:${liar.server.address().port}`;
    return liar;
  }

  /** From now on another key signs, and the old one is gone. */
  rotate() {
    this.#key = pair(randomBytes(4).toString("hex"));
  }

  #answer(request, reply) {
    const url = new URL(request.url, this.issuer);
    const json = (value, status = 200) => reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (url.pathname === "/.well-known/openid-configuration") return json(this.#discovery());
    if (url.pathname === "/keys") return json({ keys: [this.#key.jwk] });
    if (url.pathname === "/authorize") return reply.writeHead(302, { location: this.#authorized(url.searchParams) }).end();
    if (url.pathname === "/token" && this.manner === "hangs") return undefined;
    if (url.pathname !== "/token") return json({}, 404);
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      const nonce = this.#codes.get(new URLSearchParams(body).get("code"));
      json({ access_token: "of-no-use", token_type: "Bearer", expires_in: 60, id_token: this.#token(nonce) });
    });
    return undefined;
  }

  #discovery() {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/keys`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["client_secret_basic"],
      authorization_response_iss_parameter_supported: true,
    };
  }

  #authorized(asked) {
    if (this.manner === "mix-up") return this.lure(asked);
    const code = randomBytes(16).toString("hex");
    this.#codes.set(code, asked.get("nonce"));
    const back = new URL(asked.get("redirect_uri"));
    back.search = new URLSearchParams({ code, state: asked.get("state"), iss: this.manner === "iss of the answer" ? "https://elsewhere.example" : this.issuer });
    if (this.manner === "no iss in the answer") back.searchParams.delete("iss");
    return back.href;
  }

  #token(nonce) {
    const now = seconds();
    const claims = { iss: this.issuer, aud: this.clientId, sub: "mallory", nonce, iat: now, exp: now + 300, name: "Mallory", email: "mallory@acme.example", email_verified: true };
    const wrong = {
      iss: { iss: "https://elsewhere.example" },
      aud: { aud: "another-client" },
      "aud of two": { aud: [this.clientId, "another-client"] },
      nonce: { nonce: "of-another-browser" },
      "no nonce": { nonce: undefined },
      "no sub": { sub: undefined },
      exp: { iat: now - 7200, exp: now - 3600 },
      "unverified e-mail": { email_verified: false },
      "e-mail said to be verified in words": { email_verified: "yes" },
    };
    Object.assign(claims, wrong[this.manner]);
    const alg = { "alg none": "none", HS256: "HS256" }[this.manner] ?? "RS256";
    const input = `${encode({ alg, typ: "JWT", kid: this.#key.kid })}.${encode(claims)}`;
    if (alg === "none") return `${input}.`;
    if (alg === "HS256") return `${input}.${createHmac("sha256", this.secret).update(input).digest("base64url")}`;
    const { privateKey } = this.manner === "another key" ? this.#stranger : this.#key;
    return `${input}.${createSign("sha256").update(input).sign(privateKey, "base64url")}`;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((closed) => this.server.close(closed));
  }
}
