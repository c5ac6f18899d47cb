// One run: a browser, and every part in turn.
import { rmSync } from "node:fs";
import { launch, Person } from "../clients/browser.mjs";
import { scratch } from "../clients/places.mjs";
import { Report, Stopped } from "../clients/report.mjs";
import * as command from "./command.mjs";
import * as conformance from "./conformance.mjs";
import * as whole from "./whole.mjs";
import { CAN } from "./can.mjs";

const ACCOUNT = { name: "alex", password: "correct horse battery staple" };
const PARTS = [
  ["official server suite", conformance.run],
  ...(CAN.stdio ? [["guard before a command", command.run]] : []),
  ["real servers", whole.run],
];

/** Runs the parts whose names contain one of `words` (all, without any) and returns the exit code. */
export async function main(words) {
  if (words.includes("--list")) {
    for (const [name] of PARTS) console.log(name);
    return 0;
  }
  const report = new Report();
  const named = PARTS.filter(([name]) => words.some((word) => name.includes(word)));
  // Words that name no part name servers or clients of the last.
  const chosen = words.length === 0 ? PARTS : named.length === 0 ? PARTS.slice(-1) : named;
  const directory = scratch("servers");
  const closing = [];
  const end = async () => {
    for (const close of closing.splice(0).reverse()) await Promise.resolve(close()).catch((error) => report.fail("runner", error));
  };
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]]) {
    process.once(signal, async () => {
      await end();
      process.exit(code);
    });
  }
  try {
    const browser = await launch();
    closing.push(() => browser.close());
    const person = () => Person.at(browser, ACCOUNT);
    for (const [name, run] of chosen) {
      try {
        await run({ report, directory, person, account: ACCOUNT, closing, words });
      } catch (error) {
        if (!(error instanceof Stopped)) report.fail(name, error);
      }
    }
  } catch (error) {
    report.fail("runner", error);
  } finally {
    await end();
  }
  if (report.failed === 0) rmSync(directory, { recursive: true, force: true });
  else console.log(`files of this run: ${directory}`);
  return report.close();
}
