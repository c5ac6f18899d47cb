// The MCP Inspector's command line. Each call is a program of its own; credentials are kept in files.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { node22, packages } from "../places.mjs";
import { expect } from "../report.mjs";
import { finish, freePort } from "../server.mjs";
import { WireLog } from "../wire-log.mjs";
import { listen, urlIn } from "./spoken.mjs";

const launcher = path.join(packages, "@modelcontextprotocol/inspector/clients/launcher/build/index.js");

async function drive(test, name, { cimd = false } = {}) {
  const { server, documents } = test;
  const step = test.steps(name);
  const slug = name.replace(/[^A-Za-z0-9]+/g, "-");
  const log = new WireLog(path.join(test.directory, `${slug}.jsonl`));
  const home = path.join(test.directory, `${slug}-home`);
  mkdirSync(home);
  const person = await test.person();
  const callback = `http://127.0.0.1:${await freePort()}/oauth/callback`;
  const documentUrl = cimd ? documents.publish(slug, [callback]) : undefined;
  const env = {
    ...log.environment,
    HOME: home,
    // An opener that opens nothing: the URL is taken from what the Inspector prints.
    BROWSER: "true",
    MCP_AUTO_OPEN_ENABLED: "true",
    MCP_INSPECTOR_SECRET_STORE: "file",
    MCP_STORAGE_DIR: home,
    NO_COLOR: "1",
  };
  const line = (method, ...more) => [
    launcher, "--cli", "--server-url", server.resource, "--transport", "http", "--callback-url", callback, "--format", "json",
    ...(documentUrl === undefined ? [] : ["--client-metadata-url", documentUrl]),
    "--method", method, ...more,
  ];
  const echo = ["--tool-name", "echo", "--tool-arg", "text=portcullis"];
  let child;
  try {
    const before = await test.agentIds();
    const url = await step("401, discovery, registration", async () => {
      child = spawn(node22, line("tools/list"), { env: { ...process.env, ...env }, cwd: home, stdio: ["ignore", "pipe", "pipe"] });
      let stdout = "";
      child.stdout.on("data", (bytes) => (stdout += bytes));
      child.finished = new Promise((done) => child.once("close", (code) => done({ code, stdout })));
      listen(child);
      const wanted = await urlIn(child, `${server.issuer}/authorize`);
      log.mustDiscover();
      if (cimd) expect(new URL(wanted).searchParams.get("client_id") === documentUrl, "the document's URL as client_id");
      else log.must("POST", "/register", 201);
      return wanted;
    });
    await step("sign-in and consent in Chromium", () => person.signInAndConsent(url));
    await step("token, tools/list", async () => {
      const { code, stdout } = await child.finished;
      expect(code === 0, `the Inspector to end with 0, not ${code}: ${child.said.slice(-600)}`);
      log.must("POST", "/token", 200);
      expect(stdout.includes('"echo"'), "a tool named echo");
    });
    const agent = await step("one new agent in `agents list`", () => test.newAgent(before));
    await step("tools/call", async () => {
      const { stdout } = await finish(node22, line("tools/call", ...echo, "--stored-auth-only"), { env, cwd: home });
      expect(stdout.includes("portcullis"), "the echo");
    });
    await step("refresh", async () => {
      const since = log.mark();
      const { stdout } = await finish(node22, line("tools/call", ...echo, "--use-stored-auth"), { env, cwd: home });
      log.must("POST", "/token", 200, since);
      expect(stdout.includes("portcullis"), "the echo");
    });
    await step("revoked → 401", async () => {
      await server.revoke(agent.id);
      const since = log.mark();
      const { code, stderr } = await finish(node22, line("tools/call", ...echo, "--stored-auth-only"), { env, cwd: home, anyCode: true });
      expect(code !== 0, "the Inspector to fail");
      expect(stderr.includes("auth_required"), `auth_required, not ${stderr.slice(-400)}`);
      log.must("POST", "/mcp", 401, since);
    });
  } finally {
    child?.kill();
    await person.close();
  }
}

export const runs = [
  ["MCP Inspector CLI, registered", (test, name) => drive(test, name)],
  ["MCP Inspector CLI, client document", (test, name) => drive(test, name, { cimd: true })],
];
