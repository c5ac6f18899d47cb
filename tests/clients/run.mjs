// Drives the real binary with clients that nobody here wrote: node tests/clients/run.mjs [WORD…]
// WORDs choose the clients whose names contain one of them; `--list` names them all.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { install } from "./install.mjs";
import { node22 } from "./places.mjs";

/** The oldest Node that the newest of the clients run on. */
const OLDEST_NODE = 22;

try {
  install();
} catch (error) {
  console.log(`FAIL  installation: ${error.message}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}
if (Number(process.versions.node.split(".")[0]) >= OLDEST_NODE) {
  const { main } = await import("./session.mjs");
  process.exit(await main(process.argv.slice(2)));
}
const again = spawn(node22, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => again.kill(signal));
again.on("close", (code) => process.exit(code ?? 1));
