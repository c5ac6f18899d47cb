//! SAML, as far as no signature is needed: a cross-site post does nothing but answer what we asked.

use portcullis_testkit::{Ask, Browser, encode};
use portcullis_wire::base64url;

use crate::scene::{github, leave, parameter, saml, world};

fn garbage(relay: &str) -> Ask {
    let response = base64url::encode(b"<samlp:Response>never signed</samlp:Response>");
    Ask::post("/saml/corp/acs")
        .form(&[("SAMLResponse", response.as_str()), ("RelayState", relay)])
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://idp.example")
}

/// A cross-site post brings no Lax cookie.
async fn without_cookies(browser: &Browser, ask: Ask) -> portcullis_testkit::Answer {
    let mut bare = browser.clone();
    bare.jar.clear();
    bare.send(ask).await
}

#[tokio::test]
async fn our_metadata_names_the_address_where_it_lies() {
    let world = world(vec![saml(), github()]).await;
    let answer = world.get("/saml/corp/metadata").await;
    assert_eq!(answer.is(200).header("content-type"), Some("application/samlmetadata+xml"));
    let text = answer.text();
    for part in ["/saml/corp/metadata", "/saml/corp/acs"] {
        assert!(text.contains(&format!("{}{part}", world.issuer())), "{text}");
    }
    world.get("/saml/github/metadata").await.is(404);
    world.get("/saml/nobody/metadata").await.is(404);
}

#[tokio::test]
async fn the_way_out_is_a_request_with_a_handle_and_no_cookie_of_ours_is_needed_to_take_it() {
    let world = world(vec![saml()]).await;
    let mut browser = world.browser();
    let to = leave(&mut browser, "corp").await;
    assert!(!parameter(&to, "SAMLRequest").is_empty());
    assert!((43..=80).contains(&parameter(&to, "RelayState").len()));
}

#[tokio::test]
async fn t_saml_absent_what_is_not_signed_or_not_asked_for_signs_nobody_in() {
    let world = world(vec![saml(), github()]).await;
    let mut browser = world.browser();
    let relay = parameter(&leave(&mut browser, "corp").await, "RelayState");
    let of_another = parameter(&leave(&mut browser, "github").await, "state");
    let missing = Ask::post("/saml/corp/acs").form(&[("RelayState", relay.as_str())]);
    without_cookies(&browser, missing).await.is(400);
    let json = Ask::post("/saml/corp/acs").body("application/json", "{}");
    without_cookies(&browser, json).await.is(415);
    let unasked = Ask::post("/saml/corp/acs").form(&[("SAMLResponse", "PHg+")]);
    without_cookies(&browser, unasked).await.stops(400, "E-SAML-UNASKED");
    without_cookies(&browser, garbage(&"B".repeat(43))).await.stops(400, "E-SIGN-IN-STALE");
    without_cookies(&browser, garbage(&of_another)).await.stops(403, "E-MIX-UP");
    let refused = without_cookies(&browser, garbage(&relay)).await;
    refused.stops(403, "E-PROVIDER");
    assert!(refused.set_cookies().is_empty(), "a cross-site post changes no cookie");
    // It was taken by that: neither the same answer nor a better one goes on with it.
    without_cookies(&browser, garbage(&relay)).await.stops(400, "E-SIGN-IN-STALE");
    let done = format!("/saml/corp/done?{}", encode(&[("handle", relay.as_str())]));
    browser.get(&done).await.stops(400, "E-SIGN-IN-STALE");
    assert!(world.store.users().await.unwrap().is_empty());
}

#[tokio::test]
async fn t_caps_a_response_has_room_and_nothing_else_has_more_than_a_form() {
    let world = world(vec![saml()]).await;
    let big = format!("SAMLResponse={}", "A".repeat(300 * 1024));
    let post = |path: &str, body: String| Ask::post(path).body("application/x-www-form-urlencoded", body);
    world.send(post("/saml/corp/acs", big.clone())).await.stops(400, "E-SAML-UNASKED");
    for path in ["/saml/nobody/acs", "/sign-in/with", "/saml/corp/done"] {
        world.send(post(path, big.clone())).await.is(413);
    }
    world.send(post("/saml/corp/acs", format!("SAMLResponse={}", "A".repeat(600 * 1024)))).await.is(413);
}
