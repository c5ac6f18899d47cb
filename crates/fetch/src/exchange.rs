//! One request and its answer over an open connection: `GET`, `200`, a body within its cap. Every check on the
//! answer stands here, in the order in which the bytes come.

use std::error::Error;
use std::io;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONNECTION, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::allowance::{Allowance, SPENT};
use crate::dial::Wire;
use crate::error::FetchError;
use crate::fetcher::{Document, Limits};
use crate::freshness::fresh_for;
use crate::target::Target;

/// Header lines in one answer.
const HEADER_LINES: usize = 64;
/// Bytes in the header of one answer.
const HEADER_BYTES: usize = 16 * 1024;
/// Bytes beyond the body in all that is read: the header, interim answers, the framing of chunks.
const OVERHEAD_BYTES: usize = 64 * 1024;

/// Asks for `target` over `wire` and reads the document. The connection ends with this future.
pub(crate) async fn exchange(
    wire: Wire,
    target: &Target<'_>,
    limits: &Limits,
) -> Result<Document, FetchError> {
    let request = request(target, limits);
    let stream = TokioIo::new(Allowance::new(wire, limits.body.saturating_add(OVERHEAD_BYTES)));
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADER_LINES)
        .max_buf_size(HEADER_BYTES)
        .handshake(stream)
        .await
        .map_err(|error| classify(&error))?;
    let mut answer = pin!(async {
        let response = sender.send_request(request).await.map_err(|error| classify(&error))?;
        document(response, limits).await
    });
    // Both live in this task, so that dropping the fetch closes the socket. A connection that ends first has
    // already handed its last bytes, or its error, to the answer.
    tokio::select! {
        biased;
        document = &mut answer => document,
        _ = connection => answer.await,
    }
}

fn request(target: &Target<'_>, limits: &Limits) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = Uri::from(target.path.clone());
    let headers = request.headers_mut();
    headers.insert(HOST, target.authority.clone());
    headers.insert(ACCEPT, limits.accept.header());
    headers.insert(USER_AGENT, HeaderValue::from_static("Portcullis"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    request
}

async fn document(response: Response<Incoming>, limits: &Limits) -> Result<Document, FetchError> {
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    if !unencoded(response.headers()) {
        return Err(FetchError::Encoding);
    }
    let media_type = limits.accept.media_type(response.headers())?;
    let fresh_for = fresh_for(response.headers());
    let body = read(response.into_body(), limits.body).await?;
    Ok(Document { media_type, body, fresh_for })
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
