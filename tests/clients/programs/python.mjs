// The MCP Python SDK. python_client.py is the client; it asks for the person and for the revocation
// by writing a line, and goes on when a line comes back.
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { here, python } from "../places.mjs";
import { expect } from "../report.mjs";
import { Callback } from "../callback.mjs";
import { WireLog } from "../wire-log.mjs";

async function drive(test, name, { cimd = false } = {}) {
  const { server, documents } = test;
  const step = test.steps(name);
  const slug = name.replace(/[^A-Za-z0-9]+/g, "-");
  const log = new WireLog(path.join(test.directory, `${slug}.jsonl`));
  const person = await test.person();
  const callback = await Callback.open();
  const documentUrl = cimd ? documents.publish(slug, [callback.url]) : "";
  const child = spawn(python, [path.join(here, "programs/python_client.py"), server.resource, callback.url, log.file, documentUrl], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (bytes) => (complaint += bytes));
  const ended = new Promise((done) => child.once("close", done));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** The next thing the client says, which must be of this kind. */
  const next = async (kind) => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the client ended: ${complaint.split("\n").filter((line) => /\w/.test(line)).slice(-3).join(" ")}`);
    const said = JSON.parse(value);
    expect(said.kind === kind, `${kind}, not ${value}; ${complaint.slice(-400)}`);
    return said;
  };
  const tell = (answer) => child.stdin.write(`${JSON.stringify(answer)}\n`);
  const authorize = async (url, how) => {
    await person.signInAndConsent(url, how);
    const arrival = await callback.arrival();
    tell(Object.fromEntries(arrival.searchParams));
  };
  try {
    const before = await test.agentIds();
    const url = await step("401, discovery, registration", async () => {
      const wanted = (await next("authorize")).url;
      log.mustDiscover();
      if (cimd) expect(new URL(wanted).searchParams.get("client_id") === documentUrl, "the document's URL as client_id");
      else log.must("POST", "/register", 201);
      return wanted;
    });
    await step("sign-in and consent in Chromium", () => authorize(url));
    await step("token, tools/list", async () => {
      const { tools } = await next("tools");
      expect(tools.includes("echo"), "a tool named echo");
      log.must("POST", "/token", 200);
    });
    let agent = await step("one new agent in `agents list`", () => test.newAgent(before));
    await step("tools/call", async () => expect((await next("called")).text.includes("portcullis"), "the echo"));
    await step("refresh", async () => {
      const since = log.mark();
      tell("refresh");
      const { text, renewed } = await next("refreshed");
      expect(text.includes("portcullis") && renewed, "the echo, with a new token");
      log.must("POST", "/token", 200, since);
    });
    if (!cimd) {
      await step("step-up: 403 insufficient_scope, consent, the call succeeds", async () => {
        const known = await test.agentIds();
        const since = log.mark();
        tell("step-up");
        const wanted = (await next("authorize")).url;
        log.must("POST", "/mcp", 403, since);
        await authorize(wanted, { tick: ["notes:write"], replace: true });
        await next("stepped-up");
        agent = await test.newAgent(known);
      });
    }
    await step("revoked → 401", async () => {
      await server.revoke(agent.id);
      const since = log.mark();
      tell("revoked");
      await next("refused");
      log.must("POST", "/mcp", 401, since);
    });
    await step("ends well", async () => {
      const code = await ended;
      expect(code === 0, `the client to end with 0, not ${code}: ${complaint.slice(-400)}`);
    });
  } finally {
    child.kill();
    await callback.close();
    await person.close();
  }
}

export const runs = [
  ["Python SDK, registered", (test, name) => drive(test, name)],
  ["Python SDK, client document", (test, name) => drive(test, name, { cimd: true })],
];
