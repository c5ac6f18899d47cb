// What a client's author leaves to others: the person at a browser who signs in, consents and approves.
import { Callback } from "../clients/callback.mjs";
import { expect, within } from "../clients/report.mjs";

/** The longest that anyone waits for the browser to come back, in milliseconds. */
const PATIENCE = 20_000;

export class Hands {
  /** The authorize URLs the client wanted, and the questions the server asked, so far. */
  authorized = [];
  asked = [];
  /** How the person consents and answers next. */
  consent = {};
  decision = "approve";

  static async of(person) {
    const hands = new Hands();
    hands.person = person;
    hands.callback = await Callback.open();
    return hands;
  }

  /** The person signs in where asked and consents; resolves with the URL the browser was sent back to. */
  async authorize(url) {
    this.authorized.push(new URL(url));
    await this.person.signInAndConsent(url, this.consent);
    return within(PATIENCE, "the browser to come back", this.callback.arrival());
  }

  /** The person opens a question's page and answers; resolves with what the client tells the server. */
  async elicit({ mode, url, message }) {
    expect(url !== undefined, `a question in URL mode, not ${mode ?? "form"}: ${message}`);
    this.asked.push(new URL(url));
    await this.person.decide(url, this.decision);
    return "accept";
  }

  close() {
    return this.callback.close();
  }
}
