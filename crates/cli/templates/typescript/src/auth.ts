// Who calls, and what they may do: access tokens of Portcullis (RFC 9068), verified by its published keys.
import { getOAuthProtectedResourceMetadataUrl, OAuthError, OAuthErrorCode, requireBearerAuth } from "@modelcontextprotocol/server";
import type { AuthInfo } from "@modelcontextprotocol/server";
import { createRemoteJWKSet, jwtVerify } from "jose";

export const READ = "{{scope}}:read";
export const WRITE = "{{scope}}:write";

/** A gate before the MCP server at `resource`: lets requests in with who calls, or answers 401 or 403 with a challenge. */
export function gate(issuer: string, resource: URL) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const verifyAccessToken = async (token: string): Promise<AuthInfo> => {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: resource.href, // a token for another server is refused
      typ: "at+jwt", // and so is any other kind of JWT
      algorithms: ["ES256"],
      requiredClaims: ["exp", "sub", "client_id"],
    }).catch((why: Error) => {
      throw new OAuthError(OAuthErrorCode.InvalidToken, why.message);
    });
    const scopes = typeof payload.scope === "string" ? payload.scope.split(" ") : [];
    return { token, clientId: String(payload.client_id), scopes, expiresAt: payload.exp, resource, extra: { subject: payload.sub } };
  };
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource);
  return requireBearerAuth({ verifier: { verifyAccessToken }, requiredScopes: [READ], expectedResource: resource, resourceMetadataUrl });
}

/** What tells clients where to get a token (RFC 9728), and where they find it. */
export function metadata(issuer: string, resource: URL) {
  const document = {
    resource: resource.href,
    authorization_servers: [issuer],
    scopes_supported: [READ, WRITE],
    bearer_methods_supported: ["header"],
    resource_name: "{{name}}",
  };
  return { path: new URL(getOAuthProtectedResourceMetadataUrl(resource)).pathname, document };
}
