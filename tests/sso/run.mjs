// People sign in to the real binary through identity providers nobody here wrote: node tests/sso/run.mjs [WORD…]
// WORDs choose the parts whose names contain one of them; `--list` names them all. PORTCULLIS_SCREENSHOTS names a
// directory for pictures of the pages.
import { begin } from "../clients/begin.mjs";
import { install } from "./install.mjs";

try {
  install();
} catch (error) {
  console.log(`FAIL  installation: ${error.message}\n0 passed, 1 failed`);
  process.exit(1);
}
await begin(import.meta.url, () => import("./session.mjs"));
