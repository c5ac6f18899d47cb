// One run: a server, a browser, and every client in turn.
import { rmSync } from "node:fs";
import { launch, Person } from "./browser.mjs";
import { Documents } from "./cimd.mjs";
import { scratch } from "./places.mjs";
import { expect, Report, Stopped } from "./report.mjs";
import { Server } from "./server.mjs";

const PROGRAMS = ["conformance", "sdk-v1", "sdk-v2", "general", "python", "inspector", "mcp-remote"];
const ACCOUNT = { name: "alex", password: "correct horse battery staple" };

/** Runs the clients whose names contain one of `words` (all, without any) and returns the exit code. */
export async function main(words) {
  const report = new Report();
  const runs = [];
  for (const program of PROGRAMS) {
    try {
      runs.push(...(await import(`./programs/${program}.mjs`)).runs);
    } catch (error) {
      report.fail(program, error);
    }
  }
  if (words.includes("--list")) {
    for (const [name] of runs) console.log(name);
    return 0;
  }
  const chosen = runs.filter(([name]) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word.toLowerCase())));
  const directory = scratch("run");
  const closing = [];
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]]) {
    process.once(signal, async () => {
      for (const close of closing.reverse()) await Promise.resolve(close()).catch(() => {});
      process.exit(code);
    });
  }
  try {
    const documents = await Documents.open(directory);
    closing.push(() => documents.close());
    const browser = await launch();
    closing.push(() => browser.close());
    const server = new Server(directory);
    closing.push(() => server.stop());
    await server.addPerson(ACCOUNT.name, ACCOUNT.password);
    await server.start(["--insecure-cimd-loopback", "--insecure-extra-ca", documents.authority]);
    const test = bench({ server, documents, browser, directory, report });
    for (const [name, run] of chosen) {
      try {
        await run(test, name);
      } catch (error) {
        if (!(error instanceof Stopped)) report.fail(name, error);
      }
    }
    if (report.failed > 0) console.log(`server, last words: ${server.tail()}\nfiles of this run: ${directory}`);
  } catch (error) {
    report.fail("runner", error);
  } finally {
    for (const close of closing.reverse()) await Promise.resolve(close()).catch((error) => report.fail("runner", error));
  }
  if (report.failed === 0) rmSync(directory, { recursive: true, force: true });
  return report.close();
}

/** What a client's run is handed. */
function bench({ server, documents, browser, directory, report }) {
  const agentIds = async () => new Set((await server.agents()).map((agent) => agent.id));
  return {
    server,
    documents,
    directory,
    steps: (name) => report.steps(name),
    /** A person at a browser of their own, not signed in. */
    person: () => Person.at(browser, ACCOUNT),
    /** The agents there are now. */
    agentIds,
    /** Waits until an agent is no longer live: a replaced one ends when the new one has been used. */
    async ended(agent) {
      const state = async () => (await server.agents()).find((one) => one.id === agent.id)?.state;
      for (let attempt = 0; attempt < 50 && (await state()) === "live"; attempt += 1) await new Promise((later) => setTimeout(later, 100));
      expect((await state()) !== "live", "the replaced agent to have ended in 5 s");
    },
    /** The one agent that was not there `before`. */
    async newAgent(before) {
      const fresh = (await server.agents()).filter((agent) => !before.has(agent.id));
      expect(fresh.length === 1, `one new agent, not ${fresh.length}`);
      expect(fresh[0].subject !== undefined && fresh[0].resource === server.resource, "the agent's subject and resource");
      return fresh[0];
    },
  };
}
