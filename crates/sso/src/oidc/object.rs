//! A JSON object of a provider, strictly read. A member that is `null` is of the wrong type, never absent.

use portcullis_wire::{json, limit};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::fault;
use crate::Fault;

/// An object, and how it is called in a fault.
pub(crate) struct Object {
    pub(crate) members: Map<String, Value>,
    code: &'static str,
    document: &'static str,
}

impl Object {
    pub(crate) fn read(bytes: &[u8], code: &'static str, document: &'static str) -> Result<Self, Fault> {
        let members = json::parse_object(bytes, limit::JSON_DEPTH).map_err(|error| {
            fault::provider(
                code,
                format!("the provider's {document} cannot be read"),
                error.to_string(),
                "compare what the provider sends with its documentation; a proxy in between may have answered instead",
            )
        })?;
        Ok(Self::new(members, code, document))
    }

    pub(crate) const fn new(members: Map<String, Value>, code: &'static str, document: &'static str) -> Self {
        Self { members, code, document }
    }

    pub(crate) fn wrong(&self, name: &str) -> Fault {
        fault::field(self.code, self.document, name)
    }

    /// A text that must be there and hold something.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Fault> {
        self.text_if_any(name)?.ok_or_else(|| self.wrong(name))
    }

    /// A text that may be absent.
    pub(crate) fn text_if_any(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// A boolean that is false when absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.members.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// A list of texts that may be absent.
    pub(crate) fn texts_if_any(&self, name: &str) -> Result<Option<Vec<&str>>, Fault> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                let texts = values.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
                texts.map(Some).ok_or_else(|| self.wrong(name))
            }
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// A list of texts that must be there.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&str>, Fault> {
        self.texts_if_any(name)?.ok_or_else(|| self.wrong(name))
    }

    /// The address of an endpoint, if there is one: https, or a loopback host beside a loopback issuer.
    pub(crate) fn endpoint(&self, name: &str, issuer: &Url) -> Result<Option<Url>, Fault> {
        let Some(text) = self.text_if_any(name)? else { return Ok(None) };
        let url = Url::parse(text).map_err(|_| self.wrong(name))?;
        let is_here = is_plain_loopback(&url) && is_plain_loopback(issuer);
        if !is_secure(&url) && !is_here {
            return Err(fault::provider(
                self.code,
                format!("`{name}` in the provider's {} is not an https address", self.document),
                "whoever stands in between could read or change what is said there",
                "have the provider publish https addresses; behind a proxy it has to know its own outer address",
            ));
        }
        if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(self.wrong(name));
        }
        Ok(Some(url))
    }

    /// The address of an endpoint that must be there.
    pub(crate) fn endpoint_needed(&self, name: &str, issuer: &Url) -> Result<Url, Fault> {
        self.endpoint(name, issuer)?.ok_or_else(|| self.wrong(name))
    }
}

pub(crate) fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
}

/// This machine itself, without TLS: development and tests. The fetcher decides whether it is asked.
pub(crate) fn is_plain_loopback(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && is_here
}
