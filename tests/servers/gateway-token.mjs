// A token got the way a client gets one: registered, signed in, consented, redeemed.
import { createHash, randomBytes } from "node:crypto";
import { Callback } from "../clients/callback.mjs";
import { expect } from "../clients/report.mjs";

const random = () => randomBytes(32).toString("base64url");

/** Registers a client of `name`, lets `person` consent to `scope` (all defaults without), and redeems the code. */
export async function obtainToken(server, person, { name, scope, resource = server.resource }) {
  const callback = await Callback.open();
  try {
    const post = async (path, type, body) => {
      const reply = await fetch(`${server.issuer}${path}`, { method: "POST", headers: { "content-type": type }, body });
      const said = await reply.json();
      expect(reply.ok, `${path} to succeed, not ${reply.status} ${JSON.stringify(said)}`);
      return said;
    };
    const wish = { client_name: name, redirect_uris: [callback.url], token_endpoint_auth_method: "none" };
    const client = await post("/register", "application/json", JSON.stringify(wish));
    const [verifier, state] = [random(), random()];
    const authorize = new URL(`${server.issuer}/authorize`);
    authorize.search = new URLSearchParams({
      response_type: "code",
      client_id: client.client_id,
      redirect_uri: callback.url,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      resource,
      state,
      ...(scope === undefined ? {} : { scope }),
    });
    await person.signInAndConsent(authorize);
    const arrival = await callback.arrival();
    expect(arrival.searchParams.get("state") === state, `the state, not ${arrival}`);
    const redeem = {
      grant_type: "authorization_code",
      code: arrival.searchParams.get("code"),
      redirect_uri: callback.url,
      client_id: client.client_id,
      code_verifier: verifier,
      resource,
    };
    return await post("/token", "application/x-www-form-urlencoded", new URLSearchParams(redeem));
  } finally {
    await callback.close();
  }
}
