// The identity providers: programs nobody here wrote, each on a free loopback port, all of whom know the same people.
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { node22 } from "../clients/places.mjs";
import { finish, freePort } from "../clients/server.mjs";
import { startChild } from "../servers/child.mjs";
import { here, python, simplesamlphp } from "./places.mjs";

/** The people of every provider: a file that each of them reads anew whenever somebody signs in. */
export class People {
  constructor(directory) {
    this.file = path.join(directory, "people.json");
    this.all = {};
  }

  /** Adds or changes a person: `{ password, name, email, verified, groups }`. */
  put(login, person) {
    this.all[login] = { ...this.all[login], ...person };
    writeFileSync(this.file, JSON.stringify(this.all));
  }
}

/** A fresh RSA key with a certificate of its own, as `idp.key` and `idp.crt` in `directory`. */
async function keys(directory) {
  mkdirSync(directory, { recursive: true });
  const [key, certificate] = ["idp.key", "idp.crt"].map((name) => path.join(directory, name));
  await finish("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=provider of a test", "-keyout", key, "-out", certificate]);
  return { key, certificate };
}

async function text(url) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${reply.status} from ${url}`);
  return reply.text();
}

/** node-oidc-provider: resolves with `{ issuer, clientId, secret, stop }`. `callback` is the one redirect address. */
export async function oidcProvider(directory, { people, callback }) {
  const port = await freePort();
  const secret = randomBytes(24).toString("base64url");
  const child = await startChild(node22, [path.join(here, "oidc_provider.mjs")], {
    env: { PORT: String(port), CALLBACK: callback, CLIENT_SECRET: secret, PEOPLE: people.file },
    ready: /listening/,
    log: path.join(directory, "oidc-provider.log"),
  });
  return { issuer: `http://127.0.0.1:${port}`, clientId: "portcullis", secret, stop: child.stop };
}

/**
 * pysaml2's provider: resolves with `{ entity, metadata, origin, stop }`. `sp` is `{ entity, acs }`, whose metadata is fetched
 * where it is `published`; `manner` names what it does wrong (see pysaml2_idp.py).
 */
export async function pysaml2(directory, { people, sp, published = false, manner = "right" }) {
  const port = await freePort();
  const own = path.join(directory, `pysaml2-${manner}`);
  const { key, certificate } = await keys(own);
  const args = [path.join(here, "pysaml2_idp.py"), "--port", port, "--key", key, "--certificate", certificate, "--people", people.file];
  args.push("--sp", sp.entity, "--acs", sp.acs, "--manner", manner);
  if (published) args.push("--sp-metadata", sp.entity);
  const child = await startChild(python, args.map(String), { ready: /listening/, log: path.join(directory, `pysaml2-${manner}.log`) });
  const origin = `http://localhost:${port}`;
  return { entity: `${origin}/metadata`, metadata: await text(`${origin}/metadata`), origin, stop: child.stop };
}

/** SimpleSAMLphp in PHP's own web server: resolves with `{ entity, metadata, origin, stop }`. */
export async function simpleSamlPhp(directory, { people, sp }) {
  const port = await freePort();
  const own = path.join(directory, "simplesamlphp");
  await keys(own);
  for (const name of ["tmp", "sessions"]) mkdirSync(path.join(own, name), { recursive: true });
  const origin = `http://localhost:${port}`;
  const child = await startChild("php", ["-d", "display_errors=0", "-S", `localhost:${port}`, "-t", path.join(simplesamlphp, "www")], {
    env: {
      SIMPLESAMLPHP_CONFIG_DIR: path.join(here, "simplesamlphp"),
      PORTCULLIS_SSO_DIR: own,
      PORTCULLIS_SSO_BASE: origin,
      PORTCULLIS_SSO_PEOPLE: people.file,
      PORTCULLIS_SSO_SP: sp.entity,
      PORTCULLIS_SSO_ACS: sp.acs,
    },
    ready: /Development Server .* started/,
    log: path.join(directory, "simplesamlphp.log"),
  });
  const entity = `${origin}/saml2/idp/metadata.php`;
  return { entity, metadata: await text(entity), origin, stop: child.stop };
}
