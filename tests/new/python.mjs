// The template `python`: a server on the Python SDK that verifies tokens by the published keys.
import { readFileSync } from "node:fs";
import path from "node:path";
import { here as clients, python } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";
import { finish, freePort } from "../clients/server.mjs";
import { startChild } from "../servers/child.mjs";
import { startAuthority } from "./authority.mjs";
import { make } from "./make.mjs";
import { walkAll } from "./walk.mjs";

export async function run({ report, person, account, closing }) {
  const step = report.steps("python");
  const [port, other] = [await freePort(), await freePort()];
  const folder = await step("is written", () => make("my-server-py", ["--template", "python", "--port", port, "--issuer", `http://127.0.0.1:${other}`]));
  await step("what it requires is what is installed here", () => {
    const lines = (file) => readFileSync(file, "utf8").split("\n").filter(Boolean);
    const installed = new Set(lines(path.join(clients, "requirements.txt")));
    for (const line of lines(path.join(folder, "requirements.txt"))) expect(installed.has(line), `${line} among what is installed`);
  });
  await step("its own tests", () => finish(python, ["-m", "unittest"], { cwd: folder }));
  const data = await step("its authorization server, and itself", async () => {
    const data = await startAuthority(folder, account, closing);
    const server = await startChild(python, ["server.py"], { ready: /Uvicorn running on/, cwd: folder, log: `${folder}.log` });
    closing.push(server.stop);
    return data;
  });
  await walkAll({ report, person: await person(), name: "python", url: `http://127.0.0.1:${port}/mcp`, data });
}
