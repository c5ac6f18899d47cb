//! The answer: a `Response` with one `Assertion` (SAML Core §3.3.3, Profiles §4.1.4.2).
//!
//! First the document is held to the one accepted form, then its signatures are verified, then what was verified is
//! parsed anew and read. The `Response` around the assertion is often unsigned; what is read from it can only refuse.

use portcullis_wire::limit::CLOCK_LEEWAY;
use portcullis_wire::time::UnixTime;
use roxmltree::Node;

use super::assertion;
use super::fault::{absent, person, provider, shape, time};
use super::idp::Idp;
use super::name::{DSIG, ENTITY, SAML, SAMLP, SUCCESS, XENC};
use super::signature::{self, decode};
use super::xml::{self, Kind};
use super::{Names, limit, moment};
use crate::{Act, Fault, Identity};

/// What an answer is held against.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The provider.
    pub(crate) idp: &'a Idp,
    /// Our own name.
    pub(crate) entity_id: &'a str,
    /// Where answers come in.
    pub(crate) acs: &'a str,
    /// The ID of the request that is answered.
    pub(crate) request_id: &'a str,
    /// The moment after which the person must have proven who they are.
    pub(crate) again_since: Option<UnixTime>,
    /// The name identifiers that count.
    pub(crate) names: Names,
    /// Now.
    pub(crate) now: UnixTime,
}

/// The XML in the form field `SAMLResponse` (Bindings §3.5.4).
pub(crate) fn text(field: &str) -> Result<String, Fault> {
    // Four characters for three bytes, and as much again for white space.
    if field.len() > limit::RESPONSE * 3 {
        return Err(shape(
            "saml_too_large",
            format!("the response is longer than {} bytes", limit::RESPONSE),
        ));
    }
    decode(field)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| shape("saml_encoding", "the response is not XML in UTF-8 and base64"))
}

/// Verifies an answer and reads who it is about.
pub(crate) fn judge(text: &str, expected: &Expected<'_>) -> Result<Identity, Fault> {
    let document = xml::parse(text, Kind::Message)?;
    let root = document.root_element();
    if !xml::is(root, SAMLP, "Response") {
        return Err(shape("saml_not_a_response", "what came is not a SAML 2.0 response"));
    }
    let parts = xml::children(root)?;
    status(xml::one(&parts, SAMLP, "Status")?)?;
    plain(root)?;
    let assertion = sole_assertion(root)?;
    let (around, inside) = signatures(root, assertion)?;
    let envelope = around.map(|it| signature::verify(root, it, &expected.idp.keys)).transpose()?;
    let verified = signature::verify(assertion, inside, &expected.idp.keys)?;
    match &envelope {
        Some(verified) => head(xml::parse(verified.as_str(), Kind::Message)?.root_element(), expected)?,
        None => head(root, expected)?,
    }
    let document = xml::parse(verified.as_str(), Kind::Message)?;
    assertion::read(document.root_element(), expected)
}

/// Refuses what is encrypted.
fn plain(root: Node<'_, '_>) -> Result<(), Fault> {
    let is_encrypted = |node: Node<'_, '_>| {
        node.is_element()
            && (node.tag_name().name().starts_with("Encrypted") || node.tag_name().namespace() == Some(XENC))
    };
    if root.descendants().any(is_encrypted) {
        return Err(provider(
            "saml_encrypted",
            "the provider encrypts its assertions",
            "encrypted assertions are not supported; the answer comes over TLS and is read by nobody else",
            "turn off assertion encryption for this service at the provider (remove the encryption certificate)",
        ));
    }
    Ok(())
}

/// The one assertion, child of the response.
fn sole_assertion<'a, 'i>(root: Node<'a, 'i>) -> Result<Node<'a, 'i>, Fault> {
    let mut all = root.descendants().filter(|it| it.is_element() && it.tag_name().name() == "Assertion");
    match (all.next(), all.next()) {
        (None, _) => Err(absent("Assertion")),
        (Some(one), None) if xml::is(one, SAML, "Assertion") && one.parent() == Some(root) => Ok(one),
        _ => Err(shape("saml_wrapped", "the response holds an assertion in another place, or more than one")),
    }
}

/// The response's own signature, if it has one, and that of the assertion. There is no third.
fn signatures<'a, 'i>(
    root: Node<'a, 'i>,
    assertion: Node<'a, 'i>,
) -> Result<(Option<Node<'a, 'i>>, Node<'a, 'i>), Fault> {
    let (mut around, mut inside) = (None, None);
    for signature in root.descendants().filter(|it| it.is_element() && it.tag_name().name() == "Signature") {
        let place = if signature.parent() == Some(root) {
            &mut around
        } else if signature.parent() == Some(assertion) {
            &mut inside
        } else {
            return Err(shape("saml_wrapped", "a signature stands in another place than its own element"));
        };
        if !xml::is(signature, DSIG, "Signature") || place.replace(signature).is_some() {
            return Err(shape("saml_wrapped", "the response holds more signatures than it may"));
        }
    }
    let inside = inside.ok_or_else(|| {
        provider(
            "saml_no_signature",
            "the assertion is not signed",
            "only what is signed by the provider itself counts; a signature around the response does not replace it",
            "sign the assertion at the provider (Okta: Assertion Signature Signed; Entra: Sign SAML assertion, or \
             response and assertion; ADFS: -SamlResponseSignature AssertionOnly; Keycloak: Sign assertions)",
        )
    })?;
    Ok((around, inside))
}

