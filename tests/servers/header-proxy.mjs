// Stands between the official suite, which sends no token, and Portcullis: adds the token, and says the
// gateway's own name where the suite says the proxy's. Nothing else is touched: bodies pass as they come, both ways,
// and a foreign Host or Origin stays foreign, so that the gateway is what refuses it.
import http from "node:http";

/** Headers that belong to one connection (RFC 9110 §7.6.1). */
const HOP = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "trailer"]);

/** Opens a proxy before `target` (a URL); `token()` is asked for each request. */
export async function openHeaderProxy(target, token) {
  const there = new URL(target);
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, reply) => {
    const here = `127.0.0.1:${server.address().port}`;
    const headers = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      const name = request.rawHeaders[at].toLowerCase();
      let value = request.rawHeaders[at + 1];
      if (HOP.has(name)) continue;
      if (name === "host" && value === here) value = there.host;
      if (name === "origin" && value === `http://${here}`) value = there.origin;
      headers.push(request.rawHeaders[at], value);
    }
    headers.push("Authorization", `Bearer ${token()}`);
    if (request.headers["content-length"] === undefined && request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
    const onward = http.request({ host: there.hostname, port: there.port, path: request.url, method: request.method, headers, agent, setHost: false });
    onward.on("response", (answer) => {
      const back = [];
      for (let at = 0; at < answer.rawHeaders.length; at += 2) {
        if (!HOP.has(answer.rawHeaders[at].toLowerCase())) back.push(answer.rawHeaders[at], answer.rawHeaders[at + 1]);
      }
      reply.writeHead(answer.statusCode, answer.statusMessage, back);
      reply.flushHeaders();
      answer.on("error", () => reply.destroy());
      answer.pipe(reply);
    });
    onward.on("error", () => reply.destroy());
    reply.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}${there.pathname}`,
    close() {
      agent.destroy();
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}
