//! What the provider says of the person (SAML Core §2.3.3). Everything here is read from bytes that were verified.

use portcullis_wire::limit::CLOCK_LEEWAY;
use portcullis_wire::time::UnixTime;
use roxmltree::Node;
use serde_json::{Map, Value};

use super::fault::{absent, administrator, provider, shape, time};
use super::name::{self, BEARER, SAML, SCHEMA_INSTANCE};
use super::response::{Expected, clock, issued, issuer, version};
use super::{Names, limit, moment, xml};
use crate::{Fault, Identity};

/// The claim under which the name identifier stands beside the attributes.
pub const NAME_ID: &str = "NameID";
/// The claim that says of which format it is.
pub const NAME_ID_FORMAT: &str = "NameIDFormat";
/// The claim that says by what means the person proved who they are.
pub const AUTHENTICATION_CONTEXT: &str = "AuthnContextClassRef";

/// Reads an assertion whose signature is verified.
pub(crate) fn read(root: Node<'_, '_>, expected: &Expected<'_>) -> Result<Identity, Fault> {
    if !xml::is(root, SAML, "Assertion") {
        return Err(absent("Assertion"));
    }
    xml::required(root, "ID")?;
    version(root)?;
    issued(root, expected.now)?;
    let parts = xml::children(root)?;
    let known = ["Issuer", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"]
        .map(|local| (SAML, local));
    xml::only(&parts, &known)?;
    issuer(xml::one(&parts, SAML, "Issuer")?, expected)?;
    let (subject, format) = subject(xml::one(&parts, SAML, "Subject")?, expected)?;
    conditions(xml::one(&parts, SAML, "Conditions")?, expected)?;
    let (authenticated_at, context) = authentication(xml::one(&parts, SAML, "AuthnStatement")?, expected)?;
    let mut claims = Map::new();
    for statement in parts.iter().filter(|it| xml::is(**it, SAML, "AttributeStatement")) {
        attributes(*statement, &mut claims)?;
    }
    for (claim, value) in
        [(NAME_ID, subject.as_str()), (NAME_ID_FORMAT, format), (AUTHENTICATION_CONTEXT, &context)]
    {
        claims.insert(claim.to_owned(), Value::Array(vec![Value::String(value.to_owned())]));
    }
    let issuer = expected.idp.entity_id.clone();
    Ok(Identity { issuer, subject, authenticated_at: Some(authenticated_at), claims })
}

/// `Subject`: who, and that the answer is for whoever bears it, here and now.
fn subject(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<(String, &'static str), Fault> {
    let parts = xml::children(node)?;
    xml::only(&parts, &[(SAML, "NameID"), (SAML, "SubjectConfirmation")])?;
    let named = name_id(xml::one(&parts, SAML, "NameID")?, expected)?;
    let confirmation = xml::one(&parts, SAML, "SubjectConfirmation")?;
    if xml::required(confirmation, "Method")? != BEARER {
        return Err(shape("saml_confirmation", "the assertion is not for whoever bears it"));
    }
    let parts = xml::children(confirmation)?;
    xml::only(&parts, &[(SAML, "SubjectConfirmationData")])?;
    let data = xml::one(&parts, SAML, "SubjectConfirmationData")?;
    if !xml::children(data)?.is_empty() || xml::optional(data, "NotBefore").is_some() {
        return Err(shape("saml_confirmation", "the confirmation of the subject says what it must not"));
    }
    if xml::required(data, "Recipient")? != expected.acs {
        return Err(provider(
            "saml_recipient",
            "the assertion was made for another address",
            "an answer made for another service must not count here",
            format!("set the assertion consumer service URL (recipient) at the provider to {}", expected.acs),
        ));
    }
    if xml::required(data, "InResponseTo")? != expected.request_id {
        return Err(super::fault::person(
            "saml_in_response_to",
            "the assertion is the answer to another question than the one that was asked",
            "each answer counts once, for the sign-in it belongs to",
        ));
    }
    not_over(data, "NotOnOrAfter", expected.now)?;
    Ok(named)
}

/// `NameID`: a name that stays with one person.
fn name_id(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<(String, &'static str), Fault> {
    let format = match xml::optional(node, "Format") {
        Some(name::PERSISTENT) => name::PERSISTENT,
        Some(name::EMAIL_ADDRESS) => name::EMAIL_ADDRESS,
        Some(name::UNSPECIFIED | "urn:oasis:names:tc:SAML:2.0:nameid-format:unspecified") | None => {
            name::UNSPECIFIED
        }
        Some(name::TRANSIENT) => {
            return Err(provider(
                "saml_transient",
                "the provider gives the person a new name at every sign-in (`transient`)",
                "by such a name nobody is known again: each sign-in would be a new person",
                "set the name identifier format for this service to persistent (Keycloak: Name ID format; Entra: \
                 Unique User Identifier; SimpleSAMLphp: saml:PersistentNameID; Shibboleth: NameIDFormatPrecedence)",
            ));
        }
        Some(_) => {
            return Err(provider(
                "saml_name_id_format",
                "the name identifier is of a format that is not accepted",
                "it is not said to stay with one person",
                "set the name identifier format for this service to persistent",
            ));
        }
    };
    if format != name::PERSISTENT && expected.names == Names::PersistentOnly {
        return Err(administrator(
            "saml_reassignable",
            "the name identifier is not said to stay with one person (its format is not persistent)",
            "an e-mail address or user name may be given to somebody new, who would get this person's account",
            "set the name identifier format to persistent at the provider; or, where names are never given to somebody \
             else, say so here: `reassignable_names = true`",
        ));
    }
    let value = xml::filled(node)?;
    if value.chars().count() > limit::NAME_ID || value.chars().any(char::is_control) {
        return Err(shape("saml_name_id", "the name identifier is too long or holds control characters"));
    }
    let of_others = |attribute: &str, own: &str| xml::optional(node, attribute).is_some_and(|it| it != own);
    if of_others("NameQualifier", &expected.idp.entity_id) || of_others("SPNameQualifier", expected.entity_id)
    {
        return Err(provider(
            "saml_name_qualifier",
            "the name identifier is one of another provider or for another service",
            "the same name may mean somebody else there",
            "let the provider name people for this service alone: no NameQualifier, or its own entity id",
        ));
    }
    Ok((value, format))
}

/// `Conditions`: now, and for us.
fn conditions(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Fault> {
    let begins = moment::read(xml::required(node, "NotBefore")?).ok_or_else(|| time("NotBefore"))?;
    if begins.millis().saturating_sub(CLOCK_LEEWAY * 1000) > expected.now.millis() {
        return Err(clock("the assertion does not count yet"));
    }
    not_over(node, "NotOnOrAfter", expected.now)?;
    let parts = xml::children(node)?;
    if parts.iter().any(|it| !xml::is(*it, SAML, "AudienceRestriction") && !xml::is(*it, SAML, "OneTimeUse"))
    {
        return Err(shape("saml_condition", "the assertion has a condition that is not understood"));
    }
    let restrictions: Vec<_> = parts.iter().filter(|it| xml::is(**it, SAML, "AudienceRestriction")).collect();
    if restrictions.is_empty() {
        return Err(absent("AudienceRestriction"));
    }
    for restriction in restrictions {
        let audiences = xml::children(*restriction)?;
        xml::only(&audiences, &[(SAML, "Audience")])?;
        let mut is_ours = false;
        for audience in audiences {
            is_ours |= xml::filled(audience)? == expected.entity_id;
        }
        if !is_ours {
            return Err(provider(
                "saml_audience",
                "the assertion is meant for another service",
                "an assertion that another service got, or has stolen, must not count here",
                format!(
                    "set the audience (SP entity id, identifier) at the provider to {}",
                    expected.entity_id
                ),
            ));
        }
    }
    Ok(())
}

/// `AuthnStatement`: when and how the person proved who they are.
fn authentication(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<(UnixTime, String), Fault> {
    let at = moment::read(xml::required(node, "AuthnInstant")?).ok_or_else(|| time("AuthnInstant"))?;
    if at.millis().saturating_sub(CLOCK_LEEWAY * 1000) > expected.now.millis() {
        return Err(clock("the person signed in at the provider in the future"));
    }
    // The provider's clock may run behind ours.
    if expected
        .again_since
        .is_some_and(|since| at.millis().saturating_add(CLOCK_LEEWAY * 1000) <= since.millis())
    {
        return Err(provider(
            "saml_not_again",
            "the provider did not ask the person to sign in again",
            "what comes next asks for a fresh proof, and the provider answered from an old session",
            "let the provider honour ForceAuthn for this service",
        ));
    }
    if xml::optional(node, "SessionNotOnOrAfter").is_some() {
        not_over(node, "SessionNotOnOrAfter", expected.now)?;
    }
    let parts = xml::children(node)?;
    xml::only(&parts, &[(SAML, "SubjectLocality"), (SAML, "AuthnContext")])?;
    let context = xml::children(xml::one(&parts, SAML, "AuthnContext")?)?;
    Ok((at, xml::filled(xml::one(&context, SAML, "AuthnContextClassRef")?)?))
}

/// Refuses a moment that is over.
fn not_over(node: Node<'_, '_>, attribute: &str, now: UnixTime) -> Result<(), Fault> {
    let ends = moment::read(xml::required(node, attribute)?).ok_or_else(|| time(attribute))?;
    if ends.millis().saturating_add(CLOCK_LEEWAY * 1000) <= now.millis() {
        return Err(clock("the assertion no longer counts"));
    }
    Ok(())
}

/// Each attribute becomes the list of its values that are text. One that stands there twice has the values of both.
fn attributes(statement: Node<'_, '_>, claims: &mut Map<String, Value>) -> Result<(), Fault> {
    let mut count = 0;
    let parts = xml::children(statement)?;
    xml::only(&parts, &[(SAML, "Attribute")])?;
    for attribute in parts {
        let name = xml::required(attribute, "Name")?;
        let values = xml::children(attribute)?;
        xml::only(&values, &[(SAML, "AttributeValue")])?;
        count += 1 + values.len();
        if count > limit::VALUES || name.len() > limit::VALUE {
            return Err(shape("saml_too_large", "the assertion holds too many attributes"));
        }
        let list = claims.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
        for value in values {
            let is_nil =
                value.attributes().any(|it| it.namespace() == Some(SCHEMA_INSTANCE) && it.name() == "nil");
            if is_nil || value.children().any(|it| it.is_element()) {
                continue; // nothing, or a structure: no claim is read from it
            }
            let text = xml::text(value)?;
            if text.len() > limit::VALUE {
                return Err(shape("saml_too_large", "the value of an attribute is too long"));
            }
            if let Value::Array(list) = list {
                list.push(Value::String(text));
            }
        }
    }
    Ok(())
}
