//! What an owner may set, resolved: no `Option` where a default exists.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use portcullis_rules::budget::Limit;
use portcullis_rules::catalog::Catalog;
use portcullis_rules::settings::Lifetimes;
use portcullis_wire::redirect::WELL_KNOWN_SCHEMES;
use portcullis_wire::resource::Issuer;

use crate::provider::ProviderSettings;

/// An address block in CIDR notation, for `trusted_proxies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork {
    base: IpAddr,
    bits: u8,
}

/// A text that is no address block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address and no block of addresses such as 10.0.0.0/8")]
pub struct NotANetwork(pub String);

impl IpNetwork {
    /// Whether `address` lies in it. An IPv4-mapped IPv6 address counts as the IPv4 address it carries.
    pub fn contains(&self, address: IpAddr) -> bool {
        let spread = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let ((base, width), (other, other_width)) = (spread(self.base), spread(address));
        let mask = if self.bits == 0 { 0 } else { u128::MAX << (128 - u32::from(self.bits)) };
        width == other_width && base & mask == other & mask
    }
}

impl FromStr for IpNetwork {
    type Err = NotANetwork;
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let base: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

/// Who may register by themselves, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationSettings {
    /// Whether `/register` is open at all.
    pub allowed: bool,
    /// How many registrations one source may make at once. A source is an IPv4 address or an IPv6 /56.
    pub burst: u32,
    /// How many more it may make a second after that.
    pub per_second: u32,
}

/// How people sign in with a name and a password, and how often one source may fail to sign in to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInSettings {
    /// Whether they may at all; the set-up link works either way.
    pub passwords: bool,
    /// Failures before it must wait.
    pub failures: u32,
    /// The time over which they are counted.
    pub window: Duration,
}

/// When the row of a call is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// With others, within 50 ms: a crash may lose these.
    #[default]
    Batched,
    /// Before the call is forwarded; how it ended follows with others.
    Before,
}

/// What happens to calls when the trail cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// They are refused, with 503, until it can.
    #[default]
    Stop,
    /// They go on, unrecorded, and the log says how many.
    Go,
}

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// When the row of a call is on disk.
    pub calls: Calls,
    /// What happens when it cannot be.
    pub when_full: WhenFull,
    /// How long rows are kept.
    pub keep: Duration,
    /// How many rows are kept at the most; the oldest go.
    pub most: u64,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            calls: Calls::default(),
            when_full: WhenFull::default(),
            keep: portcullis_rules::audit::KEEP_FOR,
            most: portcullis_rules::audit::KEEP_ROWS,
        }
    }
}

/// Everything an owner may set about the authorization server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer: no header of a request ever shapes it.
    pub issuer: Issuer,
    /// Where the endpoints lie below it: empty, or a path such as `/auth`.
    pub endpoint_path: String,
    /// The guarded resources.
    pub catalog: Catalog,
    /// Lifetimes and graces.
    pub lifetimes: Lifetimes,
    /// Dynamic registration.
    pub registration: RegistrationSettings,
    /// Signing in.
    pub sign_in: SignInSettings,
    /// The identity providers people sign in through.
    pub providers: Vec<ProviderSettings>,
    /// Whether these are all there are. One that is in the records and not among them is then gone, and whoever came
    /// through it may no longer act. Not so for a command at rest, which does not know them.
    pub all_providers: bool,
    /// The audit trail.
    pub audit: AuditSettings,
    /// What agents may use in a window of time.
    pub limits: Vec<Limit>,
    /// Private-use redirect schemes that may be registered.
    pub schemes: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Test only: metadata documents may lie on this computer, over plain http.
    pub insecure_cimd_loopback: bool,
}

impl Settings {
    /// All defaults.
    pub fn new(issuer: Issuer, catalog: Catalog) -> Self {
        Self {
            issuer,
            endpoint_path: String::new(),
            catalog,
            lifetimes: Lifetimes::default(),
            registration: RegistrationSettings { allowed: true, burst: 60, per_second: 2 },
            sign_in: SignInSettings { passwords: true, failures: 5, window: Duration::from_secs(15 * 60) },
            providers: Vec::new(),
            all_providers: true,
            audit: AuditSettings::default(),
            limits: Vec::new(),
            schemes: WELL_KNOWN_SCHEMES.iter().map(|scheme| (*scheme).to_owned()).collect(),
            trusted_proxies: Vec::new(),
            insecure_cimd_loopback: false,
        }
    }

    /// The URL of one of the endpoints or pages; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        self.issuer.join(&format!("{}{path}", self.endpoint_path))
    }

    /// The path below which endpoints and pages are served: the issuer's own, and what an embedding program added.
    pub(crate) fn base(&self) -> String {
        format!("{}{}", self.issuer.path(), self.endpoint_path)
    }

    /// What the pages say of where they are.
    pub(crate) fn site(&self) -> crate::page::Site {
        crate::page::Site::new(self.issuer.authority(), &self.base())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_own_addresses_only() {
        for (network, address, holds) in [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("::1", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
        ] {
            assert_eq!(
                network.parse::<IpNetwork>().unwrap().contains(address.parse().unwrap()),
                holds,
                "{network} {address}"
            );
        }
        for wrong in ["", "10.0.0.0/33", "host", "10.0.0.0/x"] {
            assert!(wrong.parse::<IpNetwork>().is_err());
        }
    }
}
