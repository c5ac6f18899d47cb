// Makes a server from each template of `portcullis new`, runs its own tests, and drives it with a real client:
// node tests/new/run.mjs [WORD…]. WORDs choose the parts whose names contain one of them; `--list` names them all.
import { begin } from "../clients/begin.mjs";

await begin(import.meta.url, () => import("./session.mjs"));
