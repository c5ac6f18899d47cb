// Counts what was tried. A step that throws is a failure and ends its client's run: what follows
// would only fail for the same reason.

/** Thrown out of a client's run once one of its steps has failed and been counted. */
export class Stopped extends Error {}

/** Fails the running step, saying what was expected. */
export function expect(truth, what) {
  if (!truth) throw new Error(`expected ${what}`);
}

/** Gives up on `promise` after `milliseconds`, naming what was waited for. */
export function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Error(`gave up after ${milliseconds / 1000} s: ${what}`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The longest a single step may take, in milliseconds. */
const LONGEST_STEP = 60_000;

export class Report {
  passed = 0;
  failed = 0;

  /** The step function of one client: `await step("tools/list", async () => { … })`. */
  steps(client) {
    return async (name, act) => {
      const started = performance.now();
      try {
        const value = await within(LONGEST_STEP, name, Promise.resolve().then(act));
        this.passed += 1;
        console.log(`ok    ${client}: ${name} (${Math.round(performance.now() - started)} ms)`);
        return value;
      } catch (error) {
        this.failed += 1;
        console.log(`FAIL  ${client}: ${name}: ${explain(error)}`);
        throw new Stopped(name);
      }
    };
  }

  /** Counts one row of a table, and prints it. */
  told(held, row) {
    if (held) this.passed += 1;
    else this.failed += 1;
    console.log(`${held ? "ok   " : "FAIL "} ${row}`);
  }

  /** Counts a failure that belongs to no step (a crashed program, a missing package). */
  fail(client, error) {
    this.failed += 1;
    console.log(`FAIL  ${client}: ${explain(error)}`);
  }

  /** Prints the closing line and returns the exit code. */
  close() {
    if (this.passed + this.failed === 0) this.fail("runner", new Error("nothing was run"));
    console.log(`${this.passed} passed, ${this.failed} failed`);
    return this.failed === 0 ? 0 : 1;
  }
}

function explain(error) {
  if (!(error instanceof Error)) return String(error);
  const plain = (text) => text.replace(/\u001b\[\d+m/g, "").replace(/\s*\n\s*/g, " ");
  const cause = error.cause instanceof Error ? ` (because: ${plain(error.cause.message)})` : "";
  const frames = (error.stack ?? "").split("\n").filter((line) => line.includes("/tests/"));
  const where = frames.find((line) => !line.includes("report.mjs")) ?? frames[0];
  return `${plain(error.message)}${cause}${where ? ` [${where.trim().replace(/^at /, "").replace(/^.*\/tests\//, "tests/")}]` : ""}`;
}
