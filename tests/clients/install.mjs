// Brings in the clients and the servers: `npm ci` from the lock files, and a Python environment from the pinned list.
// Does nothing when both are already there and as the lists say. Needs only Node's own modules.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { here, node22, packages, python, pythonEnvironment, servers } from "./places.mjs";

export function install() {
  const lock = path.join(here, "package-lock.json");
  const requirements = path.join(here, "requirements.txt");
  const npmStamp = path.join(packages, ".portcullis-lock");
  const serversLock = path.join(servers, "package-lock.json");
  const serversStamp = path.join(servers, "node_modules/.portcullis-lock");
  const pythonStamp = path.join(pythonEnvironment, ".portcullis-requirements");
  if (!same(lock, npmStamp) || !existsSync(node22)) {
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], here);
    writeFileSync(npmStamp, readFileSync(lock));
  }
  if (!same(serversLock, serversStamp)) {
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], servers);
    writeFileSync(serversStamp, readFileSync(serversLock));
  }
  if (!same(requirements, pythonStamp) || !existsSync(python)) {
    run("python3", ["-m", "venv", pythonEnvironment], here);
    run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], here);
    writeFileSync(pythonStamp, readFileSync(requirements));
  }
  if (!existsSync(node22)) throw new Error(`no Node 22 for ${process.platform} ${process.arch} among the packages`);
}

function same(wanted, stamp) {
  return existsSync(stamp) && readFileSync(wanted).equals(readFileSync(stamp));
}

function run(program, args, cwd) {
  const done = spawnSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`${program} ${args[0]} ended with ${done.status}`);
}
