//! Every limit has a name, and stands here with its unit and its reason.

/// Longest request body the OAuth endpoints read, in bytes.
pub const FORM_BODY: usize = 16 * 1024;
/// Longest registration, in bytes: as much as a metadata document, which says the same. What is kept of it is less.
pub const REGISTRATION_BODY: usize = CLIENT_DOCUMENT;
/// Longest query of `/authorize`, in bytes (control 14 of the threat list: 8 KiB in all).
pub const QUERY: usize = 8 * 1024;
/// Most parameters in one form or query.
pub const FORM_PARAMETERS: usize = 64;
/// Longest `state` an authorization request may carry, in bytes.
pub const STATE: usize = 2 * 1024;
/// Longest `client_id`, in bytes. A Client ID Metadata Document URL is the longest kind.
pub const CLIENT_ID: usize = 512;
/// Longest redirect URI, in bytes.
pub const REDIRECT_URI: usize = 1024;
/// Most redirect URIs in one registration.
pub const REDIRECT_URIS: usize = 16;
/// Longest resource indicator, in bytes.
pub const RESOURCE_URI: usize = 1024;
/// Longest single scope token, in bytes.
pub const SCOPE_TOKEN: usize = 128;
/// Most scope tokens in one request.
pub const SCOPES: usize = 64;
/// Longest name a client may give itself, in characters.
pub const CLIENT_NAME: usize = 80;
/// Longest account name, in characters.
pub const ACCOUNT_NAME: usize = 80;
/// Shortest password, in characters.
pub const PASSWORD_MIN: usize = 12;
/// Longest password, in characters; a hash of a megabyte is a denial of service.
pub const PASSWORD_MAX: usize = 128;
/// Longest label a person gives to an agent, in characters.
pub const LABEL: usize = 80;
/// Longest compact JWT looked at, in bytes; refused before it is parsed.
pub const JWT: usize = 8 * 1024;
/// Most keys read from one JWK set.
pub const JWKS_KEYS: usize = 32;
/// Largest JWK set fetched or accepted, in bytes.
pub const JWKS_BODY: usize = 64 * 1024;
/// Largest Client ID Metadata Document, in bytes (the draft's own figure).
pub const CLIENT_DOCUMENT: usize = 5 * 1024;
/// Deepest nesting of any JSON document a stranger sends to the authorization server.
pub const JSON_DEPTH: usize = 16;
/// Deepest nesting of a JSON-RPC message.
pub const MESSAGE_DEPTH: usize = 64;
/// Largest JSON-RPC message, in bytes.
pub const MESSAGE_BODY: usize = 4 * 1024 * 1024;
/// Most members of one JSON object.
pub const JSON_MEMBERS: usize = 4096;
/// How far another machine's clock may be off, in seconds (RFC 7519 §4.1.4 allows "a few minutes"; we allow one).
pub const CLOCK_LEEWAY: i64 = 60;
/// Longest life of a client assertion, in seconds from now.
pub const ASSERTION_LIFE: i64 = 300;
/// How often a conflicting decision is made anew before the answer is 503.
pub const DECISION_TRIES: usize = 6;
/// Longest name of a group of people, in characters.
pub const GROUP_NAME: usize = 64;
/// Most groups one person is in, and most that one resource names.
pub const GROUPS: usize = 32;
/// Most scopes a grant remembers as wanted.
pub const WANTED: usize = 20;
/// Most questions to a person that one agent may have open.
pub const APPROVALS_OPEN: usize = 20;
/// Most bytes of a call's arguments that a question keeps, to be shown; a longer text is cut and marked.
pub const APPROVAL_ARGUMENTS: usize = 16 * 1024;
/// Most tools of one resource that are remembered; those beyond stay hidden.
pub const TOOLS: usize = 2000;
/// Longest name of a tool that is remembered, in bytes.
pub const TOOL_NAME: usize = 256;
/// Most bytes of a tool's definition that are kept, to be shown; its digest is of the whole.
pub const TOOL_DEFINITION: usize = 64 * 1024;
/// Most limits one installation counts.
pub const BUDGETS: usize = 64;
/// Most living personal tokens of one person.
pub const PERSONAL_TOKENS: usize = 100;
/// Longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3).
pub const EMAIL: usize = 254;
/// Most bytes that are remembered of one person on the way to an identity provider.
pub const HANDOFF_BYTES: usize = 32 * 1024;
/// Most people that are remembered on their way to identity providers; beyond, who left first is forgotten.
pub const HANDOFFS: usize = 10_000;
