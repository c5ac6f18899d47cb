//! Asking: forms, bearers, answers of any status, and hosts on private networks.

use url::Url;

use super::internet::{Answer, Internet, NAME, PUBLIC, Step, reply, send};
use crate::{Ask, FetchError, Limits, Reach};

const JSON: &str = "content-type: application/json";
const TOKEN: &str = "https://client.example/token";

async fn ask(internet: &Internet, ask: &Ask) -> Result<crate::Answer, FetchError> {
    internet.fetcher().ask(&Url::parse(TOKEN).unwrap(), ask, Limits::METADATA).await
}

#[tokio::test(start_paused = true)]
async fn t_outbound_a_form_is_posted_with_its_length_and_who_asks() {
    let internet = Internet::of(reply(&format!("200 OK\r\n{JSON}"), "{}"));
    let form = Ask::form("grant_type=authorization_code&code=x".to_owned());
    ask(&internet, &form.authorized("Basic eDp5").unwrap()).await.unwrap();
    let request = internet.requests().remove(0);
    assert!(request.starts_with("POST /token HTTP/1.1\r\nhost: client.example\r\n"), "{request}");
    for line in [
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-length: 36\r\n",
        "authorization: Basic eDp5\r\n",
        "accept: application/json\r\n",
        "connection: close\r\n",
    ] {
        assert!(request.contains(line), "{line} in {request}");
    }
}

#[tokio::test(start_paused = true)]
async fn t_outbound_a_bearer_goes_to_one_host_and_stays_out_of_debug() {
    let internet = Internet::of(reply(&format!("200 OK\r\n{JSON}"), "{\"secret\":1}"));
    let with = Ask::get().authorized("Bearer canary").unwrap();
    let answer = ask(&internet, &with).await.unwrap();
    assert!(internet.requests().remove(0).starts_with("GET /token HTTP/1.1\r\n"));
    let shown = format!("{with:?} {answer:?}");
    assert!(!shown.contains("canary") && !shown.contains("secret"), "{shown}");
    assert!(Ask::get().authorized("Bearer a\r\nx: y").is_none(), "no header can carry it");
}

#[tokio::test(start_paused = true)]
async fn rfc6749_5_2_a_refusal_is_read_and_a_redirect_never_followed() {
    for status in [200, 201, 400, 401, 403, 404, 429, 500, 503] {
        let internet = Internet::of(reply(&format!("{status} X\r\n{JSON}"), r#"{"error":"x"}"#));
        let answer = ask(&internet, &Ask::form(String::new())).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (status, &br#"{"error":"x"}"#[..]));
    }
    for status in [301, 302, 303, 307, 308] {
        let head = format!("{status} X\r\nlocation: https://evil.example/\r\n{JSON}");
        let internet = Internet::of(reply(&head, "{}"));
        let got = ask(&internet, &Ask::form("client_secret=x".to_owned())).await;
        assert_eq!((got, internet.dials().len()), (Err(FetchError::Status(status)), 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn t_outbound_the_bounds_of_a_document_hold_for_an_answer() {
    let page = |status: &str| reply(&format!("{status}\r\ncontent-type: text/html"), "<p>");
    for (name, steps, expected) in [
        ("a page", page("200 OK"), FetchError::MediaType),
        ("the page of a proxy", page("502 Bad Gateway"), FetchError::Status(502)),
        (
            "compressed",
            reply(&format!("400 X\r\n{JSON}\r\ncontent-encoding: gzip"), "{}"),
            FetchError::Encoding,
        ),
        (
            "without end",
            vec![send(format!("HTTP/1.1 400 X\r\n{JSON}\r\n\r\n")), Step::Flood(b"x".repeat(1024))],
            FetchError::TooLarge,
        ),
        ("never a byte", vec![Step::Hold], FetchError::Timeout),
    ] {
        let internet = Internet::of(steps);
        assert_eq!(ask(&internet, &Ask::form(String::new())).await, Err(expected), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn t_ssrf_a_private_network_is_reached_only_where_it_was_said_and_never_credentials() {
    const NEVER: &[&str] = &[
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "::ffff:10.0.0.7",
        "64:ff9b::10.0.0.7",
        "2002:a00:7::1",
        "ff02::1",
    ];
    const PRIVATE: &[&str] =
        &["10.0.0.7", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1", "fd00::7"];
    let url = Url::parse("https://client.example/x").unwrap();
    for (addresses, is_private) in [(NEVER, false), (PRIVATE, true)] {
        for address in addresses {
            for with in [vec![*address], vec![PUBLIC, *address], vec!["10.0.0.9", *address]] {
                let internet = Internet::new().name(NAME, &with);
                let fetcher = internet.fetcher();
                let strict = fetcher.fetch(&url, Limits::METADATA).await;
                assert!(matches!(strict, Err(FetchError::Address(_))), "{with:?}: {strict:?}");
                assert!(internet.dials().is_empty(), "{with:?}");
                let got = fetcher.clone().reaching(Reach::PrivateNetwork).fetch(&url, Limits::METADATA).await;
                if is_private {
                    assert_eq!(
                        got,
                        Err(FetchError::Connect),
                        "{with:?}: it was dialled, and nobody is there"
                    );
                } else {
                    assert!(matches!(got, Err(FetchError::Address(_))), "{with:?}: {got:?}");
                    assert!(internet.dials().is_empty(), "{with:?}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t_ssrf_on_a_private_network_tls_is_needed_and_the_certificate_counts() {
    let site = |address: &str| {
        Internet::new()
            .name(NAME, &[address])
            .host(address, Answer::Tls(reply(&format!("200 OK\r\n{JSON}"), "{}")))
    };
    let url = |text: &str| Url::parse(text).unwrap();
    let internet = site("10.0.0.7");
    let near = internet.fetcher().reaching(Reach::PrivateNetwork);
    assert!(near.fetch(&url("https://client.example/x"), Limits::METADATA).await.is_ok());
    let plain = near.fetch(&url("http://client.example/x"), Limits::METADATA).await;
    assert_eq!(plain, Err(FetchError::Scheme));
    let other_name = near.fetch(&url("https://10.0.0.7/x"), Limits::METADATA).await;
    assert_eq!(other_name, Err(FetchError::Tls), "the certificate is for a name");
    let other_port = near.fetch(&url("https://client.example:8443/x"), Limits::METADATA).await;
    assert_eq!(other_port, Err(FetchError::Connect), "another port is dialled");
    assert_eq!(internet.dials().last().map(String::as_str), Some("10.0.0.7:8443"));
}
