// The official server suite, at the fixture itself and at the same fixture behind the gateway. Whoever stands behind
// Portcullis must get the same verdict, scenario by scenario and check by check.
import { existsSync } from "node:fs";
import path from "node:path";
import { node22, packages as clientPackages } from "../clients/places.mjs";
import { Server } from "../clients/server.mjs";
import { CAN } from "./can.mjs";
import { startChild } from "./child.mjs";
import { openHeaderProxy } from "./header-proxy.mjs";
import { here } from "./places.mjs";
import { differences, REQUIRED, runSuite, verdict } from "./suite.mjs";
import { obtainToken } from "./gateway-token.mjs";

/**
 * The checks that a gateway must change, by scenario, with the reason. None of them is in a required set, and even the
 * one about DNS rebinding is not among them: the gateway knows its own name and refuses every other, as the fixture does.
 */
const CHANGED = {
  "tasks-dispatch-and-envelope": {
    // The fixture has no tasks, and the suite names one that nobody was given. Task ids are sealed for the agent that
    // started the task, so the gateway itself refuses a foreign one, as it must for a server that has tasks (R20, W16),
    // and does so before the server could say that it knows no such method.
    checks: ["sep-2663-tasks-get-invalid-task-id-32602", "sep-2663-tasks-result-removed-method-not-found"],
  },
};

/** The checks that stdio itself makes different, whoever stands before it: it is held against the same fixture on HTTP. */
const CHANGED_BY_STDIO = {
  "server-sse-multiple-streams": {
    // An answer before which nothing is said comes as plain JSON, which the suite allows and then has no stream to try.
    checks: ["server-sse-streams-functional"],
  },
  "server-sse-polling": {
    // Over stdio a server has no stream that it could let break.
    checks: ["server-sse-priming-event", "server-sse-retry-field", "server-sse-disconnect-resume"],
  },
};

/** Runs both required sets at the fixture, and through the gateway before it. */
export async function run(session) {
  const { report, directory, closing } = session;
  const step = report.steps("official server suite");
  const fixture = await step("the fixture listens", () =>
    startChild(node22, [path.join(here, "fixture/main.mjs")], { ready: /listening on (\S+)/, log: path.join(directory, "fixture.log") }),
  );
  closing.push(() => fixture.stop());
  const upstream = fixture.match[1];
  const direct = new Map();
  for (const { revision, scenarios } of REQUIRED) {
    const found = await runSuite(upstream, revision, path.join(directory, `direct-${revision}`));
    direct.set(revision, found);
    const required = found.filter((scenario) => scenario.required);
    report.told(required.length === scenarios, `${revision} requires ${scenarios} scenarios of a server; run: ${required.length}`);
    for (const scenario of required) {
      if (verdict(scenario) !== "pass") report.told(false, `${revision} ${scenario.name}: the fixture itself does not pass: ${verdict(scenario)}`);
    }
  }
  await through(session, "HTTP", REQUIRED, [upstream], direct, CHANGED);
  if (CAN.stdio) {
    const reads = [here, clientPackages].flatMap((place) => ["--read", place]);
    // Only the older revision: the suite's first words of the newest have no envelope, which HTTP refuses by its header.
    // A server of the SDK on stdio takes such words for those of an older client, and stays with that.
    const older = REQUIRED.filter(({ revision }) => revision === "2025-11-25");
    await through(session, "stdio", older, [...reads, "--", node22, path.join(here, "fixture/stdio.mjs")], direct, { ...CHANGED, ...CHANGED_BY_STDIO });
  }
}

/** Runs these `sets` through `portcullis guard` with `behind` as its last words, and compares with the `direct` results. */
async function through({ report, directory, person, account, closing }, wire, sets, behind, direct, changed) {
  const step = report.steps(`official server suite over ${wire}`);
  const server = new Server(path.join(directory, `suite-${wire}`));
  closing.push(() => server.stop());
  await step("guard in front of it", async () => {
    await server.addPerson(account.name, account.password);
    await server.start([], behind);
  });
  const token = await step("a token by the real flow", async () => {
    const someone = await person();
    try {
      return (await obtainToken(server, someone, { name: "official suite" })).access_token;
    } finally {
      await someone.close();
    }
  });
  const proxy = await openHeaderProxy(server.resource, () => token);
  closing.push(() => proxy.close());
  const failures = report.failed;
  for (const { revision } of sets) {
    const found = await runSuite(proxy.url, revision, path.join(directory, `${wire}-${revision}`));
    for (const scenario of direct.get(revision)) {
      const other = found.find((one) => one.name === scenario.name);
      const apart = new Set(changed[scenario.name]?.checks);
      if (changed === CHANGED && scenario.required && apart.size > 0) throw new Error(`${scenario.name} is required, and must be the same`);
      const told = differences(scenario, other, apart);
      const why = `${apart.size > 0 ? `, but for ${[...apart].join(", ")}` : ""}${told.length > 0 ? `: ${told.join("; ")}` : ""}`;
      const kind = scenario.required ? "" : " (not scored)";
      const row = `${scenario.name.padEnd(46)} directly ${verdict(scenario).padEnd(8)} through ${verdict(other)}${kind}${why}`;
      report.told(told.length === 0, `${revision} over ${wire}: ${row}`);
    }
    const scenarios = direct.get(revision).length;
    report.told(found.length === scenarios, `${revision} over ${wire}: ${scenarios} scenarios directly, ${found.length} through`);
  }
  if (report.failed > failures && existsSync(server.log)) console.log(`gateway, last words: ${server.tail()}`);
}
