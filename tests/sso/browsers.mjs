// What one browser began, another cannot end; and what was ended once does not end again.
import { expect, within } from "../clients/report.mjs";

/** Where each provider sends the browser back to. */
const BACK = { acme: /\/callback\/acme\?/, initech: /\/saml\/initech\/done\?/, globex: /\/saml\/globex\/done\?/ };

/** The longest wait for one of them, in milliseconds. */
const PATIENCE = 15_000;

/** Follows what the provider answers up to the way back, and holds that; resolves with it. */
function hold(page, back) {
  return new Promise((found) => {
    const follow = async (route) => {
      const request = route.request();
      if (request.method() !== "POST" || request.url().includes("/sign-in/with")) return route.continue();
      const { status, location } = await first(route);
      expect(status >= 300 && status < 400, `the provider to send the browser on, not ${status}`);
      let place = location;
      while (!back.test(place)) {
        const reply = await page.context().request.get(place, { maxRedirects: 0 });
        place = new URL(reply.headers().location, place).href;
      }
      found(place);
      return route.fulfill({ contentType: "text/html", body: "<!doctype html><title>held</title>held" });
    };
    page.route(/\/interaction\/|\/acs$/, follow);
  });
}

async function first(route) {
  const reply = await route.fetch({ maxRedirects: 0 });
  const { location } = reply.headers();
  return { status: reply.status(), location: location && new URL(location, route.request().url()).href };
}

export async function run(site) {
  const { server } = site;
  const step = site.report.steps("browsers");
  const signedIn = async (page) => {
    await page.goto(`${server.issuer}/account`);
    return new URL(page.url()).pathname === "/account";
  };
  for (const [provider, back] of Object.entries(BACK)) {
    await step(`${provider}: the way back of one browser is refused to another`, async () => {
      const one = await site.colleague(provider);
      const page = await one.context.newPage();
      const caught = hold(page, back);
      await page.goto(`${server.issuer}/sign-in`);
      await page.click(`button[name=provider][value="${provider}"]`);
      await page.fill("input[name=username]", one.name);
      await page.fill("input[name=password]", one.password);
      await page.locator("button, input[type=submit]").last().click();
      const way = await within(PATIENCE, "a way back", caught);
      const other = await site.colleague(provider);
      const stranger = await other.context.newPage();
      await stranger.goto(`${server.issuer}/sign-in`);
      const answer = await stranger.goto(way);
      expect(answer.status() >= 400, `a refusal, not ${answer.status()}`);
      expect(!(await signedIn(stranger)), "nobody to be signed in at the other browser");
      await page.waitForLoadState("load");
      await page.goto(way);
      expect(!(await signedIn(page)), "nobody to go on with what two browsers had");
    });
    await step(`${provider}: a way back counts once`, async () => {
      const one = await site.colleague(provider);
      const page = await one.context.newPage();
      let seen;
      page.on("request", (request) => {
        if (back.test(request.url())) seen = request.url();
      });
      await page.goto(`${server.issuer}/sign-in`);
      await one.signIn(page);
      expect(seen !== undefined && (await signedIn(page)), "the first to count");
      const again = await page.goto(seen);
      expect(again.status() >= 400, `a refusal, not ${again.status()}`);
    });
  }
}
