// Where things are, beside what tests/clients knows.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "../clients/places.mjs";

/** This directory. */
export const here = path.dirname(fileURLToPath(import.meta.url));
/** Where new servers are made; emptied at the start of a run. */
export const work = path.join(root, "target/new");
