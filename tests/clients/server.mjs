// The server under test: the real binary, on a free loopback port, with a data directory of its own.
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { binary } from "./places.mjs";

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export function freePort() {
  return new Promise((found, refuse) => {
    const probe = net.createServer();
    probe.on("error", refuse);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
}

/** Runs a program to its end; refuses when it ends with another code than 0, unless `anyCode`. */
export function finish(program, args, { input = "", env, cwd, timeout = 60_000, anyCode = false } = {}) {
  return new Promise((done, refuse) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, timeout, stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (bytes) => (stdout += bytes));
    child.stderr.on("data", (bytes) => (stderr += bytes));
    child.on("error", refuse);
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("close", (code) => {
      if (code === 0 || anyCode) done({ code, stdout, stderr });
      else refuse(new Error(`${path.basename(program)} ${args.slice(0, 2).join(" ")} ended with ${code}: ${stderr.slice(-600)}`));
    });
  });
}

export class Server {
  /** The data directory. */
  data;
  /** The issuer, as the protected resource metadata names it. */
  issuer;
  /** The guarded MCP URL, as the protected resource metadata names it. */
  resource;
  #child;
  #ended;

  constructor(directory) {
    this.data = path.join(directory, "data");
    this.log = path.join(directory, "server.log");
  }

  /** Runs a command of the binary on this data directory: `server.command(["agents", "list"])`. */
  async command(args, input) {
    return (await finish(binary, [...args, "--data-dir", this.data], { input })).stdout;
  }

  /** Adds a person who signs in with a password. */
  addPerson(name, password) {
    return this.command(["users", "add", name, "--password-stdin"], password);
  }

  /** Starts `portcullis guard` over the built-in MCP server, with `more` arguments. */
  async start(more = []) {
    if (!existsSync(binary)) throw new Error(`no binary at ${binary}: build it first (cargo build), or set PORTCULLIS_BIN`);
    const port = await freePort();
    this.origin = `http://127.0.0.1:${port}`;
    const args = ["guard", "--listen", `127.0.0.1:${port}`, "--data-dir", this.data, ...more];
    this.#child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    const log = createWriteStream(this.log, { flags: "a" });
    this.#child.stdout.pipe(log, { end: false });
    this.#child.stderr.pipe(log, { end: false });
    this.#ended = new Promise((ended) => this.#child.once("close", (code) => ended(code)));
    const failed = this.#ended.then((code) => {
      throw new Error(`the server ended with ${code} before it answered: ${this.tail()}`);
    });
    failed.catch(() => {});
    const document = await Promise.race([failed, this.#answer()]);
    this.resource = document.resource;
    this.issuer = document.authorization_servers[0];
  }

  async #answer() {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      try {
        const reply = await fetch(`${this.origin}/.well-known/oauth-protected-resource`);
        if (reply.ok) return await reply.json();
      } catch {
        // Not listening yet.
      }
      await new Promise((later) => setTimeout(later, 50));
    }
    throw new Error(`the server did not answer in 10 s: ${this.tail()}`);
  }

  /** What the server said last. */
  tail(characters = 800) {
    return existsSync(this.log) ? readFileSync(this.log, "utf8").slice(-characters) : "";
  }

  /** The agents, as the command line lists them. */
  async agents() {
    const lines = (await this.command(["agents", "list", "--json"])).split("\n");
    return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line));
  }

  /** Cuts an agent off; returns when the cut is enforced. */
  revoke(agent) {
    return this.command(["agents", "revoke", String(agent)]);
  }

  /** Calls the guarded endpoint without any client, with `token` if given. */
  call(token, body = { jsonrpc: "2.0", id: 1, method: "ping" }) {
    return fetch(this.resource, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
  }

  /** Ends the server, if it was started. */
  async stop() {
    if (this.#child === undefined || this.#child.exitCode !== null) return;
    this.#child.kill("SIGTERM");
    const patience = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await this.#ended;
    clearTimeout(patience);
  }
}
