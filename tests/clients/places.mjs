// Where things are. Everything written at run time goes under the repository's target directory.
import { mkdirSync, mkdtempSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** This directory. */
export const here = path.dirname(fileURLToPath(import.meta.url));
/** The repository. */
export const root = path.resolve(here, "../..");
/** The servers that stand behind the gateway in its tests, with packages of their own. */
export const servers = path.join(root, "tests/servers");
/** The binary under test. */
export const binary = path.resolve(process.env.PORTCULLIS_BIN ?? path.join(root, "target/debug/portcullis"));
/** The Chromium that plays the person's browser. */
export const chromium = process.env.PORTCULLIS_CHROMIUM ?? "/usr/bin/chromium";
/** The Python environment with the packages of requirements.txt. */
export const pythonEnvironment = path.join(root, "target/clients-venv");
export const python = path.join(pythonEnvironment, "bin/python");
/** Where npm put the packages of package-lock.json. */
export const packages = path.join(here, "node_modules");
/** The Node that the newest clients ask for; npm carries it as a package. */
export const node22 = path.join(packages, `node-linux-${process.arch}`, "bin/node");

/** A new directory for one run's files. */
export function scratch(name) {
  const parent = path.join(root, "target/clients");
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(path.join(parent, `${name}-`));
}
