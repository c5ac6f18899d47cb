//! Redeeming an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6).

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::pkce::CodeVerifier;
use portcullis_wire::register::GrantType;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use crate::catalog::Catalog;
use crate::event::{Event, EventKind};
use crate::facts::CodeFacts;
use crate::model::{Client, EndReason, Grant, GrantState, Subject, Tip};
use crate::proof::{ClientProof, prove};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// What is asked.
#[derive(Debug)]
pub struct CodeExchange<'a> {
    /// The digest of the code that came in.
    pub code: Digest,
    /// What the client showed of itself.
    pub proof: &'a ClientProof,
    /// The redirect URI, if it was sent again.
    pub redirect_uri: Option<&'a str>,
    /// The PKCE verifier.
    pub verifier: Option<&'a CodeVerifier>,
    /// Every `resource`.
    pub resources: &'a [String],
}

/// Freshly made, for one try.
#[derive(Clone, Copy, Debug)]
pub struct FreshGrant {
    /// The new grant.
    pub id: GrantId,
    /// The digest of its first refresh token.
    pub refresh: Digest,
}

/// What an access token is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The agent.
    pub grant: GrantId,
    /// For whom it acts.
    pub subject: Subject,
    /// Its client.
    pub client: ClientId,
    /// Its resource.
    pub resource: Resource,
    /// Its scopes.
    pub scopes: Scopes,
    /// The counter of cuts its facts saw.
    pub rev: u64,
    /// Which refresh token goes with it.
    pub refresh: RefreshOut,
}

/// Which refresh token an answer carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshOut {
    /// None.
    None,
    /// The one made for this try.
    New,
    /// The one given before, sealed under the token that came in.
    Again(Vec<u8>),
}

