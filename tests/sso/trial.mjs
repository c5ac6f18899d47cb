// `portcullis sso test NAME`: it prints an address, a person walks the way in a browser, and everything learnt is shown.
import { spawn } from "node:child_process";
import { binary } from "../clients/places.mjs";
import { expect, within } from "../clients/report.mjs";
import { look } from "../browser/look.mjs";
import { through } from "./colleague.mjs";
import { watched } from "./pages.mjs";
import { ALEX, PROVIDERS } from "./site.mjs";

/** The longest that the command may take to say what it has learnt, in milliseconds. */
const PATIENCE = 20_000;

/** Runs the command; `address` resolves with what it printed, `end` with its code and everything it said. */
function command(site, provider) {
  const child = spawn(binary, ["sso", "test", provider, "--data-dir", site.server.data], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let found;
  const address = new Promise((match) => (found = match));
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes) => {
      said += bytes;
      const hit = /https?:\/\/\S+\/sign-in\/test\?\S+/.exec(said);
      if (hit !== null) found(hit[0]);
    });
  }
  const end = new Promise((done) => child.once("close", (code) => done({ code, said })));
  return { address, end, kill: () => child.kill("SIGKILL"), soFar: () => said };
}

export async function run(site) {
  const step = site.report.steps("sso test");
  for (const [provider, label] of PROVIDERS) {
    await step(`${label}: every claim, and what became of it`, async () => {
      const test = command(site, provider);
      try {
        const early = test.end.then(({ code, said }) => {
          throw new Error(`the command ended with ${code}: ${said}`);
        });
        early.catch(() => {});
        const address = await within(PATIENCE, "an address", Promise.race([test.address, early]));
        const colleague = await site.colleague(provider);
        const { page, watch } = await watched(site, colleague.context);
        await page.goto(address);
        if (provider === "acme") await look(watch, "sso-trial");
        await through(page, { login: "alex", password: ALEX.password }, () => page.click("main form button"));
        const shown = await page.innerText("main");
        expect(shown.includes("The test is over"), `the end of the test, not ${shown.slice(0, 600)}`);
        if (provider === "acme") await look(watch, "sso-tried");
        await page.goto(`${site.server.issuer}/account`);
        expect(new URL(page.url()).pathname === "/sign-in", "nobody to be signed in");
        const { code, said } = await within(PATIENCE, "the command to end", test.end);
        for (const part of [ALEX.email, ALEX.name, "mcp-admins", "ops", "staff"]) expect(said.includes(part), `${part} in what is said:\n${said}`);
        expect(code === 0, `exit code 0, not ${code}:\n${said}`);
      } finally {
        test.kill();
      }
    });
  }
  await step("a provider that is not configured", async () => {
    const { code, said } = await command(site, "nobody").end;
    expect(code !== 0 && said.includes("nobody"), `a refusal that names it, not ${code}: ${said}`);
  });
}
