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
 * Behind HTTP there is no scenario whose verdict a gateway must change: even the one about DNS rebinding holds, since
 * the gateway knows its own name and refuses every other, as the fixture does.
 */
const SAME = new Map();

/** What stdio itself makes different, whoever stands before it. */
const OVER_STDIO = new Map([["server-sse-polling", "over stdio a server has no stream that it could let break"]]);

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
  await through(session, "HTTP", [upstream], direct, SAME);
  if (CAN.stdio) {
    const reads = [here, clientPackages].flatMap((place) => ["--read", place]);
    await through(session, "stdio", [...reads, "--", node22, path.join(here, "fixture/stdio.mjs")], direct, OVER_STDIO);
  }
}

/** Runs both sets through `portcullis guard` with `behind` as its last words, and compares with the `direct` results. */
async function through({ report, directory, person, account, closing }, wire, behind, direct, changed) {
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
  for (const { revision } of REQUIRED) {
    const found = await runSuite(proxy.url, revision, path.join(directory, `${wire}-${revision}`));
    for (const scenario of direct.get(revision)) {
      const other = found.find((one) => one.name === scenario.name);
      const told = differences(scenario, other);
      const excuse = changed.get(scenario.name);
      const why = told.length === 0 ? "" : `: ${excuse ?? told.join("; ")}`;
      const kind = scenario.required ? "" : " (not scored)";
      const row = `${scenario.name.padEnd(46)} directly ${verdict(scenario).padEnd(8)} through ${verdict(other)}${kind}${why}`;
      report.told(told.length === 0 || excuse !== undefined, `${revision} over ${wire}: ${row}`);
    }
    const scenarios = direct.get(revision).length;
    report.told(found.length === scenarios, `${revision} over ${wire}: ${scenarios} scenarios directly, ${found.length} through`);
  }
  if (report.failed > failures && existsSync(server.log)) console.log(`gateway, last words: ${server.tail()}`);
}
