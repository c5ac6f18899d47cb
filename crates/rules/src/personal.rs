//! Personal tokens: an agent without OAuth, for scripts and for clients that know none of it.
//!
//! Such an agent is a grant like any other (limited, audited, revoked by the same switch), with a token of its own in
//! place of a refresh token. The token is shown once; its row keeps a digest. It ends at a day that was chosen when it
//! was made, at most [`LONGEST`] away; not being used does not end it, since a script may well run once a quarter. At
//! every use everything that a refresh asks is asked again: the person, their groups, the scopes of that day.
//!
//! Its client is one that exists for this alone. No request of OAuth may name it: it cannot authorize, register, get or
//! refresh a token. Switched off, it stops every personal token at once.

use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::limit;
use portcullis_wire::register::{ApplicationType, AuthMethod, ClientMetadata};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::text::displayable;
use portcullis_wire::time::UnixTime;

use crate::catalog::{Catalog, ResourceEntry};
use crate::event::{Event, EventKind};
use crate::facts::{GrantFacts, PersonalFacts};
use crate::model::{Client, Grant, GrantState, Origin, Subject};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// The `client_id` of every personal token. Ids of registered and entered clients are longer and hold a `_`.
pub const CLIENT: &str = "personal";

/// The longest life a personal token may have.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Whether a `client_id` is that of personal tokens, which no request may name.
pub fn is_client(id: &ClientId) -> bool {
    id.as_str() == CLIENT
}

/// The client of personal tokens, as it is entered with the first of them.
pub fn client(now: UnixTime) -> Option<Client> {
    Some(Client {
        id: ClientId::parse(CLIENT)?,
        origin: Origin::Preregistered,
        metadata: ClientMetadata {
            name: "Personal tokens".to_owned(),
            redirect_uris: Vec::new(),
            auth_method: AuthMethod::None,
            grant_types: Vec::new(),
            application_type: ApplicationType::Native,
            scope: Scopes::none(),
            jwks: None,
            jwks_uri: None,
            client_uri: None,
        },
        secret: None,
        management: None,
        ceiling: None,
        introspects: None,
        enabled: true,
        created_at: now,
        expires_at: None,
    })
}

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Making<'a> {
    /// At which resource.
    pub entry: &'a ResourceEntry,
    /// What for, in its person's words.
    pub name: &'a str,
    /// What it may do.
    pub scopes: &'a Scopes,
    /// When it ends.
    pub expires_at: UnixTime,
}

/// Freshly made, for one try.
#[derive(Clone, Copy, Debug)]
pub struct FreshPersonal {
    /// The grant; the token carries its number.
    pub id: GrantId,
    /// The token's digest.
    pub token: Digest,
}

/// Makes a personal token for the person of the facts.
pub fn create(
    making: &Making<'_>,
    facts: &PersonalFacts,
    fresh: FreshPersonal,
    now: UnixTime,
) -> Verdict<GrantId> {
    let Some(user) = &facts.user else { return Verdict::refuse(Refusal::UserUnknown) };
    if let Err(refusal) = user.may_act(now) {
        return Verdict::refuse(refusal);
    }
    let Some(admitted) = making.entry.admitted(user) else {
        return Verdict::refuse(Refusal::NotAdmitted);
    };
    let label = displayable(making.name, limit::LABEL + 1);
    if label.is_empty() || label.chars().count() > limit::LABEL || label.ends_with('…') {
        return Verdict::refuse(Refusal::NameUnfit);
    }
    if making.scopes.is_empty() || !admitted.scopes.covers(making.scopes) {
        return Verdict::refuse(Refusal::ScopeUnknown);
    }
    if making.expires_at <= now || making.expires_at > now + LONGEST {
        return Verdict::refuse(Refusal::LifeUnfit);
    }
    if facts.living >= limit::PERSONAL_TOKENS {
        return Verdict::refuse(Refusal::TokensTooMany);
    }
    let verdict = Verdict::yes(fresh.id).expecting(Expect::UserEnabled(user.id)).admitted(user, &admitted);
    let (verdict, client) = match (&facts.client, client(now)) {
        (Some(client), _) if !client.enabled => return Verdict::refuse(Refusal::ClientDisabled),
        (Some(client), _) => (verdict.expecting(Expect::ClientEnabled(client.id.clone())), client.id.clone()),
        (None, Some(client)) => {
            let id = client.id.clone();
            (verdict.writing(Write::PutClient(client)), id)
        }
        (None, None) => return Verdict::refuse(Refusal::ClientUnknown),
    };
    let event = Event::new(EventKind::PersonalTokenMade, now)
        .user(user.id)
        .client(&client)
        .grant(fresh.id)
        .access(&making.entry.resource, making.scopes);
    let grant = Grant {
        id: fresh.id,
        client,
        subject: Subject::Person(user.id),
        resource: making.entry.resource.clone(),
        scopes: making.scopes.clone(),
        redirect: None,
        label: Some(label),
        created_at: now,
        last_used_at: now,
        expires_at: Some(making.expires_at),
        state: GrantState::Live,
        replaces: None,
        tip: None,
        wanted: Vec::new(),
        personal: Some(fresh.token),
    };
    verdict.writing(Write::AddGrant(grant)).writing(Write::Audit(event))
}

