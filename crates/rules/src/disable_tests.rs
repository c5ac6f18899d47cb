//! Every way to lose access, on every path that gives something: one table (threats, incident 43).

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, CodeId, GrantId};
use portcullis_wire::pkce::CodeVerifier;
use portcullis_wire::scope::{Scope, Scopes};

use crate::approve;
use crate::catalog::tests::catalog;
use crate::catalog::{Catalog, ResourceEntry};
use crate::code::{CodeExchange, FreshGrant, redeem};
use crate::consent::{Answer, FreshCode, Reply};
use crate::facts::{AskFacts, BrowserFacts, CodeFacts, GrantFacts, PersonalFacts};
use crate::federation::samples::employee;
use crate::groups::{Group, People};
use crate::model::{Client, Code, Grant, User};
use crate::personal::{self, FreshPersonal, Making};
use crate::proof::ClientProof;
use crate::refresh::{self, Refresh, Successor};
use crate::refusal::Refusal;
use crate::samples::{self, NOW};
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict};
use crate::want::{self, Wanted};
use crate::{consent, groups};

fn group(name: &str) -> Group {
    Group::parse(name).unwrap()
}
fn named(names: &[&str]) -> BTreeSet<Group> {
    names.iter().map(|name| group(name)).collect()
}
fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

/// Where everything is decided.
#[derive(Clone)]
struct Today {
    user: Option<User>,
    client: Client,
    catalog: Catalog,
}

/// The resource is for `staff`, and of its scopes `write` for `ops` alone.
fn with(people: &People, write: &People) -> Catalog {
    let entries = catalog().entries().to_vec();
    let narrowed = |entry: ResourceEntry| {
        let scopes = entry.scopes.into_iter().map(|mut scope| {
            if scope.scope.as_str() == "write" {
                scope.people = write.clone();
            }
            scope
        });
        ResourceEntry { people: people.clone(), scopes: scopes.collect(), ..entry }
    };
    Catalog::new(entries.into_iter().map(narrowed).collect()).unwrap()
}
fn by(names: &[&str]) -> People {
    People::Groups(named(names))
}

fn today() -> Today {
    Today {
        user: Some(User { groups: named(&["staff", "ops"]), ..employee() }),
        client: samples::public_client(),
        catalog: with(&by(&["staff"]), &by(&["ops"])),
    }
}

impl Today {
    fn in_groups(names: &[&str]) -> Self {
        let user = today().user.map(|user| User { groups: named(names), ..user });
        Self { user, ..today() }
    }
    fn of(change: impl FnOnce(User) -> User) -> Self {
        Self { user: today().user.map(change), ..today() }
    }
}

/// What a path gave, and what it relied on.
type Given = Result<(Scopes, Vec<Expect>), Refusal>;

fn given(verdict: Verdict<crate::code::Granted>) -> Given {
    verdict.outcome.map(|granted| (granted.scopes, verdict.expects))
}

fn a_code(today: &Today) -> Given {
    let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let ask = CodeExchange {
        code: Digest::of(b"code"),
        proof: &ClientProof::Public,
        redirect_uri: None,
        verifier: verifier.as_ref(),
        resources: &[],
    };
    let facts = CodeFacts {
        code: Some(Code { scopes: scopes("read write"), ..samples::code() }),
        is_alive: false,
        client: Some(today.client.clone()),
        user: today.user.clone(),
        spent: false,
        rev: 1,
    };
    let fresh = FreshGrant { id: GrantId::from_number(5), refresh: Digest::of(b"rt") };
    given(redeem(&ask, &facts, &today.catalog, fresh, &Lifetimes::default(), NOW))
}

fn grant_facts(today: &Today, grant: Grant) -> GrantFacts {
    GrantFacts {
        grant: Some(grant),
        client: Some(today.client.clone()),
        user: today.user.clone(),
        spent: false,
        rev: 1,
    }
}

