// `portcullis guard -- COMMAND`: a server that is a program and speaks stdio, with nothing configured.
import path from "node:path";
import { Server } from "../clients/server.mjs";
import { Stopped } from "../clients/report.mjs";
import { typescript2 } from "./sdk-clients.mjs";
import { stdioCommand, stdioReads, UPSTREAMS } from "./upstreams.mjs";
import { walk } from "./walk.mjs";

export async function run({ report, directory, person: arrive, account, closing }) {
  const step = report.steps("guard before a command");
  const server = new Server(path.join(directory, "command"));
  closing.push(() => server.stop());
  await step("starts", async () => {
    await server.addPerson(account.name, account.password);
    await server.start(stdioReads.flatMap((place) => ["--read", place]), ["--", ...stdioCommand]);
  });
  const person = await arrive();
  closing.push(() => person.close());
  const { free } = UPSTREAMS.find((row) => row.name.includes("stdio"));
  const row = { name: "guard before a command", path: new URL(server.resource).pathname, free };
  try {
    await walk({ server, report, directory, person, can: {} }, row, ["TypeScript SDK v2", typescript2]);
  } catch (error) {
    if (!(error instanceof Stopped)) report.fail(row.name, error);
  }
  if (report.failed > 0) console.log(`guard, last words: ${server.tail(2000)}`);
}
