//! Everything the endpoints share, and the one way from a question to an answer:
//! facts → rule → verdict → commit, and again from fresh facts where something changed meanwhile.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Poll;

use portcullis_fetch::Fetcher;
use portcullis_guard::{Clock, Guard};
use portcullis_jose::key::Alg;
use portcullis_jose::master::MasterKey;
use portcullis_jose::mint::Mint;
use portcullis_jose::seal::Sealer;
use portcullis_mcp::ToolTable;
use portcullis_rules::budget::LONGEST_WINDOW;
use portcullis_rules::facts::{AgentQuery, AgentRow};
use portcullis_rules::federation;
use portcullis_rules::model::{GrantState, KeyRecord, KeyState};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::settings::LONGEST_ACCESS_TOKEN;
use portcullis_rules::verdict::{Verdict, Write};
use portcullis_store::{Answer, CommitError, Store, StoreError};
use portcullis_wire::id::ClientId;
use portcullis_wire::limit::{CLOCK_LEEWAY, DECISION_TRIES};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;
use tokio::sync::Notify;

use crate::client::{Buckets, Documents, Prefix, Rate, SignInThrottle};
use crate::cuts::Cuts;
use crate::door::{Books, Counters, Membership, PersonalTokens, Sealed, Trail};
use crate::entropy::{Entropy, EntropyShapes as _};
use crate::keyring::{self, Keyring, KeyringError, Ring};
use crate::password::Passwords;
use crate::provider::{Providers, Returning, Trials};
use crate::settings::Settings;
use crate::ticket::Tickets;

/// Sign-ins through providers that one source may begin at once, and the time in which it earns one more: room for an
/// office behind one address.
const HANDOFFS: Rate = Rate { burst: 60, refill: std::time::Duration::from_secs(1), keys: 16 * 1024 };
/// Rows of one word about one provider: each stays, and anybody can begin a sign-in and spoil it.
const TOLD: Rate = Rate { burst: 8, refill: std::time::Duration::from_secs(15 * 60), keys: 4 * 1024 };

/// Changes of one registration. Each is a few rows of the trail, and a client that somebody let in once could make
/// them for months.
const CHANGES: Rate = Rate { burst: 20, refill: std::time::Duration::from_secs(60 * 60), keys: 16 * 1024 };

/// Sources whose registrations are counted at once.
const REGISTERING_SOURCES: usize = 64 * 1024;

/// What an [`App`] is made of.
pub struct Parts {
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The key all others are derived from; it lies in no database.
    pub master: MasterKey,
    /// The outbound client.
    pub fetcher: Fetcher,
    /// What the owner set.
    pub settings: Settings,
}

/// Why the server cannot start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// Access tokens would outlive what is remembered of revocations.
    #[error("access tokens may live for {} hours at the most", LONGEST_ACCESS_TOKEN.as_secs() / 3600)]
    AccessTokenLife,
    /// An identity provider.
    #[error("the provider `{0}` cannot be used: {1}")]
    Provider(String, portcullis_sso::Fault),
    /// Too many conflicts.
    #[error("the store changes under us: is another server using it?")]
    Contended,
}

/// No answer now: 503 with `Retry-After`. Nothing was lost and nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store did not answer");
        Self
    }
}

/// The authorization server.
pub struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) mint: Arc<Mint>,
    pub(crate) tickets: Tickets,
    pub(crate) sealer: Sealer,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) cuts: Arc<Cuts>,
    pub(crate) documents: Documents,
    pub(crate) passwords: Passwords,
    pub(crate) registrations: Buckets<Prefix>,
    pub(crate) changes: Buckets<ClientId>,
    pub(crate) sign_ins: SignInThrottle,
    pub(crate) providers: Providers,
    pub(crate) handoffs: Buckets<Prefix>,
    /// How often a word about a provider was told to the trail.
    pub(crate) told: Buckets<(String, &'static str)>,
    pub(crate) trials: Trials,
    pub(crate) returning: Returning,
    pub(crate) fingerprint_key: [u8; 32],
    pub(crate) trail: Arc<Trail>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) seals: Arc<Sealed>,
    pub(crate) books: Books,
    pub(crate) membership: Arc<Membership>,
    /// The last row of the trail that a checkpoint was signed for.
    pub(crate) signed_up_to: AtomicU64,
    /// A person has answered an agent's question.
    pub(crate) answered: Arc<Notify>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.settings.issuer)
    }
}