fn a_refresh(today: &Today) -> Given {
    let ask = Refresh { token: Digest::of(b"tip"), proof: &ClientProof::Public, scope: None, resources: &[] };
    let next = Successor { digest: Digest::of(b"next"), sealed: vec![] };
    let facts = grant_facts(today, samples::grant());
    given(refresh::decide(&ask, &facts, &today.catalog, &next, &Lifetimes::default(), NOW))
}

fn a_personal_token(today: &Today) -> Given {
    let client = Client { enabled: today.client.enabled, ..personal::client(NOW).unwrap() };
    let grant = Grant {
        client: client.id.clone(),
        tip: None,
        personal: Some(Digest::of(b"pat")),
        ..samples::grant()
    };
    let facts = GrantFacts { client: Some(client), ..grant_facts(today, grant) };
    let shown = personal::present(&Digest::of(b"pat"), &facts, &today.catalog, &Lifetimes::default(), NOW)?;
    Ok((shown.scopes, Vec::new()))
}

fn a_new_personal_token(today: &Today) -> Given {
    let client = Client { enabled: today.client.enabled, ..personal::client(NOW).unwrap() };
    let entry = today.catalog.entries().first().ok_or(Refusal::GrantEnded)?;
    let facts = PersonalFacts { user: today.user.clone(), client: Some(client), living: 0 };
    let fresh = FreshPersonal { id: GrantId::from_number(6), token: Digest::of(b"pat") };
    let scopes = scopes("read");
    let making = Making { entry, name: "script", scopes: &scopes, expires_at: NOW + Duration::from_secs(60) };
    let verdict = personal::create(&making, &facts, fresh, NOW);
    verdict.outcome.map(|_| (scopes, verdict.expects))
}

fn a_consent(today: &Today) -> Given {
    let session = today.user.clone().map(|user| (samples::session(), user));
    let facts = BrowserFacts {
        client: Some(today.client.clone()),
        session,
        grants: vec![],
        spent: false,
        has_users: true,
    };
    let answer = Answer {
        allow: true,
        ticked: scopes("read write"),
        started: true,
        replaces: None,
        ticket: Digest::of(b"t"),
        ticket_until: NOW + Duration::from_secs(1),
    };
    let asked = crate::authorize::Asked { scopes: scopes("read write"), ..samples::asked() };
    let fresh = FreshCode { id: CodeId::from_number(9), digest: Digest::of(b"code") };
    let reply = Reply { asked: &asked, answer: &answer, client: &today.client };
    let verdict = consent::decide(reply, &facts, &today.catalog, fresh, &Lifetimes::default(), NOW);
    let code = verdict.writes.iter().find_map(|write| match write {
        crate::verdict::Write::AddCode(code) => Some(code.scopes.clone()),
        _ => None,
    });
    verdict.outcome.map(|_| (code.unwrap(), verdict.expects))
}

fn an_allowed_scope(today: &Today) -> Given {
    let wanted = Wanted { scope: Scope::parse("read").unwrap(), at: NOW, denied: false };
    let grant = Grant { scopes: scopes("write"), wanted: vec![wanted], ..samples::grant() };
    let facts = grant_facts(today, grant);
    let read = Scope::parse("read").unwrap();
    let verdict = want::allow(samples::user().id, &read, &facts, &today.catalog, &Lifetimes::default(), NOW);
    verdict.outcome.map(|()| (scopes("read"), verdict.expects))
}

/// Whether a call may be asked about: it depends on the person and the grant, not on client or resource.
fn a_question(today: &Today) -> Given {
    let shown = approve::Shown { text: String::new(), cut: false };
    let facts =
        AskFacts { grant: Some(samples::grant()), user: today.user.clone(), approvals: vec![], open: 0 };
    let call = approve::Call { tool: "delete", digest: Digest::of(b"call"), shown: &shown };
    let verdict = approve::ask(call, &facts, ApprovalId::from_number(1), &Lifetimes::default(), NOW);
    verdict.outcome.map(|_| (Scopes::none(), verdict.expects))
}

