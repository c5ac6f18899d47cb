// One run: a browser, and every template in turn.
import { mkdirSync, rmSync } from "node:fs";
import { launch, Person } from "../clients/browser.mjs";
import { Report, Stopped } from "../clients/report.mjs";
import { work } from "./places.mjs";
import * as command from "./command.mjs";
import * as gateway from "./gateway.mjs";
import * as python from "./python.mjs";
import * as rust from "./rust.mjs";
import * as typescript from "./typescript.mjs";

const ACCOUNT = { name: "alex", password: "correct horse battery staple" };
const PARTS = [
  ["command", command.run],
  ["gateway", gateway.run],
  ["typescript", typescript.run],
  ["python", python.run],
  ["rust", rust.run],
];

/** Runs the parts whose names contain one of `words` (all, without any) and returns the exit code. */
export async function main(words) {
  if (words.includes("--list")) {
    for (const [name] of PARTS) console.log(name);
    return 0;
  }
  const report = new Report();
  const chosen = PARTS.filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
  // Always the same place: what Cargo built there the last time need not be built again.
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
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
    const person = async () => {
      const arrived = await Person.at(browser, ACCOUNT);
      closing.push(() => arrived.close());
      return arrived;
    };
    for (const [name, run] of chosen) {
      try {
        await run({ report, person, account: ACCOUNT, closing });
      } catch (error) {
        if (!(error instanceof Stopped)) report.fail(name, error);
      }
    }
  } catch (error) {
    report.fail("runner", error);
  } finally {
    await end();
  }
  if (report.failed === 0) rmSync(work, { recursive: true, force: true });
  else console.log(`files of this run: ${work}`);
  return report.close();
}
