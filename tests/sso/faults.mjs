// A SAML provider that answers wrongly, in one manner after the other: each ends on a page of ours that names the cause.
import { expect } from "../clients/report.mjs";

/** What pysaml2 is told to do (see pysaml2_idp.py), and the cause that is named. */
const MANNERS = [
  ["sha1", "saml_sha1"],
  ["transient", "saml_transient"],
  ["unsigned", "saml_no_signature"],
  ["audience", "saml_audience"],
  ["recipient", "saml_recipient"],
  ["unknown-request", "saml_in_response_to"],
  ["late", "saml_clock"],
  ["altered", "saml_digest"],
];

export async function run(site) {
  const { server, idp } = site;
  const step = site.report.steps("faults");
  const manner = async (name) => expect((await fetch(`${idp.initech.origin}/manner/${name}`, { method: "PUT" })).ok, `${name} to be a manner`);
  const attempt = async () => {
    const colleague = await site.colleague("initech");
    const page = await colleague.context.newPage();
    await page.goto(`${server.issuer}/sign-in`);
    await colleague.signIn(page);
    return page;
  };
  const signedOut = async (page) => {
    await page.goto(`${server.issuer}/account`);
    expect(new URL(page.url()).pathname === "/sign-in", `nobody to be signed in, not ${page.url()}`);
  };
  try {
    for (const [name, cause] of MANNERS) {
      await step(`${name}: refused as ${cause}`, async () => {
        await manner(name);
        const page = await attempt();
        const text = await page.innerText("main");
        expect(text.includes(cause), `${cause} on the page, not ${text.slice(0, 900)}`);
        const [row] = (await site.rows(["audit", "--since", "1m"])).filter(({ reason }) => (reason ?? "").includes(cause));
        expect(row !== undefined, "a row of the trail that says so");
        await signedOut(page);
      });
    }
    await step("an answer that nobody asked for is refused", async () => {
      await manner("right");
      const colleague = await site.colleague("initech");
      const page = await colleague.context.newPage();
      await page.goto(`${idp.initech.origin}/unsolicited?username=alex`);
      await page.waitForURL((url) => url.origin === server.origin);
      const text = await page.innerText("main");
      expect(text.includes("E-SAML-UNASKED"), `a page that says what is wrong, not ${text.slice(0, 600)}`);
      await signedOut(page);
    });
    await step("an honest answer is taken again", async () => {
      await manner("right");
      const page = await attempt();
      expect(new URL(page.url()).pathname !== "/sign-in", `somebody to be signed in: ${(await page.innerText("main")).slice(0, 600)}`);
    });
    await step("an e-mail that the provider has not verified is not taken for verified", async () => {
      site.people.put("robin", { password: "another horse", name: "Robin Roe", email: "alex@acme.example", verified: false, groups: [] });
      const colleague = await site.colleague("acme", "robin");
      const page = await colleague.context.newPage();
      await page.goto(`${server.issuer}/sign-in`);
      await colleague.signIn(page);
      const names = (await site.rows(["users", "list"])).map(({ name }) => name);
      expect(new Set(names).size === names.length, `no two accounts of one name: ${names}`);
    });
  } finally {
    await manner("right");
  }
}
