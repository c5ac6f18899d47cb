//! Why a token or a key was refused.

/// Why a token or a key was refused. The texts are fixed: nothing of the token ever stands in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Longer than [`portcullis_wire::limit::JWT`]; refused before it is looked at.
    #[error("the token is too long")]
    TooLong,
    /// Not three non-empty parts with a dot between (RFC 7515 §7.1). An encrypted token has five.
    #[error("a signed token has exactly three parts")]
    Shape,
    /// A part is not base64url without padding, in its one spelling (RFC 7515 §2).
    #[error("a part of the token is not base64url")]
    Encoding,
    /// The header has no strict reading, or a member of it has the wrong type.
    #[error("the header of the token cannot be read")]
    Header,
    /// The header names an extension that must be understood (`crit`, RFC 7515 §4.1.11), or changes what the
    /// payload is (`b64`, `zip`, `enc`).
    #[error("the header of the token asks for an extension that is not supported")]
    Extension,
    /// An algorithm that is unknown, or not accepted for this purpose.
    #[error("the token is not signed with an accepted algorithm")]
    Algorithm,
    /// The header's algorithm is not the one the key is for.
    #[error("the algorithm of the token is not that of its key")]
    AlgorithmOfKey,
    /// The header's `typ` is not accepted for this purpose (RFC 8725 §3.11).
    #[error("this is not a token of the expected type")]
    Type,
    /// No key fits. A caller that fetches keys may fetch them anew, at a bounded rate.
    #[error("the key of the token is not known")]
    UnknownKey,
    /// The token names no key and more than one fits.
    #[error("the token does not say which key signed it")]
    AmbiguousKey,
    /// The signature is not by the key.
    #[error("the signature of the token is wrong")]
    Signature,
    /// The claims have no strict reading, one is missing, or one has the wrong type.
    #[error("the claims of the token cannot be read")]
    Claims,
    /// A key that is malformed or not on its curve.
    #[error("the key cannot be read")]
    Key,
    /// A key of a kind, for an algorithm, or for a use that is not supported here.
    #[error("the key is of an unsupported kind")]
    UnsupportedKey,
    /// An RSA key outside [`crate::key::RSA_BITS`], or with an unsound exponent.
    #[error("the key is too weak or too large")]
    WeakKey,
    /// A JWK holds a private or symmetric member, which never belongs where others can read it.
    #[error("the key holds a private member")]
    PrivateMember,
    /// A JWK set is not one (RFC 7517 §5), is too large, or gives one `kid` to two keys.
    #[error("the key set cannot be read")]
    KeySet,
    /// A signing key could not be made, or could not sign.
    #[error("the signing key failed")]
    Signing,
}
