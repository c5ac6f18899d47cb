//! Which path leads where. The well-known documents stay where the RFCs put them; the endpoints and pages lie
//! under the issuer, or under a path an embedding program chose.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CONNECTION, STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderValue, Method, StatusCode, Version};
use portcullis_wire::error::ErrorCode;
use portcullis_wire::limit;

use crate::app::App;
use crate::endpoint::fault::Fault;
use crate::endpoint::{
    account, approve, authorize, consent, documents, introspect, manage, provider, register, revoke, setup,
    sign_in, start, token,
};
use crate::page::{Fact, logo, stylesheet};
use crate::reply;
#[cfg(feature = "saml")]
use crate::request::SAML_FORM;
use crate::request::{HostVerdict, bytes, host};

impl App {
    /// Every endpoint and page.
    pub fn router(self: &Arc<Self>) -> Router {
        let base = self.settings.base();
        let at = |path: &str| format!("{base}{path}");
        let home = if base.is_empty() { "/".to_owned() } else { base.clone() };
        let pages = Router::new()
            .route(&home, get(start::page))
            .route(&at("/authorize"), get(authorize::endpoint).post(authorize::endpoint))
            .route(&at("/sign-in"), get(sign_in::page).post(sign_in::submit))
            .route(&at("/sign-in/with"), post(provider::with::submit))
            .route(&at("/sign-in/test"), get(provider::trial::page).post(provider::trial::submit))
            .route(&at("/callback/{name}"), get(provider::callback::endpoint))
            .route(&at("/sign-out"), post(sign_in::sign_out))
            .route(&at("/consent"), get(consent::page).post(consent::submit))
            .route(&at("/approve"), get(approve::page).post(approve::submit))
            .route(&at("/setup"), get(setup::page).post(setup::submit))
            .route(&at("/account"), get(account::page))
            .route(&at("/account/revoke"), post(account::revoke))
            .route(&at("/account/rename"), post(account::rename))
            .route(&at("/account/wanted"), post(account::wanting))
            .route(&at("/account/stop"), post(account::stop))
            .route(&at("/account/password"), post(account::password))
            .route(&at("/introspect"), post(introspect::endpoint))
            .route(&at(&stylesheet().path), get(async || documents::asset(stylesheet())))
            .route(&at(&logo().path), get(async || documents::asset(logo())))
            .fallback(missing);
        #[cfg(feature = "saml")]
        let pages = pages
            .route(&at("/saml/{name}/metadata"), get(provider::metadata::endpoint))
            .route(&at("/saml/{name}/acs"), post(provider::acs::post))
            .route(&at("/saml/{name}/done"), get(provider::acs::done));
        // Cross-origin use is for what holds no cookie: metadata, keys, registration, tokens (threats, control 49).
        let mut open = Router::new()
            .route(&at("/token"), post(token::endpoint).options(preflight))
            .route(&at("/register"), post(register::endpoint).options(preflight))
            .route(
                &at("/register/{client_id}"),
                get(manage::read).put(manage::update).delete(manage::remove).options(preflight),
            )
            .route(&at("/revoke"), post(revoke::endpoint).options(preflight))
            .route(
                &format!("{}/.well-known/jwks.json", self.settings.issuer.path()),
                get(documents::jwks).options(preflight),
            )
            .route(
                &format!("/.well-known/oauth-authorization-server{}", self.settings.issuer.path()),
                get(documents::server).options(preflight),
            );
        for path in self.resource_documents() {
            open = open.route(&path.0, get(path.1).options(preflight));
        }
        pages
            .merge(open.layer(from_fn(cross_origin)))
            .layer(from_fn_with_state(Arc::clone(self), own_host))
            .with_state(Arc::clone(self))
    }

