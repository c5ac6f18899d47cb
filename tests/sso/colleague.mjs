// Somebody who signs in through a company: Acme's button, Acme's own page, and back.
import { Person } from "../clients/browser.mjs";
import { expect } from "../clients/report.mjs";

/** The longest wait for one page, in milliseconds. */
const PATIENCE = 15_000;

/** The places between our sign-in page and the end of signing in. */
const BETWEEN = ["/sign-in/with", "/sign-in/test"];

/** Presses what begins the way to a provider; resolves once the way has ended, on a page of ours again. */
export async function through(page, { login, password }, press) {
  const { origin: ours, pathname: begun } = new URL(page.url());
  await press();
  const form = page.locator("input[name=username]");
  const back = () => page.waitForURL((url) => url.origin === ours && !BETWEEN.includes(url.pathname) && url.pathname !== begun, { timeout: PATIENCE, waitUntil: "load" });
  // Whoever is signed in there already sees no form.
  const early = back().then(() => "back", () => "late");
  // A refusal of ours comes at the address the form was sent to.
  const refused = page.waitForSelector("h2#next", { timeout: PATIENCE }).then(() => "back", () => "late");
  const first = await Promise.race([early, refused, form.waitFor({ timeout: PATIENCE }).then(() => "form", () => "none")]);
  if (first === "back") return;
  expect(first === "form", `a login form of the provider, not ${page.url()}`);
  await form.fill(login);
  await page.fill("input[name=password]", password);
  await Promise.all([back(), page.locator("button, input[type=submit]").last().click()]);
}

/** A person whose password only the provider knows. */
export class Colleague extends Person {
  /** `provider` is the short name of the button to press. */
  static async of(browser, provider, login, password) {
    const context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    const colleague = new Colleague(context, { name: login, password });
    colleague.provider = provider;
    return colleague;
  }

  async signIn(page) {
    const press = () => page.click(`button[name=provider][value="${this.provider}"]`);
    await through(page, { login: this.name, password: this.password }, press);
  }
}
