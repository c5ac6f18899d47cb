//! The configuration as resolved: nothing left to choose.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_rules::catalog::Catalog;
use portcullis_rules::settings::Lifetimes;
use portcullis_runner::Sandbox;
use portcullis_server::Settings;
use portcullis_wire::resource::{Issuer, ResourceError};

use super::fault::Fault;
use super::file::File;
use super::reader::At;
use super::resource::{self, Guarded};
use super::{limits, provider, span};

/// The port unless told otherwise: 8414 is the RFC of authorization server metadata.
const PORT: u16 = 8414;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Certificate and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// How servers over stdio are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StdioPlan {
    pub(crate) sandbox: Sandbox,
    pub(crate) processes: Option<usize>,
    pub(crate) idle: Option<Duration>,
}

/// Everything a server needs to run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) settings: Settings,
    pub(crate) guarded: Vec<Guarded>,
    pub(crate) stdio: StdioPlan,
    pub(crate) extra_ca: Option<PathBuf>,
    /// Every file that holds a secret, outside the data directory.
    pub(crate) secrets: Vec<PathBuf>,
}

/// From what was written to what is meant. `bound` is the address listened on, once it is known: it is the default
/// issuer.
pub(crate) fn resolve(file: &File, bound: Option<SocketAddr>) -> Result<Plan, Vec<Fault>> {
    let mut faults = Vec::new();
    let listen = bound.or(file.listen.as_ref().map(|at| at.value));
    let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], PORT)));
    let tls = tls(file, &mut faults);
    let issuer = issuer(file, listen, tls.is_some(), &mut faults);
    let Some(issuer) = issuer else { return Err(faults) };
    let guarded = resource::resolve_all(&file.resources, &issuer, &mut faults);
    let catalog =
        Catalog::new(guarded.iter().map(|one| one.entry.clone()).collect()).unwrap_or_else(|same| {
            faults.push(Fault::new(file.resources.first().map_or(0, |one| one.line), "resource", same));
            Catalog::default()
        });
    let mut settings = Settings::new(issuer, catalog);
    settings.lifetimes = lifetimes(file, settings.lifetimes, &mut faults);
    limits(file, &mut settings);
    settings.limits = limits::limits(file, &mut faults);
    settings.audit = limits::audit(file, &mut faults);
    let stdio = stdio(file, &mut faults);
    settings.trusted_proxies = networks(file, &mut faults);
    if let Some(schemes) = &file.redirect_schemes {
        settings.schemes = schemes_of(schemes, &mut faults);
    }
    settings.providers = provider::resolve_all(&file.providers, &mut faults);
    settings.sign_in.passwords = passwords(file, &mut faults);
    settings.insecure_cimd_loopback = file.cimd_loopback;
    insecure(file, &settings.issuer, &mut faults);
    if faults.is_empty() {
        let data_dir = file.data_dir.as_ref().map(|at| at.value.clone());
        let extra_ca = file.extra_ca.clone();
        let secrets = secrets(file, tls.as_ref());
        Ok(Plan { listen, data_dir, tls, settings, guarded, stdio, extra_ca, secrets })
    } else {
        faults.sort_by_key(|fault| fault.line);
        Err(faults)
    }
}

fn secrets(file: &File, tls: Option<&TlsFiles>) -> Vec<PathBuf> {
    let credentials = file.resources.iter().filter_map(|one| one.credential.as_ref()?.value_file.as_ref());
    let clients = file.providers.iter().filter_map(|one| one.client_secret_file.as_ref());
    let named = credentials.chain(clients).map(|at| at.value.clone());
    tls.map(|tls| tls.key.clone()).into_iter().chain(named).collect()
}

fn stdio(file: &File, faults: &mut Vec<Fault>) -> StdioPlan {
    let sandbox = match file.sandbox.as_ref().map(|at| (at.value.as_str(), at.line)) {
        None | Some(("on", _)) => Sandbox::On,
        Some(("off", _)) => Sandbox::Off,
        Some((other, line)) => {
            faults.push(
                Fault::new(line, "stdio.sandbox", format!("`{other}` is no choice"))
                    .advise("write \"on\" or \"off\""),
            );
            Sandbox::On
        }
    };
    StdioPlan {
        sandbox,
        processes: file.processes.as_ref().map(|at| at.value as usize),
        idle: file.idle.as_ref().map(|at| at.value),
    }
}

fn tls(file: &File, faults: &mut Vec<Fault>) -> Option<TlsFiles> {
    match (&file.tls_cert, &file.tls_key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.value.clone(), key: key.value.clone() }),
        (None, None) => None,
        (Some(one), None) => {
            faults.push(
                Fault::new(one.line, "tls.cert", "a certificate needs its key").advise("name `tls.key` too"),
            );
            None
        }
        (None, Some(one)) => {
            faults.push(
                Fault::new(one.line, "tls.key", "a key needs its certificate").advise("name `tls.cert` too"),
            );
            None
        }
    }
}

