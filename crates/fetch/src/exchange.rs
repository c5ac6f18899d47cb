//! One request and its answer over an open connection: a status that is admitted, a body within its cap. Every check on the
//! answer stands here, in the order in which the bytes come.

use std::error::Error;
use std::io;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue,
    USER_AGENT,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::allowance::{Allowance, SPENT};
use crate::ask::Ask;
use crate::dial::Wire;
use crate::error::FetchError;
use crate::fetcher::Limits;
use crate::target::Target;

/// Header lines in one answer.
const HEADER_LINES: usize = 64;
/// Bytes in the header of one answer.
const HEADER_BYTES: usize = 16 * 1024;
/// Bytes beyond the body in all that is read: the header, interim answers, the framing of chunks.
const OVERHEAD_BYTES: usize = 64 * 1024;

/// Which answers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// 200 alone.
    Document,
    /// Every status but a redirect.
    Answer,
}

/// Asks for `target` over `wire` and reads the answer. The connection ends with this future.
pub(crate) async fn exchange(
    wire: Wire,
    target: &Target<'_>,
    ask: &Ask,
    limits: &Limits,
    admit: Admit,
) -> Result<(u16, HeaderMap, Bytes), FetchError> {
    let request = request(target, ask, limits);
    let stream = TokioIo::new(Allowance::new(wire, limits.body.saturating_add(OVERHEAD_BYTES)));
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADER_LINES)
        .max_buf_size(HEADER_BYTES)
        .handshake(stream)
        .await
        .map_err(|error| classify(&error))?;
    let mut answer = pin!(async {
        let response = sender.send_request(request).await.map_err(|error| classify(&error))?;
        whole(response, limits, admit).await
    });
    // Both live in this task, so that dropping the fetch closes the socket. A connection that ends first has
    // already handed its last bytes, or its error, to the answer.
    tokio::select! {
        biased;
        whole = &mut answer => whole,
        _ = connection => answer.await,
    }
}

fn request(target: &Target<'_>, ask: &Ask, limits: &Limits) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(ask.form.clone().unwrap_or_default()));
    *request.method_mut() = if ask.form.is_some() { Method::POST } else { Method::GET };
    *request.uri_mut() = Uri::from(target.path.clone());
    let headers = request.headers_mut();
    headers.insert(HOST, target.authority.clone());
    headers.insert(ACCEPT, limits.accept.header());
    headers.insert(USER_AGENT, HeaderValue::from_static("Portcullis"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if ask.form.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    }
    if let Some(authorization) = &ask.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    request
}

async fn whole(
    response: Response<Incoming>,
    limits: &Limits,
    admit: Admit,
) -> Result<(u16, HeaderMap, Bytes), FetchError> {
    let status = response.status();
    let is_read = match admit {
        Admit::Document => status == StatusCode::OK,
        Admit::Answer => !status.is_redirection(),
    };
    if !is_read {
        return Err(FetchError::Status(status.as_u16()));
    }
    if !unencoded(response.headers()) {
        return Err(FetchError::Encoding);
    }
    if let Err(error) = limits.accept.media_type(response.headers()) {
        // The page of a proxy in between: its status says more than its type.
        return Err(if status == StatusCode::OK { error } else { FetchError::Status(status.as_u16()) });
    }
    let (parts, body) = response.into_parts();
    Ok((status.as_u16(), parts.headers, read(body, limits.body).await?))
}

/// RFC 9110 §8.4: a small answer may unfold into a large one, and none was asked for.
fn unencoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

async fn read(mut body: Incoming, most: usize) -> Result<Bytes, FetchError> {
    let announced = usize::try_from(body.size_hint().lower()).map_err(|_| FetchError::TooLarge)?;
    if announced > most {
        return Err(FetchError::TooLarge);
    }
    let mut whole = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| classify(&error))?.into_data() else { continue };
        if data.len() > most.saturating_sub(whole.len()) {
            return Err(FetchError::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn classify(error: &hyper::Error) -> FetchError {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    if error.is_parse_too_large() || cause == Some(SPENT) {
        FetchError::TooLarge
    } else {
        FetchError::Protocol
    }
}
