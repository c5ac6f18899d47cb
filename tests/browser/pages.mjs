// Looks at every page of the real binary the way people and their tools do: node tests/browser/pages.mjs
// PORTCULLIS_SCREENSHOTS names a directory for pictures of what was seen.
import { begin } from "../clients/begin.mjs";

await begin(import.meta.url, () => import("./visit.mjs"));
