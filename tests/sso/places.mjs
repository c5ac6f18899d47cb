// Where things are, beside what tests/clients knows.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "../clients/places.mjs";

/** This directory. */
export const here = path.dirname(fileURLToPath(import.meta.url));
/** The Python environment with the packages of requirements.txt. */
export const pythonEnvironment = path.join(root, "target/sso-venv");
export const python = path.join(pythonEnvironment, "bin/python");
/** Debian's package of SimpleSAMLphp, unpacked and not installed. */
export const unpacked = path.join(root, "target/sso-php");
export const simplesamlphp = path.join(unpacked, "usr/share/simplesamlphp");
