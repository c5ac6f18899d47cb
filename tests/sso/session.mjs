// One run: everything is started once, and every part takes its turn.
import { rmSync } from "node:fs";
import { scratch } from "../clients/places.mjs";
import { Report, Stopped } from "../clients/report.mjs";
import * as browsers from "./browsers.mjs";
import * as faults from "./faults.mjs";
import * as lies from "./lies.mjs";
import * as pages from "./pages.mjs";
import { PROVIDERS, Site } from "./site.mjs";
import * as trial from "./trial.mjs";
import { walk } from "./walk.mjs";

const PARTS = [
  ["pages", pages.run],
  ["sso test", trial.run],
  ["faults", faults.run],
  ["lies", lies.run],
  ["browsers", browsers.run],
  ...PROVIDERS.map(([name, label]) => [`walk ${name}`, (site) => walk(site, name, label)]),
];

/** Runs the parts whose names contain one of `words` (all, without any) and returns the exit code. */
export async function main(words) {
  if (words.includes("--list")) {
    for (const [name] of PARTS) console.log(name);
    return 0;
  }
  const report = new Report();
  const chosen = PARTS.filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
  const directory = scratch("sso");
  let site;
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]]) {
    process.once(signal, async () => {
      await site?.stop();
      process.exit(code);
    });
  }
  try {
    site = await Site.start(directory, report);
    for (const [name, run] of chosen) {
      try {
        await run(site);
      } catch (error) {
        if (!(error instanceof Stopped)) report.fail(name, error);
      }
    }
    if (report.failed > 0) console.log(`server, last words: ${site.server.tail(3000)}`);
  } catch (error) {
    report.fail("runner", error);
  } finally {
    await site?.stop();
  }
  if (report.failed === 0) rmSync(directory, { recursive: true, force: true });
  else console.log(`files of this run: ${directory}`);
  return report.close();
}
