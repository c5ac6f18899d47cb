// The official server suite, twice: at the fixture itself, and at the same fixture behind the gateway. Whoever
// stands behind Portcullis must get the same verdict, scenario by scenario and check by check.
import { existsSync } from "node:fs";
import path from "node:path";
import { node22 } from "../clients/places.mjs";
import { Server } from "../clients/server.mjs";
import { startChild } from "./child.mjs";
import { openHeaderProxy } from "./header-proxy.mjs";
import { here } from "./places.mjs";
import { differences, REQUIRED, runSuite, verdict } from "./suite.mjs";
import { obtainToken } from "./gateway-token.mjs";

/**
 * Scenarios whose verdict a gateway must change, with the reason. There is none: even the check against DNS rebinding
 * holds, since the gateway knows its own name and refuses every other, as the fixture does.
 */
const CHANGED = new Map();

/** The fixture, on a free port. */
export function startFixture(directory) {
  const args = [path.join(here, "fixture/main.mjs")];
  return startChild(node22, args, { ready: /listening on (\S+)/, log: path.join(directory, "fixture.log") });
}

/** Runs both required sets directly and through, and reports each scenario. */
export async function run({ report, directory, person, account, closing }) {
  const step = report.steps("official server suite");
  const fixture = await step("the fixture listens", () => startFixture(directory));
  closing.push(() => fixture.stop());
  const upstream = fixture.match[1];
  const server = new Server(path.join(directory, "suite"));
  closing.push(() => server.stop());
  await step("guard in front of it", async () => {
    await server.addPerson(account.name, account.password);
    await server.start([upstream]);
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
  for (const { revision, scenarios } of REQUIRED) {
    const direct = await runSuite(upstream, revision, path.join(directory, `direct-${revision}`));
    const through = await runSuite(proxy.url, revision, path.join(directory, `through-${revision}`));
    const required = direct.filter((scenario) => scenario.required);
    report.told(required.length === scenarios, `${revision} requires ${scenarios} scenarios of a server; run: ${required.length}`);
    for (const scenario of direct) {
      const other = through.find((one) => one.name === scenario.name);
      const [before, after] = [verdict(scenario), verdict(other)];
      const told = CHANGED.has(scenario.name) ? [] : differences(scenario, other);
      const passes = !scenario.required || before === "pass";
      const why = told.length === 0 ? "" : `: ${told.join("; ")}`;
      const kind = scenario.required ? "" : " (not scored)";
      report.told(passes && told.length === 0, `${revision} ${scenario.name.padEnd(46)} directly ${before.padEnd(8)} through ${after}${kind}${why}`);
    }
    report.told(through.length === direct.length, `${revision}: ${direct.length} scenarios directly, ${through.length} through`);
  }
  if (report.failed > 0 && existsSync(server.log)) console.log(`gateway, last words: ${server.tail()}`);
}
