//! What administrators see and do about providers.

use portcullis_server::admin::Command;
use serde_json::Value;

use crate::scene::{destination, github, parameter, saml, world};

fn name(text: &str) -> String {
    text.to_owned()
}

async fn one(world: &portcullis_testkit::World, which: &str) -> Value {
    let rows = world.administer(Command::Providers).await;
    rows.into_iter().find(|row| row["name"] == which).unwrap()
}

#[tokio::test]
async fn providers_are_listed_with_what_has_to_be_entered_there() {
    let world = world(vec![github(), saml()]).await;
    let row = one(&world, "github").await;
    assert_eq!((row["kind"].as_str(), row["state"].as_str()), (Some("oidc"), Some("on")));
    assert_eq!(row["issuer"], "https://github.com");
    assert_eq!(row["addresses"]["redirect_uri"], format!("{}/callback/github", world.issuer()));
    let row = one(&world, "corp").await;
    assert_eq!(row["kind"], "saml");
    assert_eq!(row["addresses"]["acs"], format!("{}/saml/corp/acs", world.issuer()));
}

#[tokio::test]
async fn t_disable_a_provider_is_switched_off_and_on_by_its_name() {
    let world = world(vec![github()]).await;
    let off = world.administer(Command::ProviderSwitch { name: name("github"), on: false }).await;
    assert_eq!(off[0]["state"], "off");
    assert_eq!(one(&world, "github").await["state"], "off");
    let on = world.administer(Command::ProviderSwitch { name: name("github"), on: true }).await;
    assert_eq!(on[0]["state"], "on");
    let unknown = world.app.administer(Command::ProviderSwitch { name: name("nobody"), on: false }).await;
    assert!(unknown.unwrap_err().to_string().contains("nobody"));
}

#[tokio::test]
async fn t_link_an_administrator_ties_an_account_and_unties_it() {
    let world = world(vec![github()]).await;
    world.person("alice").await;
    world.person("bob").await;
    let link = |who: &str, subject: &str| Command::UserLink {
        name: name(who),
        provider: name("github"),
        subject: name(subject),
    };
    let row = world.administer(link("alice", "12345")).await.remove(0);
    assert_eq!(
        (row["provider"].as_str(), row["subject"].as_str()),
        (Some("https://github.com"), Some("12345"))
    );
    assert_eq!(one(&world, "github").await["people"], 1);
    assert!(world.app.administer(link("bob", "12345")).await.is_err(), "one person there, one account here");
    assert!(world.app.administer(link("bob", " ")).await.is_err());
    let row = world.administer(Command::UserUnlink { name: name("alice") }).await.remove(0);
    assert!(row["provider"].is_null());
    assert!(world.app.administer(Command::UserUnlink { name: name("alice") }).await.is_err());
}

#[tokio::test]
async fn a_trial_is_begun_over_the_socket_walked_in_a_browser_and_told_over_the_socket_alone() {
    let world = world(vec![github()]).await;
    let begun = world.administer(Command::ProviderWalk { name: name("github") }).await.remove(0);
    let handle = begun["handle"].as_str().unwrap().to_owned();
    let told = || world.app.administer(Command::ProviderWalked { handle: handle.clone() });
    assert_eq!(told().await.unwrap()[0]["state"], "pending");
    let mut browser = world.browser();
    let target = world.net.target(begun["url"].as_str().unwrap());
    let page = browser.open(&target).await;
    assert!(page.answer.is(200).text().contains("Only a test"));
    let answer = browser.press(&page.form("/sign-in/test"), None).await;
    answer.is(200);
    let state = parameter(&destination(&portcullis_testkit::Page { answer }), "state");
    let back = browser.get(&format!("/callback/github?error=access_denied&state={state}")).await;
    assert!(back.is(200).text().contains("The test is over"));
    let report = told().await.unwrap().remove(0);
    assert_eq!(
        (report["verdict"].as_str(), report["fault"]["code"].as_str()),
        (Some("fault"), Some("provider_error"))
    );
    assert!(report["fault"]["fix"].as_str().is_some_and(|fix| !fix.is_empty()));
    browser.open(&target).await.answer.stops(400, "E-SIGN-IN-STALE");
    world.advance(std::time::Duration::from_secs(10 * 60));
    assert!(told().await.is_err(), "it is forgotten");
    assert!(world.app.administer(Command::ProviderWalk { name: name("nobody") }).await.is_err());
}

#[tokio::test]
async fn t_two_jars_a_trial_is_walked_by_one_browser() {
    let world = world(vec![github()]).await;
    let begun = world.administer(Command::ProviderWalk { name: name("github") }).await.remove(0);
    let target = world.net.target(begun["url"].as_str().unwrap());
    let mut browser = world.browser();
    let page = browser.open(&target).await;
    let pairs = page.form("/sign-in/test").pairs(None);
    world.browser().post("/sign-in/test", &pairs).await.stops(400, "E-FORM-STALE");
    world.get("/sign-in/test?handle=guessed").await.stops(400, "E-SIGN-IN-STALE");
    let answer = browser.post("/sign-in/test", &pairs).await;
    let state = parameter(&destination(&portcullis_testkit::Page { answer }), "state");
    world
        .browser()
        .get(&format!("/callback/github?code=c&state={state}"))
        .await
        .stops(403, "E-OTHER-BROWSER");
}
