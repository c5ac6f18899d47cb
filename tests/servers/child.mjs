// A server that runs beside the test, and is ended with it.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { within } from "../clients/report.mjs";

/** The longest a server may take until it listens, in milliseconds. */
const PATIENCE = 30_000;

/**
 * Starts `program` and waits until it says something that `ready` matches; resolves with the match and a way to
 * end it. What it says is kept in the file `log`.
 */
export async function startChild(program, args, { ready, log, env = {}, cwd } = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const ended = new Promise((done) => child.once("close", done));
  const found = new Promise((match, refuse) => {
    child.once("error", refuse);
    ended.then((code) => refuse(new Error(`${args.at(-1)} ended with ${code}: ${said.slice(-600)}`)));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => {
        said += bytes;
        if (log !== undefined) appendFileSync(log, bytes);
        const hit = ready.exec(said);
        if (hit !== null) match(hit);
      });
    }
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const last = setTimeout(() => child.kill("SIGKILL"), 3_000);
    await ended;
    clearTimeout(last);
  };
  try {
    return { match: await within(PATIENCE, `${args.at(-1)} to listen`, found), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
