// Every page of the way through a provider, looked at, and walked by keyboard.
import { createHash, randomBytes } from "node:crypto";
import { Callback } from "../clients/callback.mjs";
import { expect } from "../clients/report.mjs";
import { look, Watch } from "../browser/look.mjs";
import { ALEX, PROVIDERS } from "./site.mjs";

/** More tab stops than any page has. */
const STOPS = 60;

/** A page that is watched; what the providers' own pages do is theirs. */
export async function watched(site, context) {
  const page = await context.newPage();
  const { acme, initech, globex } = site.idp;
  return { page, watch: new Watch(page, site.server.origin, [acme.issuer, initech.origin, globex.origin, "http://127.0.0.1:"]) };
}

/** Presses Tab until `selector` has the focus. */
async function tabTo(page, selector) {
  for (let stop = 0; stop < STOPS; stop += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
  }
  throw new Error(`${selector} was not reached by Tab`);
}

/** An authorize URL of a new client that says its name is `name`. */
async function authorize(site, name, callback) {
  const reply = await fetch(`${site.server.issuer}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: name, redirect_uris: [callback.url], token_endpoint_auth_method: "none" }),
  });
  expect(reply.status === 201, `201 from registration, not ${reply.status}`);
  const url = new URL(`${site.server.issuer}/authorize`);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: (await reply.json()).client_id,
    redirect_uri: callback.url,
    code_challenge: createHash("sha256").update(randomBytes(32).toString("base64url")).digest("base64url"),
    code_challenge_method: "S256",
    resource: site.server.resource,
    state: "state",
  });
  return url.href;
}

export async function run(site) {
  const { server, idp } = site;
  const step = site.report.steps("pages");
  const callback = await Callback.open();
  const colleague = await site.colleague("acme");
  const { page, watch } = await watched(site, colleague.context);
  const press = (selector) => Promise.all([page.waitForNavigation(), page.click(selector)]);
  try {
    await step("sign-in offers every provider, and the work address", async () => {
      await page.goto(await authorize(site, "Test agent", callback));
      expect(new URL(page.url()).pathname === "/sign-in", `the sign-in page, not ${page.url()}`);
      for (const [name, label] of PROVIDERS) expect((await page.innerText(`button[name=provider][value="${name}"]`)).includes(label), `a button for ${label}`);
      await look(watch, "sso-sign-in");
    });
    await step("a work address that leads nowhere", async () => {
      await page.fill("input[name=address]", "somebody@elsewhere.example");
      await press("form:has(input[name=address]) button");
      expect((await page.locator("[role=alert]").count()) === 1, "an alert");
      await look(watch, "sso-address-unknown", watch.answer.status());
    });
    await step("taking you to Acme: where it goes is said, and nothing is asked of the provider before", async () => {
      // The page goes on by itself at once: for the look at it, it stays.
      await page.route("**/sign-in/with", async (route) => {
        const response = await route.fetch();
        // Playwright adds headers to what it hands on; what counts is what the server said.
        Object.defineProperty(watch, "answer", { value: response, configurable: true });
        const body = await response.text();
        expect(/<meta http-equiv="refresh" content="0; url=http/.test(body), "a page that goes on by itself");
        await route.fulfill({ response, body: body.replace(/<meta http-equiv="refresh"[^>]*>/, "") });
      });
      await page.fill("input[name=address]", ALEX.email);
      await press("form:has(input[name=address]) button");
      const text = await page.innerText("main");
      expect(text.includes("Taking you to") && text.includes(new URL(idp.acme.issuer).host), `where it goes, not ${text}`);
      const link = await page.getAttribute("main a.btn", "href");
      expect(link.startsWith(idp.acme.issuer), `a link to the provider, not ${link}`);
      const asked = new URL(link).searchParams;
      expect(asked.get("code_challenge_method") === "S256" && asked.get("nonce") !== null && asked.get("state") !== null, "PKCE, nonce and state");
      expect(asked.get("redirect_uri") === `${server.issuer}/callback/acme`, "the redirect address of this provider");
      await look(watch, "sso-leaving");
      delete watch.answer;
      await page.unroute("**/sign-in/with");
      await press("main a.btn");
      await page.waitForSelector("input[name=username]");
    });
    await step("back from Acme: consent", async () => {
      await page.fill("input[name=username]", "alex");
      await page.fill("input[name=password]", ALEX.password);
      await Promise.all([page.waitForURL((url) => url.pathname === "/consent"), page.click("button")]);
      await look(watch, "sso-consent");
      expect((await page.innerText("main")).includes("Test agent"), "the client to be named");
    });
    await step("account of somebody from Acme", async () => {
      await page.goto(`${server.issuer}/account`);
      await look(watch, "sso-account");
    });
    await step("a way back that nobody began", async () => {
      await page.goto(`${server.issuer}/callback/acme?code=x&state=y`);
      await look(watch, "sso-no-handoff", watch.answer.status());
      expect(watch.answer.status() >= 400, `a refusal, not ${watch.answer.status()}`);
    });
    await step("an address of a provider that there is not", async () => {
      await page.goto(`${server.issuer}/callback/nobody?code=x&state=y`);
      await look(watch, "sso-no-provider", watch.answer.status());
      expect(watch.answer.status() >= 400, `a refusal, not ${watch.answer.status()}`);
    });
    await step("by keyboard: from the button to the way back to the client", async () => {
      const other = await site.colleague("initech");
      const { page: keys } = await watched(site, other.context);
      await keys.goto(await authorize(site, "Keyboard agent", callback));
      await tabTo(keys, 'button[name=provider][value="initech"]');
      await keys.keyboard.press("Enter");
      await keys.waitForSelector("input[name=username]");
      await tabTo(keys, "input[name=username]");
      await keys.keyboard.type("alex");
      await tabTo(keys, "input[name=password]");
      await keys.keyboard.type(ALEX.password);
      await keys.keyboard.press("Enter");
      await keys.waitForURL((url) => url.pathname === "/consent");
      await tabTo(keys, "input[name=started]");
      await keys.keyboard.press("Space");
      await tabTo(keys, "button[value=allow]");
      await Promise.all([keys.waitForURL((url) => url.href.startsWith(callback.url)), keys.keyboard.press("Enter")]);
    });
    await step("without script, and without following the refresh: the link leads there", async () => {
      const context = await site.browser.newContext({ javaScriptEnabled: false });
      site.closing.push(() => context.close());
      const plain = await context.newPage();
      await plain.goto(`${server.issuer}/sign-in`);
      await plain.locator('button[name=provider][value="globex"]').click();
      await plain.waitForSelector("input[name=username]");
    });
  } finally {
    await callback.close();
  }
}
