// The server under test: the real binary, on a free loopback port, with a data directory of its own.
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
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
    mkdirSync(directory, { recursive: true });
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

  /** Starts `portcullis guard` over the built-in MCP server, with `more` arguments, and `behind` after all of them. */
  async start(more = [], behind = []) {
    const port = await freePort();
    const args = ["guard", "--listen", `127.0.0.1:${port}`, "--data-dir", this.data, ...more, ...behind];
    const document = await this.#launch(port, args, "oauth-protected-resource");
    this.resource = document.resource;
    this.issuer = document.authorization_servers[0];
  }

  /** Starts `portcullis serve` on `at` or a free port; `config` is what stands in the file below `listen`. */
  async serve(config, more = [], at = undefined) {
    const port = at ?? (await freePort());
    const file = path.join(path.dirname(this.log), "portcullis.toml");
    writeFileSync(file, `listen = "127.0.0.1:${port}"\n${config}`);
    const document = await this.#launch(port, ["serve", "--config", file, "--data-dir", this.data, ...more], "oauth-authorization-server");
    this.issuer = document.issuer;
  }

  /** Starts the binary; resolves with the well-known document of this name once it is answered. */
  async #launch(port, args, wellKnown) {
    if (!existsSync(binary)) throw new Error(`no binary at ${binary}: build it first (cargo build), or set PORTCULLIS_BIN`);
    this.origin = `http://127.0.0.1:${port}`;
    this.#child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    const log = createWriteStream(this.log, { flags: "a" });
    this.#child.stdout.pipe(log, { end: false });
    this.#child.stderr.pipe(log, { end: false });
    this.#ended = new Promise((ended) => this.#child.once("close", (code) => ended(code)));
    const failed = this.#ended.then((code) => {
      throw new Error(`the server ended with ${code} before it answered: ${this.tail()}`);
    });
    failed.catch(() => {});
    return Promise.race([failed, this.#answer(wellKnown)]);
  }

  async #answer(wellKnown) {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      try {
        const reply = await fetch(`${this.origin}/.well-known/${wellKnown}`);
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
