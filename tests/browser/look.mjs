// What must hold on every page, whatever it says: readable by axe, nothing cut off, nothing from
// elsewhere, nothing that the page's own policy refuses.
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { packages } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";

const SCHEMES = ["light", "dark"];
/** Widths in CSS pixels; 320 is the reflow width of WCAG 2.2 §1.4.10. */
const WIDTHS = [1280, 360, 320];
const HEIGHT = 900;
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** The smallest side of a button or field, in CSS pixels. */
const TARGET = 44;
/** No animation of ours is longer, in milliseconds. */
const LONGEST_ANIMATION = 700;
const axe = readFileSync(path.join(packages, "axe-core/axe.min.js"), "utf8");
const pictures = process.env.PORTCULLIS_SCREENSHOTS;

/** Watches a page from before its first request: what it fetches, and what the browser complains of. */
export class Watch {
  complaints = [];
  #answers = new Map();

  constructor(page, origin, allowed = []) {
    this.page = page;
    const home = (url) => url.startsWith(`${origin}/`) || allowed.some((prefix) => url.startsWith(prefix));
    page.on("request", (request) => {
      if (!home(request.url())) this.complaints.push(`a request elsewhere: ${request.url()}`);
    });
    page.on("console", (message) => {
      // Chromium says so of any page that is served with an error status, as error pages must be.
      const ownStatus = message.text().startsWith("Failed to load resource") && message.location().url === page.url();
      if (["error", "warning"].includes(message.type()) && !ownStatus) this.complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`script error: ${error.message}`));
    page.on("response", (response) => {
      const request = response.request();
      if (request.isNavigationRequest() && response.url().startsWith(`${origin}/`)) this.#answers.set(response.url(), response);
    });
  }

  /** The answer that brought the page shown now. */
  get answer() {
    return this.#answers.get(this.page.url().split("#")[0]);
  }
}

/** Fails unless the page shown now keeps every rule. `status` is the HTTP status it must have. */
export async function look(watch, name, status = 200) {
  const { page } = watch;
  await page.waitForLoadState("load");
  answered(watch.answer, status);
  await once(page);
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const where = `${colorScheme}, ${width} px`;
      await page.setViewportSize({ width, height: HEIGHT });
      await page.emulateMedia({ colorScheme });
      await settled(page);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow <= 0, `no sideways scrolling (${where}); ${overflow} px too wide`);
      await audited(page, where);
      await picture(page, `${name}-${colorScheme}-${width}`);
    }
  }
  await page.emulateMedia({ colorScheme: null, forcedColors: "active" });
  await page.setViewportSize({ width: 1280, height: HEIGHT });
  await settled(page);
  await picture(page, `${name}-forced-1280`);
  await page.emulateMedia({ forcedColors: null });
  expect(watch.complaints.length === 0, `no complaints of the browser: ${watch.complaints.join("; ")}`);
}

/** The headers every page must carry (A25 and its like). */
function answered(answer, status) {
  expect(answer !== undefined, "the page to have come from the server");
  expect(answer.status() === status, `status ${status}, not ${answer.status()}`);
  const headers = answer.headers();
  const policy = (headers["content-security-policy"] ?? "").split(";").map((part) => part.trim());
  for (const part of ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    expect(policy.includes(part), `${part} in the policy, not ${policy.join("; ")}`);
  }
  expect(policy.some((part) => part.startsWith("form-action ")), "form-action in the policy");
  expect(!policy.some((part) => part.includes("unsafe")), "nothing unsafe in the policy");
  expect(headers["x-frame-options"]?.toUpperCase() === "DENY", "X-Frame-Options DENY");
  expect(headers["x-content-type-options"] === "nosniff", "X-Content-Type-Options nosniff");
  expect(headers["referrer-policy"] === "no-referrer", "Referrer-Policy no-referrer");
  expect((headers["cache-control"] ?? "").includes("no-store"), "Cache-Control no-store");
  expect(headers["access-control-allow-origin"] === undefined, "no CORS on a page");
}

/** What does not change with width or scheme. */
async function once(page) {
  const facts = await page.evaluate(() => ({
    title: document.title,
    lang: document.documentElement.lang,
    headings: document.querySelectorAll("h1").length,
    scripts: document.querySelectorAll("script").length,
    styled: document.querySelectorAll("[style], style").length,
    skip: document.querySelector("a.skip")?.getAttribute("href"),
    host: document.querySelector("header")?.innerText ?? "",
  }));
  expect(facts.title !== "" && facts.lang !== "", "a title and a language");
  expect(facts.headings === 1, `one h1, not ${facts.headings}`);
  expect(facts.scripts === 0 && facts.styled === 0, "no script and no inline style");
  expect(facts.skip === "#main", "a link to skip to the content");
  expect(facts.host.includes(new URL(page.url()).host), `the host in the header, not ${facts.host}`);
  const small = await page.evaluate((least) => {
    const found = [];
    for (const element of document.querySelectorAll("button, a.btn, .input, summary, label.tool, label.pick")) {
      if (element.matches(".linkish, .sr")) continue;
      const box = element.getBoundingClientRect();
      if (box.height > 0 && box.height < least) found.push(`${element.tagName} ${element.textContent.trim().slice(0, 30)}: ${box.height}`);
    }
    return found;
  }, TARGET - 0.5);
  expect(small.length === 0, `targets of ${TARGET} px; smaller: ${small.join("; ")}`);
}

/** Waits for animations and transitions that end; those inside closed details never do. */
function settled(page) {
  return page.evaluate(async (longest) => {
    await new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)));
    const ending = document.getAnimations().filter((animation) => Number.isFinite(animation.effect?.getComputedTiming().endTime ?? 0));
    const ended = Promise.all(ending.map((animation) => animation.finished.catch(() => {})));
    await Promise.race([ended, new Promise((patience) => setTimeout(patience, longest))]);
  }, LONGEST_ANIMATION);
}

async function audited(page, where) {
  await page.evaluate(axe);
  const violations = await page.evaluate(async (values) => {
    const result = await globalThis.axe.run(document, { runOnly: { type: "tag", values }, resultTypes: ["violations"], preload: false });
    return result.violations.map((violation) => `${violation.id} (${violation.nodes.map((node) => node.html.slice(0, 120)).join(" | ")})`);
  }, RULES);
  expect(violations.length === 0, `no axe violation (${where}): ${violations.join("; ")}`);
}

async function picture(page, name) {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
}
