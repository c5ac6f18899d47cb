//! Who the call is for, told to the upstream in words it can verify (protocol W17): a signed assertion of ours, and
//! never a header that the caller wrote.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;
use http::header::{HeaderName, HeaderValue};

/// A header on its way, or the reason why there is none.
pub type Asserting<'a> = Pin<Box<dyn Future<Output = Result<HeaderValue, Refusal>> + Send + 'a>>;

/// No assertion can be made for this caller now. The request is not forwarded; the caller is told 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no assertion can be made about this caller")]
pub struct Refusal;

/// Makes assertions about callers.
pub trait Assertions: Send + Sync {
    /// The value of the header that tells the server `audience` who is behind the request with these extensions
    /// (the guard's `Agent` among them). A compact JWT that lives for a minute or so does.
    ///
    /// # Errors
    /// [`Refusal`]: without an assertion nothing is forwarded.
    fn header<'a>(&'a self, caller: &'a Extensions, audience: &'a str) -> Asserting<'a>;
}

/// How the upstream learns who is calling.
#[derive(Clone)]
pub struct Identity {
    pub(crate) name: HeaderName,
    pub(crate) audience: Option<String>,
    source: Arc<dyn Assertions>,
}

impl Identity {
    /// The header, unless another is chosen.
    pub const HEADER: HeaderName = HeaderName::from_static("x-portcullis-identity");

    /// Assertions from `source`, in [`Identity::HEADER`], made out to the upstream's origin.
    pub const fn new(source: Arc<dyn Assertions>) -> Self {
        Self { name: Self::HEADER, audience: None, source }
    }

    /// In this header instead.
    #[must_use]
    pub fn under(self, name: HeaderName) -> Self {
        Self { name, ..self }
    }

    /// Made out to this audience instead.
    #[must_use]
    pub fn made_out_to(self, audience: String) -> Self {
        Self { audience: Some(audience), ..self }
    }

    pub(crate) async fn value(&self, caller: &Extensions, origin: &str) -> Result<HeaderValue, Refusal> {
        let audience = self.audience.as_deref().unwrap_or(origin);
        let mut value = self.source.header(caller, audience).await?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
