//! XML Signature, cut down to what one assertion needs, and the only way from bytes of a stranger to bytes of a
//! provider.
//!
//! The profile: `SignedInfo` in exclusive canonical form; one `Reference`, to the ID of the very element the signature
//! stands in; the transforms enveloped-signature and exclusive canonicalization, in that order; SHA-256 or longer; a
//! key from metadata. `KeyInfo` is not looked at. What comes out are the bytes whose digest was signed: whoever wants
//! to know what was said parses those, and nothing else.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use super::fault::{absent, provider, shape};
use super::key::{Algorithm, Key, sha1};
use super::name::{self, DSIG};
use super::xml::{self, Kind};
use super::{c14n, limit};
use crate::Fault;

/// The canonical bytes of an element that were hashed and signed. Made only by [`verify`].
#[derive(Debug)]
pub(crate) struct Verified(String);

impl Verified {
    /// The bytes, to be parsed.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Verifies the signature `signature`, a child of `parent`, over `parent` without it, with one of `keys`.
pub(crate) fn verify(parent: Node<'_, '_>, signature: Node<'_, '_>, keys: &[Key]) -> Result<Verified, Fault> {
    let parts = xml::children(signature)?;
    xml::only(&parts, &[(DSIG, "SignedInfo"), (DSIG, "SignatureValue"), (DSIG, "KeyInfo")])?;
    xml::at_most_one(&parts, DSIG, "KeyInfo")?;
    let info = xml::one(&parts, DSIG, "SignedInfo")?;
    let value = base64(xml::one(&parts, DSIG, "SignatureValue")?)?;

    // Anybody may have written it, so it is held to its few parts before anything is made of it.
    Reference::read(signed_info(info)?.1)?;
    // What the signature says of itself is read from the canonical form of SignedInfo, like everything else.
    let method = xml::one(&xml::children(info)?, DSIG, "CanonicalizationMethod")?;
    let inclusive = exclusive_method(method)?;
    let info = c14n::exclusive(info, None, &inclusive);
    let document = xml::parse(&info, Kind::Message)?;
    let info_read = document.root_element();
    let (algorithm, reference) = signed_info(info_read)?;
    let reference = Reference::read(reference)?;

    let id = xml::required(parent, "ID")?;
    if !is_ncname(id) || reference.id != id {
        return Err(shape(
            "saml_reference",
            "a signature covers something else than the element it stands in",
        ));
    }
    if !keys.iter().any(|key| key.verifies(algorithm, info.as_bytes(), &value)) {
        return Err(wrong_signature());
    }
    let inclusive: Vec<&str> = reference.inclusive.iter().map(String::as_str).collect();
    let form = c14n::exclusive(parent, Some(signature.id()), &inclusive);
    if form.len() > limit::RESPONSE {
        return Err(shape(
            "saml_too_large",
            format!("what is signed is longer than {} bytes", limit::RESPONSE),
        ));
    }
    if form.is_empty() || digest::digest(reference.algorithm, form.as_bytes()).as_ref() != reference.digest {
        return Err(provider(
            "saml_digest",
            "the response is not what was signed",
            "it was altered after it was signed, or by a proxy that rewrites pages",
            "begin again; if it stays, look for what stands between the provider and this server",
        ));
    }
    Ok(Verified(form))
}

fn wrong_signature() -> Fault {
    provider(
        "saml_signature",
        "the signature was not made with a key of the provider",
        "only keys in the provider's configured metadata count, whatever certificate the response brings along",
        "if the provider has a new signing certificate, export its metadata anew and configure that; otherwise \
         somebody tries to sign in with a forged response",
    )
}

/// `SignatureMethod` and the one `Reference`.
fn signed_info<'a, 'i>(info: Node<'a, 'i>) -> Result<(Algorithm, Node<'a, 'i>), Fault> {
    let parts = xml::children(info)?;
    xml::only(&parts, &[(DSIG, "CanonicalizationMethod"), (DSIG, "SignatureMethod"), (DSIG, "Reference")])?;
    exclusive_method(xml::one(&parts, DSIG, "CanonicalizationMethod")?)?;
    let method = xml::one(&parts, DSIG, "SignatureMethod")?;
    let algorithm = Algorithm::named(xml::required(method, "Algorithm")?)?;
    if !xml::children(method)?.is_empty() {
        return Err(shape("saml_signature_algorithm", "the signature algorithm has parameters"));
    }
    Ok((algorithm, xml::one(&parts, DSIG, "Reference")?))
}

struct Reference {
    id: String,
    inclusive: Vec<String>,
    algorithm: &'static digest::Algorithm,
    digest: Vec<u8>,
}

impl Reference {
    fn read(node: Node<'_, '_>) -> Result<Self, Fault> {
        let parts = xml::children(node)?;
        xml::only(&parts, &[(DSIG, "Transforms"), (DSIG, "DigestMethod"), (DSIG, "DigestValue")])?;
        let uri = xml::required(node, "URI")?;
        let id = uri
            .strip_prefix('#')
            .filter(|id| is_ncname(id))
            .ok_or_else(|| shape("saml_reference", "a signature does not name what it covers by its ID"))?;
        let transforms = xml::children(xml::one(&parts, DSIG, "Transforms")?)?;
        xml::only(&transforms, &[(DSIG, "Transform")])?;
        let [enveloped, exclusive] = transforms.as_slice() else { return Err(transform()) };
        if xml::required(*enveloped, "Algorithm")? != name::ENVELOPED
            || !xml::children(*enveloped)?.is_empty()
        {
            return Err(transform());
        }
        let inclusive = exclusive_method(*exclusive)?.into_iter().map(str::to_owned).collect();
        let method = xml::one(&parts, DSIG, "DigestMethod")?;
        if !xml::children(method)?.is_empty() {
            return Err(shape("saml_digest_algorithm", "the digest algorithm has parameters"));
        }
        let algorithm = match xml::required(method, "Algorithm")? {
            name::SHA256 => &digest::SHA256,
            name::SHA384 => &digest::SHA384,
            name::SHA512 => &digest::SHA512,
            name::SHA1 => return Err(sha1("the digest")),
            _ => {
                return Err(shape(
                    "saml_digest_algorithm",
                    "the digest algorithm is not SHA-256, 384 or 512",
                ));
            }
        };
        let digest = base64(xml::one(&parts, DSIG, "DigestValue")?)?;
        if digest.len() != algorithm.output_len() {
            return Err(shape("saml_digest", "the digest has not the length of its algorithm"));
        }
        Ok(Self { id: id.to_owned(), inclusive, algorithm, digest })
    }
}

fn transform() -> Fault {
    shape(
        "saml_transform",
        "a signature is over something else than the whole element in exclusive canonical form",
    )
}

/// Holds a method or transform to exclusive canonicalization; the prefixes it treats inclusively.
fn exclusive_method<'a>(node: Node<'a, '_>) -> Result<Vec<&'a str>, Fault> {
    if xml::required(node, "Algorithm")? != name::EXCLUSIVE_C14N {
        return Err(transform());
    }
    let parts = xml::children(node)?;
    match parts.as_slice() {
        [] => Ok(Vec::new()),
        [list] if xml::is(*list, name::EXCLUSIVE_C14N, "InclusiveNamespaces") => {
            let prefixes: Vec<&str> =
                xml::optional(*list, "PrefixList").unwrap_or_default().split_whitespace().collect();
            let sound = prefixes.len() <= limit::ATTRIBUTES && xml::children(*list)?.is_empty();
            if sound { Ok(prefixes) } else { Err(transform()) }
        }
        _ => Err(transform()),
    }
}

/// Bytes in base64, white space between them allowed, nothing else (RFC 4648 §4, padded, no stray bits).
fn base64(node: Node<'_, '_>) -> Result<Vec<u8>, Fault> {
    decode(&xml::text(node)?).filter(|bytes| !bytes.is_empty()).ok_or_else(|| absent(node.tag_name().name()))
}

/// As above, of any text.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.chars().filter(|it| !matches!(it, ' ' | '\t' | '\r' | '\n')).collect();
    STANDARD.decode(dense).ok()
}

/// An ID of the kind that needs no quoting: an NCName of ASCII.
pub(crate) fn is_ncname(id: &str) -> bool {
    let first = id.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && id.len() <= 256 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}
