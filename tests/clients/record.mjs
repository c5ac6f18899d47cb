// Preloaded into Node clients: writes each HTTP answer to the wire log. Node's own fetch and the
// undici package announce their requests on the same channels.
import { subscribe } from "node:diagnostics_channel";
import { appendFileSync } from "node:fs";

const file = process.env.PORTCULLIS_WIRE_LOG;
if (file) {
  subscribe("undici:request:headers", ({ request, response }) => {
    const path = String(request.path).split("?")[0];
    const entry = { method: request.method, origin: String(request.origin), path, status: response.statusCode };
    appendFileSync(file, `${JSON.stringify(entry)}\n`);
  });
}
