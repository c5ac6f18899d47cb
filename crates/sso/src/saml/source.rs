//! Where a provider's metadata comes from, and how long it counts.
//!
//! From a file it is read once. From an address it is fetched when it is first needed and again after
//! [`limit::METADATA_FRESH`], by one caller at a time; whoever comes meanwhile uses what is there. When the address
//! does not answer, the last good metadata goes on counting for [`limit::METADATA_KEPT`]; without any, nobody signs in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_fetch::{Accept, Fetcher, Limits, Reach};
use portcullis_wire::time::UnixTime;
use url::Url;

use super::idp::{Idp, Wanted};
use super::{Settings, Source, limit};
use crate::{Act, Fault};

/// The time for one fetch of metadata.
const FETCH: Duration = Duration::from_secs(5);

/// Metadata and its age.
#[derive(Clone, Debug)]
struct Kept {
    idp: Arc<Idp>,
    at: UnixTime,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Kept>,
    /// The last fetch, and how it failed, if it did.
    tried: Option<(UnixTime, Option<Fault>)>,
}

/// A provider's metadata.
pub(crate) struct Origin {
    url: Option<Url>,
    wanted: Wanted,
    fetcher: Fetcher,
    state: Mutex<State>,
    fetching: tokio::sync::Mutex<()>,
}

impl Origin {
    /// Reads metadata that is at hand; remembers where it is, otherwise.
    pub(crate) fn new(settings: &Settings, fetcher: Fetcher) -> Result<Self, Fault> {
        let reach = if settings.private_network { Reach::PrivateNetwork } else { Reach::Public };
        let mut origin = Self {
            url: None,
            wanted: Wanted::of(settings),
            fetcher: fetcher.reaching(reach),
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        };
        match &settings.idp {
            Source::Metadata(bytes) => {
                let idp = Arc::new(Idp::read(bytes, &origin.wanted)?);
                origin.state().kept = Some(Kept { idp, at: UnixTime::default() });
            }
            Source::Url { url, .. } => origin.url = Some(url.clone()),
        }
        Ok(origin)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What counts now.
    pub(crate) async fn current(&self, now: UnixTime) -> Result<Arc<Idp>, Fault> {
        let idp = match &self.url {
            None => self.kept(None, now),
            Some(url) => match self.kept(Some(limit::METADATA_FRESH), now) {
                Some(fresh) => Some(fresh),
                None => self.fetched(url, now).await?,
            },
        };
        let idp = idp.ok_or_else(unread)?;
        idp.judge_age(now)?;
        Ok(idp)
    }

    /// Other metadata than `known`, where there is some by now: a provider may have a new key.
    pub(crate) async fn newer_than(&self, known: &Arc<Idp>, now: UnixTime) -> Option<Arc<Idp>> {
        let idp = self.fetched(self.url.as_ref()?, now).await.ok()??;
        (idp != *known && idp.judge_age(now).is_ok()).then_some(idp)
    }

    fn kept(&self, at_most: Option<Duration>, now: UnixTime) -> Option<Arc<Idp>> {
        let state = self.state();
        let kept = state.kept.as_ref()?;
        at_most.is_none_or(|most| now.since(kept.at) < most).then(|| kept.idp.clone())
    }

    async fn fetched(&self, url: &Url, now: UnixTime) -> Result<Option<Arc<Idp>>, Fault> {
        let usable = self.kept(Some(limit::METADATA_KEPT), now);
        let _one_at_a_time = match (self.fetching.try_lock(), &usable) {
            (Ok(turn), _) => turn,
            (Err(_), Some(_)) => return Ok(usable),
            (Err(_), None) => self.fetching.lock().await,
        };
        let tried = self.state().tried.clone();
        if let Some((at, failed)) = tried
            && now.since(at) < limit::METADATA_PAUSE
        {
            return match (failed, self.kept(Some(limit::METADATA_KEPT), now)) {
                (_, Some(kept)) => Ok(Some(kept)),
                (Some(fault), None) => Err(fault),
                (None, None) => Ok(None),
            };
        }
        let read = self.read(url).await;
        let mut state = self.state();
        state.tried = Some((now, read.as_ref().err().cloned()));
        match read {
            Ok(idp) => {
                let idp = Arc::new(idp);
                state.kept = Some(Kept { idp: idp.clone(), at: now });
                Ok(Some(idp))
            }
            Err(fault) => usable.map(Some).ok_or(fault),
        }
    }

    /// Fetches and reads the metadata, whatever is kept.
    async fn read(&self, url: &Url) -> Result<Idp, Fault> {
        let limits = Limits { body: limit::METADATA, total: FETCH, accept: Accept::Xml };
        let document = self.fetcher.fetch(url, limits).await.map_err(|error| {
            Fault::new(
                "saml_metadata_fetch",
                Act::Administrator,
                "the provider's metadata could not be fetched",
                error.to_string(),
                "look at `metadata_url` from this machine; a provider on a private address needs \
                 `private_network = true`; or name a copy in `metadata_file`",
            )
            .passing()
        })?;
        Idp::read(&document.body, &self.wanted)
    }

    /// How the last fetch failed, where it did.
    pub(crate) fn last_failure(&self) -> Option<Fault> {
        self.state().tried.as_ref().and_then(|(_, failed)| failed.clone())
    }
}

fn unread() -> Fault {
    super::fault::administrator(
        "saml_metadata",
        "there is no metadata of the provider",
        "without a key nothing the provider says can be told from what a stranger says, so nobody signs in",
        "name it in `metadata_file` or `metadata_url`",
    )
}
