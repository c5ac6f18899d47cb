// Real servers behind one gateway, each reached by every client, the whole way.
import path from "node:path";
import { finish, Server } from "../clients/server.mjs";
import { python, root } from "../clients/places.mjs";
import { Stopped } from "../clients/report.mjs";
import { CAN } from "./can.mjs";
import { LineClient } from "./lines.mjs";
import { here } from "./places.mjs";
import { typescript1, typescript2, typescript2Newest } from "./sdk-clients.mjs";
import { resourceTable, UPSTREAMS } from "./upstreams.mjs";
import { walk } from "./walk.mjs";

const target = path.join(root, "target/rmcp-client");
const rmcp = path.join(target, "debug/rmcp-client");

/** How many servers are walked to at the same time. */
const WORKERS = 2;

const pythonClient = (mode) => () =>
  new LineClient(python, ({ url, name, hands }) => [path.join(here, "python_client.py"), url, hands.callback.url, name, mode]);
const rmcpClient = (...more) => () => new LineClient(rmcp, ({ url, name, hands }) => [url, hands.callback.url, name, ...more]);

/** Each client that walks to each server. The first says of itself that it cannot show pages to its person. */
const CLIENTS = [
  ["TypeScript SDK v1", typescript1],
  ["TypeScript SDK v2", typescript2],
  ["TypeScript SDK v2, newest", typescript2Newest],
  ["Python SDK", pythonClient("legacy")],
  ["Python SDK, newest", pythonClient("auto")],
  ["rmcp", rmcpClient()],
  ["rmcp, newest", rmcpClient("newest")],
];

/** Builds the client of the Rust SDK, which has a lock file of its own. */
async function buildRmcp() {
  const args = ["build", "--quiet", "--locked", "--manifest-path", path.join(here, "rmcp-client/Cargo.toml"), "--target-dir", target];
  await finish(process.env.CARGO ?? "cargo", args, { timeout: 600_000 });
}

export async function run({ report, directory, person: arrive, account, closing, words }) {
  const step = report.steps("real servers");
  try {
    await buildRmcp();
  } catch (error) {
    report.fail("rmcp client", error);
  }
  const rows = UPSTREAMS.filter((row) => row.on !== false);
  const tables = [];
  for (const row of rows) {
    await step(`${row.name} starts`, async () => {
      const started = await row.start(directory);
      closing.push(started.stop);
      tables.push(resourceTable(row, started.config, CAN));
    });
  }
  const server = new Server(path.join(directory, "gateway"));
  closing.push(() => server.stop());
  await step("one gateway before all of them", async () => {
    await server.addPerson(account.name, account.password);
    await server.serve(tables.join("\n\n"));
  });
  const chosen = words.filter((word) => !"real servers".includes(word)).map((word) => word.toLowerCase());
  const waiting = rows.map((row) => [row, CLIENTS.filter(([client]) => chosen.every((word) => `${row.name}, ${client}`.toLowerCase().includes(word)))]);
  /** Takes one server after the other, and every client to it in turn. */
  const worker = async () => {
    const person = await arrive();
    closing.push(() => person.close());
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [row, clients] = next;
      for (const client of clients) {
        try {
          await walk({ server, report, directory, person, can: CAN }, row, client);
        } catch (error) {
          if (!(error instanceof Stopped)) report.fail(`${row.name}, ${client[0]}`, error);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  if (report.failed > 0) console.log(`gateway, last words: ${server.tail(2000)}`);
}
