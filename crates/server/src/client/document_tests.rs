//! Documents over real sockets: a host on a loopback port, asked through the real fetcher.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use portcullis_fetch::FetchError;
use portcullis_rules::model::Origin;
use portcullis_rules::proof::{ClientProof, prove};
use portcullis_rules::refusal::Refusal;
use portcullis_rules::settings::Lifetimes;
use portcullis_wire::id::ClientId;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::register::{AuthMethod, GrantType};

use super::document::{
    DOCUMENT_FRESH_LEAST, DOCUMENT_FRESH_MOST, Documents, FETCHES_PER_HOST, FETCHES_PER_SOURCE, drift,
    same_origin_or_loopback, verified_domain,
};
use super::fault::DocumentFault;
use super::testsite::{Site, World};

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

#[test]
fn c01_a_client_id_url_has_one_spelling() {
    for given in [
        "https://client.example/oauth/metadata.json",
        "https://client.example/a",
        "https://client.example/a/",
        "https://client.example:8443/a",
        "https://client.example/a?v=1",
        "https://client.example/.well-known/client",
        "https://client.example/a..b/...",
        "https://xn--bcher-kva.example/a",
    ] {
        assert_eq!(Documents::url(&id(given), false).map(String::from).as_deref(), Ok(given));
    }
    for (name, given) in [
        ("no URL", "notebook"),
        ("http", "http://client.example/a"),
        ("loopback without the switch", "http://127.0.0.1:8000/a"),
        ("another scheme", "ftp://client.example/a"),
        ("scheme in capitals", "HTTPS://client.example/a"),
        ("no path", "https://client.example"),
        ("bare path", "https://client.example/"),
        ("bare path with a query", "https://client.example/?a"),
        ("no path with a query", "https://client.example?a"),
        ("fragment", "https://client.example/a#b"),
        ("empty fragment", "https://client.example/a#"),
        ("user", "https://u@client.example/a"),
        ("password", "https://u:p@client.example/a"),
        ("empty user", "https://@client.example/a"),
        ("dot", "https://client.example/./a"),
        ("dots", "https://client.example/a/../b"),
        ("dots at the end", "https://client.example/a/.."),
        ("dot, encoded", "https://client.example/%2e/a"),
        ("dots, encoded", "https://client.example/a/%2E%2e/b"),
        ("dots, half encoded", "https://client.example/a/.%2e/b"),
        ("dots before a query", "https://client.example/a/..?x"),
        ("default port", "https://client.example:443/a"),
        ("empty port", "https://client.example:/a"),
        ("host in capitals", "https://Client.example/a"),
        ("host with a final dot", "https://client.example./a"),
        ("host, encoded", "https://client%2eexample/a"),
        ("no host", "https:///a"),
        ("one slash", "https:/client.example/a"),
        ("no slash", "https:client.example/a"),
        ("backslash", "https://client.example\\a"),
        ("backslash in the path", "https://client.example/a\\..\\b"),
        ("address in hexadecimal", "https://0x7f.1/a"),
        ("quote in the path", "https://client.example/a\"b"),
    ] {
        let got = Documents::url(&id(given), false);
        assert!(matches!(got, Err(DocumentFault::NotAUrl(_))), "{name}: {got:?}");
    }
    for (given, why) in [
        ("https://client.example/a/%2E%2e/b", "its path holds a . or .. segment"),
        ("https://client.example/a#", "it holds a fragment"),
        ("https://@client.example/a", "it holds a user name or password"),
        ("https://client.example", "it has no path"),
    ] {
        let told = Documents::url(&id(given), false);
        assert_eq!(told, Err(DocumentFault::NotAUrl(why)), "the maker of the client learns what to mend");
    }
    assert!(Documents::url(&id("http://127.0.0.1:8000/a"), true).is_ok());
    assert!(Documents::url(&id("http://client.example/a"), true).is_err());
}

