//! The configuration as written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

use super::fault::Fault;
use super::provider::ProviderFile;
use super::reader::{At, Reader, line_of};

/// All of it. What is not there has a default.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) issuer: Option<At<String>>,
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) data_dir: Option<At<PathBuf>>,
    pub(crate) trusted_proxies: Option<Vec<At<String>>>,
    pub(crate) redirect_schemes: Option<Vec<At<String>>>,
    pub(crate) tls_cert: Option<At<PathBuf>>,
    pub(crate) tls_key: Option<At<PathBuf>>,
    pub(crate) code: Option<At<Duration>>,
    pub(crate) access_token: Option<At<Duration>>,
    pub(crate) grant_idle: Option<At<Duration>>,
    pub(crate) grant: Option<At<Duration>>,
    pub(crate) refresh_grace: Option<At<Duration>>,
    pub(crate) registration_allowed: Option<At<bool>>,
    pub(crate) registration_burst: Option<At<u32>>,
    pub(crate) registration_per_second: Option<At<u32>>,
    pub(crate) sign_in_failures: Option<At<u32>>,
    pub(crate) sign_in_window: Option<At<Duration>>,
    pub(crate) passwords: Option<At<bool>>,
    pub(crate) providers: Vec<ProviderFile>,
    pub(crate) audit_calls: Option<At<String>>,
    pub(crate) audit_when_full: Option<At<String>>,
    pub(crate) audit_keep: Option<At<Duration>>,
    pub(crate) audit_most: Option<At<u32>>,
    pub(crate) sandbox: Option<At<String>>,
    pub(crate) processes: Option<At<u32>>,
    pub(crate) idle: Option<At<Duration>>,
    pub(crate) limits: Vec<LimitFile>,
    pub(crate) resources: Vec<ResourceFile>,
    /// From the command line alone.
    pub(crate) extra_ca: Option<PathBuf>,
    /// From the command line alone.
    pub(crate) cimd_loopback: bool,
}

/// One `[[resource]]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResourceFile {
    pub(crate) line: usize,
    pub(crate) name: Option<At<String>>,
    pub(crate) path: Option<At<String>>,
    pub(crate) uri: Option<At<String>>,
    pub(crate) upstream: Option<At<String>>,
    pub(crate) transport: Option<At<String>>,
    pub(crate) command: Option<Vec<At<String>>>,
    pub(crate) env: Option<Vec<At<String>>>,
    pub(crate) processes: Option<At<String>>,
    pub(crate) read: Option<Vec<At<String>>>,
    pub(crate) write: Option<Vec<At<String>>>,
    pub(crate) unix_sockets: Option<At<bool>>,
    pub(crate) people: Option<Vec<At<String>>>,
    pub(crate) new_tools: Option<At<String>>,
    pub(crate) policy: Option<At<PathBuf>>,
    pub(crate) lenient_headers: Option<At<bool>>,
    pub(crate) identity: Option<At<bool>>,
    pub(crate) credential: Option<CredentialFile>,
    pub(crate) tools: Vec<ToolFile>,
    pub(crate) default: Option<At<bool>>,
    pub(crate) rs256: Option<At<bool>>,
    pub(crate) require: Option<Vec<At<String>>>,
    pub(crate) scopes: Vec<ScopeFile>,
}

/// One `[[resource.tool]]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolFile {
    pub(crate) line: usize,
    pub(crate) name: Option<At<String>>,
    pub(crate) confirm: Option<At<String>>,
    pub(crate) audit_values: Option<At<bool>>,
}

/// `[resource.credential]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialFile {
    pub(crate) line: usize,
    pub(crate) kind: Option<At<String>>,
    pub(crate) header: Option<At<String>>,
    pub(crate) value_file: Option<At<PathBuf>>,
    pub(crate) value_env: Option<At<String>>,
    pub(crate) token_url: Option<At<String>>,
    pub(crate) client_id: Option<At<String>>,
    pub(crate) scope: Option<At<String>>,
    pub(crate) resource: Option<At<String>>,
}

/// One `[[limit]]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitFile {
    pub(crate) line: usize,
    pub(crate) of: Option<At<String>>,
    pub(crate) most: Option<At<u32>>,
    pub(crate) window: Option<At<Duration>>,
    pub(crate) each: Option<At<String>>,
    pub(crate) agent: Option<At<String>>,
    pub(crate) client: Option<At<String>>,
    pub(crate) tool: Option<At<String>>,
    pub(crate) resource: Option<At<String>>,
}

/// One `[[resource.scope]]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeFile {
    pub(crate) line: usize,
    pub(crate) name: Option<At<String>>,
    pub(crate) title: Option<At<String>>,
    pub(crate) effect: Option<At<String>>,
    pub(crate) default: Option<At<bool>>,
    pub(crate) tools: Option<Vec<At<String>>>,
    pub(crate) methods: Option<Vec<At<String>>>,
    pub(crate) people: Option<Vec<At<String>>>,
}

