// Every page, reached the way a person reaches it.
import { expect } from "../clients/report.mjs";
import { look } from "./look.mjs";

/** A website's redirect address; the browser is told what is there. */
const WEBSITE = "https://app.example/callback";

export async function beforeAccounts(visit) {
  const { server, step } = visit;
  const { page, watch } = await visit.page();
  await step("start, before there is an account", async () => {
    await page.goto(`${server.origin}/`);
    await look(watch, "start-empty");
  });
  await step("sign-in of an empty installation explains setup-link", async () => {
    await page.goto(`${server.origin}/sign-in`);
    await look(watch, "empty");
    expect((await page.innerText("main")).includes("portcullis setup-link"), "the command to be named");
  });
  const link = await step("setup-link prints a link of this server", async () => {
    const printed = await server.command(["setup-link"]);
    const found = printed.match(/https?:\/\/\S+/)?.[0];
    expect(found?.startsWith(`${server.origin}/setup`), `a link to ${server.origin}/setup, not ${printed}`);
    return found;
  });
  await step("setup", async () => {
    await page.goto(link);
    await look(watch, "setup");
    await page.fill("input[name=name]", visit.person.name);
    await page.fill("input[name=password]", visit.person.password);
    await Promise.all([page.waitForNavigation(), page.click("main form button")]);
  });
  await step("account without agents", async () => {
    if (new URL(page.url()).pathname === "/sign-in") await visit.signIn(page);
    await page.goto(`${server.origin}/account`);
    await look(watch, "account-empty");
    expect((await page.innerText("main")).includes(server.resource), "the address to connect to");
  });
  await step("a setup link works once", async () => {
    const other = await visit.page();
    await other.page.goto(link);
    await look(other.watch, "setup-used", other.watch.answer.status());
    expect(other.watch.answer.status() >= 400, `a refusal, not ${other.watch.answer.status()}`);
    expect((await other.page.locator("input[name=password]").count()) === 0, "no form");
  });
  await step("a link that sets a new password", async () => {
    const printed = await server.command(["setup-link", "--reset", visit.person.name]);
    const other = await visit.page();
    await other.page.goto(printed.match(/https?:\/\/\S+/)[0]);
    await look(other.watch, "setup-reset");
    expect((await other.page.innerText("main")).includes(visit.person.name), "whose password it is");
  });
}

export async function signingIn(visit) {
  const { server, step, callback } = visit;
  const { page, watch } = await visit.page();
  await step("start", async () => {
    await page.goto(`${server.origin}/`);
    await look(watch, "start");
  });
  await step("sign-in by itself", async () => {
    await page.goto(`${server.origin}/sign-in`);
    await look(watch, "sign-in");
  });
  await step("sign-in, with a client waiting", async () => {
    const client = await visit.client("Test agent", callback.url);
    await page.goto(visit.authorize(client, callback.url).url);
    await look(watch, "sign-in-waiting");
    expect((await page.innerText("main")).includes("Test agent"), "who waits");
  });
  await step("sign-in, wrong password", async () => {
    await visit.signIn(page, "not the password");
    await look(watch, "sign-in-wrong", watch.answer.status());
    expect((await page.locator("[role=alert]").count()) === 1, "an alert");
    expect((await page.inputValue("input[name=password]")) === "", "an empty password field");
  });
  await step("sign-in, right password", async () => {
    await visit.signIn(page);
    expect(new URL(page.url()).pathname === "/consent", `consent, not ${page.url()}`);
  });
}