fn issuer(file: &File, listen: SocketAddr, tls: bool, faults: &mut Vec<Fault>) -> Option<Issuer> {
    let (text, line) = match &file.issuer {
        Some(at) => (at.value.clone(), at.line),
        None => (format!("{}://{listen}", if tls { "https" } else { "http" }), 0),
    };
    let plain = "use https: name the certificate (`--tls-cert`, `--tls-key`), or put a proxy with one in front; then \
                 say the https URL people use (`--issuer`)";
    match Issuer::parse(&text) {
        Ok(issuer) if tls && issuer.is_plain() => {
            faults.push(
                Fault::new(line, "issuer", format!("`{text}` is plain http, and a certificate is named"))
                    .advise("write the issuer with https://"),
            );
            None
        }
        Ok(issuer) => Some(issuer),
        Err(error) => {
            let fault = Fault::new(line, "issuer", format!("`{text}`: {error}"));
            faults.push(match error {
                ResourceError::Plain => fault.advise(plain),
                _ => fault,
            });
            None
        }
    }
}

/// Spans outside these are mistakes.
fn lifetimes(file: &File, mut lifetimes: Lifetimes, faults: &mut Vec<Fault>) -> Lifetimes {
    let second = Duration::from_secs(1);
    let mut take =
        |key: &str, given: &Option<At<Duration>>, into: &mut Duration, least: Duration, most: Duration| {
            let Some(At { value, line }) = given else { return };
            if (least..=most).contains(value) {
                *into = *value;
            } else {
                let message = format!(
                    "`{}` is not between {} and {}",
                    span::print(*value),
                    span::print(least),
                    span::print(most)
                );
                faults.push(Fault::new(*line, &format!("lifetimes.{key}"), message));
            }
        };
    take("code", &file.code, &mut lifetimes.code, second, 10 * MINUTE);
    take("access_token", &file.access_token, &mut lifetimes.access_token, second, DAY);
    take("grant_idle", &file.grant_idle, &mut lifetimes.grant_idle, MINUTE, 3650 * DAY);
    take("grant", &file.grant, &mut lifetimes.grant, MINUTE, 3650 * DAY);
    take("refresh_grace", &file.refresh_grace, &mut lifetimes.refresh_grace, Duration::ZERO, 10 * MINUTE);
    lifetimes
}

fn limits(file: &File, settings: &mut Settings) {
    let value = |at: &Option<At<u32>>, default| at.as_ref().map_or(default, |at| at.value);
    let registration = &mut settings.registration;
    registration.allowed = file.registration_allowed.as_ref().map_or(registration.allowed, |at| at.value);
    registration.burst = value(&file.registration_burst, registration.burst);
    registration.per_second = value(&file.registration_per_second, registration.per_second);
    let sign_in = &mut settings.sign_in;
    sign_in.failures = value(&file.sign_in_failures, sign_in.failures);
    sign_in.window = file.sign_in_window.as_ref().map_or(sign_in.window, |at| at.value);
}

/// Without passwords there has to be another way in.
fn passwords(file: &File, faults: &mut Vec<Fault>) -> bool {
    let Some(at) = &file.passwords else { return true };
    if !at.value && file.providers.is_empty() {
        faults.push(
            Fault::new(at.line, "sign_in.passwords", "nobody could sign in: there is no provider either")
                .advise("add a [[provider]], or leave it out"),
        );
    }
    at.value
}

fn networks(file: &File, faults: &mut Vec<Fault>) -> Vec<portcullis_server::IpNetwork> {
    let mut all = Vec::new();
    for At { value, line } in file.trusted_proxies.iter().flatten() {
        match value.parse() {
            Ok(network) => all.push(network),
            Err(error) => faults.push(Fault::new(*line, "trusted_proxies", error)),
        }
    }
    all
}

/// RFC 3986 §3.1; those that browsers run or that have a meaning of their own are refused.
fn schemes_of(given: &[At<String>], faults: &mut Vec<Fault>) -> Vec<String> {
    const NEVER: [&str; 10] =
        ["http", "https", "javascript", "data", "vbscript", "file", "blob", "about", "view-source", "ws"];
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
    };
    let mut all = Vec::new();
    for At { value, line } in given {
        if is_scheme(value) && !NEVER.contains(&value.as_str()) {
            all.push(value.clone());
        } else {
            faults.push(Fault::new(
                *line,
                "redirect_schemes",
                format!("`{value}` is no scheme an app can own"),
            ));
        }
    }
    all
}

fn insecure(file: &File, issuer: &Issuer, faults: &mut Vec<Fault>) {
    if issuer.is_loopback() {
        return;
    }
    let switches =
        [("--insecure-extra-ca", file.extra_ca.is_some()), ("--insecure-cimd-loopback", file.cimd_loopback)];
    for (switch, _) in switches.into_iter().filter(|(_, set)| *set) {
        faults.push(
            Fault::new(0, switch, format!("it is for tests on this computer, and the issuer is `{issuer}`"))
                .advise("leave it out"),
        );
    }
}
