// The whole way of a real client to a new server.
import path from "node:path";
import { expect } from "../clients/report.mjs";
import { Hands } from "../servers/hands.mjs";
import { typescript2, typescript2Newest } from "../servers/sdk-clients.mjs";
import { portcullis } from "./make.mjs";
import { work } from "./places.mjs";

/** The clients, one for each era of the protocol. */
const CLIENTS = [["TypeScript SDK v2", typescript2], ["TypeScript SDK v2, newest", typescript2Newest]];

/** How often, and after how many milliseconds each time, it is looked whether a replaced agent has ended. */
const LOOKS = 50;
const BETWEEN = 100;

/**
 * Drives every client to the server at `url`. `data`: where the authorization server's records lie. `asks`: deleting
 * waits for its person. `cuts`: an agent that is cut off is refused at its next call, and not only at its next refresh.
 */
export async function walkAll(what) {
  for (const client of CLIENTS) await walk(what, client);
}

async function walk({ report, person, name, url, data, asks = false, cuts = false }, [clientName, make]) {
  const step = report.steps(`${name}, ${clientName}`);
  const client = make();
  const hands = await Hands.of(person);
  const note = `milk for ${clientName}`;
  const rows = async () => (await portcullis(data, ["agents", "list", "--json"])).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const live = async () => (await rows()).filter((agent) => agent.state === "live" && !before.has(agent.id));
  const before = new Set((await rows()).map((agent) => agent.id));
  const call = async (tool, text, says) => {
    const answer = await client.call(tool, text === undefined ? {} : { text });
    expect(!answer.isError && answer.text.includes(says), `the answer of ${tool}, not ${answer.text.slice(0, 300)}`);
  };
  try {
    await step("401, discovery, registration, sign-in, consent, token", async () => {
      const log = path.join(work, `${name}-${clientName}`.replace(/[^A-Za-z0-9]+/g, "-") + ".jsonl");
      await client.open({ url, name: clientName, hands, log });
      expect(hands.authorized.length === 1, `one sign-in, not ${hands.authorized.length}`);
      expect(hands.authorized[0].searchParams.get("resource") === url, "the resource in the authorize URL");
    });
    await step("tools/list and tools/call", async () => {
      const tools = await client.tools();
      for (const tool of ["list_notes", "add_note", "delete_note"]) expect(tools.includes(tool), `${tool} among ${tools}`);
      await call("list_notes", undefined, "");
    });
    await step("refresh", async () => expect(await client.refresh(() => call("list_notes", undefined, "")), "a new token"));
    await step("step-up: 403 insufficient_scope, consent, the call passes", async () => {
      hands.consent = { tick: ["notes:write"], replace: true };
      await call("add_note", note, "added");
      expect(hands.authorized.length === 2, `one more consent, not ${hands.authorized.length - 1}`);
      await call("list_notes", undefined, note);
    });
    if (asks) {
      await step("deleting waits for its person, who approves", async () => {
        hands.decision = "approve";
        await call("delete_note", note, "deleted");
        expect(hands.asked.length === 1, `one question, not ${hands.asked.length}`);
      });
      await step("deleting waits for its person, who denies", async () => {
        hands.decision = "deny";
        await call("add_note", `more ${note}`, "added");
        const answer = await client.call("delete_note", { text: `more ${note}` }).catch((error) => ({ text: error.message, isError: true }));
        expect(answer.isError && hands.asked.length === 2, `a refusal after one more question, not ${hands.asked.length - 1}: ${answer.text}`);
        await call("list_notes", undefined, `more ${note}`);
      });
    } else {
      await step("deleting", () => call("delete_note", note, "deleted"));
    }
    if (cuts) {
      await step("one agent is left, and cut off: its next call is refused", async () => {
        let mine = await live();
        for (let look = 0; look < LOOKS && mine.length !== 1; look += 1) {
          await new Promise((later) => setTimeout(later, BETWEEN));
          mine = await live();
        }
        expect(mine.length === 1, `one live agent, not ${mine.length}`);
        await portcullis(data, ["agents", "revoke", mine[0].id]);
        expect(await client.cutOff("list_notes", {}), "the client to want a new sign-in");
      });
    } else {
      await step("cut off: there is no further token", async () => {
        for (const agent of await live()) await portcullis(data, ["agents", "revoke", agent.id]);
        client.provider.outlive();
        expect(await client.cutOff("list_notes", {}), "the client to want a new sign-in");
      });
    }
  } finally {
    await client.close();
    await hands.close();
  }
}