#[tokio::test]
async fn c01_a_malformed_url_is_never_fetched() {
    let (site, world) = (Site::start().await, World::new());
    for path in ["", "/", "/a/../b", "/%2e/b", "/b#x"] {
        assert!(matches!(world.client(&site.id(path)).await, Err(DocumentFault::NotAUrl(_))), "{path}");
    }
    assert_eq!(site.hits(), 0);
}

#[tokio::test]
async fn t_cimd_a_good_document_is_a_client() {
    let (site, world) = (Site::start().await, World::new());
    site.answers(
        "/editor.json",
        "200 OK\r\ncontent-type: application/json; charset=utf-8",
        &format!(
            r#"{{"client_id":"{}","client_name":"Visual Studio Code","client_uri":"https://editor.example","logo_uri":"https://editor.example/l.png",
                "grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],
                "redirect_uris":["https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],
                "token_endpoint_auth_method":"none","token_endpoint_auth_methods_supported":["none","private_key_jwt"],"x":{{"y":[1,null]}}}}"#,
            site.url("/editor.json")
        ),
    );
    let client = world.client(&site.id("/editor.json")).await.unwrap();
    assert_eq!((client.origin, client.enabled, client.secret), (Origin::Document, true, None));
    assert_eq!(client.metadata.name, "Visual Studio Code");
    assert_eq!(client.metadata.auth_method, AuthMethod::None);
    assert_eq!(client.created_at, world.now());
}

#[tokio::test]
async fn c02_the_document_names_the_very_url_it_came_from() {
    let (site, world) = (Site::start().await, World::new());
    for (name, path, named) in [
        ("another", "/a", site.url("/b")),
        ("a slash more", "/c", site.url("/c/")),
        ("another case", "/d", site.url("/D")),
        ("a query more", "/e", site.url("/e?")),
        ("empty", "/f", String::new()),
    ] {
        let body =
            format!(r#"{{"client_id":"{named}","client_name":"N","redirect_uris":["http://127.0.0.1/"]}}"#);
        site.serves(path, &body);
        assert_eq!(world.client(&site.id(path)).await, Err(DocumentFault::Mismatch), "{name}");
    }
}

#[tokio::test]
async fn c03_c10_only_200_counts_and_no_redirect_is_followed() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/good", "");
    for (path, status) in
        [("/r1", 301), ("/r2", 302), ("/r7", 307), ("/r8", 308), ("/n", 404), ("/s", 503), ("/c", 204)]
    {
        let head = format!("{status} X\r\nlocation: {}\r\ncontent-type: application/json", site.url("/good"));
        site.answers(path, &head, "");
        let expected = DocumentFault::Fetch(FetchError::Status(status));
        assert_eq!(world.client(&site.id(path)).await, Err(expected), "{status}");
    }
    assert_eq!(site.hits(), 7, "the place a redirect names is not asked");
}

