//! What a person reads when signing in through a provider did not work, and what is written down of it.

use http::StatusCode;
use portcullis_rules::event::{CallFacts, Event, EventKind};
use portcullis_rules::federation::NotLetIn;
use portcullis_rules::refusal::Refusal;
use portcullis_rules::verdict::Write;
use portcullis_sso::{Act, Fault as Cause};

use crate::app::App;
use crate::endpoint::authorize::sealed_for;
use crate::endpoint::fault::{Fault, OPERATOR, YOU};
use crate::page::{BackLink, Fact};
use crate::provider::Provider;
use crate::ticket::{Behind, Holder, Purpose};

/// Seconds after which a provider that did not answer may be tried again.
const RETRY: u64 = 10;

/// A page about a fault between us and a provider. What an administrator has to do stands in the log and on
/// `portcullis sso test`, not here.
pub(crate) fn from_provider(
    app: &App,
    holder: Holder,
    provider: &Provider,
    cause: &Cause,
    behind: Option<Behind>,
) -> Fault {
    let status = match (cause.transient, cause.act) {
        (true, _) => StatusCode::BAD_GATEWAY,
        (false, Act::Person) => StatusCode::BAD_REQUEST,
        (false, _) => StatusCode::FORBIDDEN,
    };
    let (who, next) = match cause.act {
        _ if cause.transient => ("Nobody, if it passes by itself.", "Try again in a moment.".to_owned()),
        Act::Person => (YOU, cause.fix.clone()),
        Act::Administrator => (OPERATOR, HELP.to_owned()),
        Act::Provider => ("Whoever administers that sign-in service.", HELP.to_owned()),
    };
    let mut fault = Fault::new(status, "E-PROVIDER", "You were not signed in", &cause.what, who, Vec::new())
        .fact(Fact::text("Through", &provider.label))
        .fact(Fact::mono("Cause", cause.code));
    fault.why = Some(cause.why.clone()).filter(|why| !why.is_empty());
    fault.next = vec![next];
    fault.retry_after = cause.transient.then_some(RETRY);
    fault.back = Some(back(app, holder, behind));
    fault
}

const HELP: &str = "Tell whoever runs this server, and send the lines below along.";

/// A page for somebody the rules do not let in.
pub(crate) fn refused(
    app: &App,
    holder: Holder,
    provider: &Provider,
    refusal: Refusal,
    behind: Option<Behind>,
) -> Fault {
    let Refusal::NotLetIn(why) = refusal else { return Fault::handoff() };
    let mut fault = Fault::new(
        StatusCode::FORBIDDEN,
        "E-NOT-LET-IN",
        "You may not sign in here",
        not_let_in(why),
        OPERATOR,
        vec![
            "If you have more than one account there, sign out there and choose the right one.",
            "Otherwise ask whoever runs this server to let you in, and send the lines below along.",
        ],
    )
    .fact(Fact::text("Through", &provider.label))
    .fact(Fact::mono("Cause", why.as_str()));
    fault.back = Some(back(app, holder, behind));
    fault
}

/// What the person is told: it is about themselves, and about no other account than theirs.
const fn not_let_in(why: NotLetIn) -> &'static str {
    match why {
        NotLetIn::ProviderOff => "Signing in that way is switched off here at the moment.",
        NotLetIn::AccountDisabled => "Your account here was switched off.",
        NotLetIn::NotInvited => "You have no account here, and none is made by itself.",
        NotLetIn::Domain => "Your work address is not of a company that may sign in here.",
        NotLetIn::Group => "You are in none of the groups that may sign in here.",
        NotLetIn::EmailUnverified => "Your sign-in service did not say that your work address was verified.",
        NotLetIn::EmailAmbiguous | NotLetIn::LinkedElsewhere | NotLetIn::Administrator => {
            "It is not clear which account here is yours."
        }
        NotLetIn::GroupsTooMany => "You are in more groups than a person may be here.",
    }
}

/// A page for somebody who pressed Cancel at the provider, or whom the provider itself does not let go on.
pub(crate) fn denied(app: &App, holder: Holder, provider: &Provider, behind: Option<Behind>) -> Fault {
    let mut fault = Fault::new(
        StatusCode::FORBIDDEN,
        "E-PROVIDER-DENIED",
        "You were not signed in",
        "Somebody pressed Cancel there, or you may not use this server by the rules of your company.",
        YOU,
        vec!["Go back, and try again or sign in another way. What you were about to do waits there."],
    )
    .fact(Fact::text("Through", &provider.label));
    fault.back = Some(back(app, holder, behind));
    fault
}

