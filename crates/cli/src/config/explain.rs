//! What each setting means, in which unit, and what it is by default: one table, which `config explain` prints and
//! a test holds against what the file's reader knows.

use super::reader::nearest;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn setting(
    key: &'static str,
    unit: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { key, unit, default, meaning }
}

const TEXT: &str = "text";
const SPAN: &str = "span of time: 90s, 10m, 8h, 30d";
const COUNT: &str = "number";
const FLAG: &str = "true or false";
const LIST: &str = "list of texts";

const SETTINGS: &[Setting] = &[
    setting(
        "issuer",
        "URL",
        "the address listened on",
        "The URL under which the authorization server is reached: https, or http on this computer. No header of a request ever changes it.",
    ),
    setting("listen", "address:port", "127.0.0.1:8414", "Where to listen."),
    setting(
        "data_dir",
        "path",
        "portcullis in the user's data directory",
        "Where keys and records lie. `--data-dir` goes before it.",
    ),
    setting(
        "trusted_proxies",
        LIST,
        "none",
        "Addresses or blocks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed.",
    ),
    setting(
        "redirect_schemes",
        LIST,
        "those of known apps",
        "Private-use schemes that apps may be sent back to, such as cursor.",
    ),
    setting(
        "tls.cert",
        "path",
        "none: plain http",
        "The certificates, in PEM. Read again when the file changes.",
    ),
    setting("tls.key", "path", "none", "The key of the certificate, in PEM."),
    setting("lifetimes.code", SPAN, "1m", "How long an authorization code can be redeemed."),
    setting(
        "lifetimes.access_token",
        SPAN,
        "10m",
        "How long an access token is good. A revoked agent is refused at once all the same.",
    ),
    setting("lifetimes.grant_idle", SPAN, "30d", "An agent that was not used for this long ends."),
    setting("lifetimes.grant", SPAN, "365d", "An agent ends after this, whatever happens."),
    setting(
        "lifetimes.refresh_grace",
        SPAN,
        "1m",
        "How long a client that lost an answer may repeat its last refresh. 0s switches this off.",
    ),
    setting("registration.allowed", FLAG, "true", "Whether apps may register by themselves."),
    setting("registration.burst", COUNT, "60", "How many registrations one source may make at once."),
    setting("registration.per_second", COUNT, "2", "How many more it may make each second after that."),
    setting(
        "sign_in.failures",
        COUNT,
        "5",
        "Failed sign-ins to one account from one source, before it must wait.",
    ),
    setting("sign_in.window", SPAN, "15m", "The time over which they are counted."),
    setting(
        "audit.calls",
        "batched or before",
        "batched",
        "Whether the row of a call is written with others, within 50 ms, or is on disk before the call goes on.",
    ),
    setting(
        "audit.when_full",
        "stop or go",
        "stop",
        "Whether calls stop while the trail cannot be written, or go on unrecorded.",
    ),
    setting("audit.keep", SPAN, "400d", "How long rows are kept."),
    setting("audit.most", COUNT, "2000000", "How many rows are kept at the most, at about 400 bytes each."),
    setting(
        "stdio.sandbox",
        "on or off",
        "on",
        "Whether programs are kept in sandboxes. `off` lets them read all that you may read.",
    ),
    setting("stdio.processes", COUNT, "64", "How many processes there are at once."),
    setting("stdio.idle", SPAN, "10m", "A process nobody speaks to ends after this."),
    setting("limit.of", "calls or requests", "calls", "What is counted."),
    setting("limit.most", COUNT, "none", "How many there may be in the window."),
    setting("limit.window", SPAN, "none", "The window. One of an hour or more survives a restart."),
    setting(
        "limit.each",
        "agent, client, person, resource or tool",
        "agent",
        "For whom each a count of its own is kept.",
    ),
    setting("limit.agent", "id", "any", "Count only what this agent uses."),
    setting("limit.client", "client_id", "any", "Only what this client uses."),
    setting("limit.tool", "name or pattern", "any", "Only calls of these tools."),
    setting("limit.resource", "URL", "any", "Only what is used at this resource."),
    setting(
        "resource.path",
        "path",
        "none",
        "Where the guarded server is found below the issuer, such as /mcp.",
    ),
    setting(
        "resource.uri",
        "URL",
        "none",
        "The canonical URI of a server elsewhere, which verifies tokens itself. In place of `path`.",
    ),
    setting(
        "resource.upstream",
        "URL, or \"builtin\"",
        "none",
        "The MCP server behind it. The caller's token never goes there.",
    ),
    setting(
        "resource.transport",
        "http or sse",
        "http",
        "How the upstream is spoken to; sse is the transport of 2024-11-05.",
    ),
    setting(
        "resource.command",
        LIST,
        "none",
        "The program that is the MCP server, with its arguments: it speaks over stdio. In place of `upstream`.",
    ),
    setting(
        "resource.env",
        LIST,
        "none",
        "Names of our environment that the program is given. It gets no others.",
    ),
    setting(
        "resource.processes",
        "per-agent or shared",
        "per-agent",
        "Whether each agent has a process of its own, or all share one.",
    ),
    setting("resource.read", "list of paths", "none", "Further files and folders that the program may read."),
    setting("resource.write", "list of paths", "none", "Further files and folders that it may change."),
    setting("resource.unix_sockets", FLAG, "false", "Whether it may connect to Unix sockets."),
    setting(
        "resource.people",
        LIST,
        "[\"*\"], everyone",
        "The groups whose people may use it; decided when they consent and at every refresh.",
    ),
    setting(
        "resource.new_tools",
        "hold or allow",
        "hold",
        "What becomes of tools that are new, or defined otherwise than before: hidden until `portcullis tools accept`, or taken as they come.",
    ),
    setting("resource.policy", "path", "none", "Finer rules, in Cedar. They forbid; scopes permit."),
    setting(
        "resource.lenient_headers",
        FLAG,
        "false",
        "Let messages of 2026-07-28 pass whose Mcp-Method or Mcp-Name header is missing or wrong; the server gets right ones.",
    ),
    setting(
        "resource.identity",
        FLAG,
        "false",
        "Tell the upstream who calls, in X-Portcullis-Identity: a statement signed with our keys, good for a minute.",
    ),
    setting(
        "resource.credential.kind",
        "bearer, header or client_credentials",
        "bearer",
        "What the upstream is shown: never the caller's token.",
    ),
    setting("resource.credential.header", "name", "none", "The header, for kind header."),
    setting("resource.credential.value_file", "path", "none", "The file that holds the secret."),
    setting("resource.credential.value_env", "name", "none", "Or what of our environment holds it."),
    setting(
        "resource.credential.token_url",
        "URL",
        "none",
        "Where tokens come from, for client_credentials.",
    ),
    setting("resource.credential.client_id", TEXT, "none", "Who asks for them."),
    setting("resource.credential.scope", TEXT, "none", "Which scopes are asked for."),
    setting("resource.credential.resource", "URL", "none", "For which resource (RFC 8707)."),
    setting("resource.name", TEXT, "the issuer's host", "What people call it."),
    setting(
        "resource.default",
        FLAG,
        "false; else the first",
        "Whether it is the one meant when a client names none.",
    ),
    setting(
        "resource.rs256",
        FLAG,
        "false",
        "Sign its tokens with RS256, for servers that know nothing else.",
    ),
    setting(
        "resource.require",
        LIST,
        "the default scopes that name no tools",
        "What every request to it needs.",
    ),
    setting("resource.scope.name", TEXT, "mcp:tools, if there is no scope", "The scope, as tokens carry it."),
    setting(
        "resource.scope.title",
        TEXT,
        "made from the name",
        "What it allows, in words for the person who judges it.",
    ),
    setting(
        "resource.scope.effect",
        "reads, changes or deletes",
        "changes, unless the name says otherwise",
        "What it does, at worst.",
    ),
    setting("resource.scope.default", FLAG, "false", "Whether a client that asks for nothing is given it."),
    setting(
        "resource.scope.tools",
        LIST,
        "none",
        "The tools that need it, by name or by pattern: `get_*`. An exact name goes before a pattern, and a longer pattern before a shorter one; a tool that two scopes name equally needs both.",
    ),
    setting(
        "resource.scope.methods",
        LIST,
        "none",
        "The methods that need it, such as resources/read or prompts/*.",
    ),
    setting(
        "resource.scope.people",
        LIST,
        "[\"*\"], whoever may use the resource",
        "The groups whose people may have it. Nobody else's agent gets it, whatever was asked or approved.",
    ),
    setting("resource.tool.name", "name or pattern", "none", "Tools about which something is said."),
    setting(
        "resource.tool.confirm",
        "person or client",
        "nobody is asked",
        "Who has to agree to each single call: the person, on a page of ours, or the user of the client, as the client says.",
    ),
    setting(
        "resource.tool.audit_values",
        FLAG,
        "false",
        "Keep the arguments in the audit trail, and not only what stands for them.",
    ),
    setting(
        "sign_in.passwords",
        FLAG,
        "true",
        "Whether people may sign in by a name and a password of this server. Without, by providers alone.",
    ),
    setting(
        "provider.name",
        TEXT,
        "none: it must be there",
        "What it is called in addresses: small letters, digits and `-`. What is entered at the provider holds it: https://<issuer>/callback/<name>, or /saml/<name>/acs.",
    ),
    setting("provider.label", TEXT, "the name", "What people read on the button."),
    setting(
        "provider.kind",
        "oidc, google, entra, okta, auth0, keycloak, github or saml",
        "oidc",
        "What it speaks, and whose peculiarities are known.",
    ),
    setting(
        "provider.issuer",
        "URL, or an entity id",
        "known for google and github; made from the tenant for entra",
        "Its issuer, byte for byte; for saml its entity id, needed beside `metadata_url`. People are known by it for good.",
    ),
    setting("provider.tenant", TEXT, "none", "For entra: the Directory (tenant) ID."),
    setting("provider.client_id", TEXT, "none", "What this server is called there."),
    setting("provider.client_secret_file", "path", "none", "The file that holds this server's secret there."),
    setting("provider.client_secret_env", "name", "none", "Or what of our environment holds it."),
    setting(
        "provider.client_auth",
        "basic, post or none",
        "as the provider supports it",
        "How the secret is shown to the token endpoint.",
    ),
    setting("provider.scopes", LIST, "by kind: openid, profile, email, …", "What is asked for there."),
    setting("provider.metadata_file", "path", "none", "For saml: the provider's metadata."),
    setting("provider.metadata_url", "URL", "none", "Or its address."),
    setting(
        "provider.metadata_fingerprint",
        "SHA-256 in hexadecimal",
        "none",
        "The one signing certificate that counts, whatever the address says.",
    ),
    setting(
        "provider.reassignable_names",
        FLAG,
        "false",
        "For saml: take name identifiers that are not said to be persistent. Say so only where no address or user name is ever given to somebody else.",
    ),
    setting(
        "provider.domains",
        LIST,
        "none",
        "Domains of work addresses that lead to it; for google also the organisations (hd) that are let in.",
    ),
    setting(
        "provider.private_network",
        FLAG,
        "false",
        "Whether it stands on a private address, or on another port than 443.",
    ),
    setting("provider.accounts", "create or known", "create", "Whether somebody new gets an account."),
    setting(
        "provider.account_domains",
        LIST,
        "none: any",
        "Somebody new gets one only with a verified address in one of these domains.",
    ),
    setting(
        "provider.account_groups",
        LIST,
        "none: any",
        "Somebody new gets one only in one of these groups, by our names.",
    ),
    setting(
        "provider.link_by_email",
        FLAG,
        "false",
        "Whether a verified address leads to the account that has it. Never to an administrator's.",
    ),
    setting(
        "provider.trust_email",
        FLAG,
        "false",
        "Take its addresses for verified though it does not say so (entra, saml). You vouch for them.",
    ),
    setting(
        "provider.proof_lasts",
        SPAN,
        "30d",
        "How long a sign-in there counts. After that, agents of the person sleep until they sign in there again.",
    ),
    setting(
        "provider.name_claim",
        TEXT,
        "name, then preferred_username",
        "The claim that holds the person's name. Into objects by a path: a.b.",
    ),
    setting("provider.email_claim", TEXT, "email", "The claim that holds the address."),
    setting(
        "provider.groups_claim",
        LIST,
        "groups, and what the kind has beside it",
        "The claims that hold groups and roles.",
    ),
    setting(
        "provider.groups",
        "table: theirs = ours",
        "none: groups are not taken from there",
        "Groups there and what they are here; they replace the person's groups at every sign-in. `\"*\" = \"keep\"` keeps the others under their own names.",
    ),
];

/// All of them.
pub(crate) const fn settings() -> &'static [Setting] {
    SETTINGS
}

/// One of them, by its name.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    settings().iter().find(|setting| setting.key == key)
}

/// The one most likely meant.
pub(crate) fn nearest_setting(key: &str) -> Option<&'static str> {
    let last = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
    settings()
        .iter()
        .map(|setting| setting.key)
        .find(|name| last(name) == key)
        .or_else(|| nearest(key, settings().iter().map(|setting| setting.key)))
}
