//! The way out: by a form of ours and nothing else, for one browser, and not too often.

use portcullis_testkit::Ask;

use crate::scene::{choose, destination, github, leave, openid, parameter, saml, world, world_with};

#[tokio::test]
async fn t_noscript_login_the_way_out_is_a_page_with_a_link_and_an_address_of_its_own() {
    let world = world(vec![github()]).await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    let out = choose(&mut browser, &page, "github").await;
    let policy = out.answer.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self';"), "no provider in it: {policy}");
    assert!(out.text().contains("Taking you to") && out.text().contains("github.com"));
    let to = destination(&out);
    assert_eq!(parameter(&to, "redirect_uri"), format!("{}/callback/github", world.issuer()));
    assert_eq!(parameter(&to, "code_challenge_method"), "S256");
    assert!(parameter(&to, "state").len() >= 43, "256 bits");
    assert!(!to.as_str().contains("resource="), "one registration there serves every client here");
    let again = leave(&mut browser, "github").await;
    assert_ne!(parameter(&again, "state"), parameter(&to, "state"));
    assert_ne!(parameter(&again, "code_challenge"), parameter(&to, "code_challenge"));
}

#[tokio::test]
async fn t_deputy_no_address_and_no_foreign_form_leads_to_a_provider() {
    let world = world(vec![github()]).await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    let pairs = page.form("/sign-in/with").pairs(Some("github"));
    for target in ["/sign-in/with", "/sign-in/with?provider=github", "/sign-in?provider=github"] {
        let answer = browser.get(target).await;
        assert!(
            answer.header("location").is_none() && !answer.text().contains("github.com/login"),
            "{target}"
        );
    }
    let client = world.client().await;
    let asked = browser.ask(&client.request("v".repeat(43).as_str(), None)).await;
    assert!(asked.location().starts_with(&format!("{}/sign-in?", world.issuer())), "{asked:?}");
    let foreign = Ask::post("/sign-in/with").form(&pairs).header("sec-fetch-site", "cross-site");
    browser.send(foreign).await.stops(403, "E-FORM-FOREIGN");
    let from = Ask::post("/sign-in/with").form(&pairs).header("origin", "https://evil.example");
    browser.send(from).await.stops(403, "E-FORM-FOREIGN");
    world.browser().post("/sign-in/with", &pairs).await.stops(400, "E-FORM-STALE");
    let without: Vec<_> = pairs.iter().filter(|(name, _)| name != "ticket").cloned().collect();
    browser.post("/sign-in/with", &without).await.stops(400, "E-FORM-STALE");
    browser.post("/sign-in/with", &pairs).await.is(200);
}

#[tokio::test]
async fn t_next_where_one_goes_after_is_nothing_a_request_can_say() {
    let world = world(vec![github()]).await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in?next=https://evil.example&return_to=//evil.example").await;
    assert!(!page.text().contains("evil.example"));
    let form = page
        .form("/sign-in/with")
        .fill("next", "https://evil.example")
        .fill("redirect_uri", "https://evil.example");
    let answer = browser.press(&form, Some("github")).await;
    assert!(!answer.is(200).text().contains("evil.example"));
}

#[tokio::test]
async fn a_work_address_leads_to_its_company_and_is_told_to_it() {
    let mut first = github();
    first.domains = vec!["Acme.Example".to_owned()];
    let world = world(vec![first, saml()]).await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    let forms = portcullis_testkit::Form::all(&page.text());
    let form = forms.into_iter().find(|form| form.value("address").is_some()).unwrap();
    let known = form.clone().fill("address", " alex@ACME.example ");
    browser.press(&known, None).await.is(200);
    for (name, typed) in [
        ("another company", "alex@other.example"),
        ("a longer name", "alex@acme.example.evil.example"),
        ("a subdomain", "alex@mail.acme.example"),
        ("no address", "acme.example"),
        ("two signs", "alex@acme.example@evil.example"),
        ("nothing", ""),
        ("too long", &format!("{}@acme.example", "a".repeat(300))),
    ] {
        let answer = browser.press(&form.clone().fill("address", typed), None).await;
        assert!(answer.is(400).text().contains("No company that signs in here"), "{name}");
    }
}

#[tokio::test]
async fn without_passwords_no_password_is_looked_at() {
    let world = world_with(vec![github()], false).await;
    world.person("alice").await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    assert!(!page.text().contains("name=\"password\""));
    let form =
        page.form("/sign-in/with").fill("name", "alice").fill("password", portcullis_testkit::PASSWORD);
    browser.post("/sign-in", &form.pairs(None)).await.stops(403, "E-NO-PASSWORDS");
    // Who waits may still be told no.
    let client = world.client().await;
    let page = browser.page(&client.request(&"v".repeat(43), None)).await;
    let answer = browser.press(&page.form("/sign-in"), Some("stop")).await;
    answer.returns_error(&client.redirect, "access_denied", Some("state-of-the-client"), world.issuer());
}

#[tokio::test]
async fn t_flood_one_source_begins_only_so_many_and_others_go_on() {
    let world = world(vec![github()]).await;
    let mut browser = world.browser();
    let page = browser.open("/sign-in").await;
    let pairs = page.form("/sign-in/with").pairs(Some("github"));
    let mut begun = 0;
    let refused = loop {
        let answer = browser.post("/sign-in/with", &pairs).await;
        if answer.status != 200 {
            break answer;
        }
        begun += 1;
        assert!(begun < 200, "one source may begin only so many");
    };
    refused.stops(429, "E-TOO-MANY");
    assert!(refused.header("retry-after").is_some());
    assert!(begun >= 30, "an office behind one address gets in: {begun}");
    let mut other = world.browser().at(std::net::IpAddr::from([127, 0, 0, 2]));
    leave(&mut other, "github").await;
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_said_and_what_waits_is_not_lost() {
    // Nobody listens there: the port was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = world(vec![openid("acme", "Acme", &format!("http://127.0.0.1:{port}")), github()]).await;
    let mut browser = world.browser();
    let client = world.client().await;
    let page = browser.page(&client.request(&"v".repeat(43), None)).await;
    let answer = browser.press(&page.form("/sign-in/with"), Some("acme")).await;
    answer.stops(502, "E-PROVIDER");
    assert!(answer.header("retry-after").is_some());
    let html = answer.text();
    let back = html.split("href=\"/sign-in?request=").nth(1).unwrap_or_else(|| panic!("no way back: {html}"));
    let back = format!("/sign-in?request={}", back.split('"').next().unwrap());
    assert!(browser.open(&back).await.text().contains("Notebook"), "who waits is still there");
    leave(&mut browser, "github").await;
}
