// The template `rust`: axum and rmcp, with the authorization server inside.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";
import { finish, freePort } from "../clients/server.mjs";
import { startChild } from "../servers/child.mjs";
import { addPerson, make } from "./make.mjs";
import { work } from "./places.mjs";
import { walkAll } from "./walk.mjs";

const cargo = process.env.CARGO ?? "cargo";
const target = path.join(root, "target");
/** The longest a build may take, in milliseconds. */
const LONGEST = 900_000;

export async function run({ report, person, account, closing }) {
  const step = report.steps("rust");
  const port = await freePort();
  const folder = await step("is written", () => make("my-server", ["--port", port, "--path", root]));
  settleCargo(folder);
  await step("is formatted as rustfmt wants it, without any wishes", () =>
    // The checkout around it has wishes.
    finish(cargo, ["fmt", "--check", "--", "--config", "max_width=100,use_small_heuristics=Default"], { cwd: folder }),
  );
  // Outside of a step: a build has its own time.
  const env = process.env.CI === undefined ? {} : { CARGO_INCREMENTAL: "0" };
  const { stdout, code, stderr } = await finish(cargo, ["test"], { cwd: folder, env, timeout: LONGEST, anyCode: true });
  await step("builds, and its own tests pass", () => {
    expect(code === 0, `cargo test to pass: ${stdout.slice(-1500)} ${stderr.slice(-1500)}`);
    expect(stdout.includes("a_client_walks_the_whole_way ... ok"), "the test of the whole way");
  });
  await step("its Dockerfile copies what is there and runs what is built", () => dockerfile(folder));
  const data = await step("runs, and says how to make the first account", async () => {
    const ready = /\/setup\S+|\/claim\S+/;
    const server = await startChild(path.join(target, "debug/my-server"), [], { ready, cwd: folder, log: `${folder}.log` });
    closing.push(server.stop);
    const data = path.join(folder, "my-server.db.d");
    await addPerson(data, account);
    return data;
  });
  await walkAll({ report, person: await person(), name: "rust", url: `http://127.0.0.1:${port}/mcp`, data, asks: true, cuts: true });
}

/**
 * Has Cargo use what the checkout built and locked already: its target directory, its profile, its versions, and those
 * of the client of the Rust SDK for the rest.
 */
function settleCargo(folder) {
  const profiles = readFileSync(path.join(root, "Cargo.toml"), "utf8").split(/^(?=\[)/m).filter((table) => table.startsWith("[profile.dev"));
  expect(profiles.length > 1, "the checkout's profiles");
  mkdirSync(path.join(work, ".cargo"), { recursive: true });
  writeFileSync(path.join(work, ".cargo/config.toml"), `[build]\ntarget-dir = ${JSON.stringify(target)}\n\n${profiles.join("")}`);
  const packages = (lock) => readFileSync(path.join(root, lock), "utf8").split(/^(?=\[\[package\]\])/m);
  const name = (table) => /^name = "(.*)"$/m.exec(table)?.[1];
  const [head, ...ours] = packages("Cargo.lock");
  const known = new Set(ours.map(name));
  const theirs = packages("tests/servers/rmcp-client/Cargo.lock").slice(1).filter((table) => !known.has(name(table)));
  const all = [...ours, ...theirs].map((table) => `${table.trimEnd()}\n\n`);
  writeFileSync(path.join(folder, "Cargo.lock"), head + all.join(""));
}

/** There is no engine here to build it: at least each thing it names exists. */
function dockerfile(folder) {
  const lines = readFileSync(path.join(folder, "Dockerfile"), "utf8").split("\n");
  const copies = lines.filter((line) => line.startsWith("COPY ") && !line.includes("--from=")).flatMap((line) => line.split(" ").slice(1, -1));
  expect(copies.length >= 3, `what is copied, not ${copies}`);
  for (const file of copies) expect(existsSync(path.join(folder, file)), `${file} to be there`);
  const built = /^COPY --from=build \/build\/target\/release\/(\S+) (\S+)$/m.exec(lines.join("\n"));
  expect(existsSync(path.join(target, "debug", built?.[1] ?? "")), `a program ${built?.[1]}`);
  expect(lines.includes(`CMD ["${built?.[2]}"]`), `${built?.[2]} to be run`);
  const manifest = readFileSync(path.join(folder, "Cargo.toml"), "utf8");
  const from = /^COPY --from=portcullis \. (\S+)$/m.exec(lines.join("\n"))?.[1];
  expect(from === root && manifest.includes(`path = "${from}/crates/portcullis"`), `the checkout where Cargo looks for it, not ${from}`);
  expect(lines[0].includes(`--build-context portcullis=${root}`), "how to build it");
}
