// The server and real HTTP around it; only the issuer is played, with a key of its own.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { READ, WRITE } from "../src/auth.ts";
import { serve } from "../src/server.ts";

let issuer = "";
let resource: URL;
const servers: Server[] = [];
const { publicKey, privateKey } = await generateKeyPair("ES256");
const stranger = await generateKeyPair("ES256");

const listen = async (server: Server, port = 0) => {
  servers.push(server);
  await new Promise<void>((ready) => server.listen(port, "127.0.0.1", ready));
  return (server.address() as AddressInfo).port;
};

before(async () => {
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] });
  issuer = `http://127.0.0.1:${await listen(createServer((_, reply) => void reply.end(jwks)))}`;
  const probe = createServer();
  const port = await listen(probe);
  await new Promise((closed) => probe.close(closed));
  resource = new URL(`http://127.0.0.1:${port}/mcp`);
  await listen(serve(issuer, resource), port);
});
after(() => servers.forEach((server) => server.close()));

const claims = () => ({ iss: issuer, aud: resource.href, sub: "alex", client_id: "test", scope: READ });
const sign = (more: object = {}, { typ = "at+jwt", key = privateKey, life = "5m" } = {}) =>
  new SignJWT({ ...claims(), ...more }).setProtectedHeader({ alg: "ES256", kid: "1", typ }).setIssuedAt().setExpirationTime(life).sign(key);

const call = (tool: string, token?: string) =>
  fetch(resource, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, arguments: { text: "milk" } } }),
  });

test("without a token: 401, and the way to one", async () => {
  const refused = await call("list_notes");
  assert.equal(refused.status, 401);
  const where = /resource_metadata="([^"]+)"/.exec(refused.headers.get("www-authenticate") ?? "")?.[1];
  const document = (await (await fetch(String(where))).json()) as Record<string, unknown>;
  assert.deepEqual([document.resource, document.authorization_servers], [resource.href, [issuer]]);
});

test("a token for another server, of another issuer, kind or key, or too old: 401", async () => {
  const bad = {
    aud: await sign({ aud: "http://127.0.0.1:1/mcp" }),
    iss: await sign({ iss: "http://127.0.0.1:1" }),
    typ: await sign({}, { typ: "JWT" }),
    key: await sign({}, { key: stranger.privateKey }),
    exp: await sign({}, { life: "-5m" }),
    none: `${btoa('{"alg":"none","typ":"at+jwt"}')}.${btoa(JSON.stringify(claims()))}.`.replaceAll("=", ""),
  };
  for (const [what, token] of Object.entries(bad)) assert.equal((await call("list_notes", token)).status, 401, what);
});

test("reading needs one scope, writing another: 403 names both", async () => {
  assert.equal((await call("list_notes", await sign())).status, 200);
  const refused = await call("add_note", await sign());
  assert.equal(refused.status, 403);
  const challenge = refused.headers.get("www-authenticate") ?? "";
  for (const part of ["insufficient_scope", READ, WRITE]) assert.ok(challenge.includes(part), challenge);
  const added = await call("add_note", await sign({ scope: `${READ} ${WRITE}` }));
  assert.match(await added.text(), /added/);
});
