// What agents ask of their person between one call and the next: calls to approve, scopes to allow.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { python } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";
import { finish } from "../clients/server.mjs";
import { look } from "./look.mjs";

const PLANT = path.join(path.dirname(fileURLToPath(import.meta.url)), "plant.py");
const OTHER = { name: "robin", password: "another correct horse staple" };

export async function asking(visit) {
  const { server, step, callback } = visit;
  const { page, watch } = await visit.page();
  const said = () => page.innerText("main");
  const open = (id) => page.goto(`${server.origin}/approve?id=${id}`);
  const press = (selector) => Promise.all([page.waitForNavigation(), page.locator(selector).first().click()]);
  const client = await visit.client("Asking agent", callback.url);
  const ids = await step("an agent that asks", async () => {
    const { url, verifier } = visit.authorize(client, callback.url);
    await page.goto(url);
    await visit.signIn(page);
    await visit.allow(page);
    await visit.redeem(client, verifier);
    await page.context().clearCookies();
    await server.command(["tokens", "create", "--for", visit.person.name, "--name", "Backup script", "--scope", "notes:read", "--expires", "90d"]);
    const { stdout } = await finish(python, [PLANT, path.join(server.data, "portcullis.db")]);
    return JSON.parse(stdout);
  });
  await step("a call to approve, before sign-in", async () => {
    await open(ids.plain);
    await look(watch, "sign-in-question");
    expect(!(await said()).includes("delete_note"), "not a word of the call");
    await visit.signIn(page);
    expect(page.url().endsWith(`/approve?id=${ids.plain}`), `back to the call, not ${page.url()}`);
  });
  await step("a call to approve", async () => {
    await look(watch, "approve");
    const text = await said();
    for (const part of ["delete_note", "n_20418", "Duplicate of n_20417", "Asking agent", "Exactly what is sent"]) {
      expect(text.includes(part), `${part} to be shown`);
    }
    await page.reload();
    await page.evaluate(() => document.querySelectorAll("details").forEach((more) => (more.open = true)));
    await look(watch, "approve-open");
    const approve = page.locator("button[value=approve]");
    await page.reload();
    expect((await approve.evaluate((button) => getComputedStyle(button).animationName)) !== "none", "Approve to be out of reach at first");
    const [deny, yes] = await Promise.all(["deny", "approve"].map((answer) => page.locator(`button[value=${answer}]`).boundingBox()));
    expect(Math.abs(deny.width - yes.width) <= 1 && Math.abs(deny.height - yes.height) <= 1, "Deny as large as Approve");
  });
  for (const name of ["bare", "hostile", "cut"]) {
    await step(`a call to approve: ${name}`, async () => {
      await open(ids[name]);
      await look(watch, `approve-${name}`);
    });
  }
  await step("account with calls that wait and refused scopes", async () => {
    await page.goto(`${server.origin}/account`);
    await look(watch, "account-asking");
    expect((await said()).includes("5 calls wait for your answer"), "the calls to be counted");
    expect((await page.locator('form[action="/account/wanted"]').count()) === 1, "the one refused scope that can be had");
    expect((await said()).includes("Personal tokens") && (await said()).includes("Backup script"), "a token made by hand");
    expect((await page.locator('form[action="/account/wanted"] input[type=checkbox]').count()) === 0, "nothing ticked beforehand");
  });
  await step("consent offers what was refused lately", async () => {
    await page.goto(visit.authorize(client, callback.url, { scope: "notes:read" }).url);
    await look(watch, "consent-wanted");
    expect((await said()).includes("It was refused these lately"), "what was refused");
    expect(!(await page.locator('input[name=scope][value="notes:write"]').isChecked()), "no tick that the person did not make");
  });
  await step("a refused scope is allowed", async () => {
    await page.goto(`${server.origin}/account`);
    await press('form[action="/account/wanted"]:has(input[value="notes:write"]) button[value=allow]');
    await look(watch, "account-allowed");
    expect((await page.locator('form[action="/account/wanted"]').count()) === 0, "none left");
  });
  await step("approved, and back to the app", async () => {
    await page.goto(`${server.origin}/account`);
    await Promise.all([page.waitForNavigation(), page.locator(`a[href$="${ids.plain}"]`).click()]);
    await press("button[value=approve]");
    await look(watch, "approved");
    expect((await said()).includes("go back to your app"), "what to do next");
  });
  await step("denied", async () => {
    await open(ids.denied);
    await press("button[value=deny]");
    await look(watch, "approve-denied");
  });
  for (const [name, words] of [["old", "too old"], ["used", "was used"]]) {
    await step(`a call to approve: ${name}`, async () => {
      await open(ids[name]);
      await look(watch, `approve-${name}`);
      expect((await said()).includes(words) && (await page.locator("form").count()) === 0, `${words}, and nothing to press`);
    });
  }
  await step("a call of somebody else's", async () => {
    await server.addPerson(OTHER.name, OTHER.password);
    const other = await visit.page();
    await other.page.goto(`${server.origin}/approve?id=${ids.bare}`);
    await visit.signIn(other.page, OTHER.password, OTHER.name);
    await look(other.watch, "approve-foreign", other.watch.answer.status());
    const text = await other.page.innerText("main");
    expect(text.includes("E-QUESTION-UNKNOWN") && !text.includes("sync_everything"), "a refusal, and not a word of the call");
  });
  await step("a call to approve, by keyboard", async () => {
    await open(ids.bare);
    await page.locator("button[value=approve]").focus();
    await page.waitForTimeout(600);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    expect((await said()).includes("Approved"), "the answer to count");
  });
}
