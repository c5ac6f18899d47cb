// Signing in through a company, as far as it happens on our own pages; tests/sso goes the whole way with real providers.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { scratch } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";
import { Server } from "../clients/server.mjs";
import { look, Watch } from "./look.mjs";

/** A provider whose addresses are known without asking it. */
const GITHUB = "https://github.com/";

/** A server of its own, with providers. */
async function company(passwords) {
  const directory = scratch("companies");
  mkdirSync(directory, { recursive: true });
  const secret = path.join(directory, "secret");
  writeFileSync(secret, "not-a-real-secret", { mode: 0o600 });
  const server = new Server(directory);
  await server.serve(`
[sign_in]
passwords = ${passwords}

[[resource]]
path = "/mcp"
name = "Notes"

[[provider]]
name = "github"
label = "GitHub"
kind = "github"
accounts = "known"
client_id = "portcullis"
client_secret_file = "${secret}"

[[provider]]
name = "acme"
label = "Acme"
kind = "oidc"
issuer = "https://login.acme.invalid"
client_id = "portcullis"
client_secret_file = "${secret}"
domains = ["acme.example"]
`);
  return server;
}

export async function companies(visit) {
  const { step } = visit;
  const server = await step("a server with companies", () => company(true));
  const { page } = await visit.page({ javaScriptEnabled: true });
  const watch = new Watch(page, server.origin, [GITHUB]);
  try {
    await step("sign-in with companies: buttons first, and a work address", async () => {
      await page.goto(`${server.origin}/sign-in`);
      await look(watch, "sign-in-companies");
      const buttons = await page.locator("button[name=provider]").allInnerTexts();
      expect(buttons.join() === "Sign in with GitHub,Sign in with Acme", `the buttons, not ${buttons}`);
      expect((await page.locator("input[type=email]").count()) === 1, "a field for a work address");
    });
    await step("a work address that leads nowhere", async () => {
      await page.fill("input[name=address]", "alex@elsewhere.example");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#address-fault");
      await look(watch, "sign-in-address-fault", 400);
      expect((await page.inputValue("input[name=address]")) === "alex@elsewhere.example", "what was typed");
    });
    await step("on the way to a company: where to, without script", async () => {
      // 204 leaves the page where it is, so that it can be looked at.
      await page.context().route(`${GITHUB}**`, (route) => route.fulfill({ status: 204 }));
      const gone = page.waitForRequest((request) => request.url().startsWith(GITHUB));
      await page.goto(`${server.origin}/sign-in`);
      await page.click("button[value=github]");
      const to = new URL((await gone).url());
      await page.waitForSelector("h1");
      await look(watch, "leaving");
      expect(to.searchParams.get("redirect_uri") === `${server.origin}/callback/github`, "an address of its own to come back to");
      expect(to.searchParams.get("code_challenge_method") === "S256", "PKCE");
      expect((await page.innerText(".host")).includes("github.com"), "where to");
      expect((await page.locator(`a[href^="${GITHUB}"]`).count()) === 1, "a link for who stays");
    });
    await step("a company that does not answer", async () => {
      await page.goto(`${server.origin}/sign-in`);
      await page.fill("input[name=address]", "alex@acme.example");
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=You were not signed in");
      await look(watch, "provider-fault", watch.answer.status());
      expect(watch.answer.status() === 502, `502, not ${watch.answer.status()}`);
      await page.click("text=Back to sign-in");
      expect(new URL(page.url()).pathname === "/sign-in", "back at sign-in");
    });
    await step("answers that nobody waits for", async () => {
      await page.goto(`${server.origin}/callback/github?code=c&state=${"a".repeat(43)}`);
      await look(watch, "callback-stale", 400);
      await page.goto(`${server.origin}/callback/nobody?code=c&state=s`);
      await look(watch, "callback-unknown", 404);
    });
    await step("keyboard: the first company is reached before any field", async () => {
      await page.goto(`${server.origin}/sign-in`);
      const passed = [];
      for (let stop = 0; stop < 6; stop += 1) {
        await page.keyboard.press("Tab");
        passed.push(await page.evaluate(() => document.activeElement.getAttribute("value") ?? document.activeElement.tagName));
      }
      expect(passed.includes("github") && passed.includes("acme"), `both buttons, not ${passed.join()}`);
    });
  } finally {
    await server.stop();
  }
  const bare = await step("a server without passwords", () => company(false));
  try {
    const alone = new Watch(page, bare.origin);
    await step("sign-in without passwords", async () => {
      await page.goto(`${bare.origin}/sign-in`);
      await look(alone, "sign-in-companies-alone");
      expect((await page.locator("input[type=password]").count()) === 0, "no password field");
    });
  } finally {
    await bare.stop();
  }
}
