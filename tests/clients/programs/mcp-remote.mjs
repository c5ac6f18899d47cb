// mcp-remote: a stdio server to its own client (here: the TypeScript SDK), an OAuth client to us.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { node22, packages } from "../places.mjs";
import { expect, within } from "../report.mjs";
import { freePort } from "../server.mjs";
import { WireLog } from "../wire-log.mjs";
import { textOf } from "./typescript.mjs";

const proxy = path.join(packages, "mcp-remote/dist/proxy.js");

async function drive(test, name, { cimd = false } = {}) {
  const { server, documents } = test;
  const step = test.steps(name);
  const slug = name.replace(/[^A-Za-z0-9]+/g, "-");
  const log = new WireLog(path.join(test.directory, `${slug}.jsonl`));
  const home = path.join(test.directory, `${slug}-home`);
  mkdirSync(home);
  const person = await test.person();
  const port = await freePort();
  const documentUrl = cimd ? documents.publish(slug, [`http://localhost:${port}/oauth/callback`]) : undefined;
  const open = [];
  const start = () => {
    const transport = new StdioClientTransport({
      command: node22,
      args: [proxy, server.resource, String(port), "--transport", "http-only", ...(cimd ? ["--client-metadata-url", documentUrl] : [])],
      env: { ...process.env, ...log.environment, HOME: home, MCP_REMOTE_CONFIG_DIR: home, BROWSER: "true" },
      stderr: "pipe",
      cwd: home,
    });
    const run = { client: new Client({ name: "portcullis-tests", version: "1.0.0" }), said: "" };
    transport.stderr.on("data", (bytes) => (run.said += bytes));
    run.connected = run.client.connect(transport);
    run.connected.catch(() => {});
    open.push(run);
    return run;
  };
  const spoken = (run, prefix) => within(20_000, `mcp-remote to name ${prefix}; it said: ${run.said.slice(-400)}`, (async () => {
    for (;;) {
      const match = run.said.slice(Math.max(0, run.said.indexOf(prefix))).match(/^\S+(?=\s)/);
      if (run.said.includes(prefix) && match) return match[0];
      await new Promise((later) => setTimeout(later, 50));
    }
  })());
  const echo = async (run) => {
    const answer = textOf(await run.client.callTool({ name: "echo", arguments: { text: "portcullis" } }));
    expect(answer.includes("portcullis"), `the echo, not ${answer}`);
  };
  try {
    const before = await test.agentIds();
    const first = start();
    const url = await step("401, discovery, registration", async () => {
      const wanted = await spoken(first, `${server.issuer}/authorize`);
      log.mustDiscover();
      if (cimd) expect(new URL(wanted).searchParams.get("client_id") === documentUrl, "the document's URL as client_id");
      else log.must("POST", "/register", 201);
      return wanted;
    });
    await step("sign-in and consent in Chromium", () => person.signInAndConsent(url));
    await step("token, tools/list", async () => {
      await first.connected;
      log.must("POST", "/token", 200);
      const { tools } = await first.client.listTools();
      expect(tools.some((tool) => tool.name === "echo"), "a tool named echo");
    });
    const agent = await step("one new agent in `agents list`", () => test.newAgent(before));
    await step("tools/call", () => echo(first));
    const second = await step("refresh", async () => {
      await first.client.close();
      const since = log.mark();
      expire(home);
      const run = start();
      await run.connected;
      await echo(run);
      log.must("POST", "/token", 200, since);
      expect(!run.said.includes("/authorize?"), "no new sign-in");
      return run;
    });
    await step("revoked → 401", async () => {
      await server.revoke(agent.id);
      const since = log.mark();
      const attempt = second.client.callTool({ name: "echo", arguments: { text: "too late" } }, undefined, { timeout: 30_000 });
      attempt.catch(() => {});
      await Promise.race([spoken(second, `${server.issuer}/authorize`), attempt.then(() => { throw new Error("the call went through"); }, () => {})]);
      await log.comes("POST", "/mcp", 401, since);
    });
  } finally {
    for (const run of open) await run.client.close().catch(() => {});
    await person.close();
  }
}

/** Lets the stored access token expire, in the file where mcp-remote keeps it. */
function expire(home) {
  const files = readdirSync(home, { recursive: true }).filter((file) => file.endsWith("tokens.json"));
  expect(files.length === 1, `one token file, not ${files.length}`);
  const file = path.join(home, files[0]);
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), expires_at: Date.now() - 1_000 }));
}

export const runs = [
  ["mcp-remote, registered", (test, name) => drive(test, name)],
  ["mcp-remote, client document", (test, name) => drive(test, name, { cimd: true })],
];
