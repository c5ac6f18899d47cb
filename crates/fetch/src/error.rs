//! Why a fetch did not give a document. Fixed texts: no body, no header and no address of the far side is ever
//! part of one, so each may stand on an error page.

use crate::address::SpecialUse;

/// Why there is no document. None of these may be cached as the document, nor turned into a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not `https`.
    #[error("the URL does not begin with https://")]
    Scheme,
    /// A user name, a password, a fragment, or a path that no request line can carry.
    #[error("the URL holds a user name, a fragment or a part that cannot be sent")]
    Form,
    /// No host, one that ends in a dot, or one that no certificate could name.
    #[error("the host in the URL is not one that can be fetched from")]
    Host,
    /// A port other than 443.
    #[error("the URL names a port other than 443")]
    Port,
    /// At least one address of the host is special-use (RFC 6890). The block is for the log; the text keeps it.
    #[error("the host does not stand on the public internet")]
    Address(SpecialUse),
    /// The name has no address, or could not be looked up.
    #[error("the host could not be found")]
    Resolve,
    /// No address of the host accepted a connection.
    #[error("the host did not accept a connection")]
    Connect,
    /// No TLS session, or a certificate that is not the host's or that no trusted authority signed.
    #[error("no secure connection to the host could be made")]
    Tls,
    /// The deadline over the whole fetch passed, or no address answered the dial in its time.
    #[error("the host took too long to answer")]
    Timeout,
    /// A status other than 200. Redirects are among these: they are not followed.
    #[error("the host answered with status {0} where 200 is needed")]
    Status(u16),
    /// The body, the header or the answer as a whole is beyond its cap.
    #[error("the answer is too large")]
    TooLarge,
    /// A missing, repeated or unwanted `Content-Type`.
    #[error("the answer is not of the wanted media type")]
    MediaType,
    /// A `Content-Encoding`, though none was asked for.
    #[error("the answer is compressed or encoded")]
    Encoding,
    /// Not HTTP/1.1, or an answer that broke off.
    #[error("the answer is not well-formed HTTP or broke off")]
    Protocol,
}

/// Why no [`Fetcher`](crate::Fetcher) could be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// One of the extra roots is not a certificate that can anchor trust.
    #[error("an extra root certificate cannot be used")]
    Root(#[source] rustls::Error),
    /// The TLS provider lacks what TLS 1.2 or 1.3 needs.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}