type Path = fn(&Today) -> Given;
const TOKENS: [(&str, Path); 3] =
    [("code", a_code), ("refresh", a_refresh), ("personal token", a_personal_token)];
const OTHERS: [(&str, Path); 3] =
    [("new personal token", a_new_personal_token), ("consent", a_consent), ("allowing", an_allowed_scope)];

#[test]
fn t_disable_every_way_to_lose_access_stops_every_path_at_the_next_use() {
    let ways: [(&str, Today); 12] = [
        ("person switched off", Today::of(|user| User { enabled: false, switched_off: true, ..user })),
        // A provider that is off, gone or unknown is read as this.
        ("provider off or gone", Today::of(|user| User { enabled: false, ..user })),
        ("proof lapsed", Today::of(|user| User { proven_until: Some(NOW), ..user })),
        ("no proof", Today::of(|user| User { proven_until: None, ..user })),
        ("person removed", Today { user: None, ..today() }),
        ("group lost", Today::in_groups(&["ops"])),
        ("every group lost", Today::in_groups(&[])),
        (
            "people of the resource changed",
            Today { catalog: with(&by(&["board"]), &People::Everyone), ..today() },
        ),
        ("resource for nobody", Today { catalog: with(&by(&[]), &People::Everyone), ..today() }),
        ("resource gone", Today { catalog: Catalog::default(), ..today() }),
        (
            "client switched off",
            Today { client: Client { enabled: false, ..samples::public_client() }, ..today() },
        ),
        ("both scopes for others", {
            let entries = with(&by(&["staff"]), &by(&["board"])).entries().to_vec();
            let closed = entries.into_iter().map(|mut entry| {
                entry.scopes.iter_mut().for_each(|scope| scope.people = by(&["board"]));
                entry
            });
            Today { catalog: Catalog::new(closed.collect()).unwrap(), ..today() }
        }),
    ];
    for (path, run) in TOKENS.into_iter().chain(OTHERS) {
        assert!(run(&today()).is_ok(), "{path}: {:?}", run(&today()).err());
        for (way, lost) in &ways {
            assert!(run(lost).is_err(), "{path} goes on although: {way}");
        }
    }
    for (way, lost) in &ways[..5] {
        assert!(a_question(lost).is_err(), "a question is put although: {way}");
    }
    assert!(a_question(&today()).is_ok());
}

#[test]
fn t_disable_a_lapsed_proof_puts_tokens_to_sleep_and_says_to_sign_in_again() {
    let lapsed = Today::of(|user| User { proven_until: Some(NOW), ..user });
    let almost = Today::of(|user| User { proven_until: Some(NOW + Duration::from_millis(1)), ..user });
    for (path, run) in TOKENS {
        assert_eq!(run(&lapsed).err(), Some(Refusal::ProofOver), "{path}");
        assert!(run(&almost).is_ok(), "{path}");
    }
    assert_eq!(Refusal::ProofOver.code().as_str(), "invalid_grant");
    assert_eq!(a_consent(&lapsed).err(), Some(Refusal::SignedOut), "the browser is led to sign in again");
    // What the guard remembers of a personal token is over with the proof, since nobody will tell it.
    let client = personal::client(NOW).unwrap();
    let token = Some(Digest::of(b"pat"));
    let grant = Grant { client: client.id.clone(), tip: None, personal: token, ..samples::grant() };
    let facts = GrantFacts { client: Some(client), ..grant_facts(&almost, grant) };
    let life = Lifetimes::default();
    let shown = personal::present(&Digest::of(b"pat"), &facts, &almost.catalog, &life, NOW).unwrap();
    assert_eq!(shown.expires_at, NOW + Duration::from_millis(1));
    // Nothing of it concerns whoever belongs to no provider.
    let own = Today::of(|user| User { provider: None, proven_until: None, ..user });
    assert!(TOKENS.iter().all(|(_, run)| run(&own).is_ok()));
}