    /// A document per resource (RFC 9728 §3.1), and the bare form where there is only one to speak of.
    #[expect(
        clippy::type_complexity,
        reason = "an alias cannot hold `impl Fn`, and a box would be cloned per request"
    )]
    fn resource_documents(
        &self,
    ) -> Vec<(
        String,
        impl Fn(State<Arc<Self>>, http::HeaderMap) -> std::future::Ready<Response> + Clone + Send + Sync + 'static,
    )> {
        const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
        let entries = self.settings.catalog.entries();
        let mut paths = Vec::new();
        for (index, entry) in
            entries.iter().enumerate().filter(|(_, entry)| entry.resource.is_on(&self.settings.issuer))
        {
            let path = entry.resource.path();
            let mut own = vec![format!("{WELL_KNOWN}{}", path.trim_end_matches('/'))];
            if entries.len() == 1 && path != "/" {
                own.push(WELL_KNOWN.to_owned());
            }
            for path in own {
                let handler = move |State(app): State<Arc<Self>>, headers: http::HeaderMap| {
                    let entry = app.settings.catalog.entries().get(index);
                    std::future::ready(match entry {
                        Some(entry) => documents::resource(&app, entry, &headers),
                        None => reply::error(
                            StatusCode::NOT_FOUND,
                            ErrorCode::InvalidRequest,
                            "There is no such resource.",
                        ),
                    })
                };
                paths.push((path, handler));
            }
        }
        paths
    }
}

async fn preflight() -> Response {
    reply::plain(StatusCode::NO_CONTENT, "text/plain", Body::empty())
}

/// `*`, never with credentials: whoever reads these answers brought all they needed.
async fn cross_origin(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, text) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, MCP-Protocol-Version"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate, Retry-After"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(text));
    }
    response
}

/// Serves under the issuer's own name only (threats, control 39), and says HSTS where there is TLS.
async fn own_host(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let page = wants_page(&request);
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let most = longest(&app, request.uri().path());
    let request = match whole(request, most).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    let mut response = match host(&app, &request) {
        HostVerdict::Ours => next.run(request).await,
        HostVerdict::OtherLoopback if page => Fault::misdirected()
            .fact(Fact::mono("Use", &here(&app, path.split('?').next().unwrap_or_default())))
            .page(&app),
        HostVerdict::OtherLoopback => {
            let text = format!("This server is {}; use that name exactly.", app.settings.issuer);
            reply::error(StatusCode::MISDIRECTED_REQUEST, ErrorCode::InvalidRequest, &text)
        }
        HostVerdict::Foreign => reply::error(
            StatusCode::FORBIDDEN,
            ErrorCode::InvalidRequest,
            "The Host header does not name this server.",
        ),
    };
    if !app.settings.issuer.is_plain() {
        response
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// The request with its body read to the end. None of ours is longer than `most`, and a server that answers before
/// it has read must close the connection: clients that write headers and body apart then lose their next request.
async fn whole(request: Request, most: usize) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    match bytes(body, most).await {
        Ok(body) => Ok(Request::from_parts(parts, Body::from(body))),
        Err(fault) => {
            let mut response = reply::unreadable(&fault);
            if parts.version <= Version::HTTP_11 {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Err(response)
        }
    }
}

/// Longest body at a path, in bytes: only a SAML response is longer than a form of ours.
#[cfg_attr(not(feature = "saml"), expect(unused_variables, reason = "no path takes more"))]
fn longest(app: &App, path: &str) -> usize {
    #[cfg(feature = "saml")]
    {
        let base = app.settings.base();
        let name =
            path.strip_prefix(&base).and_then(|path| path.strip_prefix("/saml/")?.strip_suffix("/acs"));
        if name.is_some_and(|name| app.providers.find(name).is_some()) {
            return SAML_FORM;
        }
    }
    limit::FORM_BODY
}

/// The URL of a path, under the issuer's own name.
fn here(app: &App, path: &str) -> String {
    format!("{}{path}", app.settings.issuer.origin())
}

fn wants_page(request: &Request) -> bool {
    request.method() == Method::GET
        && request
            .headers()
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"))
}

async fn missing(State(app): State<Arc<App>>, request: Request) -> Response {
    if wants_page(&request) {
        Fault::missing().page(&app)
    } else {
        reply::error(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest, "There is nothing at this path.")
    }
}
