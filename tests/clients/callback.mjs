// A client's own redirect listener on loopback: waits for the browser to bring the answer back.
import http from "node:http";

export class Callback {
  #waiting = [];
  #arrived = [];

  /** Listens on a free port of 127.0.0.1. */
  static async open(path = "/callback") {
    const callback = new Callback();
    callback.server = http.createServer((request, reply) => {
      const url = new URL(request.url, callback.url);
      if (url.pathname !== path) {
        reply.writeHead(404).end();
        return;
      }
      reply.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<!doctype html><title>Done</title><p>You can close this window.");
      const next = callback.#waiting.shift();
      if (next) next(url);
      else callback.#arrived.push(url);
    });
    await new Promise((listening) => callback.server.listen(0, "127.0.0.1", listening));
    callback.url = `http://127.0.0.1:${callback.server.address().port}${path}`;
    return callback;
  }

  /** The URL the browser was sent to, with code, state and iss. */
  arrival() {
    const early = this.#arrived.shift();
    return early ? Promise.resolve(early) : new Promise((found) => this.#waiting.push(found));
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((closed) => this.server.close(closed));
  }
}
