// The way from the authorize URL to the client, without a mouse, and without script.
import { expect } from "../clients/report.mjs";

/** More tab stops than any page has. */
const STOPS = 60;

/** Presses Tab until `selector` has the focus; every stop on the way must show that it has it. */
async function tabTo(page, selector) {
  const passed = [];
  for (let stop = 0; stop < STOPS; stop += 1) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate((wanted) => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const own = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
      const around = element.closest("label");
      const label = around && getComputedStyle(around);
      return {
        name: `${element.tagName.toLowerCase()}${element.getAttribute("name") ? `[name=${element.getAttribute("name")}]` : ""}${element.value ? `=${element.value}` : ""}`,
        shown: own || style.boxShadow !== "none" || (label !== null && label.outlineStyle !== "none"),
        reached: element.matches(wanted),
        hidden: element === document.body,
      };
    }, selector);
    if (!here.hidden) expect(here.shown, `the focus to be seen on ${here.name}`);
    passed.push(here.name);
    if (here.reached) return passed;
  }
  throw new Error(`${selector} was not reached by Tab; passed: ${passed.join(", ")}`);
}

export async function walkByKeyboard(visit) {
  const { step, callback } = visit;
  const { page } = await visit.page();
  const client = await visit.client("Keyboard agent", callback.url);
  const { url, verifier } = visit.authorize(client, callback.url);
  await step("keyboard: skip link", async () => {
    await page.goto(url);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement.matches("a.skip")), "the skip link first");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement.id === "main"), "the content to be focused");
  });
  await step("keyboard: sign in", async () => {
    await tabTo(page, "input[name=name]");
    await page.keyboard.type(visit.person.name);
    await tabTo(page, "input[name=password]");
    await page.keyboard.type(visit.person.password);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    expect(new URL(page.url()).pathname === "/consent", `consent, not ${page.url()}`);
  });
  await step("keyboard: consent, Deny before Allow", async () => {
    await tabTo(page, "input[name=started]");
    await page.keyboard.press("Space");
    const passed = await tabTo(page, "button[value=allow]");
    expect(passed.includes("button[name=answer]=deny"), `Deny on the way to Allow, not ${passed.join(", ")}`);
    const back = page.waitForURL((next) => next.href.startsWith(callback.url));
    await page.keyboard.press("Enter");
    await back;
    await visit.redeem(client, verifier);
  });
}

export async function walkWithoutScript(visit) {
  const { step, callback } = visit;
  const { page, watch } = await visit.page({ javaScriptEnabled: false });
  const client = await visit.client("Plain agent", callback.url);
  const { url, verifier } = visit.authorize(client, callback.url);
  await step("without script: sign in, consent, back to the client", async () => {
    await page.goto(url);
    await visit.signIn(page);
    await page.check("input[name=started]");
    await Promise.all([page.waitForURL((next) => next.href.startsWith(callback.url)), page.click("button[value=allow]")]);
    await visit.redeem(client, verifier);
    expect(watch.complaints.length === 0, `no complaints of the browser: ${watch.complaints.join("; ")}`);
  });
}