#[tokio::test]
async fn c04_each_required_member_is_missed_and_other_types_are_refused() {
    let site = Site::start().await;
    let at = |path: &str| format!(r#""client_id":"{}""#, site.url(path));
    let (name, uris) = (r#""client_name":"N""#, r#""redirect_uris":["http://127.0.0.1/"]"#);
    for (path, body) in [
        ("/1", format!("{{{name},{uris}}}")),
        ("/2", format!("{{{},{uris}}}", at("/2"))),
        ("/3", format!("{{{},{name}}}", at("/3"))),
        ("/4", format!("{{{},{uris},\"client_name\":\" \"}}", at("/4"))),
        ("/5", format!("{{{},{name},\"redirect_uris\":[]}}", at("/5"))),
        ("/6", format!("{{{},{name},\"redirect_uris\":[\"http://evil.example/\"]}}", at("/6"))),
        ("/7", format!("[{{{},{name},{uris}}}]", at("/7"))),
        ("/8", format!("{{{},{name},{uris},{name}}}", at("/8"))),
        ("/9", format!("{{{},{name},{uris}}} x", at("/9"))),
        ("/10", String::new()),
        ("/11", format!("{{{},{uris},\"client_name\":7}}", at("/11"))),
        ("/12", format!("{{\"client_id\":7,{name},{uris}}}")),
    ] {
        site.serves(path, &body);
        let got = World::new().client(&site.id(path)).await;
        assert!(
            matches!(got, Err(DocumentFault::Invalid(_) | DocumentFault::Metadata(_))),
            "{path}: {got:?}"
        );
    }
    let whole = |path: &str| format!("{{{},{name},{uris}}}", at(path));
    let world = World::new();
    site.answers("/html", "200 OK\r\ncontent-type: text/html", &whole("/html"));
    site.answers("/json", "200 OK\r\ncontent-type: application/client-metadata+json", &whole("/json"));
    let refused = Err(DocumentFault::Fetch(FetchError::MediaType));
    assert_eq!(world.client(&site.id("/html")).await, refused);
    assert!(world.client(&site.id("/json")).await.is_ok());
}

#[tokio::test]
async fn c05_no_document_holds_a_secret() {
    let site = Site::start().await;
    for (path, members) in [
        ("/secret", r#""client_secret":"hush","#),
        ("/null", r#""client_secret":null,"#),
        ("/expires", r#""client_secret_expires_at":0,"#),
        ("/basic", r#""token_endpoint_auth_method":"client_secret_basic","#),
        ("/post", r#""token_endpoint_auth_method":"client_secret_post","#),
        ("/hmac", r#""token_endpoint_auth_method":"client_secret_jwt","#),
        ("/ec", r#""jwks":{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}]},"#),
        (
            "/rsa",
            r#""jwks":{"keys":[{"kty":"RSA","n":"AA","e":"AQAB"},{"kty":"RSA","n":"AA","e":"AQAB","qi":"AA"}]},"#,
        ),
        ("/oct", r#""jwks":{"keys":[{"kty":"oct","k":"AA"}]},"#),
        (
            "/both",
            r#""token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]},"jwks_uri":"https://client.example/keys","#,
        ),
        ("/none", r#""token_endpoint_auth_method":"private_key_jwt","#),
        ("/empty", r#""token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]},"#),
        (
            "/plain",
            r#""token_endpoint_auth_method":"private_key_jwt","jwks_uri":"http://client.example/keys","#,
        ),
        ("/file", r#""token_endpoint_auth_method":"private_key_jwt","jwks_uri":"file:///etc/passwd","#),
    ] {
        site.serves_client(path, members);
        let got = World::new().client(&site.id(path)).await;
        assert!(
            matches!(got, Err(DocumentFault::Invalid(_) | DocumentFault::Metadata(_))),
            "{path}: {got:?}"
        );
        let told = format!("{} {}", got.as_ref().unwrap_err(), got.as_ref().unwrap_err().why());
        assert!(!told.contains("hush"), "a fault echoes nothing");
    }
    site.serves_client("/free", "");
    let free = World::new().client(&site.id("/free")).await.unwrap();
    assert_eq!(free.metadata.auth_method, AuthMethod::None, "what an absent method means here");
}

#[tokio::test]
async fn c06_redirects_match_the_document_but_for_a_loopback_port() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/a", "");
    let client = world.client(&site.id("/a")).await.unwrap();
    let admits = |uri: &str| client.metadata.redirect_uris.iter().any(|known| known.admits(uri));
    assert!(admits("http://127.0.0.1:9999/cb"));
    for uri in ["http://127.0.0.1:9999/other", "http://localhost:9999/cb", "https://127.0.0.1/cb"] {
        assert!(!admits(uri), "{uri}");
    }
}

#[tokio::test]
async fn c07_t_ssrf_documents_of_special_use_addresses_are_not_asked_for() {
    let world = World::with(false);
    let site = Site::start().await;
    let port = site.origin.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "0.0.0.0"] {
        let got = world.client(&id(&format!("https://{host}/a"))).await;
        assert!(matches!(got, Err(DocumentFault::Fetch(FetchError::Address(_)))), "{host}: {got:?}");
        let got = world.client(&id(&format!("http://{host}:{port}/a"))).await;
        assert!(matches!(got, Err(DocumentFault::NotAUrl(_))), "{host}: {got:?}");
    }
    assert_eq!(site.hits(), 0);
}

#[tokio::test]
async fn c08_a_document_beyond_its_cap_is_refused() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/big", &format!(r#""x":"{}","#, "a".repeat(1 << 20)));
    assert_eq!(world.client(&site.id("/big")).await, Err(DocumentFault::Fetch(FetchError::TooLarge)));
}

#[tokio::test]
async fn c09_freshness_stays_within_our_bounds() {
    for (told, least, most) in [
        ("", DOCUMENT_FRESH_LEAST, DOCUMENT_FRESH_LEAST),
        ("cache-control: no-store\r\n", DOCUMENT_FRESH_LEAST, DOCUMENT_FRESH_LEAST),
        ("cache-control: max-age=1\r\n", DOCUMENT_FRESH_LEAST, DOCUMENT_FRESH_LEAST),
        ("cache-control: max-age=3600\r\n", Duration::from_secs(3600), Duration::from_secs(3600)),
        ("cache-control: max-age=99999999\r\n", DOCUMENT_FRESH_MOST, DOCUMENT_FRESH_MOST),
    ] {
        let (site, world) = (Site::start().await, World::new());
        let body = format!(
            r#"{{"client_id":"{}","client_name":"N","redirect_uris":["http://127.0.0.1/"]}}"#,
            site.url("/a")
        );
        site.answers("/a", &format!("200 OK\r\n{told}content-type: application/json"), &body);
        assert!(world.client(&site.id("/a")).await.is_ok());
        world.clock.pass(least - Duration::from_millis(1));
        assert!(world.client(&site.id("/a")).await.is_ok());
        assert_eq!(site.hits(), 1, "{told}: still fresh");
        world.clock.pass(Duration::from_millis(1) + (most - least));
        assert!(world.client(&site.id("/a")).await.is_ok());
        assert_eq!(site.hits(), 2, "{told}: fetched again");
    }
}

#[tokio::test]
async fn c09_errors_and_invalid_documents_are_never_the_client() {
    let (site, world) = (Site::start().await, World::new());
    site.answers("/a", "500 Oh", "");
    site.serves("/a", "{}");
    site.serves_client("/a", "");
    assert_eq!(world.client(&site.id("/a")).await, Err(DocumentFault::Fetch(FetchError::Status(500))));
    assert!(matches!(world.client(&site.id("/a")).await, Err(DocumentFault::Invalid(_))));
    assert!(world.client(&site.id("/a")).await.is_ok());
    assert_eq!(site.hits(), 3);
}

#[tokio::test]
async fn c09_a_stale_document_does_not_stand_in_for_one_that_cannot_be_had() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/a", "");
    site.answers("/a", "500 Oh", "");
    assert!(world.client(&site.id("/a")).await.is_ok());
    world.clock.pass(DOCUMENT_FRESH_LEAST);
    assert_eq!(world.client(&site.id("/a")).await, Err(DocumentFault::Fetch(FetchError::Status(500))));
}

#[tokio::test]
async fn c11_a_client_that_says_private_key_jwt_is_held_to_it() {
    let (site, world) = (Site::start().await, World::new());
    let uri = site.url("/keys");
    let members = format!(r#""token_endpoint_auth_method":"private_key_jwt","jwks_uri":"{uri}","#);
    site.serves_client("/a", &members);
    let client = world.client(&site.id("/a")).await.unwrap();
    assert_eq!(client.metadata.auth_method, AuthMethod::PrivateKeyJwt);
    let shown = prove(Some(&client), &ClientProof::Public, false);
    assert_eq!(shown.err(), Some(Refusal::MethodMismatch));
    assert_eq!(Refusal::MethodMismatch.code().as_str(), "invalid_client");
}

#[tokio::test]
async fn c13_s06_the_domain_is_the_documents_and_says_nothing_of_the_redirect() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/a", "");
    let mut client = world.client(&site.id("/a")).await.unwrap();
    for (document, domain) in [
        ("https://client.example/a", "client.example"),
        ("https://xn--bcher-kva.example/a", "xn--bcher-kva.example"),
    ] {
        client.id = id(document);
        assert_eq!(verified_domain(&client).as_deref(), Some(domain));
    }
    client.id = id("https://client.example/a");
    for (redirect, expected) in [
        ("https://client.example/cb", true),
        ("https://client.example:8443/cb", false),
        ("https://app.client.example/cb", false),
        ("https://evil.example/cb", false),
        ("https://client.example.evil.example/cb", false),
        ("http://127.0.0.1:1/cb", true),
        ("http://[::1]/cb", true),
        ("cursor://cb", false),
    ] {
        let redirect = RedirectUri::from_row(redirect.to_owned());
        assert_eq!(same_origin_or_loopback(&client, &redirect), expected, "{redirect}");
    }
    client.origin = Origin::Registered;
    assert_eq!(
        verified_domain(&client),
        None,
        "a registered client has no domain, whatever its id looks like"
    );
    assert!(!same_origin_or_loopback(&client, &RedirectUri::from_row("https://client.example/cb".into())));
}

#[tokio::test]
async fn c15_a_burst_from_one_source_is_throttled_and_others_are_not() {
    let (site, world) = (Site::start().await, World::new());
    let burst = FETCHES_PER_SOURCE.burst as usize;
    for n in 0..burst + 5 {
        let got = world.client(&site.id(&format!("/{n}"))).await;
        let expected =
            if n < burst { DocumentFault::Fetch(FetchError::Status(404)) } else { DocumentFault::Throttled };
        assert_eq!(got, Err(expected), "{n}");
    }
    assert_eq!(site.hits(), burst);
    site.serves_client("/a", "");
    let elsewhere = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    assert!(world.documents.client(&site.id("/a"), elsewhere, &Lifetimes::default()).await.is_ok());
    assert!(world.client(&site.id("/a")).await.is_ok(), "what is known costs no fetch");
    world.clock.pass(FETCHES_PER_SOURCE.refill);
    assert_eq!(world.client(&site.id("/x")).await, Err(DocumentFault::Fetch(FetchError::Status(404))));
}

#[tokio::test]
async fn c15_many_sources_cannot_flood_a_host_nor_hide_a_client_that_is_known() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/a", "");
    assert!(world.client(&site.id("/a")).await.is_ok());
    let lifetimes = Lifetimes::default();
    for n in 0..100_u8 {
        let source = IpAddr::V4(Ipv4Addr::new(203, 0, 113, n));
        let path = format!("/{n}");
        assert!(world.documents.client(&site.id(&path), source, &lifetimes).await.is_err());
    }
    assert_eq!(site.hits(), FETCHES_PER_HOST.burst as usize);
    world.clock.pass(DOCUMENT_FRESH_LEAST);
    for n in 0..100_u8 {
        let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, n));
        let path = format!("/{n}");
        assert!(world.documents.client(&site.id(&path), source, &lifetimes).await.is_err());
    }
    assert!(world.client(&site.id("/a")).await.is_ok(), "stale, and fetched on its own allowance");
}

#[tokio::test]
async fn c15_after_a_restart_a_flooded_host_does_not_hide_a_client_that_has_a_row() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/a", "");
    let lifetimes = Lifetimes::default();
    for n in 0..100_u8 {
        let source = IpAddr::V4(Ipv4Addr::new(203, 0, 113, n));
        assert!(world.documents.client(&site.id(&format!("/{n}")), source, &lifetimes).await.is_err());
    }
    let id = site.id("/a");
    let of = |has_row| world.documents.client_with(&id, has_row, super::testsite::SOURCE, &lifetimes);
    assert_eq!(of(false).await, Err(DocumentFault::Throttled));
    assert!(of(true).await.is_ok());
}

#[tokio::test]
async fn c15_those_who_ask_at_once_share_one_fetch_and_its_failure() {
    let (site, world) = (Site::closed().await, World::new());
    site.answers("/a", "500 Oh", "");
    site.serves_client("/a", "");
    let a = site.id("/a");
    let opening = async {
        while site.hits() == 0 {
            tokio::task::yield_now().await;
        }
        site.open();
    };
    let (one, two, three, ()) = tokio::join!(world.client(&a), world.client(&a), world.client(&a), opening);
    let failed = Err(DocumentFault::Fetch(FetchError::Status(500)));
    assert_eq!((one, two, three), (failed.clone(), failed.clone(), failed));
    assert_eq!(site.hits(), 1);
    let (one, two) = tokio::join!(world.client(&a), world.client(&a));
    assert!(one.is_ok() && two.is_ok(), "a failure is told once and forgotten");
    assert_eq!(site.hits(), 2);
}

#[tokio::test]
async fn c15_a_caller_that_goes_away_leaves_nothing_behind() {
    let (site, world) = (Site::closed().await, World::new());
    site.serves_client("/a", "");
    let a = site.id("/a");
    tokio::select! {
        got = world.client(&a) => panic!("the site is closed: {got:?}"),
        () = async { while site.hits() == 0 { tokio::task::yield_now().await } } => {}
    }
    site.open();
    assert!(world.client(&a).await.is_ok());
    assert_eq!(site.hits(), 2);
}

#[tokio::test]
async fn c16_a_changed_document_counts_once_the_old_one_is_stale_and_its_grants_are_honoured() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/a", r#""grant_types":["authorization_code"],"#);
    let body = format!(
        r#"{{"client_id":"{}","client_name":"Notebook","redirect_uris":["https://client.example/cb"]}}"#,
        site.url("/a")
    );
    site.serves("/a", &body);
    let old = world.client(&site.id("/a")).await.unwrap().metadata;
    assert!(!old.may_use(GrantType::RefreshToken));
    assert_eq!(world.client(&site.id("/a")).await.unwrap().metadata, old);
    world.clock.pass(DOCUMENT_FRESH_LEAST);
    let new = world.client(&site.id("/a")).await.unwrap().metadata;
    assert!(new.may_use(GrantType::RefreshToken));
    assert!(!new.redirect_uris.iter().any(|uri| uri.admits("http://127.0.0.1/cb")));
    assert_eq!(drift(&old, &new), ["redirect_uris"]);
}

#[tokio::test]
async fn t_cimd_drift_names_what_a_person_must_be_asked_again_about() {
    let (site, world) = (Site::start().await, World::new());
    site.serves_client("/a", "");
    let old = world.client(&site.id("/a")).await.unwrap().metadata;
    let uri = |text: &str| RedirectUri::from_row(text.to_owned());
    let mut same = old.clone();
    same.redirect_uris = vec![uri("http://127.0.0.1:7/cb"), uri("http://127.0.0.1/cb")];
    same.client_uri = Some("https://client.example".to_owned());
    assert_eq!(drift(&old, &same), [""; 0], "a loopback port and a link are nothing to ask about");
    let mut name = old.clone();
    name.name = "Other".to_owned();
    let mut redirect = old.clone();
    redirect.redirect_uris.push(uri("https://evil.example/cb"));
    let mut keys = old.clone();
    keys.auth_method = AuthMethod::PrivateKeyJwt;
    keys.jwks = Some("{}".to_owned());
    let mut place = old.clone();
    place.jwks_uri = Some("https://client.example/keys".to_owned());
    for (new, expected) in [
        (&name, vec!["client_name"]),
        (&redirect, vec!["redirect_uris"]),
        (&keys, vec!["token_endpoint_auth_method", "jwks"]),
        (&place, vec!["jwks_uri"]),
    ] {
        assert_eq!(drift(&old, new), expected);
    }
}