/// Redeems. The order matters: client, redirect and verifier come before the look at "spent", or a stranger with
/// a stolen code could end somebody's grant; resource comes before anything is used up.
pub fn redeem(
    ask: &CodeExchange<'_>,
    facts: &CodeFacts,
    catalog: &Catalog,
    fresh: FreshGrant,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Granted> {
    match prove(facts.client.as_ref(), ask.proof, facts.spent) {
        Ok(client) => judge(ask, client, facts, catalog, fresh, lifetimes, now).spending(ask.proof),
        Err(refusal) => Verdict::refuse(refusal),
    }
}

fn judge(
    ask: &CodeExchange<'_>,
    client: &Client,
    facts: &CodeFacts,
    catalog: &Catalog,
    fresh: FreshGrant,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Granted> {
    let Some(code) = facts.code.as_ref().filter(|code| code.digest.matches(&ask.code)) else {
        return Verdict::refuse(Refusal::CodeUnknown);
    };
    if code.client != client.id {
        return Verdict::refuse(Refusal::CodeOfAnother);
    }
    if ask.redirect_uri.is_some_and(|uri| uri != code.redirect_uri.as_str()) {
        return Verdict::refuse(Refusal::RedirectMismatch);
    }
    match ask.verifier {
        None => return Verdict::refuse(Refusal::VerifierMissing),
        Some(verifier) if !code.challenge.admits(verifier) => {
            return Verdict::refuse(Refusal::VerifierMismatch);
        }
        Some(_) => {}
    }
    if let Some(grant) = code.spent {
        // RFC 6749 §4.1.2: used twice, by whoever can prove it: one of the two is a thief. Told once: who shows it again
        // and again would fill the trail with it.
        if !facts.is_alive {
            return Verdict::refuse(Refusal::CodeReplayed);
        }
        return Verdict::refuse(Refusal::CodeReplayed)
            .expecting(Expect::GrantLive(grant))
            .writing(Write::EndGrant { grant, reason: EndReason::CodeReplayed, at: now })
            .writing(Write::Audit(
                ended(grant, EndReason::CodeReplayed, now).client(&client.id).user(code.user),
            ));
    }
    if code.expires_at <= now {
        return Verdict::refuse(Refusal::CodeExpired);
    }
    if !client.metadata.may_use(GrantType::AuthorizationCode) {
        return Verdict::refuse(Refusal::GrantNotAllowed);
    }
    if !ask.resources.is_empty()
        && !catalog.named(ask.resources).is_ok_and(|entry| entry.resource.is_same(&code.resource))
    {
        return Verdict::refuse(Refusal::ResourceNotGranted);
    }
    let Some(user) = facts.user.as_ref().filter(|user| user.id == code.user) else {
        return Verdict::refuse(Refusal::PersonDisabled);
    };
    if let Err(refusal) = user.may_act(now) {
        return Verdict::refuse(refusal);
    }
    let Some(entry) = catalog.entry(&code.resource) else { return Verdict::refuse(Refusal::GrantEnded) };
    let Some(admitted) = entry.admitted(user) else { return Verdict::refuse(Refusal::AccessLost) };
    let mut scopes = code.scopes.intersection(&entry.offered());
    // Lowered since consent: it holds for what is redeemed as it does for what is refreshed.
    if let Some(ceiling) = &client.ceiling {
        scopes = scopes.intersection(ceiling);
    }
    if scopes.is_empty() {
        return Verdict::refuse(Refusal::GrantEnded);
    }
    let scopes = scopes.intersection(&admitted.scopes);
    if scopes.is_empty() {
        return Verdict::refuse(Refusal::AccessLost);
    }
    let refreshes = client.metadata.may_use(GrantType::RefreshToken);
    let grant = Grant {
        id: fresh.id,
        client: client.id.clone(),
        subject: Subject::Person(user.id),
        resource: code.resource.clone(),
        scopes: code.scopes.clone(),
        redirect: Some(code.redirect_uri.without_port()),
        label: None,
        created_at: now,
        last_used_at: now,
        expires_at: Some(now + lifetimes.grant),
        state: GrantState::Live,
        replaces: code.replaces,
        tip: refreshes.then_some(Tip { current: fresh.refresh, previous: None }),
        wanted: Vec::new(),
        personal: None,
    };
    let event = Event::new(EventKind::TokenIssued, now)
        .user(user.id)
        .client(&client.id)
        .grant(fresh.id)
        .access(&code.resource, &scopes);
    let granted = Granted {
        grant: fresh.id,
        subject: grant.subject,
        client: client.id.clone(),
        resource: code.resource.clone(),
        scopes,
        rev: facts.rev,
        refresh: if refreshes { RefreshOut::New } else { RefreshOut::None },
    };
    let mut verdict = Verdict::yes(granted)
        .proven(client, ask.proof)
        .expecting(Expect::UserEnabled(user.id))
        .admitted(user, &admitted)
        .writing(Write::SpendCode(code.id, fresh.id))
        .writing(Write::AddGrant(grant));
    if client.expires_at.is_some() {
        verdict = verdict.writing(Write::KeepClient {
            client: client.id.clone(),
            until: now + lifetimes.registration_idle,
        });
    }
    verdict.writing(Write::Audit(event))
}

/// The event of a grant's end.
pub(crate) fn ended(grant: GrantId, reason: EndReason, now: UnixTime) -> Event {
    Event::new(EventKind::GrantEnded, now).grant(grant).reason(reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::{catalog, closed_to};
    use crate::groups::Group;
    use crate::model::{Code, User};
    use crate::samples;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    struct Case {
        secret: &'static [u8],
        redirect: Option<&'static str>,
        verifier: Option<&'static str>,
        resource: Vec<String>,
        client: Option<Client>,
        user: Option<User>,
        code: Option<Code>,
        is_alive: bool,
        after: i64,
    }
    fn case() -> Case {
        Case {
            secret: b"code",
            redirect: None,
            verifier: Some(VERIFIER),
            resource: vec![],
            client: Some(samples::public_client()),
            user: Some(samples::user()),
            code: Some(samples::code()),
            is_alive: true,
            after: 0,
        }
    }
    fn run(case: &Case) -> Verdict<Granted> {
        run_in(case, &catalog())
    }
    fn run_in(case: &Case, catalog: &Catalog) -> Verdict<Granted> {
        let verifier = case.verifier.and_then(CodeVerifier::parse);
        let ask = CodeExchange {
            code: Digest::of(case.secret),
            proof: &ClientProof::Public,
            redirect_uri: case.redirect,
            verifier: verifier.as_ref(),
            resources: &case.resource,
        };
        let facts = CodeFacts {
            code: case.code.clone(),
            is_alive: case.is_alive,
            client: case.client.clone(),
            user: case.user.clone(),
            spent: false,
            rev: 3,
        };
        let fresh = FreshGrant { id: GrantId::from_number(5), refresh: Digest::of(b"rt") };
        redeem(
            &ask,
            &facts,
            catalog,
            fresh,
            &Lifetimes::default(),
            UnixTime::from_seconds(samples::NOW.seconds() + case.after),
        )
    }

    #[test]
    fn a18_t_code_binding_each_binding_flipped_alone_is_refused_and_burns_nothing() {
        let other = Client { id: ClientId::parse("other").unwrap(), ..samples::public_client() };
        let off = User { enabled: false, ..samples::user() };
        for (name, case, expected) in [
            ("client", Case { client: Some(other), ..case() }, Refusal::CodeOfAnother),
            ("no client", Case { client: None, ..case() }, Refusal::ClientUnknown),
            (
                "redirect",
                Case { redirect: Some("http://127.0.0.1:8/cb"), ..case() },
                Refusal::RedirectMismatch,
            ),
            (
                "verifier",
                Case { verifier: Some("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), ..case() },
                Refusal::VerifierMismatch,
            ),
            ("no verifier", Case { verifier: None, ..case() }, Refusal::VerifierMissing),
            (
                "resource",
                Case { resource: vec!["https://h.example/other".into()], ..case() },
                Refusal::ResourceNotGranted,
            ),
            ("expiry", Case { after: 60, ..case() }, Refusal::CodeExpired),
            ("secret", Case { secret: b"forged", ..case() }, Refusal::CodeUnknown),
            ("no code", Case { code: None, ..case() }, Refusal::CodeUnknown),
            ("person", Case { user: Some(off), ..case() }, Refusal::PersonDisabled),
            ("person gone", Case { user: None, ..case() }, Refusal::PersonDisabled),
        ] {
            let verdict = run(&case);
            assert_eq!(verdict.outcome.as_ref().err(), Some(&expected), "{name}");
            assert!(verdict.is_silent(), "T-no-burn: {name}");
        }
        let ok = run(&Case {
            redirect: Some("http://127.0.0.1:7/cb"),
            resource: vec!["https://h.example/mcp/".into()],
            after: 59,
            ..case()
        });
        assert_eq!(ok.outcome.unwrap().scopes.to_string(), "read");
        assert!(ok.writes.contains(&Write::SpendCode(samples::code().id, GrantId::from_number(5))));
    }

    #[test]
    fn t_disable_a_group_lost_between_consent_and_redemption_gives_no_token() {
        let staff = Group::parse("staff").unwrap();
        let member = User { groups: [staff.clone()].into(), ..samples::user() };
        let closed = closed_to("staff");
        let refused = run_in(&case(), &closed);
        assert_eq!(refused.outcome.as_ref().err(), Some(&Refusal::AccessLost));
        assert!(refused.is_silent());
        let given = run_in(&Case { user: Some(member.clone()), ..case() }, &closed);
        assert!(given.outcome.is_ok());
        assert!(given.expects.contains(&Expect::UserInGroup(member.id, staff)));
    }

    #[test]
    fn t_scope_ceiling_a_ceiling_lowered_after_consent_holds_at_redemption() {
        let client = |ceiling: &str| {
            Some(Client { ceiling: Some(Scopes::parse(ceiling).unwrap()), ..samples::public_client() })
        };
        let wide = Code { scopes: Scopes::parse("read write").unwrap(), ..samples::code() };
        let given = |ceiling| run(&Case { client: client(ceiling), code: Some(wide.clone()), ..case() });
        assert_eq!(given("read write").outcome.unwrap().scopes.to_string(), "read write");
        assert_eq!(given("read").outcome.unwrap().scopes.to_string(), "read");
        let nothing = given("other");
        assert_eq!(nothing.outcome.as_ref().err(), Some(&Refusal::GrantEnded));
        assert!(nothing.is_silent());
    }

    #[test]
    fn t07_rfc6749_4_1_2_a_proven_second_redemption_ends_the_grant_a_guess_does_not() {
        let spent = Code { spent: Some(GrantId::from_number(42)), ..samples::code() };
        let ends = |verdict: &Verdict<Granted>| {
            verdict.writes.iter().any(|w| matches!(w, Write::EndGrant { grant, .. } if grant.number() == 42))
        };
        let replay = run(&Case { code: Some(spent.clone()), ..case() });
        assert_eq!(replay.outcome.as_ref().err(), Some(&Refusal::CodeReplayed));
        assert!(ends(&replay));
        let again = run(&Case { code: Some(spent.clone()), is_alive: false, ..case() });
        assert_eq!(again.outcome.as_ref().err(), Some(&Refusal::CodeReplayed));
        assert!(again.is_silent(), "it was told, and is over");
        for stranger in [
            Case { code: Some(spent.clone()), secret: b"forged", ..case() },
            Case {
                code: Some(spent.clone()),
                verifier: Some("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                ..case()
            },
            Case {
                code: Some(spent),
                client: Some(Client { id: ClientId::parse("other").unwrap(), ..samples::public_client() }),
                ..case()
            },
        ] {
            assert!(run(&stranger).is_silent(), "T-forged-code");
        }
    }
}
