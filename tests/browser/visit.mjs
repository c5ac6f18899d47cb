// One visit: a server without accounts, a browser, and every part of the way in turn.
import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { launch } from "../clients/browser.mjs";
import { Callback } from "../clients/callback.mjs";
import { Documents } from "../clients/cimd.mjs";
import { scratch } from "../clients/places.mjs";
import { expect, Report, Stopped } from "../clients/report.mjs";
import { Server } from "../clients/server.mjs";
import { asking } from "./asking.mjs";
import { companies } from "./companies.mjs";
import { Watch } from "./look.mjs";
import { account, beforeAccounts, consenting, errors, signingIn } from "./parts.mjs";
import { walkByKeyboard, walkWithoutScript } from "./walk.mjs";

const ACCOUNT = { name: "alex", password: "correct horse battery staple" };

/** Visits everything and returns the exit code. */
export async function main() {
  const report = new Report();
  const directory = scratch("pages");
  const closing = [];
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await Promise.resolve(close()).catch((error) => report.fail("runner", error));
  };
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]]) process.once(signal, () => stop().then(() => process.exit(code)));
  try {
    const documents = await Documents.open(directory);
    closing.push(() => documents.close());
    const browser = await launch();
    closing.push(() => browser.close());
    const callback = await Callback.open();
    closing.push(() => callback.close());
    const server = new Server(directory);
    closing.push(() => server.stop());
    await server.start(["--insecure-cimd-loopback", "--insecure-extra-ca", documents.authority]);
    const visit = new Visit({ server, documents, browser, callback, report });
    for (const part of [beforeAccounts, signingIn, consenting, account, asking, errors, companies, walkByKeyboard, walkWithoutScript]) {
      try {
        await part(visit);
      } catch (error) {
        if (!(error instanceof Stopped)) report.fail(part.name, error);
      }
      await visit.leave();
    }
    if (report.failed > 0) console.log(`server, last words: ${server.tail()}\nfiles of this run: ${directory}`);
  } catch (error) {
    report.fail("runner", error);
  } finally {
    await stop();
  }
  if (report.failed === 0) rmSync(directory, { recursive: true, force: true });
  return report.close();
}

/** What a part of the visit works with. */
class Visit {
  #contexts = [];
  #clients = new Map();
  /** The person. */
  person = ACCOUNT;

  constructor(parts) {
    Object.assign(this, parts);
    this.step = this.report.steps("pages");
  }

  /** A page in a browser of its own, watched. */
  async page(options = {}) {
    const context = await this.browser.newContext({ ignoreHTTPSErrors: true, ...options });
    context.setDefaultTimeout(15_000);
    await context.route("https://app.example/**", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>App</title>" }));
    this.#contexts.push(context);
    const page = await context.newPage();
    const allowed = [this.callback.url, "https://app.example/", this.documents.secureOrigin];
    return { page, watch: new Watch(page, this.server.origin, allowed) };
  }

  /** Closes the browsers of the part that just ended. */
  async leave() {
    for (const context of this.#contexts.splice(0)) await context.close();
  }

  /** A registered client's id, for one redirect URI and name. */
  async client(name, redirect) {
    const key = `${name} ${redirect}`;
    if (!this.#clients.has(key)) {
      const reply = await fetch(`${this.server.issuer}/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ client_name: name, redirect_uris: [redirect], token_endpoint_auth_method: "none" }),
      });
      expect(reply.status === 201, `201 from registration, not ${reply.status}`);
      this.#clients.set(key, (await reply.json()).client_id);
    }
    return this.#clients.get(key);
  }

  /** An authorize URL and the verifier that belongs to it. */
  authorize(client, redirect, more = {}) {
    const verifier = randomBytes(32).toString("base64url");
    const url = new URL(`${this.server.issuer}/authorize`);
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: client,
      redirect_uri: redirect,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      resource: this.server.resource,
      state: "state",
      ...more,
    });
    return { url: url.href, verifier };
  }

  /** Redeems the code that the browser brought to the callback, and uses the token once. */
  async redeem(client, verifier) {
    const arrival = await this.callback.arrival();
    const reply = await fetch(`${this.server.issuer}/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code: arrival.searchParams.get("code"),
        redirect_uri: this.callback.url,
        client_id: client,
        code_verifier: verifier,
      }),
    });
    expect(reply.status === 200, `200 from /token, not ${reply.status}`);
    const tokens = await reply.json();
    await this.server.call(tokens.access_token);
    return tokens;
  }

  /** Signs in on the form that is shown. */
  async signIn(page, password = this.person.password, name = this.person.name) {
    await page.fill("input[name=name]", name);
    await page.fill("input[name=password]", password);
    await Promise.all([page.waitForNavigation(), page.click("button[name=answer][value=sign-in]")]);
  }

  /** Allows what the consent page asks. */
  async allow(page) {
    const started = page.locator("input[name=started]");
    if ((await started.count()) > 0) await started.check();
    const back = page.waitForURL((next) => next.origin !== this.server.origin);
    await page.click("button[name=answer][value=allow]");
    await back;
  }
}
