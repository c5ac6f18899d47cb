// @modelcontextprotocol/sdk, version 1.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { drive } from "./typescript.mjs";

const sdk = {
  Client,
  Transport: StreamableHTTPClientTransport,
  UnauthorizedError,
  options: {},
  finish: (transport, arrival) => transport.finishAuth(arrival.searchParams.get("code")),
};

export const runs = [
  ["TypeScript SDK v1, registered", (test, name) => drive(test, name, sdk, { again: true })],
  ["TypeScript SDK v1, client document", (test, name) => drive(test, name, sdk, { cimd: true })],
];
