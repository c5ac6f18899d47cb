// The template `gateway`: configuration before a server in any language, here one in Python.
import path from "node:path";
import { python } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";
import { freePort } from "../clients/server.mjs";
import { startChild } from "../servers/child.mjs";
import { Hands } from "../servers/hands.mjs";
import { typescript2 } from "../servers/sdk-clients.mjs";
import { startAuthority } from "./authority.mjs";
import { make } from "./make.mjs";
import { here, work } from "./places.mjs";
import { walkAll } from "./walk.mjs";

export async function run({ report, person: arrive, account, closing }) {
  const step = report.steps("gateway");
  const [port, behind] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}/mcp`;
  const data = await step("is written, its configuration in order, and runs", async () => {
    const upstream = `http://127.0.0.1:${behind}/mcp`;
    const folder = await make("my-gateway", ["--template", "gateway", "--port", port, "--upstream", upstream, "--name", "Notes"]);
    const server = await startChild(python, [path.join(here, "notes_server.py"), String(behind)], { ready: /Uvicorn running on/ });
    closing.push(server.stop);
    return startAuthority(folder, account, closing);
  });
  const person = await arrive();
  await walkAll({ report, person, name: "gateway", url, data, asks: true, cuts: true });
  await step("the rule that was written forbids what it says", async () => {
    const [client, hands] = [typescript2(), await Hands.of(person)];
    try {
      await client.open({ url, name: "rules", hands, log: path.join(work, "rules.jsonl") });
      const ask = (tool, path) => client.call(tool, { path }).then(({ text }) => text, (error) => error.message);
      for (const tool of ["read_file", "list_directory"]) {
        expect((await ask(tool, "/project/a")).includes("all of"), `${tool} of the project`);
        for (const path of ["/etc/passwd", "/project/../etc/passwd"]) expect(!(await ask(tool, path)).includes("all of"), `${tool} of ${path} to be refused`);
      }
    } finally {
      await client.close();
      await hands.close();
    }
  });
}
