// Drives the real binary in front of servers that nobody here wrote: node tests/servers/run.mjs [WORD…]
// WORDs choose the parts whose names contain one of them; `--list` names them all.
import { begin } from "../clients/begin.mjs";

await begin(import.meta.url, () => import("./session.mjs"));
