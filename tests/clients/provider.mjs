// The part of an MCP client that its author writes: where credentials are kept and how the browser
// is reached. Versions 1 and 2 of the TypeScript SDK ask for the same shape.

export class Provider {
  /** The authorize URL the SDK last wanted opened, until it is taken. */
  wanted;
  #client;
  #tokens;
  #verifier;
  #discovery;
  #state = 0;

  constructor(redirectUrl, name, clientMetadataUrl) {
    this.redirectUrl = redirectUrl;
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl;
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  state() {
    this.#state += 1;
    return `state-${this.#state}`;
  }

  clientInformation() {
    return this.#client;
  }

  saveClientInformation(information) {
    this.#client = information;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
  }

  redirectToAuthorization(url) {
    this.wanted = url;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }

  codeVerifier() {
    return this.#verifier;
  }

  saveDiscoveryState(discovery) {
    this.#discovery = discovery;
  }

  discoveryState() {
    return this.#discovery;
  }

  invalidateCredentials(scope) {
    if (scope === "all" || scope === "client") this.#client = undefined;
    if (scope === "all" || scope === "tokens") this.#tokens = undefined;
    if (scope === "all" || scope === "verifier") this.#verifier = undefined;
    if (scope === "all" || scope === "discovery") this.#discovery = undefined;
  }

  /** Takes the authorize URL, so that a second wish is noticed. */
  take() {
    const url = this.wanted;
    this.wanted = undefined;
    return url;
  }

  /** Makes the access token unusable, as its expiry would, and leaves the refresh token. */
  outlive() {
    const { access_token: token } = this.#tokens;
    const middle = Math.floor(token.length / 2);
    const other = token[middle] === "A" ? "B" : "A";
    this.#tokens = { ...this.#tokens, access_token: token.slice(0, middle) + other + token.slice(middle + 1) };
  }
}
