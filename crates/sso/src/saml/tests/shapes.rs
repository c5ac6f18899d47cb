//! Answers in the shapes in which real providers send them, unsigned.

use super::signer::{Manner, p256, rsa};
use super::world::{ACS, ENTITY, IDP, REQUEST};
use crate::saml::name;

/// A shape: its name, the answer, how the assertion is signed, and how the response around it, if it is.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) xml: String,
    pub(super) assertion: Manner,
    pub(super) response: Option<Manner>,
}

fn fill(text: &str) -> String {
    let filled = text
        .replace("{ACS}", ACS)
        .replace("{ENTITY}", ENTITY)
        .replace("{IDP}", IDP)
        .replace("{REQUEST}", &format!("_{REQUEST}"))
        .replace("{AT}", "2026-11-23T04:00:00.000Z")
        .replace("{SOON}", "2026-11-23T04:05:00.000Z")
        .replace("{BEFORE}", "2026-11-23T03:59:00.000Z");
    assert!(!filled.contains('{'), "{filled}");
    filled
}

/// The inside of `Conditions` and `AuthnStatement`, with the prefix `p`.
fn rest(p: &str) -> String {
    format!(
        concat!(
            r#"<{p}Conditions NotBefore="{{BEFORE}}" NotOnOrAfter="{{SOON}}"><{p}AudienceRestriction>"#,
            r#"<{p}Audience>{{ENTITY}}</{p}Audience></{p}AudienceRestriction></{p}Conditions>"#,
            r#"<{p}AuthnStatement AuthnInstant="{{BEFORE}}" SessionIndex="session-1" "#,
            r#"SessionNotOnOrAfter="{{SOON}}"><{p}AuthnContext><{p}AuthnContextClassRef>"#,
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            r#"</{p}AuthnContextClassRef></{p}AuthnContext></{p}AuthnStatement>"#
        ),
        p = p
    )
}

fn subject(p: &str) -> String {
    format!(
        concat!(
            r#"<{p}Subject><{p}NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" "#,
            r#"NameQualifier="{{IDP}}" SPNameQualifier="{{ENTITY}}">alice-1</{p}NameID>"#,
            r#"<{p}SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><{p}SubjectConfirmationData "#,
            r#"InResponseTo="{{REQUEST}}" NotOnOrAfter="{{SOON}}" Recipient="{{ACS}}"/>"#,
            r#"</{p}SubjectConfirmation></{p}Subject>"#
        ),
        p = p
    )
}

/// One attribute with its values.
fn attribute(p: &str, called: &str, values: &[&str]) -> String {
    let values: String = values
        .iter()
        .map(|value| format!(r#"<{p}AttributeValue xsi:type="xs:string">{value}</{p}AttributeValue>"#))
        .collect();
    format!(
        concat!(
            r#"<{}Attribute Name="{}" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic">"#,
            "{}</{}Attribute>"
        ),
        p, called, values, p
    )
}

/// The answer every test of one thing begins with: all that is required, and all that is optional.
pub(super) fn plain() -> String {
    let attributes =
        [attribute("saml:", "mail", &["alice@example.com"]), attribute("saml:", "groups", &["a", "b"])];
    fill(&format!(
        concat!(
            r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" "#,
            r#"xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0" "#,
            r#"IssueInstant="{{AT}}" Destination="{{ACS}}" InResponseTo="{{REQUEST}}"><saml:Issuer>{{IDP}}"#,
            r#"</saml:Issuer><samlp:Status><samlp:StatusCode "#,
            r#"Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>"#,
            r#"<saml:Assertion xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" "#,
            r#"xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_assertion" Version="2.0" IssueInstant="{{AT}}">"#,
            r#"<saml:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{{IDP}}</saml:Issuer>{}{}"#,
            r#"<saml:AttributeStatement>{}</saml:AttributeStatement></saml:Assertion></samlp:Response>"#
        ),
        subject("saml:"),
        rest("saml:"),
        attributes.concat()
    ))
}

/// Response and assertion signed, `InclusiveNamespaces`, another prefix for each namespace.
fn okta() -> Shape {
    let xml = plain()
        .replace("samlp:", "saml2p:")
        .replace("saml:", "saml2:")
        .replace("xmlns:samlp=", "xmlns:saml2p=")
        .replace("xmlns:saml=", "xmlns:saml2=");
    let xml = format!(r#"<?xml version="1.0" encoding="UTF-8"?>{xml}"#);
    let certificate =
        format!("<ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>", rsa().base64());
    let manner = Manner { inclusive: "xs", key_info: Some(certificate), ..Manner::plain() };
    Shape { name: "okta", xml, assertion: manner.clone(), response: Some(manner) }
}

/// The assertion alone signed, everything in default namespaces, attributes named by URI.
fn entra() -> Shape {
    let claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";
    let plain = |text: &str| text.replace(r#" xsi:type="xs:string""#, "");
    let xml = fill(&format!(
        concat!(
            r#"<samlp:Response ID="_response" Version="2.0" IssueInstant="{{AT}}" Destination="{{ACS}}" "#,
            r#"InResponseTo="{{REQUEST}}" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">"#,
            r#"<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{{IDP}}</Issuer><samlp:Status>"#,
            r#"<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>"#,
            r#"<Assertion ID="_assertion" IssueInstant="{{AT}}" Version="2.0" "#,
            r#"xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><Issuer>{{IDP}}</Issuer>{}{}"#,
            r#"<AttributeStatement>{}{}</AttributeStatement></Assertion></samlp:Response>"#
        ),
        subject(""),
        rest(""),
        plain(&attribute("", claims, &["alice@example.com"])),
        plain(&attribute("", "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", &["a", "b"])),
    ));
    Shape { name: "entra", xml, assertion: Manner { prefix: "", ..Manner::plain() }, response: None }
}

/// As Entra, but with `Consent`, a prefix on the signature, and SHA-512.
fn adfs() -> Shape {
    let xml = entra().xml.replace(
        r#"<samlp:Response ID="#,
        r#"<samlp:Response Consent="urn:oasis:names:tc:SAML:2.0:consent:unspecified" ID="#,
    );
    let assertion = Manner { method: name::RSA_SHA512, digest: name::SHA512, ..Manner::plain() };
    Shape { name: "adfs", xml, assertion, response: None }
}

/// One attribute for each role, and a key on a curve.
fn keycloak() -> Shape {
    let one = attribute("saml:", "groups", &["a", "b"]);
    let two = [attribute("saml:", "groups", &["a"]), attribute("saml:", "groups", &["b"])].concat();
    let assertion = Manner {
        key: p256(),
        method: name::ECDSA_SHA256,
        prefix: "dsig",
        key_info: Some("<dsig:KeyName>k1</dsig:KeyName>".to_owned()),
        ..Manner::plain()
    };
    Shape { name: "keycloak", xml: plain().replace(&one, &two), assertion, response: None }
}

/// All namespaces at the root, under counted prefixes, and white space between the parts.
fn pysaml2() -> Shape {
    let xml = plain()
        .replace("saml:", "ns1:")
        .replace("samlp:", "ns0:")
        .replace("xmlns:saml=", "xmlns:ns1=")
        .replace("xmlns:samlp=", "xmlns:ns0=")
        .replace("><", ">\r\n  <");
    Shape { name: "pysaml2", xml, assertion: Manner::plain(), response: Some(Manner::plain()) }
}

/// Every shape.
pub(super) fn all() -> Vec<Shape> {
    vec![okta(), entra(), adfs(), keycloak(), pysaml2()]
}