impl File {
    /// What `guard` runs: one MCP server at `/mcp`, or the built-in one.
    pub(crate) fn guard_of(upstream: Option<String>) -> Self {
        let upstream = upstream.unwrap_or_else(|| "builtin".to_owned());
        let resource = ResourceFile {
            path: Some(At::nowhere("/mcp".to_owned())),
            upstream: Some(At::nowhere(upstream)),
            ..ResourceFile::default()
        };
        Self { resources: vec![resource], ..Self::default() }
    }

    /// Reads it, with everything that is wrong with its form.
    pub(crate) fn read(text: &str) -> (Self, Vec<Fault>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What follows a broken line is a guess: only the broken lines are told.
            let fault = |error: &toml::de::Error| {
                let line = error.span().map_or(0, |span| line_of(text, span.start));
                Fault::new(line, "", error.message())
            };
            return (Self::default(), errors.iter().map(fault).collect());
        }
        let mut root = Reader::root(text, table.get_ref());
        let file = Self::from_root(&mut root);
        let mut faults = root.finish();
        faults.sort_by_key(|fault| fault.line);
        (file, faults)
    }

    fn from_root(root: &mut Reader<'_>) -> Self {
        let mut file = Self {
            issuer: root.text("issuer"),
            listen: root.address("listen"),
            data_dir: root.path("data_dir"),
            trusted_proxies: root.texts("trusted_proxies"),
            redirect_schemes: root.texts("redirect_schemes"),
            resources: root.sections("resource", ResourceFile::from_table),
            limits: root.sections("limit", LimitFile::from_table),
            providers: root.sections("provider", ProviderFile::from_table),
            ..Self::default()
        };
        (file.tls_cert, file.tls_key) = root.section("tls", |tls| (tls.path("cert"), tls.path("key")));
        root.section("lifetimes", |lifetimes| {
            file.code = lifetimes.span("code");
            file.access_token = lifetimes.span("access_token");
            file.grant_idle = lifetimes.span("grant_idle");
            file.grant = lifetimes.span("grant");
            file.refresh_grace = lifetimes.span("refresh_grace");
        });
        root.section("registration", |registration| {
            file.registration_allowed = registration.flag("allowed");
            file.registration_burst = registration.count("burst");
            file.registration_per_second = registration.count("per_second");
        });
        root.section("audit", |audit| {
            file.audit_calls = audit.text("calls");
            file.audit_when_full = audit.text("when_full");
            file.audit_keep = audit.span("keep");
            file.audit_most = audit.count("most");
        });
        root.section("stdio", |stdio| {
            file.sandbox = stdio.text("sandbox");
            file.processes = stdio.count("processes");
            file.idle = stdio.span("idle");
        });
        root.section("sign_in", |sign_in| {
            file.sign_in_failures = sign_in.count("failures");
            file.sign_in_window = sign_in.span("window");
            file.passwords = sign_in.flag("passwords");
        });
        file
    }
}

impl ResourceFile {
    fn from_table(table: &mut Reader<'_>) -> Self {
        Self {
            line: table.line(),
            name: table.text("name"),
            path: table.text("path"),
            uri: table.text("uri"),
            upstream: table.text("upstream"),
            transport: table.text("transport"),
            command: table.texts("command"),
            env: table.texts("env"),
            processes: table.text("processes"),
            read: table.texts("read"),
            write: table.texts("write"),
            unix_sockets: table.flag("unix_sockets"),
            people: table.texts("people"),
            new_tools: table.text("new_tools"),
            policy: table.path("policy"),
            lenient_headers: table.flag("lenient_headers"),
            identity: table.flag("identity"),
            credential: table.section("credential", CredentialFile::from_table),
            tools: table.sections("tool", |tool| ToolFile {
                line: tool.line(),
                name: tool.text("name"),
                confirm: tool.text("confirm"),
                audit_values: tool.flag("audit_values"),
            }),
            default: table.flag("default"),
            rs256: table.flag("rs256"),
            require: table.texts("require"),
            scopes: table.sections("scope", |scope| ScopeFile {
                line: scope.line(),
                name: scope.text("name"),
                title: scope.text("title"),
                effect: scope.text("effect"),
                default: scope.flag("default"),
                tools: scope.texts("tools"),
                methods: scope.texts("methods"),
                people: scope.texts("people"),
            }),
        }
    }
}

impl CredentialFile {
    /// None where nothing of it is written.
    fn from_table(table: &mut Reader<'_>) -> Option<Self> {
        let file = Self {
            line: table.line(),
            kind: table.text("kind"),
            header: table.text("header"),
            value_file: table.path("value_file"),
            value_env: table.text("value_env"),
            token_url: table.text("token_url"),
            client_id: table.text("client_id"),
            scope: table.text("scope"),
            resource: table.text("resource"),
        };
        (file.line > 0).then_some(file)
    }
}

impl LimitFile {
    fn from_table(table: &mut Reader<'_>) -> Self {
        Self {
            line: table.line(),
            of: table.text("of"),
            most: table.count("most"),
            window: table.span("window"),
            each: table.text("each"),
            agent: table.text("agent"),
            client: table.text("client"),
            tool: table.text("tool"),
            resource: table.text("resource"),
        }
    }
}
