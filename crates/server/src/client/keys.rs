//! The public keys of clients that sign assertions: inline in what they registered, or at their `jwks_uri`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_fetch::Limits;
use portcullis_jose::JoseError;
use portcullis_jose::key::KeySet;
use portcullis_rules::model::Client;

use super::document::{Documents, fresh_for, key_set_url};
use super::fault::DocumentFault;

/// Key sets kept at once.
pub const KEY_SETS: usize = 512;
/// The pause between two fetches of one key set for the sake of keys it did not hold. Strangers can cause these; each
/// brings in the newest keys all the same, so nobody can hold a rotation back for longer.
pub const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(30);

impl Documents {
    /// The keys of `client`: its inline set, or the one at its `jwks_uri`, fetched and kept for as long as its host
    /// says within the bounds of documents.
    ///
    /// # Errors
    /// [`DocumentFault`], by cause; [`DocumentFault::Invalid`] too if the client has no keys at all.
    pub async fn keys(&self, client: &Client, source: IpAddr) -> Result<KeySet, DocumentFault> {
        let metadata = &client.metadata;
        match (&metadata.jwks, &metadata.jwks_uri) {
            (Some(jwks), _) => read(jwks.as_bytes()),
            (None, Some(uri)) => match self.key_sets.fresh(uri, self.clock.now()) {
                Some(keys) => Ok(KeySet::clone(&keys)),
                None => {
                    let fetched = self.fetch_keys(uri, source).await?;
                    // A fetch just made is as good as one for an unknown key.
                    let _spent_either_way = self.anew.take(uri.clone(), self.clock.now());
                    Ok(KeySet::clone(&fetched))
                }
            },
            (None, None) => Err(DocumentFault::Invalid("it has no keys")),
        }
    }

    /// As [`keys`](Self::keys), after a key was asked for that the known set does not hold: fetched again, unless that
    /// was done less than [`UNKNOWN_KEY_PAUSE`] ago.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    pub(super) async fn keys_anew(&self, client: &Client, source: IpAddr) -> Result<KeySet, DocumentFault> {
        match (&client.metadata.jwks, &client.metadata.jwks_uri) {
            (None, Some(uri)) if self.anew.take(uri.clone(), self.clock.now()).is_ok() => {
                self.fetch_keys(uri, source).await.map(|keys| KeySet::clone(&keys))
            }
            _ => self.keys(client, source).await,
        }
    }

    async fn fetch_keys(&self, uri: &str, source: IpAddr) -> Result<Arc<KeySet>, DocumentFault> {
        let url = key_set_url(uri, self.loopback)?;
        let is_known = self.key_sets.knows(uri);
        let admit = || self.admit(&url, is_known, source);
        let load = || async {
            let fetched = self.fetcher.fetch(&url, Limits::KEY_SET).await?;
            Ok((read(&fetched.body)?, fresh_for(fetched.fresh_for)))
        };
        self.key_sets.fetch(uri, self.clock.now(), admit, load).await
    }
}

fn read(bytes: &[u8]) -> Result<KeySet, DocumentFault> {
    match KeySet::parse(bytes) {
        Ok(keys) if keys.is_empty() => {
            Err(DocumentFault::Invalid("its key set holds no key that can be used here"))
        }
        Ok(keys) => Ok(keys),
        Err(JoseError::PrivateMember) => Err(DocumentFault::Invalid("its key set holds a private key")),
        Err(_) => Err(DocumentFault::Invalid("its key set cannot be read")),
    }
}
