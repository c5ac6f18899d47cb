//! Which path leads where: guarded servers by their own paths, all else to the authorization server.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use portcullis::{SystemEntropy, ToolTable};
use portcullis_gateway::door::DoorLayer;
use portcullis_gateway::{Gateway, GatewaySettings, Identity, LegacySse, SseSettings};
use portcullis_policy::Policy;
use portcullis_rules::catalog::ResourceEntry;
use portcullis_runner::Runner;
use portcullis_server::{App, Entropy as _};
use rustls::pki_types::CertificateDer;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{builtin, stdio};
use crate::config::{Behind, DoorPlan, Guarded, Plan};
use crate::failure::Failure;

/// The whole surface.
pub(crate) async fn router(
    app: &Arc<App>,
    plan: &Plan,
    roots: &[CertificateDer<'static>],
    runner: Option<&Runner>,
) -> Result<Router, Failure> {
    // A colon or a star in somebody's path is just that.
    let mut router = Router::new().without_v07_checks();
    for guarded in &plan.guarded {
        let Guarded { entry, tools, require, behind, door: said } = guarded;
        let guard = app
            .guard(&entry.resource, tools.clone())
            .ok_or_else(|| Failure::ours(format!("`{}` is not in the catalog", entry.resource)))?;
        let door = async || -> Result<DoorLayer, Failure> {
            let ports = app.ports(&entry.resource, said.new).await.map_err(Failure::ours)?;
            let policy = policy(tools.clone(), said);
            let settings = app.door_settings().lenient_headers(said.lenient);
            let settings =
                said.keep_values.iter().fold(settings, |settings, tool| settings.keep_values(tool));
            Ok(DoorLayer::new(guard.clone(), require, &policy, ports, settings))
        };
        let hop = || GatewaySettings {
            extra_roots: roots.to_vec(),
            credential: said.credential.clone(),
            identity: said.identity.then(|| Identity::new(app.assertions())),
            ..GatewaySettings::default()
        };
        let unfit = |error| Failure::fixable(format!("the upstream of `{}`: {error}", entry.resource));
        router = match behind {
            Behind::Elsewhere => router,
            Behind::Builtin => {
                place(router, entry, door().await?.layer(builtin::service(&plan.settings.issuer)))
            }
            Behind::Upstream(url) => {
                let gateway = Gateway::new(url, hop()).map_err(unfit)?;
                place(router, entry, door().await?.layer(gateway))
            }
            Behind::LegacySse(url) => {
                let entropy = || {
                    let mut bytes = [0; 16];
                    SystemEntropy.fill(&mut bytes);
                    bytes
                };
                let sessions = SseSettings::new(Arc::new(entropy)).per_agent();
                let upstream = LegacySse::new(url, hop(), sessions).map_err(unfit)?;
                place(router, entry, door().await?.layer(upstream))
            }
            Behind::Command(program) => {
                let idle = plan.stdio.idle.unwrap_or(portcullis_runner::limits::IDLE);
                let runner = runner.ok_or_else(|| Failure::ours("nothing was started to keep servers"))?;
                let kept = stdio::kept(runner, &entry.resource.path(), program, guard.clone(), idle);
                place(router, entry, door().await?.layer(kept))
            }
        };
    }
    Ok(router.fallback_service(app.router()))
}

/// What the owner said, as one policy.
fn policy(tools: ToolTable, said: &DoorPlan) -> Policy {
    let asked = said.confirm.iter();
    let policy = asked.fold(Policy::new(tools), |policy, (tool, by)| policy.confirm(tool, *by));
    match &said.rules {
        Some(rules) => policy.rules(rules.clone()),
        None => policy,
    }
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
