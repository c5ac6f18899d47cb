// Drives the real binary with clients that nobody here wrote: node tests/clients/run.mjs [WORD…]
// WORDs choose the clients whose names contain one of them; `--list` names them all.
import { begin } from "./begin.mjs";

await begin(import.meta.url, () => import("./session.mjs"));
