// How both test programs begin: bring in the packages, then go on under a Node that is new enough.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { install } from "./install.mjs";
import { node22 } from "./places.mjs";

/** The oldest Node that the newest of the clients run on. */
const OLDEST_NODE = 22;

/**
 * Runs `main(args)` of the program at `url` and ends with the code it returns.
 * `main` is loaded late, since what it imports may only now be installed.
 */
export async function begin(url, load) {
  try {
    install();
  } catch (error) {
    console.log(`FAIL  installation: ${error.message}`);
    console.log("0 passed, 1 failed");
    process.exit(1);
  }
  if (Number(process.versions.node.split(".")[0]) >= OLDEST_NODE) {
    const { main } = await load();
    process.exit(await main(process.argv.slice(2)));
  }
  const again = spawn(node22, [fileURLToPath(url), ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => again.kill(signal));
  again.on("close", (code) => process.exit(code ?? 1));
}
