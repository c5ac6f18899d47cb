//! A provider's side of XML Signature, for tests: it signs what it is told, sound or not.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PublicKeyData, RsaKeySize, SigningKey};

use crate::saml::{c14n, name};

/// A key and its certificate.
pub(super) struct Pair {
    pkcs8: Vec<u8>,
    /// The certificate, in DER.
    pub(super) certificate: Vec<u8>,
}

impl Pair {
    fn new(key: &KeyPair) -> Self {
        let certificate =
            CertificateParams::new(vec!["idp.example".to_owned()]).unwrap().self_signed(key).unwrap();
        assert!(!key.der_bytes().is_empty());
        Self { pkcs8: key.serialize_der(), certificate: certificate.der().to_vec() }
    }

    /// The certificate, in base64.
    pub(super) fn base64(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// The certificate, in PEM.
    pub(super) fn pem(&self) -> String {
        let lines: Vec<String> = self
            .base64()
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    fn sign(&self, method: &str, message: &[u8]) -> Vec<u8> {
        let algorithm = match method {
            name::RSA_SHA384 => &rcgen::PKCS_RSA_SHA384,
            name::RSA_SHA512 => &rcgen::PKCS_RSA_SHA512,
            name::ECDSA_SHA256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            name::ECDSA_SHA384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            _ => &rcgen::PKCS_RSA_SHA256,
        };
        let der = KeyPair::from_pkcs8_der_and_sign_algo(&self.pkcs8.as_slice().into(), algorithm).unwrap();
        let signature = der.sign(message).unwrap();
        match method {
            name::ECDSA_SHA256 => side_by_side(&signature, 32),
            name::ECDSA_SHA384 => side_by_side(&signature, 48),
            _ => signature,
        }
    }
}

/// `r` and `s` of a DER signature, each of `size` bytes.
fn side_by_side(der: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = &der[2..];
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(size)..];
        out.extend(vec![0; size - number.len()]);
        out.extend(number);
        rest = &rest[2 + length..];
    }
    out
}

/// The provider's RSA key.
pub(super) fn rsa() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        Pair::new(&KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
    })
}

/// Somebody else's RSA key.
pub(super) fn foreign() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        Pair::new(&KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
    })
}

/// The provider's key on P-256.
pub(super) fn p256() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| Pair::new(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()))
}

/// The provider's key on P-384.
pub(super) fn p384() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| Pair::new(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()))
}

/// How a signature is made.
#[derive(Clone)]
pub(super) struct Manner {
    pub(super) key: &'static Pair,
    pub(super) method: &'static str,
    pub(super) digest: &'static str,
    /// The prefix of the signature's elements; empty for a default namespace.
    pub(super) prefix: &'static str,
    /// `PrefixList` of the transform.
    pub(super) inclusive: &'static str,
    /// What is in `KeyInfo`, if there is one.
    pub(super) key_info: Option<String>,
    /// A last change of `SignedInfo` before it is signed: text to be replaced, and by what.
    pub(super) change: Option<(String, String)>,
}

impl Manner {
    /// RSA with SHA-256.
    pub(super) fn plain() -> Self {
        Self {
            key: rsa(),
            method: name::RSA_SHA256,
            digest: name::SHA256,
            prefix: "ds",
            inclusive: "",
            key_info: None,
            change: None,
        }
    }

    pub(super) fn changed(from: &str, to: &str) -> Self {
        Self { change: Some((from.to_owned(), to.to_owned())), ..Self::plain() }
    }
}

/// Signs the first element called `local` and puts the signature behind its `Issuer`, or first where there is none.
pub(super) fn sign(xml: &str, local: &str, manner: &Manner) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let Some(element) = document.descendants().find(|it| it.is_element() && it.tag_name().name() == local)
    else {
        return xml.to_owned();
    };
    let inclusive: Vec<&str> = manner.inclusive.split_whitespace().collect();
    let form = c14n::exclusive(element, None, &inclusive);
    let algorithm = match manner.digest {
        name::SHA384 => &aws_lc_rs::digest::SHA384,
        name::SHA512 => &aws_lc_rs::digest::SHA512,
        name::SHA1 => &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        _ => &aws_lc_rs::digest::SHA256,
    };
    let digest = STANDARD.encode(aws_lc_rs::digest::digest(algorithm, form.as_bytes()));
    let p = if manner.prefix.is_empty() { String::new() } else { format!("{}:", manner.prefix) };
    let list = if manner.inclusive.is_empty() {
        String::new()
    } else {
        format!(
            r#"<ec:InclusiveNamespaces xmlns:ec="{}" PrefixList="{}"/>"#,
            name::EXCLUSIVE_C14N,
            manner.inclusive
        )
    };
    let mut info = format!(
        concat!(
            r#"<{p}SignedInfo><{p}CanonicalizationMethod Algorithm="{c14n}"/><{p}SignatureMethod Algorithm="{method}"/>"#,
            r##"<{p}Reference URI="#{id}"><{p}Transforms><{p}Transform Algorithm="{enveloped}"/>"##,
            r#"<{p}Transform Algorithm="{c14n}">{list}</{p}Transform></{p}Transforms>"#,
            r#"<{p}DigestMethod Algorithm="{algorithm}"/><{p}DigestValue>{digest}</{p}DigestValue></{p}Reference>"#,
            r#"</{p}SignedInfo>"#
        ),
        p = p,
        c14n = name::EXCLUSIVE_C14N,
        method = manner.method,
        id = element.attribute("ID").unwrap_or_default(),
        enveloped = name::ENVELOPED,
        list = list,
        algorithm = manner.digest,
        digest = digest,
    );
    if let Some((from, to)) = &manner.change {
        assert!(info.contains(from.as_str()), "{from} is not in SignedInfo");
        info = info.replacen(from.as_str(), to, 1);
    }
    let declared = if p.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{}", manner.prefix) };
    let around = format!(r#"<{p}Signature {declared}="{}">{info}</{p}Signature>"#, name::DSIG);
    let parsed = roxmltree::Document::parse(&around).unwrap();
    let canonical = c14n::exclusive(parsed.root_element().first_element_child().unwrap(), None, &[]);
    let value = STANDARD.encode(manner.key.sign(manner.method, canonical.as_bytes()));
    let key_info =
        manner.key_info.as_ref().map(|it| format!("<{p}KeyInfo>{it}</{p}KeyInfo>")).unwrap_or_default();
    let signature = format!(
        r#"<{p}Signature {declared}="{}">{info}<{p}SignatureValue>{value}</{p}SignatureValue>{key_info}</{p}Signature>"#,
        name::DSIG
    );
    let issuer = element.children().find(|it| it.is_element() && it.tag_name().name() == "Issuer");
    let at = match (issuer, element.first_child()) {
        (Some(issuer), _) => issuer.range().end,
        (None, Some(child)) => child.range().start,
        (None, None) => return xml.to_owned(),
    };
    format!("{}{signature}{}", &xml[..at], &xml[at..])
}
