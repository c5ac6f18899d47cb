// An OpenID provider on node-oidc-provider, with one client and a login page of its own.
// Environment: PORT, CALLBACK (the client's redirect address), CLIENT_SECRET, PEOPLE (a JSON file of people).
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { Provider } from "oidc-provider";

const { PORT, CALLBACK, CLIENT_SECRET, PEOPLE } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;
const people = () => JSON.parse(readFileSync(PEOPLE, "utf8"));
const signing = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

const provider = new Provider(issuer, {
  clients: [{
    client_id: "portcullis",
    client_secret: CLIENT_SECRET,
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "client_secret_basic",
  }],
  jwks: { keys: [{ ...signing, use: "sig", alg: "RS256", kid: "of-a-test" }] },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "profile", "email", "groups"],
  // The claims stand in the ID token itself, as most company providers do it.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, login) => {
    const person = people()[login];
    return person && {
      accountId: login,
      claims: () => ({ sub: `oidc|${login}`, name: person.name, email: person.email, email_verified: person.verified, groups: person.groups }),
    };
  },
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
});

const page = (uid, wrong) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in at Acme</title>
<main><h1>Sign in at Acme</h1>${wrong ? "<p role=alert>Wrong name or password." : ""}
<form method="post" action="/interaction/${uid}"><label>Name <input name="username" autocomplete="username"></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form></main>`;

/** Shows the login form, or takes what was filled in and agrees to everything on the person's behalf. */
async function interaction(request, reply) {
  const { uid, params, prompt } = await provider.interactionDetails(request, reply);
  if (request.method === "POST") {
    let body = "";
    for await (const part of request) body += part;
    const form = new URLSearchParams(body);
    const login = form.get("username");
    const person = people()[login];
    if (person === undefined || person.password !== form.get("password")) {
      reply.writeHead(200, { "content-type": "text/html" }).end(page(uid, true));
      return;
    }
    await provider.interactionFinished(request, reply, { login: { accountId: login } }, { mergeWithLastSubmission: false });
    return;
  }
  if (prompt.name === "consent") {
    const { session } = await provider.interactionDetails(request, reply);
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const grantId = await grant.save();
    await provider.interactionFinished(request, reply, { consent: { grantId } }, { mergeWithLastSubmission: true });
    return;
  }
  reply.writeHead(200, { "content-type": "text/html" }).end(page(uid, false));
}

const answer = provider.callback();
const server = http.createServer((request, reply) => {
  if (request.url === "/favicon.ico") {
    reply.writeHead(204).end();
    return;
  }
  if (!request.url.startsWith("/interaction/")) {
    answer(request, reply);
    return;
  }
  interaction(request, reply).catch((error) => {
    console.error(error);
    reply.writeHead(500).end();
  });
});
server.listen(Number(PORT), "127.0.0.1", () => console.log("listening"));
