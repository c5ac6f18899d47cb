//! What a URL asks for, once it is known to be a URL that may be fetched: the parts a request is made of, and
//! the test its addresses must pass.

use std::net::IpAddr;

use http::HeaderValue;
use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use url::{Host, Position, Url};

use crate::address::{private_network, special_use};
use crate::error::FetchError;
use crate::fetcher::{Loopback, Reach};

/// The only port a public host may be asked on.
const HTTPS_PORT: u16 = 443;

#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// A name to look up, or the address itself.
    pub(crate) host: Host<&'a str>,
    pub(crate) port: u16,
    /// `Some` for https: the name the certificate must bear.
    pub(crate) server_name: Option<ServerName<'static>>,
    /// The `Host` header (RFC 9110 §7.2).
    pub(crate) authority: HeaderValue,
    pub(crate) path: PathAndQuery,
}

impl<'a> Target<'a> {
    /// Reads `url`. It does *not* look at addresses: [`Self::admit`] does, for names and literals alike.
    pub(crate) fn read(url: &'a Url, loopback: Loopback, reach: Reach) -> Result<Self, FetchError> {
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(FetchError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(FetchError::Form);
        }
        let host = url.host().ok_or(FetchError::Host)?;
        let name = match host {
            Host::Domain(name) if name.ends_with('.') => return Err(FetchError::Host),
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| FetchError::Host)?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        let target = Self {
            host,
            port: url.port_or_known_default().ok_or(FetchError::Port)?,
            server_name: (!plain).then_some(name),
            authority: HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
                .map_err(|_| FetchError::Host)?,
            path: PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery])
                .map_err(|_| FetchError::Form)?,
        };
        match loopback {
            Loopback::Refuse => target.secure(reach)?,
            Loopback::AllowPlainAndTls => {}
        }
        Ok(target)
    }

    /// Whether every one of `addresses` may be dialled. One that may not refuses them all: a name with mixed
    /// answers is a name somebody is playing with.
    pub(crate) fn admit(
        &self,
        addresses: &[IpAddr],
        loopback: Loopback,
        reach: Reach,
    ) -> Result<(), FetchError> {
        if addresses.is_empty() {
            return Err(FetchError::Resolve);
        }
        if loopback == Loopback::AllowPlainAndTls && addresses.iter().all(IpAddr::is_loopback) {
            return Ok(());
        }
        let refused = addresses
            .iter()
            .filter(|address| reach == Reach::Public || !private_network(**address))
            .find_map(|address| special_use(*address));
        match refused {
            Some(block) => Err(FetchError::Address(block)),
            None => self.secure(reach),
        }
    }

    /// What a host on a network is asked over: https, and on the public internet on its own port.
    fn secure(&self, reach: Reach) -> Result<(), FetchError> {
        if self.server_name.is_none() {
            return Err(FetchError::Scheme);
        }
        if self.port == HTTPS_PORT || reach == Reach::PrivateNetwork { Ok(()) } else { Err(FetchError::Port) }
    }
}
