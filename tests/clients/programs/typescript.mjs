// What versions 1 and 2 of the MCP TypeScript SDK have in common, step by step.
import { Callback } from "../callback.mjs";
import { Provider } from "../provider.mjs";
import { expect } from "../report.mjs";
import { WireLog } from "../wire-log.mjs";
import path from "node:path";

/** The text of a tool's answer. */
export const textOf = (result) => result.content.map((part) => part.text ?? "").join("");

/**
 * Runs one client from the first 401 to the 401 after revocation.
 * `sdk` gives `Client`, `Transport`, `UnauthorizedError`, `options` for the client, and
 * `finish(transport, arrival)` to hand over what the browser brought back.
 */
export async function drive(test, name, sdk, { cimd = false, stepUp = false, again = false } = {}) {
  const { server, documents, directory } = test;
  const step = test.steps(name);
  const slug = name.replace(/[^A-Za-z0-9]+/g, "-");
  const log = new WireLog(path.join(directory, `${slug}.jsonl`));
  const person = await test.person();
  const callback = await Callback.open();
  const documentUrl = cimd ? documents.publish(slug, [callback.url]) : undefined;
  const provider = new Provider(callback.url, name, documentUrl);
  const connect = async () => {
    const transport = new sdk.Transport(new URL(server.resource), { authProvider: provider, fetch: log.fetch });
    const client = new sdk.Client({ name: "portcullis-tests", version: "1.0.0" }, sdk.options);
    return { client, transport, connected: client.connect(transport) };
  };
  const refused = async (attempt) => {
    try {
      await attempt;
    } catch (error) {
      expect(error instanceof sdk.UnauthorizedError, `UnauthorizedError, not ${error.name}: ${error.message}`);
      return;
    }
    throw new Error("expected the SDK to ask for authorization");
  };
  let client;
  let echo;
  try {
    const before = await test.agentIds();
    const first = await step("401, discovery, registration", async () => {
      const attempt = await connect();
      await refused(attempt.connected);
      log.mustDiscover();
      if (cimd) {
        expect(!log.saw("POST", "/register", 201), "no registration when the client has a document");
        expect(provider.wanted.searchParams.get("client_id") === documentUrl, "the document's URL as client_id");
      } else {
        log.must("POST", "/register", 201);
      }
      expect(provider.wanted.searchParams.get("resource") === server.resource, "resource in the authorize URL");
      return attempt;
    });
    const arrival = await step("sign-in and consent in Chromium", async () => {
      await person.signInAndConsent(provider.take());
      if (cimd) expect(documents.reads(documentUrl) > 0, "the server to have read the client's document");
      return callback.arrival();
    });
    await step("token", async () => {
      expect(arrival.searchParams.get("iss") === server.issuer, "iss in the answer");
      await sdk.finish(first.transport, arrival);
      log.must("POST", "/token", 200);
      expect(provider.tokens().refresh_token !== undefined, "a refresh token");
    });
    const agent = await step("one new agent in `agents list`", () => test.newAgent(before));
    client = await step("tools/list", async () => {
      const attempt = await connect();
      await attempt.connected;
      const { tools } = await attempt.client.listTools();
      expect(tools.some((tool) => tool.name === "echo"), "a tool named echo");
      return attempt.client;
    });
    echo = async (text) => {
      const answer = textOf(await client.callTool({ name: "echo", arguments: { text } }));
      expect(answer.includes(text), `the echo of ${text}, not ${answer}`);
    };
    await step("tools/call", () => echo("portcullis"));
    await step("refresh", async () => {
      const since = log.mark();
      const old = provider.tokens();
      provider.outlive();
      await echo("after refresh");
      log.must("POST", "/mcp", 401, since);
      log.must("POST", "/token", 200, since);
      const fresh = provider.tokens();
      expect(provider.wanted === undefined, "no new sign-in");
      expect(fresh.access_token !== old.access_token && fresh.refresh_token !== old.refresh_token, "both tokens to be new");
    });
    let live = agent;
    if (stepUp) live = await upgrade(agent);
    if (again) live = await signInAgain();
    await step("revoked → 401", async () => {
      const token = provider.tokens().access_token;
      await server.revoke(live.id);
      const since = log.mark();
      await refused(echo("too late"));
      log.must("POST", "/mcp", 401, since);
      expect(provider.take() !== undefined, "the SDK to ask for a new sign-in");
      const bare = await server.call(token);
      expect(bare.status === 401, `401 for the revoked token, not ${bare.status}`);
      expect((bare.headers.get("www-authenticate") ?? "").includes('error="invalid_token"'), "error invalid_token in the challenge");
    });
  } finally {
    await client?.close().catch(() => {});
    await callback.close();
    await person.close();
  }

  /** 403 insufficient_scope, consent for the further scope, and the call again. */
  async function upgrade(agent) {
    const write = { name: "write_note", arguments: { name: "step-up", text: "written after step-up" } };
    const before = await test.agentIds();
    await step("step-up: 403 insufficient_scope", async () => {
      const since = log.mark();
      await refused(client.callTool(write));
      log.must("POST", "/mcp", 403, since);
      const scopes = provider.wanted.searchParams.get("scope")?.split(" ") ?? [];
      expect(scopes.includes("notes:write"), `notes:write to be asked for, not ${scopes}`);
    });
    await step("step-up: consent and token", async () => {
      await person.signInAndConsent(provider.take(), { tick: ["notes:write"], replace: true });
      await sdk.finish(client.transport, await callback.arrival());
      const granted = provider.tokens().scope?.split(" ") ?? [];
      expect(granted.includes("notes:write"), `notes:write to be granted, not ${granted}`);
    });
    await step("step-up: the call now succeeds", async () => {
      const answer = await client.callTool(write);
      expect(answer.isError !== true, `no tool error: ${textOf(answer)}`);
    });
    await step("step-up: what it could do before, it still can", () => echo("still"));
    return step("step-up: one new agent, and the replaced one ends", async () => {
      const fresh = await test.newAgent(before);
      await test.ended(agent);
      return fresh;
    });
  }

  /** A client that lost its tokens, while the server still knows its agent. */
  async function signInAgain() {
    const before = await test.agentIds();
    await step("tokens lost: consent again for the same scopes", async () => {
      provider.invalidateCredentials("tokens");
      await refused(echo("nobody"));
      await person.signInAndConsent(provider.take());
      await sdk.finish(client.transport, await callback.arrival());
    });
    await step("tokens lost: the call succeeds again", () => echo("back again"));
    return step("tokens lost: one new agent", () => test.newAgent(before));
  }
}
