//! The routes in front of an upstream: the bare hop, the whole door, and the door with a trail that keeps nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use portcullis::{Agent, ToolTable};
use portcullis_gateway::door::DoorLayer;
use portcullis_gateway::ports::{BoxFuture, Call, Ending, Journal, Ports, Unavailable};
use portcullis_gateway::{Gateway, GatewaySettings};
use portcullis_policy::Policy;
use portcullis_rules::tools::NewTools;
use portcullis_server::App;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use tower_layer::Layer as _;

use crate::Outcome;
use crate::plant::SCOPE;

/// Streams and requests through one hop at once.
const IN_FLIGHT: usize = 20_000;

/// Adds them.
pub(crate) async fn routes(
    router: Router,
    app: &Arc<App>,
    resource: &Resource,
    upstream: &str,
) -> Outcome<Router> {
    let url = format!("http://{upstream}/mcp").parse()?;
    let settings = GatewaySettings { in_flight: IN_FLIGHT, ..GatewaySettings::default() };
    let gateway = Gateway::new(&url, settings)?;
    let ports = app.ports(resource, NewTools::Allow).await?;
    let mute = Ports { journal: Arc::new(Mute), ..ports.clone() };
    let scopes = Scopes::parse(SCOPE)?;
    let policy = Policy::new(ToolTable::new(scopes.clone()));
    let door = |ports: Ports| -> Outcome<_> {
        let guard = app.guard(resource, ToolTable::default()).ok_or("no guard")?;
        Ok(DoorLayer::new(guard, &scopes, &policy, ports, app.door_settings()).layer(gateway.clone()))
    };
    Ok(router
        .route_service("/hop", gateway.clone())
        .route_service("/door", door(ports)?)
        .route_service("/mute", door(mute)?))
}

/// Keeps nothing.
struct Mute;

impl Journal for Mute {
    fn admit<'a>(&'a self, _: &'a Call) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn note(&self, _: Call, _: Option<Ending>, _: Duration) {}
    fn unproven(&self, _: &Resource, _: &'static str) {}
    fn wanted(&self, _: &Agent, _: &Scopes) {}
}
