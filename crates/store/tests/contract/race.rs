//! Races: whatever the order, single use is single.

use std::sync::Arc;

use portcullis_rules::approve::{Approval, ApprovalState};
use portcullis_rules::model::CutTarget;
use portcullis_rules::verdict::{Expect, Write};
use portcullis_store::{CommitError, Committed};
use tokio::sync::Barrier;

use crate::World;
use crate::given::{
    approval, approval_id, code, code_id, digest, grant, grant_id, hours, machine, resource, user,
};

/// How many try at once.
const RACERS: u64 = 64;

/// Lets all racers commit their verdict at the same moment; what each was told.
async fn race(
    world: &World,
    verdict: impl Fn(u64) -> (Vec<Expect>, Vec<Write>),
) -> Vec<Result<Committed, CommitError>> {
    let gate = Arc::new(Barrier::new(RACERS as usize));
    let racers: Vec<_> = (0..RACERS)
        .map(|n| {
            let (store, gate, (expects, writes)) = (Arc::clone(&world.store), Arc::clone(&gate), verdict(n));
            tokio::spawn(async move {
                gate.wait().await;
                store.commit(expects, writes).await
            })
        })
        .collect();
    let mut told = Vec::new();
    for racer in racers {
        told.push(racer.await.expect("a racer ends"));
    }
    told
}

fn the_one_winner(told: &[Result<Committed, CommitError>]) -> u64 {
    let won: Vec<usize> = (0..told.len()).filter(|n| told[*n].is_ok()).collect();
    assert_eq!(won.len(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|told| **told == Err(CommitError::Conflict)).count(), told.len() - 1);
    won[0] as u64
}

pub(crate) async fn t21_a_code_is_redeemed_once(make: fn() -> World) {
    let world = make();
    world.store.commit(vec![], vec![Write::AddCode(code(0))]).await.unwrap();
    let told = race(&world, |n| {
        let mut new = machine(100 + n);
        new.resource = resource(n);
        (vec![], vec![Write::AddGrant(new), Write::SpendCode(code_id(0), grant_id(100 + n))])
    })
    .await;
    let winner = the_one_winner(&told);
    let facts = world.store.code_facts(code_id(0), code(0).client, None).await.unwrap();
    assert_eq!(facts.code.unwrap().spent, Some(grant_id(100 + winner)));
    for n in 0..RACERS {
        let facts = world.store.grant_facts(grant_id(100 + n), None, None).await.unwrap();
        assert_eq!(facts.grant.is_some(), n == winner, "only the winner's grant was made");
    }
}

pub(crate) async fn t21_a_refresh_token_is_rotated_once(make: fn() -> World) {
    let world = make();
    world.store.commit(vec![], vec![Write::AddGrant(grant(0))]).await.unwrap();
    let told = race(&world, |n| {
        let (from, to) = (digest("tip", 0), digest("successor", n));
        let advance = Write::Advance { grant: grant_id(0), from, to, previous: None, at: hours(3) };
        (vec![Expect::GrantLive(grant_id(0))], vec![advance])
    })
    .await;
    let winner = the_one_winner(&told);
    let row = world.store.grant_facts(grant_id(0), None, None).await.unwrap().grant.unwrap();
    assert_eq!(row.tip.unwrap().current, digest("successor", winner));
}

pub(crate) async fn r20_t_once_an_approval_is_spent_once(make: fn() -> World) {
    let world = make();
    let (id, to) = (approval_id(0), ApprovalState::Approved);
    let decide = Write::DecideApproval { id, to, at: hours(1), expires_at: hours(3) };
    let before = vec![Write::AddGrant(grant(0)), Write::AddApproval(approval(0)), decide];
    world.store.commit(vec![], before).await.unwrap();
    let told = race(&world, |_| (vec![Expect::GrantLive(grant_id(0))], vec![Write::SpendApproval(id)])).await;
    the_one_winner(&told);
    let row = world.store.approval(id).await.unwrap();
    assert_eq!(row.approval.unwrap().state, ApprovalState::Spent);
}

pub(crate) async fn one_call_is_asked_about_once(make: fn() -> World) {
    let world = make();
    let told = race(&world, |n| {
        let question = Approval { id: approval_id(10 + n), ..approval(0) };
        (vec![], vec![Write::AddApproval(question)])
    })
    .await;
    the_one_winner(&told);
    let facts = world.store.ask_facts(grant_id(0), approval(0).call, hours(1)).await.unwrap();
    assert_eq!((facts.approvals.len(), facts.open), (1, 1));
}

pub(crate) async fn a_first_account_is_made_once(make: fn() -> World) {
    let world = make();
    let told = race(&world, |n| (vec![Expect::NoLocalUsers], vec![Write::AddUser(user(10 + n))])).await;
    the_one_winner(&told);
    assert_eq!(world.store.users().await.unwrap().len(), 1);
}

pub(crate) async fn t_linear_cuts_have_no_gap_and_no_double(make: fn() -> World) {
    let world = make();
    let told = race(&world, |n| {
        let one = Write::Cut(CutTarget::Key(format!("kid-{n}")), hours(1));
        (vec![], vec![one.clone(), one])
    })
    .await;
    let mut numbers: Vec<u64> =
        told.into_iter().flat_map(|told| told.unwrap().cuts).map(|cut| cut.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=2 * RACERS).collect::<Vec<_>>());
    let (counter, cuts) = world.store.cuts(hours(0)).await.unwrap();
    assert_eq!(counter, 2 * RACERS);
    assert!(cuts.is_sorted_by_key(|cut| cut.number));
}

/// A revocation that was sent is enforced, also when whoever sent it went away before the answer.
pub(crate) async fn cuts_are_told_before_the_answer_and_without_the_caller(make: fn() -> World) {
    let world = make();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = Arc::clone(&told);
    world
        .store
        .follow_cuts(Arc::new(move |cuts| into.lock().unwrap().extend(cuts.iter().map(|cut| cut.number))));
    let cut = |kid: &str| vec![Write::Cut(CutTarget::Key(kid.to_owned()), hours(1))];
    drop(world.store.commit(vec![], cut("gone")));
    let second = world.store.commit(vec![], cut("stays")).await.unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.as_slice(), [1, 2], "each once, in order, none lost");
    assert_eq!(second.cuts[0].number, 2);
}
