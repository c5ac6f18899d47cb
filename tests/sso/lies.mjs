// An OpenID provider that hangs and lies: refused, explained, in the trail; and nobody else is slowed.
import { expect } from "../clients/report.mjs";

/** What the liar does (see liar.mjs), and the cause that is named. */
const MANNERS = [
  ["alg none", "id_token_alg_none"],
  ["HS256", "id_token_alg_symmetric"],
  ["another key", "id_token_signature"],
  ["iss", "id_token_issuer"],
  ["aud", "id_token_audience"],
  ["aud of two", "id_token_audience"],
  ["nonce", "id_token_nonce"],
  ["no nonce", "id_token_"],
  ["no sub", "id_token_"],
  ["exp", "id_token_expired"],
  ["iss of the answer", "_issuer"],
  ["no iss in the answer", "answer_issuer_absent"],
  ["unverified e-mail", "E-NOT-LET-IN"],
  ["e-mail said to be verified in words", "E-NOT-LET-IN"],
];

/** The longest that somebody else's way may take while the liar hangs, in milliseconds. */
const SOON = 4_000;

/** How often it is tried with a new key, and after how many milliseconds each time: longer than keys are taken as read. */
const ATTEMPTS = 11;
const BETWEEN = 3_000;

export async function run(site) {
  const { server, liar } = site;
  const step = site.report.steps("lies");
  /** Goes to the liar, and resolves with the page where that ends. */
  const attempt = async () => {
    const context = await site.browser.newContext();
    site.closing.push(() => context.close());
    const page = await context.newPage();
    await page.goto(`${server.issuer}/sign-in`);
    await page.click('button[name=provider][value="mallory"]');
    return page;
  };
  const ended = (page) => page.waitForURL((url) => url.origin === server.origin && url.pathname !== "/sign-in/with");
  const signedIn = async (page) => {
    await page.goto(`${server.issuer}/account`);
    return new URL(page.url()).pathname === "/account";
  };
  try {
    for (const [manner, cause] of MANNERS) {
      await step(`${manner}: refused as ${cause}`, async () => {
        liar.manner = manner;
        const page = await attempt();
        await ended(page);
        const text = await page.innerText("main");
        expect(text.includes(cause), `${cause} on the page, not ${text.slice(0, 900)}`);
        expect(!(await signedIn(page)), "nobody to be signed in");
      });
    }
    await step("mix-up: sent on to an honest provider, whose code is not taken for the liar's", async () => {
      liar.manner = "mix-up";
      const page = await attempt();
      await page.fill("input[name=username]", "alex");
      await page.fill("input[name=password]", site.people.all.alex.password);
      await Promise.all([ended(page), page.click("button")]);
      expect(new URL(page.url()).pathname === "/callback/acme", `Acme's own address, not ${page.url()}`);
      expect((await page.innerText("main")).includes("Who must act"), "a refusal");
      expect(!(await signedIn(page)), "nobody to be signed in");
    });
    await step("hangs: others sign in meanwhile, and it ends with a page", async () => {
      liar.manner = "hangs";
      const page = await attempt();
      const colleague = await site.colleague("acme");
      const other = await colleague.context.newPage();
      const began = performance.now();
      await other.goto(`${server.issuer}/sign-in`);
      await colleague.signIn(other);
      expect(await signedIn(other), "the other to be signed in");
      expect(performance.now() - began < SOON, `no wait for the liar, not ${Math.round(performance.now() - began)} ms`);
      await ended(page);
      expect((await page.innerText("main")).includes("token_unavailable"), "the cause");
    });
    await step("keys rotate: people sign in again, at the latest when keys may be fetched anew", async () => {
      liar.manner = "right";
      liar.rotate();
      for (let attempts = 0; attempts < ATTEMPTS; attempts += 1) {
        const page = await attempt();
        await ended(page);
        const cause = await page.innerText("main");
        if (await signedIn(page)) return;
        expect(cause.includes("id_token_key") || cause.includes("id_token_signature"), `the key to be the cause, not ${cause.slice(0, 500)}`);
        await page.waitForTimeout(BETWEEN);
      }
      throw new Error("nobody is signed in with the new key");
    });
  } finally {
    liar.manner = "right";
  }
}
