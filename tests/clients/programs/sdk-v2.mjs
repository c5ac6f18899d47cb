// @modelcontextprotocol/client, version 2 of the TypeScript SDK. It checks `iss` and the metadata's
// issuer, and it is the one that steps up by itself.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { drive } from "./typescript.mjs";

export const sdk = {
  Client,
  Transport: StreamableHTTPClientTransport,
  UnauthorizedError,
  options: {},
  finish: (transport, arrival) => transport.finishAuth(arrival.searchParams),
};
export const negotiating = { ...sdk, options: { versionNegotiation: { mode: "auto" } } };

/** Answers what the server asks of the person: `act({ mode, url, message })` returns the action. */
export const onElicit = (client, act) =>
  client.setRequestHandler("elicitation/create", async (request) => ({ action: await act(request.params) }));

export const runs = [
  ["TypeScript SDK v2, registered", (test, name) => drive(test, name, sdk, { stepUp: true })],
  ["TypeScript SDK v2, client document, newest revision", (test, name) => drive(test, name, negotiating, { cimd: true, again: true })],
];
