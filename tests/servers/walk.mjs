// The whole way of one client to one server: from the first refusal to the last.
import path from "node:path";
import { expect } from "../clients/report.mjs";
import { Hands } from "./hands.mjs";
import { MORE } from "./upstreams.mjs";

/** Finds the page that a refused call sends its person to. */
const LINK = /https?:\/\/[^\s"<>)\]]+\/approve\?[^\s"<>)\]]+/;

/** How often, and after how many milliseconds each time, it is looked whether a replaced agent has ended. */
const LOOKS = 50;
const BETWEEN = 100;

/**
 * Drives a client to the server of `row`, through `server`. `can.confirm`: whether a call may wait for its person;
 * `can.want`: whether a person may allow later what an agent was refused.
 */
export async function walk({ server, report, directory, person, can }, row, [clientName, make]) {
  const name = `${row.name}, ${clientName}`;
  const step = report.steps(name);
  const client = make();
  const hands = await Hands.of(person);
  const resource = `${server.issuer}${row.path}`;
  const agents = async () => (await server.agents()).filter((agent) => agent.resource === resource && !before?.has(agent.id));
  let before;
  /** The one agent of this walk that lives; one that was replaced ends when the new one is first used. */
  const mine = async () => {
    let live = [];
    for (let look = 0; look < LOOKS; look += 1) {
      live = (await agents()).filter((agent) => agent.state === "live");
      if (live.length === 1) return live[0];
      await new Promise((later) => setTimeout(later, BETWEEN));
    }
    throw new Error(`expected one live agent of this client, not ${live.length}`);
  };
  const call = async ({ name: tool, args, says }) => {
    const { text, isError } = await client.call(tool, args);
    expect(!isError && text.includes(says), `the answer of ${tool}, not ${text.slice(0, 300)}`);
  };
  try {
    before = new Set((await agents()).map((agent) => agent.id));
    await step("401, discovery, registration, sign-in, consent, token", async () => {
      const log = path.join(directory, `${name.replace(/[^A-Za-z0-9]+/g, "-")}.jsonl`);
      await client.open({ url: resource, name: clientName, hands, log });
      expect(hands.authorized.length === 1, `one sign-in, not ${hands.authorized.length}`);
      expect(hands.authorized[0].searchParams.get("resource") === resource, "the resource in the authorize URL");
    });
    await step("tools/list", async () => {
      const tools = await client.tools();
      for (const { name: tool } of [row.free, row.more, row.asks].filter(Boolean)) expect(tools.includes(tool), `${tool} among ${tools}`);
    });
    await step("tools/call", () => call(row.free));
    await step("refresh", async () => expect(await client.refresh(() => call(row.free)), "a new token"));
    const scope = row.scope ?? MORE;
    if (row.more === undefined) {
      // Nothing is kept back here.
    } else if (client.stepsUp) {
      await step("step-up: 403 insufficient_scope, consent, the call passes", async () => {
        hands.consent = { tick: [scope], replace: true };
        await call(row.more);
        expect(hands.authorized.length === 2, `one more consent, not ${hands.authorized.length - 1}`);
        const wanted = hands.authorized[1].searchParams.get("scope")?.split(" ") ?? [];
        expect(wanted.includes(scope), `${scope} to be asked for, not ${wanted}`);
        await call(row.free);
      });
    } else {
      await step("403 insufficient_scope, which this client cannot cure", async () => {
        const refusal = await client.call(row.more.name, row.more.args).then(() => undefined, (error) => error);
        expect(refusal?.code === 403, `403, not ${refusal?.message ?? "an answer"}`);
        expect(hands.authorized.length === 1, "no further consent");
        await call(row.free);
      });
      if (can.want) {
        await step("the person allows it among the connected agents, a plain refresh brings it", async () => {
          await person.allowWanted(server.issuer, (await mine()).id, scope);
          await call(row.more);
          expect(hands.authorized.length === 1, "no further consent");
        });
      }
    }
    if (can.confirm && (client.stepsUp || can.want || row.scope === undefined)) {
      await step("confirmation: the person approves, the call passes", () => confirmed("approve"));
      await step("confirmation: the next call is asked about again, the person denies", () => confirmed("deny"));
    }
    await step("cut off: the next call is refused", async () => {
      await server.revoke((await mine()).id);
      expect(await client.cutOff(row.free.name, row.free.args), "the client to want a new sign-in");
    });
  } finally {
    await client.close();
    await hands.close();
  }

  /** A call that waits for its person: in a page the client opens, or behind a link in a refused result. */
  async function confirmed(decision) {
    hands.decision = decision;
    const asked = hands.asked.length;
    let answer = await client.call(row.asks.name, row.asks.args).catch((error) => ({ text: error.message, isError: true }));
    expect(client.elicits === hands.asked.length > asked, `${client.elicits ? "URL elicitation" : "no elicitation that was not declared"}; the answer: ${answer.text.slice(0, 300)}`);
    if (!client.elicits) {
      const link = LINK.exec(answer.text)?.[0];
      expect(answer.isError && link !== undefined, `a refused result with a link, not ${answer.text.slice(0, 400)}`);
      await person.decide(link, decision);
      answer = await client.call(row.asks.name, row.asks.args).catch((error) => ({ text: error.message, isError: true }));
    }
    if (decision === "approve") expect(!answer.isError && answer.text.includes(row.asks.says), `the answer of ${row.asks.name}, not ${answer.text.slice(0, 400)}`);
    else expect(answer.isError && /den/i.test(answer.text), `a refusal that says so, not ${answer.text.slice(0, 400)}`);
  }
}
