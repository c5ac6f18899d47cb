// The whole way of an MCP client whose person signs in through a provider: from the first refusal to the last.
import path from "node:path";
import { expect } from "../clients/report.mjs";
import { Hands } from "../servers/hands.mjs";
import { typescript2 } from "../servers/sdk-clients.mjs";
import { ALEX, OPS } from "./site.mjs";

/** How often the trail is looked at, and after how many milliseconds each time: rows of calls are gathered. */
const LOOKS = 40;
const BETWEEN = 100;

/** One MCP client and its person. */
async function agent(site, person, name) {
  const hands = await Hands.of(person);
  const client = typescript2();
  const log = path.join(site.directory, `${name.replace(/[^A-Za-z0-9]+/g, "-")}.jsonl`);
  const known = new Set((await site.server.agents()).map(({ id }) => id));
  await client.open({ url: site.server.resource, name, hands, log });
  const mine = (await site.server.agents()).find(({ id }) => !known.has(id));
  const close = async () => {
    await client.close();
    await hands.close();
  };
  return { client, hands, id: mine.id, close };
}

const echo = async ({ client }) => {
  const { text, isError } = await client.call("echo", { message: "portcullis" });
  expect(!isError && text.includes("portcullis"), `the answer of echo, not ${text.slice(0, 300)}`);
};
const add = ({ client }) => client.call("add", { a: 19, b: 23 });

export async function walk(site, provider, label) {
  const { server, people, report } = site;
  const step = report.steps(`through ${label}`);
  const person = await site.colleague(provider);
  people.put("alex", ALEX);
  const open = [];
  const connect = async (who, name) => {
    const made = await agent(site, who, name);
    open.push(made);
    return made;
  };
  try {
    const first = await step("401, discovery, registration, sign-in at the provider, consent, token", () => connect(person, `First of ${label}`));
    await step("tools/call", () => echo(first));
    await step("the trail names the person and the tool", async () => {
      let rows = [];
      for (let look = 0; look < LOOKS && rows.length === 0; look += 1) {
        rows = (await site.rows(["audit", "--agent", first.id, "--tool", "echo"])).filter((row) => row.tool === "echo");
        await new Promise((later) => setTimeout(later, BETWEEN));
      }
      expect(rows.length > 0, "a row of the call");
      const account = (await site.rows(["users", "list"])).find(({ name }) => name === rows[0].person);
      expect(account !== undefined, `an account of the name that the row says: ${rows[0].person}`);
      expect([...account.groups].sort().join(" ") === "ops staff", `the groups of the mapping, not ${account.groups}`);
    });
    const second = await step("a second client has a consent of its own, though the provider knows the person already", async () => {
      const made = await connect(person, `Second of ${label}`);
      expect(person.consent.includes(`Second of ${label}`), "consent to name the second client");
      expect(made.id !== first.id, "an agent of its own");
      await echo(made);
      return made;
    });
    await step("what only `ops` may have is had by consent", async () => {
      first.hands.consent = { tick: [OPS], replace: true };
      const { text, isError } = await add(first);
      expect(!isError && text.includes("42"), `the sum, not ${text.slice(0, 300)}`);
    });
    await step("the group is lost at the provider: gone with the next sign-in, for every agent", async () => {
      people.put("alex", { groups: ["mcp-users"] });
      const elsewhere = await site.colleague(provider);
      const third = await connect(elsewhere, `Third of ${label}`);
      await echo(third);
      expect(!elsewhere.consent.includes("Use all tools"), "no offer of what is not to be had");
      first.hands.authorize = async (url) => {
        first.hands.authorized.push(new URL(url));
        throw new Error("nobody consents any more");
      };
      const { text, isError } = await add(first).catch((error) => ({ text: error.message, isError: true }));
      expect(isError, `a refusal, not ${text.slice(0, 300)}`);
      await echo(second);
    });
    await step("`sso disable` refuses the next call, `sso enable` lets it through", async () => {
      await server.command(["sso", "disable", provider]);
      const { status } = await server.call(second.client.provider.tokens().access_token);
      expect(status === 401, `401, not ${status}`);
      await server.command(["sso", "enable", provider]);
      await echo(second);
    });
    await step("`sso disable`: no way in, and no agent goes on", async () => {
      await server.command(["sso", "disable", provider]);
      expect(await second.client.cutOff("echo", { message: "portcullis" }), "the client to want a new sign-in");
      const elsewhere = await site.colleague(provider);
      const page = await elsewhere.context.newPage();
      await page.goto(`${server.issuer}/sign-in`);
      const buttons = await page.locator(`button[name=provider][value="${provider}"]`).count();
      expect(buttons === 0, "a provider that is off not to be offered");
      await page.goto(`${server.issuer}/account`);
      expect(new URL(page.url()).pathname === "/sign-in", "nobody to be signed in");
      await server.command(["sso", "enable", provider]);
    });
  } finally {
    for (const made of open) await made.close();
    people.put("alex", ALEX);
  }
}
