//! A provider's metadata (SAML Metadata §2): its name, where requests go, and the keys that count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_wire::time::UnixTime;
use roxmltree::Node;
use url::Url;

use super::fault::administrator;
use super::key::Key;
use super::name::{DSIG, METADATA, REDIRECT, SAMLP};
use super::xml::{self, Kind};
use super::{Settings, Source, limit, moment, signature};
use crate::Fault;

/// What is known of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Idp {
    /// Its entity id: the issuer by which its people are known for good.
    pub(crate) entity_id: String,
    /// Where a request goes, by HTTP-Redirect.
    pub(crate) sign_in: Url,
    /// Its signing keys; never empty.
    pub(crate) keys: Vec<Key>,
    /// How many signing certificates could not be used.
    pub(crate) unusable: usize,
    /// When the metadata stops counting.
    pub(crate) valid_until: Option<UnixTime>,
    /// Whether it says that it wants signed requests.
    pub(crate) wants_signed_requests: bool,
}

/// What the configuration says of a provider whose metadata is read.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its entity id.
    pub(crate) entity_id: Option<String>,
    /// The one certificate that counts, by its SHA-256.
    pub(crate) fingerprint: Option<[u8; 32]>,
    /// Whether requests may go to a plain address.
    pub(crate) private_network: bool,
}

impl Wanted {
    pub(crate) fn of(settings: &Settings) -> Self {
        let fingerprint = match &settings.idp {
            Source::Metadata(_) => None,
            Source::Url { fingerprint, .. } => *fingerprint,
        };
        let private_network = settings.private_network;
        Self { entity_id: settings.issuer.clone(), fingerprint, private_network }
    }
}

impl Idp {
    /// Reads metadata.
    ///
    /// # Errors
    /// `saml_metadata` and its kin, saying what is missing; `saml_metadata_key` where no usable key is left.
    pub(crate) fn read(bytes: &[u8], wanted: &Wanted) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|_| fault("it is not text in UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
        let document = xml::parse(text, Kind::Metadata).map_err(|inner| fault(&inner.what))?;
        let entity = entity(document.root_element(), wanted)?;
        let entity_id =
            xml::required(entity, "entityID").map_err(|_| fault("it does not name its entity"))?;
        if entity_id.chars().count() > limit::ENTITY_ID {
            return Err(fault("its entity id is too long"));
        }
        let mut roles =
            entity.children().filter(|it| xml::is(*it, METADATA, "IDPSSODescriptor")).filter(speaks_saml2);
        let (Some(role), None) = (roles.next(), roles.next()) else {
            return Err(fault("it does not describe exactly one SAML 2.0 identity provider"));
        };
        let (keys, unusable) = keys(role, wanted)?;
        let mut valid_until = None;
        for node in role.ancestors().filter(Node::is_element) {
            if let Some(text) = xml::optional(node, "validUntil") {
                let until =
                    moment::read(text).ok_or_else(|| fault("its `validUntil` is not a moment in UTC"))?;
                valid_until = Some(valid_until.map_or(until, |earlier: UnixTime| earlier.min(until)));
            }
        }
        Ok(Self {
            entity_id: entity_id.to_owned(),
            sign_in: sign_in(role, wanted.private_network)?,
            keys,
            unusable,
            valid_until,
            wants_signed_requests: xml::optional(role, "WantAuthnRequestsSigned")
                .is_some_and(|it| matches!(it, "true" | "1")),
        })
    }

    /// Refuses metadata beyond its `validUntil`.
    pub(crate) fn judge_age(&self, now: UnixTime) -> Result<(), Fault> {
        if self.valid_until.is_some_and(|until| until <= now) {
            return Err(administrator(
                "saml_metadata_expired",
                "the provider's metadata says that it no longer counts",
                "a key named in it may have been withdrawn since",
                "export the provider's metadata anew and configure that, or name its address in `metadata_url`",
            ));
        }
        Ok(())
    }
}

fn fault(why: &str) -> Fault {
    administrator(
        "saml_metadata",
        "the provider's metadata cannot be used",
        why,
        "export the metadata of the identity provider (an EntityDescriptor in XML) and name it in `metadata_file`",
    )
}

fn speaks_saml2(role: &Node<'_, '_>) -> bool {
    xml::optional(*role, "protocolSupportEnumeration")
        .is_some_and(|protocols| protocols.split_whitespace().any(|it| it == SAMLP))
}