/// Back to the sign-in page, with what waits behind it.
fn back(app: &App, holder: Holder, behind: Option<Behind>) -> BackLink {
    let href = match behind {
        Some(Behind::Request(pending)) => sealed_for(app, "/sign-in", Purpose::Request(pending), holder),
        Some(Behind::Question(id)) => sealed_for(app, "/sign-in", Purpose::Question { id }, holder),
        None => app.settings.url("/sign-in"),
    };
    // A page links within its own host.
    let href = href.strip_prefix(&app.settings.issuer.origin()).unwrap_or(&href).to_owned();
    BackLink { href, text: "Back to sign-in" }
}

/// Writes a fault down: all of it in the log, its word in the trail as often as that may be (anybody can begin a
/// sign-in and break it off).
pub(crate) async fn told(app: &App, provider: &Provider, cause: &Cause) {
    tracing::warn!(
        provider = provider.name,
        code = cause.code,
        what = cause.what,
        why = cause.why,
        fix = cause.fix,
        "signing in through a provider did not work"
    );
    tell(app, provider, cause.code).await;
}

/// Writes a word into the trail, as often as that may be.
pub(crate) async fn tell(app: &App, provider: &Provider, word: &'static str) {
    if let Some(row) = row(app, provider, word)
        && let Err(error) = app.store.commit(Vec::new(), vec![row]).await
    {
        tracing::warn!(%error, "a refused sign-in could not be written down");
    }
}

/// The row for [`tell`], for a commit of another's; none where there were too many lately.
pub(crate) fn row(app: &App, provider: &Provider, word: &'static str) -> Option<Write> {
    let now = app.now();
    let may = app.told.take((provider.name.clone(), word), now).is_ok();
    let refused = Event::new(EventKind::SignInRefused, now).reason(word).call(CallFacts {
        method: "sign_in".to_owned(),
        rule: Some(provider.name.clone()),
        ..CallFacts::default()
    });
    may.then_some(Write::Audit(refused))
}

impl Fault {
    /// An answer of a provider that nothing waits for: too old, used, or never ours.
    pub(crate) fn handoff() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E-SIGN-IN-STALE",
            "This way in is no longer good",
            "It was used already, or you took longer than ten minutes.",
            YOU,
            vec!["Go back to the app and connect again, or open this server's sign-in page."],
        )
    }

    /// An answer of a provider that another browser waits for (threats 2).
    pub(crate) fn other_browser() -> Self {
        let mut fault = Self::new(
            StatusCode::FORBIDDEN,
            "E-OTHER-BROWSER",
            "This sign-in was begun in another browser",
            "You came back from a sign-in that this browser did not begin, so nobody was signed in.",
            YOU,
            vec![
                "If somebody sent you the address, close this page.",
                "If you changed the browser on the way, begin again in this one.",
            ],
        );
        fault.why =
            Some("Otherwise somebody could sign you in as themselves, or themselves as you.".to_owned());
        fault
    }

    /// An answer that came to the address of another provider (RFC 9700 §4.4).
    pub(crate) fn mixed_up() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E-MIX-UP",
            "We stopped this sign-in",
            "The answer came to the address of another sign-in service than the one you went to.",
            OPERATOR,
            vec!["Begin again. If this page returns, tell whoever runs this server."],
        )
    }

    /// A provider of no such name.
    pub(crate) fn no_provider() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "E-PROVIDER-UNKNOWN",
            "Nobody signs in that way here",
            "This server knows no sign-in service of that name.",
            OPERATOR,
            vec!["Open this server's sign-in page."],
        )
    }

    /// Too many sign-ins were begun from one place.
    pub(crate) fn too_many(wait: std::time::Duration) -> Self {
        let mut fault = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "E-TOO-MANY",
            "Too many sign-ins were begun here",
            "From where you are, more were begun than one place may in so short a time.",
            YOU,
            vec!["Wait a moment, then try again."],
        );
        fault.retry_after = Some(wait.as_secs().max(1));
        fault
    }
}
