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
        "The tools that need it. A tool named by two scopes needs both.",
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