/// The entity that is meant: the only one, or the one of that name.
fn entity<'a, 'i>(root: Node<'a, 'i>, wanted: &Wanted) -> Result<Node<'a, 'i>, Fault> {
    if !xml::is(root, METADATA, "EntityDescriptor") && !xml::is(root, METADATA, "EntitiesDescriptor") {
        return Err(fault("it is no SAML metadata"));
    }
    let named = |node: &Node<'_, '_>| match &wanted.entity_id {
        Some(name) => xml::optional(*node, "entityID") == Some(name),
        None => true,
    };
    let is_provider =
        |node: &Node<'_, '_>| node.children().any(|it| xml::is(it, METADATA, "IDPSSODescriptor"));
    let mut found = root
        .descendants()
        .filter(|it| xml::is(*it, METADATA, "EntityDescriptor"))
        .filter(|it| named(it) && is_provider(it));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) if wanted.entity_id.is_some() => Err(administrator(
            "saml_metadata_issuer",
            "the provider's metadata does not describe the entity named by `issuer`",
            "people are known by the provider's entity id; under another one they would be other people",
            "compare `issuer` with `entityID` in the metadata",
        )),
        (None, _) => Err(fault("it describes no identity provider; perhaps it is that of a service")),
        _ => Err(fault("it describes several identity providers; name the entity id of yours as `issuer`")),
    }
}

fn keys(role: Node<'_, '_>, wanted: &Wanted) -> Result<(Vec<Key>, usize), Fault> {
    let mut keys: Vec<Key> = Vec::new();
    let (mut unusable, mut last) = (0, None);
    let for_signing = |it: &Node<'_, '_>| {
        xml::is(*it, METADATA, "KeyDescriptor") && matches!(xml::optional(*it, "use"), None | Some("signing"))
    };
    for descriptor in role.children().filter(for_signing) {
        let Some(node) = descriptor.descendants().find(|it| xml::is(*it, DSIG, "X509Certificate")) else {
            continue;
        };
        let key = xml::text(node)
            .ok()
            .and_then(|text| signature::decode(&text))
            .ok_or_else(|| fault("a certificate in it is not in base64"))
            .and_then(|der| Key::of_certificate(&der));
        match key {
            Ok(key) if wanted.fingerprint.is_some_and(|pin| pin != key.fingerprint) => {}
            Ok(key) if keys.contains(&key) => {}
            Ok(key) => keys.push(key),
            Err(error) => {
                unusable += 1;
                last = Some(error);
            }
        }
    }
    if keys.len() > limit::KEYS {
        return Err(fault("it names too many signing keys"));
    }
    match last {
        _ if !keys.is_empty() => Ok((keys, unusable)),
        Some(error) => Err(error),
        None => Err(administrator(
            "saml_metadata_key",
            "the provider's metadata names no signing certificate that counts",
            "without a key nothing the provider says can be told from what a stranger says, so nobody signs in",
            match wanted.fingerprint {
                Some(_) => {
                    "compare `metadata_fingerprint` with the SHA-256 of the provider's signing certificate"
                }
                None => "export the metadata with its signing certificate (KeyDescriptor use=\"signing\")",
            },
        )),
    }
}

/// Where requests go.
fn sign_in(role: Node<'_, '_>, private_network: bool) -> Result<Url, Fault> {
    let service = role
        .children()
        .filter(|it| xml::is(*it, METADATA, "SingleSignOnService"))
        .find(|it| xml::optional(*it, "Binding") == Some(REDIRECT))
        .ok_or_else(|| fault("it offers no SingleSignOnService by HTTP-Redirect"))?;
    let location =
        xml::required(service, "Location").map_err(|_| fault("its SingleSignOnService has no address"))?;
    let url =
        Url::parse(location).map_err(|_| fault("the address of its SingleSignOnService is not a URL"))?;
    let here = url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    let may_be_plain = private_network || here;
    let sound = (url.scheme() == "https" || url.scheme() == "http" && may_be_plain)
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    if sound {
        Ok(url)
    } else {
        Err(fault("the address of its SingleSignOnService does not begin with https://"))
    }
}

/// The SHA-256 of a certificate in PEM or DER, as `metadata_fingerprint` compares it.
#[must_use]
pub fn fingerprint(certificate: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(certificate).unwrap_or_default();
    let der = match text.split_once("-----BEGIN CERTIFICATE-----") {
        Some((_, body)) => {
            let body: String = body.split("-----END").next()?.split_whitespace().collect();
            STANDARD.decode(body).ok()?
        }
        None => certificate.to_vec(),
    };
    Key::of_certificate(&der).ok().map(|key| key.fingerprint)
}
