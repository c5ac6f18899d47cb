//! `guard`: one MCP server, no configuration.

use crate::args::Guard;
use crate::config::{At, File};

/// The configuration that these words stand for.
pub(crate) fn file(wish: Guard) -> File {
    let Guard {
        upstream,
        listen,
        issuer,
        tls_cert,
        tls_key,
        trusted_proxies,
        name,
        stdio,
        insecure,
        command,
    } = wish;
    let mut file = File::guard_of(upstream);
    let at = |words: Vec<String>| words.into_iter().map(At::nowhere).collect::<Vec<_>>();
    file.sandbox = stdio.sandbox.map(At::nowhere);
    file.listen = Some(At::nowhere(listen));
    file.issuer = issuer.map(At::nowhere);
    file.tls_cert = tls_cert.map(At::nowhere);
    file.tls_key = tls_key.map(At::nowhere);
    file.trusted_proxies = Some(trusted_proxies.into_iter().map(At::nowhere).collect());
    for resource in &mut file.resources {
        resource.name = name.clone().map(At::nowhere);
        if !command.is_empty() {
            resource.upstream = None;
            resource.command = Some(at(command.clone()));
            resource.env = Some(at(stdio.env.clone()));
            resource.read = Some(at(stdio.read.clone()));
            resource.write = Some(at(stdio.write.clone()));
        }
    }
    file.extra_ca = insecure.insecure_extra_ca;
    file.cimd_loopback = insecure.insecure_cimd_loopback;
    file
}
