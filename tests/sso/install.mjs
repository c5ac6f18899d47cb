// Brings in the providers: node-oidc-provider from the lock file, pysaml2 from the pinned list, SimpleSAMLphp out of
// Debian's package, which is unpacked and not installed: nobody's web server starts, and nothing is written to /etc.
// Does nothing for what is already there and as the lists say. Needs only Node's own modules.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { here, python, pythonEnvironment, simplesamlphp, unpacked } from "./places.mjs";

export function install() {
  const lock = path.join(here, "package-lock.json");
  const npmStamp = path.join(here, "node_modules/.portcullis-lock");
  const requirements = path.join(here, "requirements.txt");
  const pythonStamp = path.join(pythonEnvironment, ".portcullis-requirements");
  if (!same(lock, npmStamp)) {
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], here);
    writeFileSync(npmStamp, readFileSync(lock));
  }
  if (!same(requirements, pythonStamp) || !existsSync(python)) {
    run("python3", ["-m", "venv", pythonEnvironment], here);
    run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], here);
    writeFileSync(pythonStamp, readFileSync(requirements));
  }
  if (!existsSync(path.join(simplesamlphp, "www/module.php"))) {
    rmSync(unpacked, { recursive: true, force: true });
    mkdirSync(unpacked, { recursive: true });
    run("apt-get", ["download", "-q", "simplesamlphp"], unpacked);
    const archive = readdirSync(unpacked).find((name) => name.endsWith(".deb"));
    run("dpkg-deb", ["-x", archive, "."], unpacked);
  }
}

function same(wanted, stamp) {
  return existsSync(stamp) && readFileSync(wanted).equals(readFileSync(stamp));
}

function run(program, args, cwd) {
  const done = spawnSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`${program} ${args[0]} ended with ${done.status}`);
}
