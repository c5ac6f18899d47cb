// The template `typescript`: a server on the TypeScript SDK that verifies tokens by the published keys.
import path from "node:path";
import { node22 } from "../clients/places.mjs";
import { finish, freePort } from "../clients/server.mjs";
import { startChild } from "../servers/child.mjs";
import { startAuthority } from "./authority.mjs";
import { make } from "./make.mjs";
import { walkAll } from "./walk.mjs";

/** The longest an installation may take, in milliseconds. */
const LONGEST = 240_000;

export async function run({ report, person, account, closing }) {
  const step = report.steps("typescript");
  const [port, other] = [await freePort(), await freePort()];
  // The Node that the README asks for comes first.
  const env = { PATH: `${path.dirname(node22)}:${process.env.PATH}` };
  const folder = await step("is written", () => make("my-server-ts", ["--template", "typescript", "--port", port, "--issuer", `http://127.0.0.1:${other}`]));
  // Outside of a step: it depends on the network, and has its own time.
  await finish("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, env, timeout: LONGEST });
  await step("its types and its own tests", () => finish("npm", ["test"], { cwd: folder, env }));
  const data = await step("its authorization server, and itself", async () => {
    const data = await startAuthority(folder, account, closing);
    const server = await startChild(node22, ["src/server.ts"], { ready: / is at /, cwd: folder, log: `${folder}.log` });
    closing.push(server.stop);
    return data;
  });
  await walkAll({ report, person: await person(), name: "typescript", url: `http://127.0.0.1:${port}/mcp`, data });
}