#[test]
fn t_scope_ceiling_no_token_exceeds_what_the_persons_groups_admit_today() {
    for (name, today, expected) in [
        ("in both", today(), "read write"),
        ("ops lost", Today::in_groups(&["staff"]), "read"),
        (
            "write for others now",
            Today { catalog: with(&by(&["staff"]), &by(&["board"])), ..today() },
            "read",
        ),
        (
            "write for all now",
            Today { catalog: with(&by(&["staff"]), &People::Everyone), ..today() },
            "read write",
        ),
    ] {
        for (path, run) in TOKENS.into_iter().chain([("consent", a_consent as Path)]) {
            assert_eq!(run(&today).map(|(scopes, _)| scopes), Ok(scopes(expected)), "{path}: {name}");
        }
    }
    // An agent that may do nothing else sleeps; it does not end.
    let only_write = Grant { scopes: scopes("write"), ..samples::grant() };
    let facts = grant_facts(&Today::in_groups(&["staff"]), only_write);
    let ask = Refresh { token: Digest::of(b"tip"), proof: &ClientProof::Public, scope: None, resources: &[] };
    let next = Successor { digest: Digest::of(b"next"), sealed: vec![] };
    let asleep = refresh::decide(&ask, &facts, &today().catalog, &next, &Lifetimes::default(), NOW);
    assert_eq!(asleep.outcome.as_ref().err(), Some(&Refusal::AccessLost));
    assert!(asleep.is_silent());
}

#[test]
fn t_scope_ceiling_every_group_that_is_relied_on_must_still_hold_when_it_is_written() {
    let person = samples::user().id;
    for (path, run) in [("code", a_code as Path), ("refresh", a_refresh), ("consent", a_consent)] {
        let (_, expects) = run(&today()).unwrap();
        for name in ["staff", "ops"] {
            assert!(expects.contains(&Expect::UserInGroup(person, group(name))), "{path}: {name}");
        }
        assert!(expects.contains(&Expect::UserEnabled(person)), "{path}");
        let (_, expects) =
            run(&Today { catalog: with(&People::Everyone, &People::Everyone), ..today() }).unwrap();
        assert!(!expects.iter().any(|expect| matches!(expect, Expect::UserInGroup(..))), "{path}");
    }
}

#[test]
fn t_scope_ceiling_a_scope_that_is_for_others_is_neither_wanted_nor_asked() {
    let outside = Today::in_groups(&["staff"]);
    let grant = Grant { scopes: scopes("read"), ..samples::grant() };
    let noted = |today: &Today| {
        let facts = grant_facts(today, grant.clone());
        !want::note(&scopes("write"), &facts, &today.catalog, NOW).writes.is_empty()
    };
    assert!(noted(&today()) && !noted(&outside));
    let wanted = Wanted { scope: Scope::parse("write").unwrap(), at: NOW, denied: false };
    let wants = Grant { wanted: vec![wanted], ..grant.clone() };
    let extra = |today: &Today| {
        let user = today.user.as_ref().unwrap();
        let life = Lifetimes::default();
        want::extra(
            std::slice::from_ref(&wants),
            &samples::asked(),
            &today.client,
            user,
            &today.catalog,
            &life,
            NOW,
        )
    };
    assert_eq!((extra(&today()), extra(&outside)), (scopes("write"), Scopes::none()));
    let asked = crate::authorize::Asked { scopes: scopes("read write"), ..samples::asked() };
    let shown = |today: &Today| consent::admitted(&asked, today.user.as_ref().unwrap(), &today.catalog);
    assert_eq!((shown(&today()), shown(&outside)), (Ok(scopes("read write")), Ok(scopes("read"))));
    let just_write = crate::authorize::Asked { scopes: scopes("write"), ..samples::asked() };
    let user = outside.user.as_ref().unwrap();
    assert_eq!(consent::admitted(&just_write, user, &outside.catalog), Err(Refusal::NotAdmitted));
    assert!(groups::change(user, user.groups.clone(), NOW).is_empty());
}
