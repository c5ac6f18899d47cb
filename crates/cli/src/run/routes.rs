//! Which path leads where: guarded servers by their own paths, all else to the authorization server.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use portcullis_gateway::door::DoorLayer;
use portcullis_gateway::{Gateway, GatewaySettings};
use portcullis_policy::Policy;
use portcullis_rules::catalog::ResourceEntry;
use portcullis_rules::tools::NewTools;
use portcullis_server::App;
use rustls::pki_types::CertificateDer;
use tower_layer::Layer as _;
use tower_service::Service;

use super::builtin;
use crate::config::{Behind, Guarded, Plan};
use crate::failure::Failure;

/// The whole surface.
pub(crate) async fn router(
    app: &Arc<App>,
    plan: &Plan,
    roots: &[CertificateDer<'static>],
) -> Result<Router, Failure> {
    // A colon or a star in somebody's path is just that.
    let mut router = Router::new().without_v07_checks();
    for guarded in &plan.guarded {
        let Guarded { entry, tools, require, behind } = guarded;
        let door = async || -> Result<DoorLayer, Failure> {
            let guard = app
                .guard(&entry.resource, tools.clone())
                .ok_or_else(|| Failure::ours(format!("`{}` is not in the catalog", entry.resource)))?;
            let ports = app.ports(&entry.resource, NewTools::default()).await.map_err(Failure::ours)?;
            let policy = Policy::new(tools.clone());
            Ok(DoorLayer::new(guard, require, &policy, ports, app.door_settings()))
        };
        router = match behind {
            Behind::Elsewhere => router,
            Behind::Builtin => {
                place(router, entry, door().await?.layer(builtin::service(&plan.settings.issuer)))
            }
            Behind::Upstream(url) => {
                let settings = GatewaySettings { extra_roots: roots.to_vec(), ..GatewaySettings::default() };
                let gateway = Gateway::new(url, settings).map_err(|error| {
                    Failure::fixable(format!("the upstream of `{}`: {error}", entry.resource))
                })?;
                place(router, entry, door().await?.layer(gateway))
            }
        };
    }
    Ok(router.fallback_service(app.router()))
}

/// Puts a service on the resource's path, with and without a slash at its end.
fn place<S>(router: Router, entry: &ResourceEntry, service: S) -> Router
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let path = entry.resource.path();
    let bare = path.trim_end_matches('/');
    router.route_service(bare, service.clone()).route_service(&format!("{bare}/"), service)
}
