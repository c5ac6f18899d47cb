//! `guard`: one MCP server, no configuration.

use crate::args::{Guard, Shared};
use crate::config::{At, File};
use crate::failure::Outcome;

pub(crate) async fn run(shared: &Shared, wish: Guard) -> Outcome {
    let Guard { upstream, listen, issuer, tls_cert, tls_key, trusted_proxies, name, insecure } = wish;
    let mut file = File::guard_of(upstream);
    file.listen = Some(At::nowhere(listen));
    file.issuer = issuer.map(At::nowhere);
    file.tls_cert = tls_cert.map(At::nowhere);
    file.tls_key = tls_key.map(At::nowhere);
    file.trusted_proxies = Some(trusted_proxies.into_iter().map(At::nowhere).collect());
    for resource in &mut file.resources {
        resource.name = name.clone().map(At::nowhere);
    }
    file.extra_ca = insecure.insecure_extra_ca;
    file.cimd_loopback = insecure.insecure_cimd_loopback;
    crate::run::run(shared, &file, None).await
}
