//! From a name to its addresses, once per fetch. The answer is checked by `fetcher`, so a resolver needs no
//! trust: the worst it can do is name an address that is then refused.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::lookup_host;
use tokio::sync::Semaphore;

/// The system's resolver works on a thread per look-up and cannot be interrupted. No more than these run at
/// once, even when the fetches that wanted them have long given up.
const LOOKUPS_AT_ONCE: usize = 64;

/// A look-up under way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// A source of addresses for names.
pub trait Resolve: Send + Sync {
    /// All addresses of `name`, in order of preference. `name` is a domain in lower case, never a literal
    /// address. An error and an empty list mean the same to the caller.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The resolver of the operating system, search domains and hosts file included.
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl SystemResolver {
    /// A resolver with its own bound on look-ups at once.
    #[must_use]
    pub fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_AT_ONCE)) }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let name = name.to_owned();
            // A task of its own: when the fetch is dropped at its deadline, the permit stays with the thread.
            let lookup = tokio::spawn(async move {
                let found = lookup_host((name.as_str(), 0)).await;
                drop(permit);
                found.map(|addresses| addresses.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
