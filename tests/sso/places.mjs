// Where things are, beside what tests/clients knows.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "../clients/places.mjs";

/** This directory. */
export const here = path.dirname(fileURLToPath(import.meta.url));
/** The Python environment with the packages of requirements.txt. */
export const pythonEnvironment = path.join(root, "target/sso-venv");
export const python = path.join(pythonEnvironment, "bin/python");
/** Where Debian puts SimpleSAMLphp. */
export const simplesamlphp = "/usr/share/simplesamlphp";
