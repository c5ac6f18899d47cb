// What one browser began, another cannot end; and what was ended once does not end again.
import { expect } from "../clients/report.mjs";

/** Where each provider sends the browser back to. */
const BACK = { acme: /\/callback\/acme\?/, initech: /\/saml\/initech\/done\?/, globex: /\/saml\/globex\/done\?/ };

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
      let caught;
      await page.route(back, (route) => {
        caught ??= route.request().url();
        return route.fulfill({ contentType: "text/html", body: "<!doctype html><title>held</title>held" });
      });
      await page.goto(`${server.issuer}/sign-in`);
      await one.signIn(page);
      expect(caught !== undefined, "a way back");
      const other = await site.colleague(provider);
      const stranger = await other.context.newPage();
      await stranger.goto(`${server.issuer}/sign-in`);
      const answer = await stranger.goto(caught);
      expect(answer.status() >= 400, `a refusal, not ${answer.status()}`);
      expect(!(await signedIn(stranger)), "nobody to be signed in at the other browser");
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
