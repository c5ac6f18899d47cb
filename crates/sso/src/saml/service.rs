//! The room's face: a [`ServiceProvider`] for each configured provider.

use std::fmt;

use portcullis_fetch::Fetcher;
use portcullis_wire::time::UnixTime;

use super::fault::administrator;
use super::request::Request;
use super::response::{self, Expected};
use super::source::Origin;
use super::{Begin, Kept, Settings, Source, metadata};
use crate::{Fault, Finding, Identity};

/// Longest `RelayState`, in bytes (SAML Bindings §3.4.3).
const RELAY_STATE: usize = 80;
/// Longest request id the caller may choose, in bytes.
const REQUEST_ID: usize = 200;

/// We, as one provider sees us.
pub struct ServiceProvider {
    settings: Settings,
    issuer: String,
    origin: Origin,
}

impl fmt::Debug for ServiceProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceProvider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl ServiceProvider {
    /// Reads the settings, and the metadata where it is at hand; asks nobody.
    ///
    /// # Errors
    /// What [`Settings::known_as`] says.
    pub fn new(settings: Settings, fetcher: Fetcher) -> Result<Self, Fault> {
        let issuer = settings.known_as()?;
        let origin = Origin::new(&settings, fetcher)?;
        Ok(Self { settings, issuer, origin })
    }

    /// The provider's entity id: the issuer of its identities.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The address that takes a person to the provider (SAML Bindings §3.4).
    ///
    /// # Errors
    /// What is wrong with the metadata or keeps it from being fetched; `saml_request_id` for an id or relay state that
    /// cannot be sent, which is a fault of the caller.
    pub async fn begin(&self, begin: &Begin, now: UnixTime) -> Result<String, Fault> {
        let id = id(&begin.request_id)?;
        if begin.relay_state.is_empty() || begin.relay_state.len() > RELAY_STATE {
            return Err(unsendable());
        }
        let idp = self.origin.current(now).await?;
        let request = Request {
            id: &id,
            entity_id: &self.settings.entity_id,
            acs: &self.settings.acs,
            sign_in: &idp.sign_in,
            again: begin.again,
            names: self.settings.names,
            now,
        };
        Ok(request.url(&begin.relay_state))
    }

    /// Verifies an answer: `response` is the form field `SAMLResponse`. What comes out is proven by the provider's
    /// signature. That the handle beside it is used once, and by the same browser, is for the caller to hold.
    ///
    /// # Errors
    /// The reason the answer does not count.
    pub async fn finish(&self, response: &str, kept: &Kept, now: UnixTime) -> Result<Identity, Fault> {
        let text = response::text(response)?;
        let id = id(&kept.request_id)?;
        let idp = self.origin.current(now).await?;
        let expected = Expected {
            idp: &idp,
            entity_id: &self.settings.entity_id,
            acs: &self.settings.acs,
            request_id: &id,
            again_since: kept.again_since,
            names: self.settings.names,
            now,
        };
        let verdict = response::judge(&text, &expected);
        if !matches!(&verdict, Err(fault) if fault.code == "saml_signature") {
            return verdict;
        }
        match self.origin.newer_than(&idp, now).await {
            Some(newer) => response::judge(&text, &Expected { idp: &newer, ..expected }),
            None => verdict,
        }
    }

    /// Our metadata, for the provider's administrator (`application/samlmetadata+xml`).
    #[must_use]
    pub fn metadata(&self) -> String {
        metadata::document(&self.settings.entity_id, &self.settings.acs, self.settings.names)
    }

    /// Looks at what can be known before anybody signs in.
    pub async fn check(&self, now: UnixTime) -> Vec<Finding> {
        let read = match &self.settings.idp {
            Source::Metadata(_) => "the metadata of the provider is read",
            Source::Url { .. } => "the metadata of the provider is fetched and read",
        };
        let idp = match self.origin.current(now).await {
            Ok(idp) => idp,
            Err(fault) => return vec![Finding { what: read.to_owned(), fault: Some(fault) }],
        };
        let mut findings = vec![Finding { what: read.to_owned(), fault: self.origin.last_failure() }];
        let mut say = |what: String, fault| findings.push(Finding { what, fault });
        say(format!("its entity id is {}", idp.entity_id), None);
        say(format!("people are sent to {}", idp.sign_in.host_str().unwrap_or_default()), None);
        for (at, key) in idp.keys.iter().enumerate() {
            let hex: String = key.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
            let old = (key.expires_at <= now).then(|| {
                administrator(
                    "saml_certificate_expired",
                    "the certificate of a signing key is past its date",
                    "the key still counts, since its metadata was configured; but the provider may be about to change it",
                    "ask the provider's administrator for its next signing certificate, and configure the new metadata",
                )
            });
            say(format!("signing key {} of {}: certificate sha256 {hex}", at + 1, idp.keys.len()), old);
        }
        if idp.unusable > 0 {
            say(format!("{} of its certificates cannot be used and are passed over", idp.unusable), None);
        }
        if idp.wants_signed_requests {
            say(
                "its metadata says that it wants signed requests; ours are not: turn that off for this service, if the \
                 provider refuses them"
                    .to_owned(),
                None,
            );
        }
        findings
    }
}

/// The ID of a request: an NCName whatever the caller's begins with.
fn id(chosen: &str) -> Result<String, Fault> {
    let sound = (16..=REQUEST_ID).contains(&chosen.len())
        && chosen.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if sound { Ok(format!("_{chosen}")) } else { Err(unsendable()) }
}

fn unsendable() -> Fault {
    administrator(
        "saml_request_id",
        "the request to the provider could not be made",
        "its id or relay state is of a form that cannot be sent",
        "this is a fault of the program: please report it",
    )
}
