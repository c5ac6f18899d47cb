// The official conformance suite's `server` command, and what it found: for each scenario, each check's verdict.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { node22, packages } from "../clients/places.mjs";
import { finish } from "../clients/server.mjs";

const suite = path.join(packages, "@modelcontextprotocol/conformance/dist/index.js");

/** The longest one run of the suite may take, in milliseconds. */
const LONGEST = 120_000;

/** What a revision requires of a server, and how many scenarios that is; a newer suite with others must be looked at. */
export const REQUIRED = [
  { revision: "2026-07-28", scenarios: 37 },
  { revision: "2025-11-25", scenarios: 30 },
];

/** Verdicts that say something of the server; the others (INFO) tell what was seen. */
const VERDICTS = new Set(["SUCCESS", "FAILURE", "WARNING", "SKIPPED"]);

/**
 * Runs what `revision` requires, and what it does not score, against `url`.
 * Resolves with the scenarios in order: `{ name, required, checks: [{ id, status, why }] }`.
 */
export async function runSuite(url, revision, directory) {
  const args = ["server", "--url", url, "--requirements", revision, "--output-dir", directory];
  const { stdout } = await finish(node22, [suite, ...args], { timeout: LONGEST, anyCode: true });
  const scored = new Set(stdout.split("\n").map((line) => /^\s+[✓✗] (\S+) \((?:extension|pending|added-after-release)\)$/.exec(line)?.[1]));
  const folders = existsSync(directory) ? readdirSync(directory) : [];
  const results = new Map();
  for (const folder of folders) {
    const name = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(folder)?.[1];
    const file = path.join(directory, folder, "checks.json");
    if (name === undefined || !existsSync(file)) continue;
    const checks = JSON.parse(readFileSync(file, "utf8")).filter((check) => VERDICTS.has(check.status));
    results.set(name, checks.map((check) => ({ id: check.id, status: check.status, why: check.errorMessage ?? "" })));
  }
  const order = [...stdout.matchAll(/^=== Running scenario: (\S+) ===$/gm)].map((match) => match[1]);
  return order.map((name) => ({ name, required: !scored.has(name), checks: results.get(name) ?? [] }));
}

/** A scenario's verdict in one word. A scenario that told nothing did not pass. */
export function verdict(scenario) {
  if (scenario === undefined || scenario.checks.length === 0) return "nothing";
  for (const status of ["FAILURE", "WARNING"]) if (scenario.checks.some((check) => check.status === status)) return status.toLowerCase();
  return scenario.checks.every((check) => check.status === "SKIPPED") ? "skipped" : "pass";
}

/**
 * What two runs of one scenario do not have in common, check by check, in words. The checks whose ids are in `apart`
 * are not compared.
 */
export function differences(direct, through, apart = new Set()) {
  const count = (checks) => {
    const found = new Map();
    for (const { id, status } of checks.filter((check) => !apart.has(check.id))) found.set(`${id}: ${status}`, (found.get(`${id}: ${status}`) ?? 0) + 1);
    return found;
  };
  const [one, other] = [count(direct?.checks ?? []), count(through?.checks ?? [])];
  const told = [];
  for (const key of new Set([...one.keys(), ...other.keys()])) {
    const [before, after] = [one.get(key) ?? 0, other.get(key) ?? 0];
    if (before === after) continue;
    const why = through?.checks.find((check) => `${check.id}: ${check.status}` === key)?.why ?? "";
    told.push(`${key} ×${before} directly, ×${after} through${why === "" ? "" : ` (${why})`}`);
  }
  return told;
}
