// What a client really sent: one entry for each HTTP answer, in order. Clients that run in this
// process are given `log.fetch`; Node programs are preloaded with record.mjs; the Python client
// writes the same lines itself.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { expect } from "./report.mjs";

export class WireLog {
  constructor(file) {
    this.file = file;
    /** A `fetch` that writes down what it did. */
    this.fetch = async (input, init) => {
      const reply = await fetch(input, init);
      const url = new URL(input instanceof Request ? input.url : input);
      const method = init?.method ?? (input instanceof Request ? input.method : "GET");
      appendFileSync(file, `${JSON.stringify({ method, origin: url.origin, path: url.pathname, status: reply.status })}\n`);
      return reply;
    };
  }

  /** The environment that makes a Node program write to this log. */
  get environment() {
    const preload = new URL("record.mjs", import.meta.url).href;
    return { NODE_OPTIONS: `--import ${preload}`, PORTCULLIS_WIRE_LOG: this.file };
  }

  /** Everything so far. */
  entries() {
    if (!existsSync(this.file)) return [];
    return readFileSync(this.file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  /** A place in the log, to look only at what came after it. */
  mark() {
    return this.entries().length;
  }

  /** Whether such an answer came after `since`. */
  saw(method, path, status, since = 0) {
    return this.entries().slice(since).some((entry) => entry.method === method && entry.path === path && entry.status === status);
  }

  /** Waits until such an answer comes, when a client acts in its own time. */
  async comes(method, path, status, since = 0) {
    for (let attempt = 0; attempt < 100 && !this.saw(method, path, status, since); attempt += 1) {
      await new Promise((later) => setTimeout(later, 100));
    }
    this.must(method, path, status, since);
  }

  /** Fails the step unless such an answer came after `since`. */
  must(method, path, status, since = 0) {
    const seen = this.entries().slice(since).map((entry) => `${entry.method} ${entry.path} ${entry.status}`).join(", ");
    expect(this.saw(method, path, status, since), `${method} ${path} → ${status} on the wire; seen: ${seen || "nothing"}`);
  }

  /** 401 on the first call, then both metadata documents. */
  mustDiscover(since = 0) {
    this.must("POST", "/mcp", 401, since);
    const found = this.entries().slice(since).filter((entry) => entry.status === 200).map((entry) => entry.path);
    expect(found.some((path) => path.startsWith("/.well-known/oauth-protected-resource")), "the protected resource metadata to be read");
    expect(found.some((path) => path.startsWith("/.well-known/oauth-authorization-server")), "the authorization server metadata to be read");
  }
}
