// The official conformance suite's `authorization` command: it plays an OAuth client against the
// authorization server, sending neither scope nor resource, and prints a URL for the person.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { node22, packages } from "../places.mjs";
import { expect } from "../report.mjs";
import { freePort } from "../server.mjs";
import { urlIn } from "./spoken.mjs";

const suite = path.join(packages, "@modelcontextprotocol/conformance/dist/index.js");
/** How many scenarios the command has; a newer suite with more must be looked at. */
const SCENARIOS = 2;

async function drive(test, name, { cimd = false } = {}) {
  const { server, documents } = test;
  const step = test.steps(name);
  const person = await test.person();
  const port = await freePort();
  const redirect = `http://127.0.0.1:${port}/callback`;
  const results = path.join(test.directory, name.replace(/[^A-Za-z0-9]+/g, "-"));
  let child;
  try {
    const client = await step(cimd ? "client document" : "registration", async () => {
      if (cimd) return documents.publish("conformance", [redirect]);
      const reply = await fetch(`${server.issuer}/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ client_name: name, redirect_uris: [redirect], token_endpoint_auth_method: "none" }),
      });
      expect(reply.status === 201, `201, not ${reply.status}`);
      return (await reply.json()).client_id;
    });
    const ended = await step("authorize URL", async () => {
      const args = ["authorization", "--url", server.issuer, "--client-id", client, "--port", String(port), "--output-dir", results];
      child = spawn(node22, [suite, ...args], { cwd: test.directory, stdio: ["ignore", "pipe", "pipe"] });
      return { url: await urlIn(child, `${server.issuer}/authorize`), code: new Promise((done) => child.once("close", done)) };
    });
    await step("sign-in and consent in Chromium", () => person.signInAndConsent(ended.url));
    await step("both scenarios pass without a warning", async () => {
      const code = await ended.code;
      expect(code === 0, `the suite to end with 0, not ${code}`);
      const checks = found(results);
      const scenarios = new Set(checks.map((check) => check.file));
      expect(scenarios.size === SCENARIOS, `${SCENARIOS} scenarios, not ${scenarios.size}`);
      for (const check of checks) {
        expect(check.status === "SUCCESS", `SUCCESS for ${check.id}, not ${check.status}: ${check.errorMessage ?? ""}`);
      }
      expect(checks.some((check) => check.id === "authorization-server-metadata-cimd"), "client documents to be checked");
    });
  } finally {
    child?.kill();
    await person.close();
  }
}

/** Every check of every `checks.json` below `directory`. */
function found(directory) {
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory, { recursive: true }).filter((file) => path.basename(file) === "checks.json");
  return files.flatMap((file) => JSON.parse(readFileSync(path.join(directory, file), "utf8")).map((check) => ({ ...check, file })));
}

export const runs = [
  ["conformance suite, registered", (test, name) => drive(test, name)],
  ["conformance suite, client document", (test, name) => drive(test, name, { cimd: true })],
];
