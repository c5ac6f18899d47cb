// {{name}}: an MCP server whose tokens come from Portcullis. `npm start` serves it; the tests start it on another port.
import { createServer } from "node:http";
import type { Server } from "node:http";
import { fileURLToPath } from "node:url";
import { hostHeaderValidation, originValidation, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer, requireScopes } from "@modelcontextprotocol/server";
import { z } from "zod";
import { gate, metadata, READ, WRITE } from "./auth.ts";

const notes: string[] = [];
const say = (text: string) => ({ content: [{ type: "text" as const, text }] });

/** The tools. A challenge names all that a call needs, so that a client that asks for just that keeps what it had. */
function tools() {
  const server = new McpServer({ name: "{{package}}", version: "0.1.0" });
  const inputSchema = z.object({ text: z.string().max(10_000).describe("What the note says.") });
  const scopeChallenge = requireScopes(READ, WRITE);
  server.registerTool("list_notes", { description: "List all notes.", annotations: { readOnlyHint: true } }, () => say(notes.join("\n")));
  server.registerTool("add_note", { description: "Add a note.", inputSchema, scopeChallenge }, ({ text }) => {
    notes.push(text);
    return say("added");
  });
  server.registerTool("delete_note", { description: "Delete a note.", inputSchema, scopeChallenge, annotations: { destructiveHint: true } }, ({ text }) => {
    const place = notes.indexOf(text);
    if (place < 0) return say("there is no such note");
    notes.splice(place, 1);
    return say("deleted");
  });
  return server;
}

/** The MCP server at `resource`, for tokens of `issuer`. */
export function serve(issuer: string, resource: URL): Server {
  const handler = createMcpHandler(tools);
  const enter = gate(issuer, resource);
  const { path, document } = metadata(issuer, resource);
  const fetch = async (request: Request): Promise<Response> => {
    const place = new URL(request.url).pathname;
    if (place === path) return Response.json(document, { headers: { "access-control-allow-origin": "*" } });
    if (place !== resource.pathname) return new Response(null, { status: 404 });
    const authInfo = await enter(request);
    return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo });
  };
  const handle = toNodeHandler({ fetch });
  // A website that points its own name here is refused.
  const rightHost = hostHeaderValidation([resource.hostname]);
  const rightOrigin = originValidation([resource.hostname]);
  return createServer((request, reply) => {
    if (rightHost(request, reply) && rightOrigin(request, reply)) void handle(request, reply);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const issuer = process.env.ISSUER ?? "{{issuer}}";
  const resource = new URL(process.env.RESOURCE ?? "http://127.0.0.1:{{port}}/mcp");
  const [host, port] = [process.env.HOST ?? "127.0.0.1", Number(process.env.PORT ?? {{port}})];
  serve(issuer, resource).listen(port, host, () => console.log(`{{name}} is at ${resource.href}, for tokens of ${issuer}`));
}