impl App {
    /// Loads keys and cuts, and makes what a first start lacks.
    ///
    /// # Errors
    /// [`StartError`], by cause.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StartError> {
        let Parts { store, clock, entropy, master, fetcher, settings } = parts;
        if settings.lifetimes.access_token > LONGEST_ACCESS_TOKEN {
            return Err(StartError::AccessTokenLife);
        }
        let sealer = Sealer::new(*master.derive("signing keys"));
        let now = clock.now();
        let forget = forgotten(now);
        ensure_keys(&*store, &*entropy, &sealer, &settings, now).await?;
        let ring = Ring::open(&store.keys().await?, &sealer, forget)?;
        let providers =
            Providers::new(&settings, &fetcher).map_err(|(name, fault)| StartError::Provider(name, fault))?;
        if settings.all_providers {
            configure(&*store, &providers, now).await?;
        }
        let cuts = Arc::new(Cuts::new(Arc::clone(&clock)));
        let following = Arc::clone(&cuts);
        store.follow_cuts(Arc::new(move |made| following.apply(made)));
        cuts.apply(&store.cuts(forget).await?.1);
        let membership = Membership::read(&*store).await?;
        let used = store.uses(now - LONGEST_WINDOW).await?;
        let counters = Counters::new(settings.limits.clone(), used, Arc::clone(&clock));
        let trail = Trail::new(Arc::clone(&store), Arc::clone(&clock), settings.audit.clone());
        Ok(Arc::new(Self {
            mint: Arc::new(Mint::new(&master)),
            tickets: Tickets::new(*master.derive("tickets")),
            fingerprint_key: *master.derive("registrations"),
            keyring: Arc::new(Keyring::new(ring)),
            documents: Documents::new(
                fetcher,
                Arc::clone(&clock),
                settings.insecure_cimd_loopback,
                settings.schemes.clone(),
            ),
            passwords: Passwords::new(),
            registrations: Buckets::new(Rate {
                burst: settings.registration.burst,
                refill: std::time::Duration::from_secs(1) / settings.registration.per_second.max(1),
                keys: REGISTERING_SOURCES,
            }),
            changes: Buckets::new(CHANGES),
            providers,
            handoffs: Buckets::new(HANDOFFS),
            told: Buckets::new(TOLD),
            trials: Trials::default(),
            returning: Returning::default(),
            sign_ins: SignInThrottle::new(settings.sign_in.failures, settings.sign_in.window),
            trail: Arc::new(trail),
            counters: Arc::new(counters),
            seals: Arc::new(Sealed::new(*master.derive("door"), Arc::clone(&entropy))),
            answered: Arc::default(),
            books: Books::default(),
            membership: Arc::new(membership),
            signed_up_to: AtomicU64::new(0),
            store,
            clock,
            entropy,
            settings: Arc::new(settings),
            sealer,
            cuts,
        }))
    }

    /// A guard for one of the resources, judging by our keys and cuts without a look at the store. None for a
    /// resource that is not in the catalog.
    pub fn guard(&self, resource: &Resource, tools: ToolTable) -> Option<Guard> {
        let entry = self.settings.catalog.entry(resource)?;
        let builder = Guard::builder(
            self.settings.issuer.clone(),
            entry.resource.clone(),
            Arc::clone(&self.keyring) as _,
            Arc::clone(&self.clock),
        );
        Some(
            builder
                .tools(tools)
                .revocations(Arc::clone(&self.cuts) as _)
                .opaque_tokens(Arc::new(PersonalTokens::of(self)))
                .scopes_for_discovery(entry.default_scopes())
                .leeway(0)
                .build(),
        )
    }

    /// The agents a query finds, each as it stands now: one that is idle or too old is over, whatever its row says.
    pub(crate) async fn agents(&self, query: AgentQuery) -> Result<Vec<AgentRow>, Unavailable> {
        let with_ended = query.ended;
        let mut rows = self.store.agents(query).await?;
        for row in &mut rows {
            row.grant.state = row.grant.state_at(&self.settings.lifetimes, self.now());
        }
        rows.retain(|row| with_ended || !matches!(row.grant.state, GrantState::Ended(_)));
        Ok(rows)
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Puts a question to the store, judges, and commits the verdict: see [`App::settle_while`].
    pub(crate) async fn settle<'a, F, T>(
        &'a self,
        ask: impl Fn(&'a dyn Store) -> Answer<'a, F>,
        rule: impl FnMut(&F, UnixTime) -> Verdict<T>,
    ) -> Result<Result<T, Refusal>, Unavailable> {
        self.settle_while(ask, rule, |_| ()).await.map(|outcome| outcome.map(|(yes, ())| yes))
    }

    /// Facts → verdict → commit. When something the verdict relied on has changed, all of it again from fresh
    /// facts; out of tries it is 503. `meanwhile` runs between sending the writes and awaiting them: a signature
    /// fits there. What it made leaves only after the commit.
    pub(crate) async fn settle_while<'a, F, T, U>(
        &'a self,
        ask: impl Fn(&'a dyn Store) -> Answer<'a, F>,
        mut rule: impl FnMut(&F, UnixTime) -> Verdict<T>,
        meanwhile: impl Fn(&T) -> U,
    ) -> Result<Result<(T, U), Refusal>, Unavailable> {
        for _ in 0..DECISION_TRIES {
            let facts = ask(&*self.store).await?;
            let mut verdict = rule(&facts, self.now());
            if verdict.is_silent() {
                return Ok(verdict.outcome.map(|yes| {
                    let made = meanwhile(&yes);
                    (yes, made)
                }));
            }
            let folded = self.trail.fold(&mut verdict.writes);
            let mut commit = self.store.commit(verdict.expects, verdict.writes);
            let early = poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx))).await;
            let outcome = verdict.outcome.map(|yes| {
                let made = meanwhile(&yes);
                (yes, made)
            });
            let committed = match early {
                Poll::Ready(committed) => committed,
                Poll::Pending => commit.await,
            };
            match committed {
                Ok(_) => return Ok(outcome),
                Err(CommitError::Conflict) => folded.forget(),
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        tracing::warn!("a decision met a conflict {DECISION_TRIES} times over");
        Err(Unavailable)
    }

    /// Brings the ring up to date with its rows: after a rotation, and when a retired key has served its time.
    pub(crate) fn follow_keys(&self, rows: &[KeyRecord]) -> Result<(), StartError> {
        let forget = forgotten(self.now());
        if !self.keyring.load().holds(rows, forget) {
            self.keyring.replace(Ring::open(rows, &self.sealer, forget)?);
        }
        Ok(())
    }
}

