// Where things are, beside what tests/clients knows.
import path from "node:path";
import { fileURLToPath } from "node:url";

/** This directory. */
export const here = path.dirname(fileURLToPath(import.meta.url));
/** Where npm put the packages of this directory's lock file. */
export const packages = path.join(here, "node_modules");
/** The reference server of the protocol's own project, which speaks stdio, Streamable HTTP and the old SSE. */
export const everything = path.join(packages, "@modelcontextprotocol/server-everything/dist/index.js");
