// Clients that are programs of their own: they say what they see, and hear what to do, in lines of JSON.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { expect } from "../clients/report.mjs";

/** The error that says which pages the person has to visit first (2025-11-25). */
const URL_ELICITATION = -32042;

export class LineClient {
  #program;
  #args;
  /** It asks for a new consent when a scope is missing. */
  stepsUp = true;
  /** It says that it can show pages to its person. */
  elicits = true;

  /** `args(open)` makes the words from what `open` was given. */
  constructor(program, args) {
    this.#program = program;
    this.#args = args;
  }

  async open(what) {
    this.hands = what.hands;
    this.child = spawn(this.#program, this.#args(what), { stdio: ["pipe", "pipe", "pipe"] });
    this.complaint = "";
    this.child.stderr.on("data", (bytes) => (this.complaint += bytes));
    this.child.stdin.on("error", () => {});
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    await this.#until("ready");
  }

  /** Does what the client asks of its person, until it says something of `kind`. */
  async #until(...kinds) {
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done) throw new Error(`the client ended: ${this.complaint.split("\n").filter((line) => /\w/.test(line)).slice(-3).join(" ")}`);
      const said = JSON.parse(value);
      if (said.kind === "authorize") this.#tell({ url: String(await this.hands.authorize(said.url)) });
      else if (said.kind === "elicit") this.#tell({ action: await this.hands.elicit(said) });
      else if (kinds.includes(said.kind)) return said;
      else throw new Error(`expected ${kinds.join(" or ")}, not ${value.slice(0, 600)}; ${this.complaint.slice(-400)}`);
    }
  }

  #tell(what) {
    this.child.stdin.write(`${JSON.stringify(what)}\n`);
  }

  async tools() {
    this.#tell({ do: "tools" });
    return (await this.#until("tools")).tools;
  }

  async call(name, args) {
    this.#tell({ do: "call", name, arguments: args });
    const said = await this.#until("called", "refused");
    if (said.kind === "called") return { text: said.text, isError: said.error };
    if (said.code !== URL_ELICITATION) throw new Error(`${name} was refused: ${said.code} ${said.message}`);
    for (const question of said.data.elicitations) await this.hands.elicit(question);
    return this.call(name, args);
  }

  async refresh(call) {
    this.#tell({ do: "refresh" });
    const { renewed } = await this.#until("refreshed");
    await call();
    return renewed;
  }

  /** Calls with a token that was cut off: the client cannot go on by itself. */
  async cutOff(name, args) {
    const wanted = this.hands.authorized.length;
    this.hands.authorize = async (url) => {
      this.hands.authorized.push(new URL(url));
      throw new Error("nobody signs in any more");
    };
    this.#tell({ do: "call", name, arguments: args });
    const said = await this.#until("unauthorized", "failed").catch((error) => ({ kind: "failed", message: error.message }));
    const gone = this.hands.authorized.length > wanted || (said.kind === "unauthorized" && said.challenge.includes("invalid_token"));
    expect(gone, `the client to want a new sign-in, not ${JSON.stringify(said).slice(0, 400)}`);
    return true;
  }

  async close() {
    if (this.child === undefined || this.child.exitCode !== null) return;
    const ended = new Promise((done) => this.child.once("close", done));
    this.child.stdin.end();
    const last = setTimeout(() => this.child.kill("SIGKILL"), 2_000);
    await ended;
    clearTimeout(last);
  }
}
