// oauth4webapi: a strict general OAuth client that knows nothing of MCP.
import * as oauth from "oauth4webapi";
import path from "node:path";
import { Callback } from "../callback.mjs";
import { expect } from "../report.mjs";
import { WireLog } from "../wire-log.mjs";

const MESSAGE = { "content-type": "application/json", accept: "application/json, text/event-stream" };

async function drive(test, name, { cimd = false } = {}) {
  const { server, documents } = test;
  const step = test.steps(name);
  const log = new WireLog(path.join(test.directory, `${name.replace(/[^A-Za-z0-9]+/g, "-")}.jsonl`));
  const http = { [oauth.allowInsecureRequests]: true, [oauth.customFetch]: log.fetch };
  const person = await test.person();
  const callback = await Callback.open();
  const url = new URL(server.resource);
  let session;
  const post = (token, message) => {
    const headers = new Headers({ ...MESSAGE, ...(session === undefined ? {} : { "mcp-session-id": session }) });
    return oauth.protectedResourceRequest(token, "POST", url, headers, JSON.stringify({ jsonrpc: "2.0", ...message }), http);
  };
  const send = async (token, method, params = {}) => readMessage(await post(token, { id: 1, method, params }));
  const initialize = async (token) => {
    const client = { name: "portcullis-tests", version: "1.0.0" };
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: client };
    const reply = await post(token, { id: 0, method: "initialize", params });
    session = reply.headers.get("mcp-session-id") ?? undefined;
    await readMessage(reply);
    await (await post(token, { method: "notifications/initialized" })).text();
  };
  const challenged = async (attempt) => {
    try {
      await attempt;
    } catch (error) {
      expect(error instanceof oauth.WWWAuthenticateChallengeError, `a challenge, not ${error.name}: ${error.message}`);
      expect(error.status === 401, `401, not ${error.status}`);
      expect(error.cause[0].scheme === "bearer", "the Bearer challenge first");
      return error.cause[0].parameters;
    }
    throw new Error("expected to be refused");
  };
  try {
    await step("401 with a challenge", async () => {
      const reply = await server.call();
      const challenge = reply.headers.get("www-authenticate") ?? "";
      expect(reply.status === 401 && /^Bearer /.test(challenge), "401 and a Bearer challenge");
      expect(!challenge.includes("error="), "no error code when nothing was presented");
      expect(challenge.includes(`resource_metadata="${server.origin}/.well-known/oauth-protected-resource`), "an absolute resource_metadata");
    });
    const as = await step("discovery", async () => {
      const resource = await oauth.processResourceDiscoveryResponse(url, await oauth.resourceDiscoveryRequest(url, http));
      const issuer = new URL(resource.authorization_servers[0]);
      const reply = await oauth.discoveryRequest(issuer, { ...http, algorithm: "oauth2" });
      const found = await oauth.processDiscoveryResponse(issuer, reply);
      expect(found.authorization_response_iss_parameter_supported === true, "iss to be announced");
      expect(found.code_challenge_methods_supported.join() === "S256", "S256 and nothing else");
      return found;
    });
    const client = await step(cimd ? "client document over plain loopback http" : "registration", async () => {
      if (cimd) {
        expect(as.client_id_metadata_document_supported === true, "client documents to be announced");
        return { client_id: documents.publish("general", [callback.url], { secure: false }) };
      }
      const wish = { client_name: name, redirect_uris: [callback.url], token_endpoint_auth_method: "none" };
      return oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, wish, http));
    });
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const challenge = await oauth.calculatePKCECodeChallenge(verifier);
    const authorize = (more = {}) => {
      const target = new URL(as.authorization_endpoint);
      target.search = new URLSearchParams({
        response_type: "code",
        client_id: client.client_id,
        redirect_uri: callback.url,
        code_challenge: challenge,
        code_challenge_method: "S256",
        resource: server.resource,
        state,
        ...more,
      });
      return target;
    };
    await step("denied at consent → access_denied with iss", async () => {
      await person.signInAndConsent(authorize(), { allow: false });
      const arrival = await callback.arrival();
      try {
        oauth.validateAuthResponse(as, client, arrival, state);
      } catch (error) {
        expect(error instanceof oauth.AuthorizationResponseError, `an error from the server, not ${error.message}`);
        expect(error.error === "access_denied", `access_denied, not ${error.error}`);
        expect(arrival.searchParams.get("iss") === server.issuer, "iss in the error");
        return;
      }
      throw new Error("expected the answer to be an error");
    });
    const before = await test.agentIds();
    const answer = await step("sign-in and consent in Chromium", async () => {
      await person.signInAndConsent(authorize());
      return oauth.validateAuthResponse(as, client, await callback.arrival(), state);
    });
    const redeem = () => oauth.authorizationCodeGrantRequest(as, client, oauth.None(), answer, callback.url, verifier, http);
    const tokens = await step("token", async () => oauth.processAuthorizationCodeResponse(as, client, await redeem()));
    const agent = await step("one new agent in `agents list`", () => test.newAgent(before));
    await step("the access token is a JWT for this resource (RFC 9068)", async () => {
      const request = new Request(url, { headers: { authorization: `Bearer ${tokens.access_token}` } });
      const claims = await oauth.validateJwtAccessToken(as, request, server.resource, http);
      expect(claims.client_id === client.client_id, "the client's id among the claims");
    });
    await step("tools/list", async () => {
      await initialize(tokens.access_token);
      const { result } = await send(tokens.access_token, "tools/list");
      expect(result.tools.some((tool) => tool.name === "echo"), "a tool named echo");
    });
    const echo = async (token) => {
      const { result } = await send(token, "tools/call", { name: "echo", arguments: { text: "portcullis" } });
      expect(JSON.stringify(result.content).includes("portcullis"), "the echo");
    };
    await step("tools/call", () => echo(tokens.access_token));
    const fresh = await step("refresh", async () => {
      const reply = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), tokens.refresh_token, http);
      const next = await oauth.processRefreshTokenResponse(as, client, reply);
      await echo(next.access_token);
      return next;
    });
    await step("revoked → 401", async () => {
      await server.revoke(agent.id);
      for (const token of [tokens.access_token, fresh.access_token]) {
        const parameters = await challenged(send(token, "tools/list"));
        expect(parameters.error === "invalid_token", `invalid_token, not ${parameters.error}`);
      }
      const reply = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), fresh.refresh_token, http);
      const refusal = await oauth.processRefreshTokenResponse(as, client, reply).then(() => undefined, (error) => error);
      expect(refusal instanceof oauth.ResponseBodyError && refusal.error === "invalid_grant", "invalid_grant for the refresh token");
    });
  } finally {
    await callback.close();
    await person.close();
  }
}

/** One JSON-RPC answer, whether it came as JSON or as the only event of a stream. */
async function readMessage(reply) {
  const text = await reply.text();
  expect(reply.status === 200, `200, not ${reply.status}: ${text.slice(0, 300)}`);
  if (!reply.headers.get("content-type")?.startsWith("text/event-stream")) return JSON.parse(text);
  const data = text.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
  return JSON.parse(data.findLast((line) => line !== ""));
}

export const runs = [
  ["oauth4webapi, registered", (test, name) => drive(test, name)],
  ["oauth4webapi, client document", (test, name) => drive(test, name, { cimd: true })],
];
