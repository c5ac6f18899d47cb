//! Whose account it is: by issuer and subject, and by an address only where the administrator said so and the provider
//! has verified it.

use serde_json::{Value, json};

use crate::scene::{acme, arrived, through, try_arriving};

#[tokio::test]
async fn t_link_only_the_boolean_true_verifies_an_address() {
    let rule = |acme: &mut portcullis_server::ProviderSettings| {
        acme.joining.domains = ["acme.example".to_owned()].into();
    };
    for (name, verified, comes_in) in [
        ("true", json!(true), true),
        ("text", json!("true"), false),
        ("one", json!(1), false),
        ("null", Value::Null, false),
        ("false", json!(false), false),
        ("list", json!([true]), false),
    ] {
        let (world, there) = acme(rule).await;
        there.claim("email_verified", verified);
        let answer = try_arriving(&world, &mut world.browser(), &there).await;
        if comes_in {
            answer.is(303);
        } else {
            answer.stops(403, "email_unverified");
            assert!(!answer.text().contains("ada@acme.example"), "{name}: no claim is shown to a stranger");
            assert!(world.store.users().await.unwrap().is_empty(), "{name}");
        }
    }
}

#[tokio::test]
async fn t_link_who_is_who_is_decided_by_issuer_and_subject_alone() {
    let (world, there) = acme(|_| {}).await;
    arrived(&world, &there).await;
    // Another name, another address, the same person.
    there.claim("name", "Augusta King".into());
    there.claim("email", "augusta@acme.example".into());
    arrived(&world, &there).await;
    assert_eq!(world.store.users().await.unwrap().len(), 1);
    // The same name and address, another person: the address leads nowhere, and the name is told apart.
    there.claim("sub", "somebody-else".into());
    arrived(&world, &there).await;
    let users = world.store.users().await.unwrap();
    assert_eq!(users.len(), 2);
    assert_ne!(users[0].name.to_lowercase(), users[1].name.to_lowercase());
}

#[tokio::test]
async fn t_issuer_bind_two_providers_with_one_subject_are_two_people() {
    let (one, two) = (crate::provider::Provider::start().await, crate::provider::Provider::start().await);
    let providers = vec![crate::scene::of("one", "One", &one), crate::scene::of("two", "Two", &two)];
    let world = crate::scene::world(providers).await;
    for (name, there) in [("one", &one), ("two", &two)] {
        let mut browser = world.browser();
        let page = browser.open("/sign-in").await;
        through(&world, &mut browser, &page, there, name).await.is(303);
    }
    assert_eq!(world.store.users().await.unwrap().len(), 2, "an address links nobody by itself");
}

#[tokio::test]
async fn nobody_new_is_let_in_where_only_the_known_are_until_an_administrator_ties_them() {
    let (world, there) = acme(|acme| acme.joining.create = false).await;
    world.person("ada").await;
    let mut browser = world.browser();
    let answer = try_arriving(&world, &mut browser, &there).await;
    answer.stops(403, "not_invited");
    assert!(answer.text().contains("Back to sign-in"));
    let command = portcullis_server::admin::Command::UserLink {
        name: "ada".to_owned(),
        provider: "acme".to_owned(),
        subject: "00u1ada".to_owned(),
    };
    world.administer(command).await;
    try_arriving(&world, &mut browser, &there).await.is(303);
    assert!(browser.open("/account").await.text().contains(">ada<"));
}

#[tokio::test]
async fn t_client_text_what_the_company_calls_somebody_is_text() {
    let (world, there) = acme(|_| {}).await;
    there.claim("name", "<script>alert(1)</script>\u{202e}Admin".into());
    let mut browser = arrived(&world, &there).await;
    let html = browser.open("/account").await.text();
    assert!(!html.contains("<script") && !html.contains('\u{202e}'));
}

#[tokio::test]
async fn t_link_an_address_that_an_administrator_entered_leads_to_the_account_and_untying_forgets_it() {
    use portcullis_server::admin::Command;
    let (world, there) = acme(|acme| {
        acme.joining.link_by_email = true;
        acme.joining.create = false;
    })
    .await;
    world.signed_in("ada").await;
    let name = || "ada".to_owned();
    try_arriving(&world, &mut world.browser(), &there).await.stops(403, "not_invited");
    let address = Some("Ada@Acme.example".to_owned());
    world.administer(Command::UserAddress { name: name(), address }).await;
    arrived(&world, &there).await;
    let users = world.store.users().await.unwrap();
    assert!(users.len() == 1 && users[0].provider.is_some() && users[0].password.is_some());
    world.administer(Command::UserUnlink { name: name() }).await;
    try_arriving(&world, &mut world.browser(), &there).await.stops(403, "not_invited");
}