/// Tokens, cuts and retired keys older than this touch nothing that still lives, whatever the life of tokens was when
/// they were made.
pub(crate) fn forgotten(now: UnixTime) -> UnixTime {
    now - LONGEST_ACCESS_TOKEN - std::time::Duration::from_secs(CLOCK_LEEWAY.unsigned_abs())
}

/// Brings the records of providers up to date: one that is gone lets nobody act who came through it.
async fn configure(store: &dyn Store, providers: &Providers, now: UnixTime) -> Result<(), StartError> {
    let configured: Vec<_> =
        providers.all().iter().map(|one| (one.issuer.clone(), one.name.clone())).collect();
    for _ in 0..DECISION_TRIES {
        let verdict = federation::configure(&store.providers().await?, &configured, now);
        if verdict.is_silent() {
            return Ok(());
        }
        match store.commit(verdict.expects, verdict.writes).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
    Err(StartError::Contended)
}

/// An active key and one published next, for ES256 always and for RS256 once a resource asks for it.
async fn ensure_keys(
    store: &dyn Store,
    entropy: &dyn Entropy,
    sealer: &Sealer,
    settings: &Settings,
    now: UnixTime,
) -> Result<(), StartError> {
    for _ in 0..DECISION_TRIES {
        let rows = store.keys().await?;
        let mut writes = Vec::new();
        let rs256 = settings.catalog.entries().iter().any(|entry| entry.rs256);
        for alg in [Some(Alg::Es256), rs256.then_some(Alg::Rs256)].into_iter().flatten() {
            for state in [KeyState::Active, KeyState::Next] {
                if !rows.iter().any(|row| row.alg == alg.as_str() && row.state == state) {
                    writes.push(Write::AddKey(keyring::make(alg, state, sealer, entropy.bytes(), now)?));
                }
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        match store.commit(Vec::new(), writes).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
    Err(StartError::Contended)
}
