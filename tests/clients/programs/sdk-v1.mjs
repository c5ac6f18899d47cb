// @modelcontextprotocol/sdk, version 1.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { drive } from "./typescript.mjs";

export const sdk = {
  Client,
  Transport: StreamableHTTPClientTransport,
  UnauthorizedError,
  options: {},
  finish: (transport, arrival) => transport.finishAuth(arrival.searchParams.get("code")),
};

/** Answers what the server asks of the person: `act({ mode, url, message })` returns the action. */
export const onElicit = (client, act) =>
  client.setRequestHandler(ElicitRequestSchema, async (request) => ({ action: await act(request.params) }));

export const runs = [
  ["TypeScript SDK v1, registered", (test, name) => drive(test, name, sdk, { again: true })],
  ["TypeScript SDK v1, client document", (test, name) => drive(test, name, sdk, { cimd: true })],
];