/// What the response says outside of the assertion.
fn head(root: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Fault> {
    let parts = xml::children(root)?;
    let known = [(SAML, "Issuer"), (DSIG, "Signature"), (SAMLP, "Status"), (SAML, "Assertion")];
    xml::only(&parts, &known)?;
    xml::required(root, "ID")?;
    version(root)?;
    issued(root, expected.now)?;
    if let Some(node) = xml::at_most_one(&parts, SAML, "Issuer")? {
        issuer(node, expected)?;
    }
    let Some(answers) = xml::optional(root, "InResponseTo") else {
        return Err(provider(
            "saml_unsolicited",
            "the provider answers a question that nobody asked",
            "a sign-in that begins at the provider can be slipped to a person by somebody else",
            "begin at the sign-in page of this server, or give the provider that address to begin at (Okta: hide the \
             tile or use a bookmark app; Entra: Sign on URL)",
        ));
    };
    if answers != expected.request_id {
        return Err(person(
            "saml_in_response_to",
            "the answer is to another question than the one that was asked",
            "each answer counts once, for the sign-in it belongs to",
        ));
    }
    if xml::required(root, "Destination")? != expected.acs {
        return Err(provider(
            "saml_destination",
            "the response was made for another address",
            "an answer made for another service must not count here",
            format!("set the assertion consumer service URL at the provider to {}", expected.acs),
        ));
    }
    Ok(())
}

/// `Version="2.0"`.
pub(crate) fn version(node: Node<'_, '_>) -> Result<(), Fault> {
    if xml::required(node, "Version")? == "2.0" {
        Ok(())
    } else {
        Err(shape("saml_version", "the response is not SAML 2.0"))
    }
}

/// `IssueInstant`: a moment ago.
pub(crate) fn issued(node: Node<'_, '_>, now: UnixTime) -> Result<(), Fault> {
    let at = moment::read(xml::required(node, "IssueInstant")?).ok_or_else(|| time("IssueInstant"))?;
    let age = now.millis().saturating_sub(at.millis());
    if age < -CLOCK_LEEWAY * 1000 {
        return Err(clock("the response comes from the future"));
    }
    if age > (limit::MESSAGE_AGE + CLOCK_LEEWAY) * 1000 {
        return Err(clock("the response is too old"));
    }
    Ok(())
}

/// A time that does not fit ours.
pub(crate) fn clock(what: &str) -> Fault {
    Fault::new(
        "saml_clock",
        Act::Person,
        what,
        format!(
            "an answer counts for a moment; the clocks of both sides may differ by {CLOCK_LEEWAY} seconds"
        ),
        "begin again at the sign-in page; if it stays, set the clocks of the provider and of this machine (NTP)",
    )
}

/// `Issuer`: the provider, by its entity id.
pub(crate) fn issuer(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Fault> {
    let is_entity = matches!(xml::optional(node, "Format"), None | Some(ENTITY));
    if is_entity && xml::filled(node)? == expected.idp.entity_id {
        return Ok(());
    }
    Err(provider(
        "saml_issuer",
        "the response was made by another issuer than the configured provider",
        "people are known by the provider's entity id; one provider must not speak for another",
        "compare the provider's entity id with `entityID` in its configured metadata",
    ))
}

/// `Status`: success, or the fault that says what the provider said.
fn status(node: Node<'_, '_>) -> Result<(), Fault> {
    let parts = xml::children(node)?;
    let top = xml::one(&parts, SAMLP, "StatusCode")?;
    let value = xml::required(top, "Value")?;
    let below = xml::at_most_one(&xml::children(top)?, SAMLP, "StatusCode")?
        .and_then(|it| xml::optional(it, "Value"));
    if value == SUCCESS {
        return if below.is_none() { Ok(()) } else { Err(shape("saml_status", "success has a reason")) };
    }
    let short = |uri: &str| {
        let word = uri.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:").unwrap_or_default();
        let is_word =
            !word.is_empty() && word.len() <= 40 && word.bytes().all(|it| it.is_ascii_alphanumeric());
        if is_word { word.to_owned() } else { "an unknown status".to_owned() }
    };
    let said = match below {
        Some(below) => format!("{}, {}", short(value), short(below)),
        None => short(value),
    };
    let (act, fix) = match below.map(short).as_deref() {
        Some("AuthnFailed" | "NoPassive") => (Act::Person, "begin again, and sign in at the provider"),
        Some("RequestDenied") => {
            (Act::Provider, "let the person use this service at the provider (assign them)")
        }
        Some("InvalidNameIDPolicy") => (
            Act::Provider,
            "give this service a persistent name identifier at the provider (ADFS: a claim rule that issues a Name ID \
             of the format persistent; Entra: Unique User Identifier from user.objectid, format Persistent)",
        ),
        Some("NoAuthnContext") => {
            (Act::Provider, "allow any way of signing in for this service at the provider")
        }
        _ => {
            (Act::Provider, "the provider's own log says more; compare entity id and addresses on both sides")
        }
    };
    Err(Fault::new(
        "saml_status",
        act,
        format!("the provider did not sign the person in: {said}"),
        "without a proof of who it is nobody is signed in",
        fix,
    ))
}