export async function consenting(visit) {
  const { server, documents, step, callback } = visit;
  const { page, watch } = await visit.page();
  const client = await visit.client("Test agent", callback.url);
  const ask = async (url) => {
    await page.goto(url);
    if (new URL(page.url()).pathname === "/sign-in") await visit.signIn(page);
    expect(new URL(page.url()).pathname === "/consent", `consent, not ${page.url()}`);
  };
  const said = () => page.innerText("main");
  await step("consent for a program on this computer", async () => {
    const { url, verifier } = visit.authorize(client, callback.url);
    await ask(url);
    await look(watch, "consent-loopback");
    const text = await said();
    expect(text.includes("Unverified name") && text.includes(new URL(callback.url).host), "an unverified name, and where the answer goes");
    expect((await page.locator("input[name=started][required]").count()) === 1, "the question whether the person started this");
    const [deny, allow] = await Promise.all(["deny", "allow"].map((answer) => page.locator(`button[value=${answer}]`).boundingBox()));
    expect(Math.abs(deny.width - allow.width) <= 1 && Math.abs(deny.height - allow.height) <= 1, "Deny as large as Allow");
    const arming = await page.locator("button[value=allow]").evaluate((button) => getComputedStyle(button).animationName);
    expect(arming !== "none", "Allow to be out of reach at first");
    await visit.allow(page);
    await visit.redeem(client, verifier);
  });
  await step("consent offers to replace an agent", async () => {
    await ask(visit.authorize(client, callback.url).url);
    expect((await page.locator('input[name=replaces]:not([value=""])').count()) === 1, "one agent to replace");
    await look(watch, "consent-replaces");
    expect(await page.locator('input[name=scope]:checked').count() > 0, "what it asks for to be shown and ticked, also the second time");
  });
  await step("consent for more than before", async () => {
    const challenge = await (await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`)).json();
    const scope = [...new Set([...(challenge.scopes_supported ?? []), "notes:write"])].join(" ");
    await ask(visit.authorize(client, callback.url, { scope }).url);
    expect((await page.locator('input[name=scope][value="notes:write"]').count()) === 1, "the further scope to be asked for");
    await look(watch, "consent-more");
    const granted = await page.locator("form[action='/consent']").evaluate((form) => new FormData(form).getAll("scope"));
    expect(granted.length > 0, "what it already may to be part of the answer");
  });
  await step("consent for a website that is not verified", async () => {
    const website = await visit.client("Claude", WEBSITE);
    await ask(visit.authorize(website, WEBSITE).url);
    await look(watch, "consent-website");
    const text = await said();
    expect(text.includes("app.example") && text.includes("Unverified name") && !text.includes("Verified domain"), "no more trust than is due");
    expect((await page.locator("input[name=started]").count()) === 0, "no question about this computer");
  });
  await step("consent for a verified domain", async () => {
    const redirect = `${documents.secureOrigin}/verified/callback`;
    const verified = documents.publish("verified", [redirect]);
    await ask(visit.authorize(verified, redirect).url);
    await look(watch, "consent-verified");
    expect((await said()).includes("Verified domain: localhost"), "the verified domain");
  });
  await step("consent for a client with a hostile name", async () => {
    const name = `<script>alert(1)</script> ‮gnorts ${"long ".repeat(30)}`;
    const hostile = await visit.client(name.slice(0, 120), callback.url);
    await ask(visit.authorize(hostile, callback.url).url);
    await look(watch, "consent-hostile");
  });
}

export async function account(visit) {
  const { server, step } = visit;
  const { page, watch } = await visit.page();
  const act = async (form, press = `${form} button`) => {
    await Promise.all([page.waitForNavigation(), page.locator(press).first().click()]);
  };
  const open = (form) => page.locator("details", { has: page.locator(form) }).first().locator("summary").click();
  await step("account with an agent", async () => {
    await page.goto(`${server.origin}/account`);
    await visit.signIn(page);
    await page.goto(`${server.origin}/account`);
    await look(watch, "account");
    expect((await page.locator('form[action="/account/revoke"]').count()) === 1, "one agent");
  });
  await step("account, everything unfolded", async () => {
    await page.reload();
    await page.evaluate(() => document.querySelectorAll("details").forEach((more) => (more.open = true)));
    await look(watch, "account-open");
    await page.reload();
  });
  await step("account, an agent renamed", async () => {
    await open('form[action="/account/rename"]');
    await page.fill('form[action="/account/rename"] input[name=label]', "Work laptop");
    await act('form[action="/account/rename"]');
    await look(watch, "account-renamed");
    expect((await page.innerText("main")).includes("Work laptop"), "the new label");
  });
  await step("account, wrong password at its change", async () => {
    await open('form[action="/account/password"]');
    await page.fill('form[action="/account/password"] input[name=current]', "not the password");
    await page.fill('form[action="/account/password"] input[name=new]', "another long password");
    await act('form[action="/account/password"]');
    await look(watch, "account-password-wrong", watch.answer.status());
    expect((await page.locator("[role=alert]").count()) === 1, "an alert");
    await page.goto(`${server.origin}/account`);
  });
  await step("account, an agent revoked", async () => {
    await open('form[action="/account/revoke"]');
    await act('form[action="/account/revoke"]');
    await look(watch, "account-revoked");
    expect((await page.locator('form[action="/account/revoke"]').count()) === 0, "no agent left");
  });
  await step("signed out", async () => {
    await page.goto(`${server.origin}/account`);
    await act('form[action="/sign-out"]');
    await look(watch, "signed-out");
    await page.goto(`${server.origin}/account`);
    expect((await page.locator("input[name=password]").count()) === 1, "the account to be closed");
  });
}

export async function errors(visit) {
  const { server, step, callback } = visit;
  const { page, watch } = await visit.page();
  const client = await visit.client("Test agent", callback.url);
  const cases = [
    ["unknown client", visit.authorize("no-such-client", callback.url).url],
    ["unknown redirect URI", visit.authorize(client, "http://127.0.0.1:9/other").url],
    ["no redirect URI that can be right", visit.authorize(client, "javascript:alert(1)").url],
    ["client document that cannot be read", visit.authorize(`${visit.documents.secureOrigin}/missing/client.json`, callback.url).url],
    ["setup link that never was", `${server.origin}/setup?link=never`],
    ["page that is not there", `${server.origin}/no-such-page`],
  ];
  for (const [name, url] of cases) {
    await step(`error: ${name}`, async () => {
      await page.goto(url);
      expect(page.url().startsWith(server.origin), "no redirect elsewhere");
      const status = watch.answer.status();
      expect((status >= 400 && status < 500) || status === 502, `a refusal, not ${status}`);
      await look(watch, `error-${name.replace(/[^a-z]+/gi, "-")}`, status);
      expect(/E-[A-Z]+/.test(await page.innerText("main")), "a stable code");
    });
  }
}
