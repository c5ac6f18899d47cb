// The servers that stand behind the gateway, a row each.
import path from "node:path";
import { node22, python } from "../clients/places.mjs";
import { freePort } from "../clients/server.mjs";
import { CAN } from "./can.mjs";
import { startChild } from "./child.mjs";
import { everything, here, packages } from "./places.mjs";

/** What the reference server can do, over whichever transport. */
const EVERYTHING = {
  free: { name: "echo", args: { message: "portcullis" }, says: "portcullis" },
  more: { name: "get-sum", args: { a: 19, b: 23 }, says: "42" },
  asks: { name: "get-structured-content", args: { location: "New York" }, says: "temperature" },
};

/** The reference server as a program that speaks stdio, and what such a program must be allowed to read. */
export const stdioCommand = [node22, everything, "stdio"];
export const stdioReads = [packages, path.dirname(node22)];

/** Runs the reference server on a free port, in the way that `word` names. */
const listening = (word, at) => async (directory) => {
  const port = await freePort();
  const child = await startChild(node22, [everything, word], {
    env: { PORT: String(port) },
    ready: /(?:listening|running) on port \d+/,
    log: path.join(directory, `everything-${word}.log`),
  });
  return { stop: child.stop, config: { upstream: `http://127.0.0.1:${port}${at}` } };
};

/**
 * Each row: `path` below the issuer; `start(directory)` resolves with what the configuration says of it and how it is
 * ended; `free` is a tool that the default scope covers, `more` one that needs a further scope, `asks` one that needs a
 * person's word for each call.
 */
export const UPSTREAMS = [
  { name: "server-everything over HTTP", path: "/everything", start: listening("streamableHttp", "/mcp"), ...EVERYTHING },
  {
    name: "server-everything over SSE",
    path: "/everything-sse",
    on: CAN.sse,
    start: async (directory) => {
      const started = await listening("sse", "/sse")(directory);
      return { ...started, config: { ...started.config, transport: "sse" } };
    },
    ...EVERYTHING,
  },
  {
    name: "server-everything over stdio",
    path: "/everything-stdio",
    on: CAN.stdio,
    start: async () => ({ stop: () => {}, config: { command: stdioCommand, read: stdioReads } }),
    ...EVERYTHING,
  },
  {
    name: "Python server",
    path: "/python",
    start: async (directory) => {
      const port = await freePort();
      const log = path.join(directory, "python-server.log");
      const child = await startChild(python, [path.join(here, "python_server.py"), String(port)], { ready: /Uvicorn running on/, log });
      return { stop: child.stop, config: { upstream: `http://127.0.0.1:${port}/mcp` } };
    },
    free: { name: "echo", args: { message: "portcullis" }, says: "portcullis" },
    more: { name: "add", args: { a: 19, b: 23 }, says: "42" },
    asks: { name: "erase", args: { name: "a letter" }, says: "Erased a letter" },
  },
  {
    name: "rmcp built-in server",
    path: "/notes",
    start: async () => ({ stop: () => {}, config: { upstream: "builtin" } }),
    scopes: [],
    scope: "notes:write",
    free: { name: "echo", args: { text: "portcullis" }, says: "portcullis" },
    more: { name: "write_note", args: { name: "step-up", text: "written after step-up" }, says: "" },
    asks: { name: "delete_note", args: { name: "step-up" }, says: "" },
  },
];

/** The scope that `more` needs, where the row names no other. */
export const MORE = "tools:more";

const toml = (value) => (Array.isArray(value) ? `[${value.map(toml).join(", ")}]` : JSON.stringify(value));

/** One `[[resource]]` of the configuration file. */
export function resourceTable(row, config, { confirm }) {
  const lines = ["[[resource]]", `path = ${toml(row.path)}`, `name = ${toml(row.name)}`];
  for (const [key, value] of Object.entries(config)) lines.push(`${key} = ${toml(value)}`);
  if (row.scopes === undefined) {
    lines.push("[[resource.scope]]", 'name = "mcp:tools"', 'title = "Use the harmless tools"', 'effect = "reads"', "default = true");
    lines.push("[[resource.scope]]", `name = "${MORE}"`, 'title = "Use all tools"', 'effect = "changes"', `tools = ${toml([row.more.name])}`);
  }
  if (confirm) lines.push("[[resource.tool]]", `name = ${toml(row.asks.name)}`, 'confirm = "person"');
  return lines.join("\n");
}
