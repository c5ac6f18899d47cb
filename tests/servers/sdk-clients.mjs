// The TypeScript SDKs as clients that list, call, step up and ask their person.
import * as v1 from "../clients/programs/sdk-v1.mjs";
import * as v2 from "../clients/programs/sdk-v2.mjs";
import { textOf } from "../clients/programs/typescript.mjs";
import { Provider } from "../clients/provider.mjs";
import { expect } from "../clients/report.mjs";
import { WireLog } from "../clients/wire-log.mjs";

/** The error that says which pages the person has to visit first (2025-11-25). */
const URL_ELICITATION = -32042;
/** How often one call may be stopped on its way. */
const STEPS = 3;

class SdkClient {
  #sdk;
  #onElicit;
  #options;

  constructor(sdk, onElicit, options) {
    this.#sdk = sdk;
    this.#onElicit = onElicit;
    this.#options = options;
    /** Whether it asks for a new consent when a scope is missing. */
    this.stepsUp = options.stepsUp;
    /** Whether it says that it can show pages to its person. */
    this.elicits = options.elicits;
  }

  async open({ url, name, hands, log }) {
    this.hands = hands;
    this.log = new WireLog(log);
    this.provider = new Provider(hands.callback.url, name);
    this.url = new URL(url);
    this.#connect();
    try {
      await this.client.connect(this.transport);
    } catch (error) {
      if (!(error instanceof this.#sdk.UnauthorizedError)) throw error;
      this.log.must("POST", this.url.pathname, 401);
      await this.#signIn();
      this.#connect();
      await this.client.connect(this.transport);
      return;
    }
    throw new Error("expected the first request to be refused");
  }

  #connect() {
    const { elicits } = this.#options;
    const capabilities = elicits ? { elicitation: { url: {} } } : {};
    this.transport = new this.#sdk.Transport(this.url, { authProvider: this.provider, fetch: this.log.fetch });
    this.client = new this.#sdk.Client({ name: "portcullis-tests", version: "1.0.0" }, { ...this.#sdk.options, capabilities });
    if (elicits) this.#onElicit(this.client, (question) => this.hands.elicit(question));
  }

  async #signIn() {
    await this.#sdk.finish(this.transport, await this.hands.authorize(this.provider.take()));
  }

  async tools() {
    const { tools } = await this.client.listTools();
    return tools.map((tool) => tool.name);
  }

  async call(name, args) {
    for (let step = 0; step < STEPS; step += 1) {
      try {
        const result = await this.client.callTool({ name, arguments: args });
        return { text: textOf(result), isError: result.isError === true };
      } catch (error) {
        if (error instanceof this.#sdk.UnauthorizedError && this.provider.wanted !== undefined) await this.#signIn();
        else if (error.code === URL_ELICITATION) for (const question of error.data.elicitations) await this.hands.elicit(question);
        else throw error;
      }
    }
    throw new Error(`${name} was refused again and again`);
  }

  /** Whether a call after the token's end went through with a new token. */
  async refresh(call) {
    const before = this.provider.tokens().access_token;
    this.provider.outlive();
    await call();
    expect(this.provider.wanted === undefined, "no new sign-in");
    return this.provider.tokens().access_token !== before;
  }

  /** Calls with a token that was cut off: the SDK asks for a new sign-in. */
  async cutOff(name, args) {
    try {
      await this.client.callTool({ name, arguments: args });
    } catch (error) {
      return error instanceof this.#sdk.UnauthorizedError && this.provider.take() !== undefined;
    }
    return false;
  }

  async close() {
    await this.client?.close().catch(() => {});
  }
}

/**
 * Version 1 meets a missing scope with a refresh, as
 * long as it has a refresh token, and so gets there only once the person has allowed the scope elsewhere.
 */
export const typescript1 = () => new SdkClient(v1.sdk, v1.onElicit, { elicits: false, stepsUp: false });
export const typescript2 = () => new SdkClient(v2.sdk, v2.onElicit, { elicits: true, stepsUp: true });
export const typescript2Newest = () => new SdkClient(v2.negotiating, v2.onElicit, { elicits: true, stepsUp: true });
