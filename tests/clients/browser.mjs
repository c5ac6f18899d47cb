// The person's browser: Debian's Chromium, driven the way a person would use the pages.
import { existsSync } from "node:fs";
import { chromium as playwright } from "playwright-core";
import { chromium } from "./places.mjs";
import { expect } from "./report.mjs";

const FLAGS = [
  "--no-first-run",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The longest wait for one page or button, in milliseconds. */
const PATIENCE = 15_000;

/** How often a page is looked at again, and after how many milliseconds, until it tells what happened elsewhere. */
const LOOKS = 20;
const BETWEEN = 150;

/** Starts Chromium, headless, with an empty profile. */
export function launch() {
  if (!existsSync(chromium)) throw new Error(`no Chromium at ${chromium}: apt-get install chromium, or set PORTCULLIS_CHROMIUM`);
  return playwright.launch({ executablePath: chromium, headless: true, chromiumSandbox: false, args: FLAGS });
}

/** One person at one browser: cookies live as long as this. */
export class Person {
  /** What consent showed last, as text. */
  consent = "";

  constructor(context, { name, password }) {
    this.context = context;
    this.name = name;
    this.password = password;
  }

  static async at(browser, account) {
    const context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    return new Person(context, account);
  }

  /**
   * Opens an authorize URL, signs in where asked, and answers consent.
   * Resolves with the URL the browser was sent back to, whoever listens there.
   * `allow: false` denies; `tick` and `untick` name scopes; `replace` picks the first agent offered for replacement.
   */
  async signInAndConsent(url, { allow = true, tick = [], untick = [], replace = false } = {}) {
    const page = await this.context.newPage();
    const issuer = new URL(url).origin;
    try {
      await page.goto(String(url));
      if (new URL(page.url()).pathname === "/sign-in") await this.signIn(page);
      const place = new URL(page.url()).pathname;
      if (place !== "/consent") throw new Error(`consent was not shown but ${place}: ${(await page.innerText("body")).slice(0, 600)}`);
      this.consent = await page.innerText("main");
      for (const scope of tick) await page.check(`input[name=scope][value="${scope}"]`);
      for (const scope of untick) await page.uncheck(`input[name=scope][value="${scope}"]`);
      const started = page.locator("input[name=started]");
      if (allow && (await started.count()) > 0) await started.check();
      if (replace) {
        const offered = page.locator('input[name=replaces]:not([value=""])');
        expect((await offered.count()) > 0, "consent to offer an agent to replace");
        await offered.first().check();
      }
      const gone = page.waitForURL((next) => next.origin !== issuer, { waitUntil: "commit" });
      const refused = page.waitForSelector("[role=alert]").then(async (alert) => {
        throw new Error(`the answer was not taken: ${(await alert.innerText()).trim()}`);
      });
      // Whichever does not happen ends with the page.
      for (const either of [gone, refused]) either.catch(() => {});
      await page.click(`button[name=answer][value=${allow ? "allow" : "deny"}]`);
      await Promise.race([gone, refused]);
      return new URL(page.url());
    } finally {
      await page.close();
    }
  }

  /** Opens the page of a call that waits, signs in where asked, and answers: "approve" or "deny". */
  async decide(url, answer) {
    const page = await this.context.newPage();
    try {
      await page.goto(String(url));
      if (new URL(page.url()).pathname === "/sign-in") await this.signIn(page);
      const place = new URL(page.url()).pathname;
      expect(place === "/approve", `the question's page, not ${place}: ${(await page.innerText("body")).slice(0, 600)}`);
      this.question = await page.innerText("main");
      await Promise.all([page.waitForNavigation({ waitUntil: "load" }), page.click(`button[name=answer][value=${answer}]`)]);
    } finally {
      await page.close();
    }
  }

  /** Among the connected agents, allows this one a scope that it was refused. */
  async allowWanted(issuer, agent, scope) {
    const page = await this.context.newPage();
    try {
      await page.goto(`${issuer}/account`);
      if (new URL(page.url()).pathname === "/sign-in") await this.signIn(page);
      const form = page.locator(`form[action$="/account/wanted"]:has(input[name=agent][value="${agent}"]):has(input[name=scope][value="${scope}"])`);
      // What was refused is written down with what else happened in that moment.
      for (let look = 0; look < LOOKS && (await form.count()) === 0; look += 1) {
        await page.waitForTimeout(BETWEEN);
        await page.reload();
      }
      expect((await form.count()) === 1, `${scope} among what ${agent} was refused: ${(await page.innerText("main")).slice(0, 600)}`);
      await Promise.all([page.waitForNavigation({ waitUntil: "load" }), form.locator("button[value=allow]").click()]);
    } finally {
      await page.close();
    }
  }

  /** Fills in the sign-in form that `page` shows. */
  async signIn(page, password = this.password) {
    await page.fill("input[name=name]", this.name);
    await page.fill("input[name=password]", password);
    await Promise.all([
      page.waitForNavigation({ waitUntil: "load" }),
      page.click("button[name=answer][value=sign-in]"),
    ]);
  }

  close() {
    return this.context.close();
  }
}