/// What a personal token stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The agent.
    pub grant: GrantId,
    /// For whom it acts: always a person.
    pub subject: Subject,
    /// Its client.
    pub client: ClientId,
    /// Its resource.
    pub resource: Resource,
    /// Its scopes today.
    pub scopes: Scopes,
    /// When the token was made.
    pub created_at: UnixTime,
    /// When the token ends, or sleeps because its person's last proof at their provider is too old, whichever comes first:
    /// whoever remembers this answer hears nothing of a day that comes.
    pub expires_at: UnixTime,
    /// The counter of cuts its facts saw.
    pub rev: u64,
}

/// Judges a personal token that was shown at the guard, as strictly as a refresh is judged. Facts are those of the
/// grant its number names, with [`CLIENT`] as the client. It only reads: whatever is taken away later is a cut, and
/// the guard hears of cuts.
///
/// # Errors
/// [`Refusal::TokenUnknown`] for one that was not made here, is spelled otherwise, or is no personal token's;
/// [`Refusal::GrantEnded`], [`Refusal::GrantExpired`], [`Refusal::ClientDisabled`], [`Refusal::PersonDisabled`],
/// [`Refusal::ProofOver`], [`Refusal::AccessLost`].
pub fn present(
    token: &Digest,
    facts: &GrantFacts,
    catalog: &Catalog,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Result<Standing, Refusal> {
    let grant = facts
        .grant
        .as_ref()
        .filter(|grant| grant.personal.is_some_and(|digest| digest.matches(token)))
        .ok_or(Refusal::TokenUnknown)?;
    let (Subject::Person(person), Some(expires_at)) = (grant.subject, grant.expires_at) else {
        return Err(Refusal::TokenUnknown);
    };
    match grant.state_at(lifetimes, now) {
        GrantState::Live => {}
        GrantState::Ended(crate::model::EndReason::Expired) => return Err(Refusal::GrantExpired),
        _ => return Err(Refusal::GrantEnded),
    }
    match &facts.client {
        Some(client) if client.id == grant.client && is_client(&client.id) => {
            if !client.enabled {
                return Err(Refusal::ClientDisabled);
            }
        }
        _ => return Err(Refusal::ClientUnknown),
    }
    let user = facts.user.as_ref().filter(|user| user.id == person).ok_or(Refusal::PersonDisabled)?;
    user.may_act(now)?;
    let entry = catalog.entry(&grant.resource).ok_or(Refusal::GrantEnded)?;
    let admitted = entry.admitted(user).ok_or(Refusal::AccessLost)?;
    let offered = grant.scopes.intersection(&entry.offered());
    if offered.is_empty() {
        return Err(Refusal::GrantEnded);
    }
    let scopes = offered.intersection(&admitted.scopes);
    if scopes.is_empty() {
        return Err(Refusal::AccessLost);
    }
    Ok(Standing {
        grant: grant.id,
        subject: grant.subject,
        client: grant.client.clone(),
        resource: grant.resource.clone(),
        scopes,
        created_at: grant.created_at,
        expires_at: user.proof_ends().map_or(expires_at, |end| expires_at.min(end)),
        rev: facts.rev,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::prove_asker;
    use crate::catalog::tests::{catalog, closed_to as closed, entry};
    use crate::groups::Group;
    use crate::model::{EndReason, User};
    use crate::proof::{ClientProof, prove};
    use crate::samples;
    use portcullis_wire::authorize::Asker;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).unwrap()
    }
    fn grant() -> Grant {
        Grant {
            client: ClientId::parse(CLIENT).unwrap(),
            redirect: None,
            tip: None,
            personal: Some(Digest::of(b"pat")),
            expires_at: Some(samples::NOW + 90 * DAY),
            ..samples::grant()
        }
    }
    fn facts() -> GrantFacts {
        GrantFacts {
            grant: Some(grant()),
            client: client(samples::NOW),
            user: Some(samples::user()),
            spent: false,
            rev: 4,
        }
    }
    fn show(
        token: &[u8],
        facts: &GrantFacts,
        catalog: &Catalog,
        after: Duration,
    ) -> Result<Standing, Refusal> {
        present(&Digest::of(token), facts, catalog, &Lifetimes::default(), samples::NOW + after)
    }

    #[test]
    fn a_personal_token_stands_for_its_grant_and_idleness_does_not_end_it() {
        let standing = show(b"pat", &facts(), &catalog(), 89 * DAY).unwrap();
        assert_eq!((standing.grant, standing.subject), (grant().id, grant().subject));
        assert_eq!((standing.scopes, standing.rev), (scopes("read write"), 4));
        let staff = User { groups: [Group::parse("staff").unwrap()].into(), ..samples::user() };
        let facts = GrantFacts { user: Some(staff), ..facts() };
        assert!(show(b"pat", &facts, &closed("staff"), DAY).is_ok());
    }

    #[test]
    fn t_disable_every_way_to_lose_access_stops_a_personal_token_at_its_next_use() {
        let ended = Grant { state: GrantState::Ended(EndReason::RevokedByAdmin), ..grant() };
        let machine = Grant { subject: Subject::Machine, ..grant() };
        let other = Grant { resource: entry("https://gone.example/mcp").resource, ..grant() };
        let useless = Grant { scopes: scopes("gone"), ..grant() };
        let ordinary = Grant { personal: None, ..grant() };
        let with = |grant| GrantFacts { grant: Some(grant), ..facts() };
        let off = User { enabled: false, ..samples::user() };
        let switched_off = client(samples::NOW).map(|client| Client { enabled: false, ..client });
        let open = catalog();
        for (name, token, facts, catalog, after, expected) in [
            ("forged", "pat2", facts(), &open, DAY, Refusal::TokenUnknown),
            ("no grant", "pat", GrantFacts { grant: None, ..facts() }, &open, DAY, Refusal::TokenUnknown),
            ("an ordinary grant's", "pat", with(ordinary), &open, DAY, Refusal::TokenUnknown),
            ("a machine's", "pat", with(machine), &open, DAY, Refusal::TokenUnknown),
            ("revoked", "pat", with(ended), &open, DAY, Refusal::GrantEnded),
            ("expired", "pat", facts(), &open, 90 * DAY, Refusal::GrantExpired),
            (
                "person off",
                "pat",
                GrantFacts { user: Some(off), ..facts() },
                &open,
                DAY,
                Refusal::PersonDisabled,
            ),
            ("person gone", "pat", GrantFacts { user: None, ..facts() }, &open, DAY, Refusal::PersonDisabled),
            (
                "all switched off",
                "pat",
                GrantFacts { client: switched_off, ..facts() },
                &open,
                DAY,
                Refusal::ClientDisabled,
            ),
            (
                "client gone",
                "pat",
                GrantFacts { client: None, ..facts() },
                &open,
                DAY,
                Refusal::ClientUnknown,
            ),
            ("group lost", "pat", facts(), &closed("staff"), DAY, Refusal::AccessLost),
            ("resource gone", "pat", with(other), &open, DAY, Refusal::GrantEnded),
            ("scopes gone", "pat", with(useless), &open, DAY, Refusal::GrantEnded),
        ] {
            assert_eq!(show(token.as_bytes(), &facts, catalog, after), Err(expected), "{name}");
        }
    }

    #[test]
    fn t_scope_ceiling_a_personal_token_is_made_for_what_its_person_may_have() {
        let fresh = FreshPersonal { id: GrantId::from_number(8), token: Digest::of(b"pat") };
        let open = entry("https://h.example/mcp");
        let closed = closed("staff").entries()[0].clone();
        let facts = || PersonalFacts { user: Some(samples::user()), client: None, living: 0 };
        let off = User { enabled: false, ..samples::user() };
        let switched_off = client(samples::NOW).map(|client| Client { enabled: false, ..client });
        let run = |entry: &ResourceEntry, name: &str, asked: &str, days: u32, facts: &PersonalFacts| {
            let making =
                Making { entry, name, scopes: &scopes(asked), expires_at: samples::NOW + days * DAY };
            create(&making, facts, fresh, samples::NOW)
        };
        for (name, entry, label, asked, days, facts, expected) in [
            ("fits", &open, "backup", "read write", 365, facts(), None),
            ("too long", &open, "backup", "read", 366, facts(), Some(Refusal::LifeUnfit)),
            ("no time", &open, "backup", "read", 0, facts(), Some(Refusal::LifeUnfit)),
            ("not offered", &open, "backup", "read admin", 9, facts(), Some(Refusal::ScopeUnknown)),
            ("nothing", &open, "backup", "", 9, facts(), Some(Refusal::ScopeUnknown)),
            ("no name", &open, " ", "read", 9, facts(), Some(Refusal::NameUnfit)),
            ("not admitted", &closed, "backup", "read", 9, facts(), Some(Refusal::NotAdmitted)),
            (
                "off",
                &open,
                "b",
                "read",
                9,
                PersonalFacts { user: Some(off), ..facts() },
                Some(Refusal::PersonDisabled),
            ),
            (
                "nobody",
                &open,
                "b",
                "read",
                9,
                PersonalFacts { user: None, ..facts() },
                Some(Refusal::UserUnknown),
            ),
            (
                "all switched off",
                &open,
                "b",
                "read",
                9,
                PersonalFacts { client: switched_off, ..facts() },
                Some(Refusal::ClientDisabled),
            ),
            (
                "a hundred",
                &open,
                "b",
                "read",
                9,
                PersonalFacts { living: limit::PERSONAL_TOKENS, ..facts() },
                Some(Refusal::TokensTooMany),
            ),
        ] {
            let verdict = run(entry, label, asked, days, &facts);
            assert_eq!(verdict.outcome.as_ref().err(), expected.as_ref(), "{name}");
            assert_eq!(verdict.is_silent(), expected.is_some(), "{name}");
        }
        let first = run(&open, "backup", "read", 9, &facts());
        assert!(matches!(first.writes[0], Write::PutClient(_)), "its client is entered with the first");
        let second =
            run(&open, "backup", "read", 9, &PersonalFacts { client: client(samples::NOW), ..facts() });
        assert!(matches!(&second.writes[0], Write::AddGrant(grant) if grant.personal == Some(fresh.token)));
        let relied = Expect::ClientEnabled(ClientId::parse(CLIENT).unwrap());
        assert!(second.expects.contains(&relied) && !first.expects.contains(&relied));
    }

    #[test]
    fn t_cross_client_no_request_of_oauth_comes_in_the_name_of_personal_tokens() {
        let client = client(samples::NOW).unwrap();
        assert_eq!(prove(Some(&client), &ClientProof::Public, false).err(), Some(Refusal::ClientUnknown));
        let asker = Asker { client_id: Some(client.id.to_string()), redirect_uri: None };
        assert_eq!(prove_asker(&asker, Some(&client)), Err(Refusal::ClientUnknown));
    }
}
