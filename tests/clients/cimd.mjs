// Serves Client ID Metadata Documents on loopback, over https (what real clients insist on) and over
// plain http (for clients without that rule). The server under test is told to trust both.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { python, here } from "./places.mjs";
import { finish } from "./server.mjs";

export class Documents {
  #documents = new Map();
  #reads = new Map();

  /** Makes a certificate in `directory` and listens twice, on free ports of 127.0.0.1. */
  static async open(directory) {
    await finish(python, [path.join(here, "certificate.py"), directory]);
    const documents = new Documents();
    documents.authority = path.join(directory, "ca.pem");
    const answer = (request, reply) => documents.#answer(request, reply);
    const tls = { cert: readFileSync(path.join(directory, "cert.pem")), key: readFileSync(path.join(directory, "key.pem")) };
    documents.servers = [http.createServer(answer), https.createServer(tls, answer)];
    await Promise.all(documents.servers.map((server) => new Promise((listening) => server.listen(0, "127.0.0.1", listening))));
    const [plain, secure] = documents.servers.map((server) => server.address().port);
    documents.plainOrigin = `http://127.0.0.1:${plain}`;
    documents.secureOrigin = `https://localhost:${secure}`;
    return documents;
  }

  #answer(request, reply) {
    const document = this.#documents.get(request.url);
    if (document === undefined) {
      reply.writeHead(404).end();
      return;
    }
    this.#reads.set(request.url, this.reads(request.url) + 1);
    reply.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" }).end(document);
  }

  /** Publishes a client's document and returns its URL, which is the client_id. */
  publish(name, redirectUris, { secure = true } = {}) {
    const place = `/${name}/client.json`;
    const id = `${secure ? this.secureOrigin : this.plainOrigin}${place}`;
    const document = {
      client_id: id,
      client_name: `Test client ${name}`,
      redirect_uris: redirectUris,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
    this.#documents.set(place, JSON.stringify(document));
    return id;
  }

  /** How often a document was read; `place` is a path or a client_id. */
  reads(place) {
    return this.#reads.get(place.startsWith("/") ? place : new URL(place).pathname) ?? 0;
  }

  close() {
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}
