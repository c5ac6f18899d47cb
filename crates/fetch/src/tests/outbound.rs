//! What is sent, and which answers become a document.

use std::time::Duration;

use url::Url;

use super::internet::{Answer, Internet, NAME, PAGE, PUBLIC, Step, reply, send};
use crate::{FetchError, Limits, Settings};

const JSON: &str = "200 OK\r\ncontent-type: application/json";

#[tokio::test(start_paused = true)]
async fn c09_a_whole_document_comes_with_its_type_and_freshness() {
    let internet = Internet::of(reply(
        &format!("{JSON}; charset=utf-8\r\ncache-control: max-age=600"),
        r#"{"client_id":"x"}"#,
    ));
    let document = internet.fetch().await.unwrap();
    assert_eq!(document.media_type, "application/json");
    assert_eq!(&document.body[..], br#"{"client_id":"x"}"#);
    assert_eq!(document.fresh_for, Some(Duration::from_secs(600)));
    assert_eq!(internet.dials(), [format!("{PUBLIC}:443")]);
}

#[tokio::test(start_paused = true)]
async fn t_outbound_the_request_is_one_plain_get() {
    let internet = Internet::of(reply(JSON, "{}"));
    let url = Url::parse("https://client.example:443/a%20b/c.json?x=1&y=%2F").unwrap();
    internet.fetcher().fetch(&url, Limits::METADATA).await.unwrap();
    let expected = "GET /a%20b/c.json?x=1&y=%2F HTTP/1.1\r\nhost: client.example\r\naccept: application/json\r\n\
                    user-agent: Portcullis\r\nconnection: close\r\n\r\n";
    assert_eq!(internet.requests(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn c03_only_200_counts_and_no_redirect_is_followed() {
    for status in [201, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 429, 500, 503] {
        let head =
            format!("{status} X\r\nlocation: https://client.example/other\r\ncontent-type: application/json");
        let internet = Internet::of(reply(&head, if matches!(status, 204 | 304) { "" } else { "{}" }));
        assert_eq!(internet.fetch().await, Err(FetchError::Status(status)), "{status}");
        assert_eq!(
            (internet.lookups(), internet.dials().len(), internet.requests().len()),
            (1, 1, 1),
            "{status}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn c09_a_failure_is_not_remembered() {
    let internet = Internet::of(reply("500 X", "")).name(NAME, &["93.184.215.15"]);
    let internet = internet.host("93.184.215.15", Answer::Tls(reply(JSON, "{}")));
    let fetcher = internet.fetcher();
    let url = Url::parse(PAGE).unwrap();
    assert_eq!(fetcher.fetch(&url, Limits::CLIENT_DOCUMENT).await, Err(FetchError::Status(500)));
    assert!(fetcher.fetch(&url, Limits::CLIENT_DOCUMENT).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn c08_a_body_beyond_its_cap_is_refused_whether_announced_or_not() {
    let cap = Limits::CLIENT_DOCUMENT.body;
    let chunked = format!("HTTP/1.1 {JSON}\r\ntransfer-encoding: chunked\r\n\r\n");
    let unending = format!("HTTP/1.1 {JSON}\r\n\r\n");
    let chunk = |length: usize| format!("{length:x}\r\n{}\r\n", "x".repeat(length));
    for (name, steps, expected) in [
        ("exactly the cap", reply(JSON, &"x".repeat(cap)), Ok(cap)),
        ("one byte more", reply(JSON, &"x".repeat(cap + 1)), Err(FetchError::TooLarge)),
        ("1 MB", reply(JSON, &"x".repeat(1 << 20)), Err(FetchError::TooLarge)),
        (
            "announced and never sent",
            vec![send(format!("HTTP/1.1 {JSON}\r\ncontent-length: 1048576\r\n\r\n")), Step::Hold],
            Err(FetchError::TooLarge),
        ),
        (
            "a chunk beyond the cap",
            vec![send(&chunked), send(chunk(cap + 1)), send("0\r\n\r\n")],
            Err(FetchError::TooLarge),
        ),
        (
            "no length, a byte beyond",
            vec![send(&unending), send("x".repeat(cap + 1))],
            Err(FetchError::TooLarge),
        ),
        ("chunks up to the cap", vec![send(&chunked), send(chunk(cap)), send("0\r\n\r\n")], Ok(cap)),
        (
            "chunks without end",
            vec![send(&chunked), Step::Flood(chunk(512).into())],
            Err(FetchError::TooLarge),
        ),
        ("no length, no end", vec![send(&unending), Step::Flood(vec![b'x'; 700])], Err(FetchError::TooLarge)),
        ("no length, closed", vec![send(&unending), send("{}")], Ok(2)),
        (
            "a chunk of every size, cut short",
            vec![send(&chunked), send("ffffffffffffffff\r\nx")],
            Err(FetchError::Protocol),
        ),
    ] {
        let got = Internet::of(steps).fetch().await.map(|document| document.body.len());
        assert_eq!(got, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn c08_a_length_that_lies_gives_no_more_than_it_said_and_no_half_documents() {
    let lie = |length: &str| vec![send(format!("HTTP/1.1 {JSON}\r\n{length}\r\n\r\n{{}}"))];
    for (name, length, expected) in [
        ("short of the truth", "content-length: 1", Ok(&b"{"[..])),
        ("beyond the truth", "content-length: 100", Err(FetchError::Protocol)),
        ("two that differ", "content-length: 2\r\ncontent-length: 3", Err(FetchError::Protocol)),
        ("negative", "content-length: -2", Err(FetchError::Protocol)),
        ("no number", "content-length: two", Err(FetchError::Protocol)),
        ("beyond u64", "content-length: 99999999999999999999999", Err(FetchError::Protocol)),
        ("chunks cut short", "transfer-encoding: chunked", Err(FetchError::Protocol)),
    ] {
        let got = Internet::of(lie(length)).fetch().await.map(|document| document.body);
        assert_eq!(got.as_deref(), expected.as_ref().copied(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn c08_a_header_beyond_its_caps_is_refused() {
    let many: String = (0..70).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(32 * 1024));
    for (name, steps) in [
        ("many lines", vec![send(format!("HTTP/1.1 {JSON}\r\n{many}content-length: 2\r\n\r\n{{}}"))]),
        ("a long line", vec![send(format!("HTTP/1.1 {JSON}\r\n{long}content-length: 2\r\n\r\n{{}}"))]),
        ("a line without end", vec![send("HTTP/1.1 200 OK\r\nx: "), Step::Flood(vec![b'y'; 1000])]),
        (
            "interim answers without end",
            vec![Step::Flood(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".into())],
        ),
    ] {
        assert_eq!(Internet::of(steps).fetch().await, Err(FetchError::TooLarge), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn t_outbound_an_encoded_body_is_refused() {
    for (name, line, expected) in [
        ("gzip", "content-encoding: gzip", Err(FetchError::Encoding)),
        (
            "brotli after identity",
            "content-encoding: identity\r\ncontent-encoding: br",
            Err(FetchError::Encoding),
        ),
        ("a list", "content-encoding: identity, gzip", Err(FetchError::Encoding)),
        ("identity", "content-encoding: Identity", Ok(2)),
    ] {
        let got = Internet::of(reply(&format!("{JSON}\r\n{line}"), "{}")).fetch().await;
        assert_eq!(got.map(|document| document.body.len()), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn c04_a_page_is_no_document() {
    for head in ["200 OK\r\ncontent-type: text/html", "200 OK"] {
        assert_eq!(Internet::of(reply(head, "{}")).fetch().await, Err(FetchError::MediaType), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn t_outbound_what_is_not_http_is_refused() {
    for (name, steps) in [
        ("another protocol", vec![send("SSH-2.0-x\r\n\r\n")]),
        ("no header at all", vec![send("{\"client_id\":1}\r\n\r\n")]),
        ("nothing", vec![]),
        ("half a status line", vec![send("HTTP/1.1 20")]),
        ("http/2 without asking", vec![send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]),
        (
            "switch of protocols",
            vec![send("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")],
        ),
    ] {
        let got = Internet::of(steps).fetch().await;
        assert!(matches!(got, Err(FetchError::Protocol | FetchError::Status(101))), "{name}: {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t_outbound_the_certificate_must_be_the_hosts_and_trusted() {
    let other = Internet::new().name("other.example", &[PUBLIC]).host(PUBLIC, Answer::Tls(reply(JSON, "{}")));
    let url = Url::parse("https://other.example/x").unwrap();
    assert_eq!(other.fetcher().fetch(&url, Limits::METADATA).await, Err(FetchError::Tls), "another name");
    let unknown = Internet::of(reply(JSON, "{}"));
    let fetcher = unknown.fetcher_with(Settings::default());
    let url = Url::parse(PAGE).unwrap();
    assert_eq!(fetcher.fetch(&url, Limits::METADATA).await, Err(FetchError::Tls), "unknown authority");
    let plain = Internet::new()
        .name(NAME, &[PUBLIC])
        .host(PUBLIC, Answer::Plain(b"HTTP/1.1 400 Bad Request\r\n\r\n".into()));
    assert_eq!(plain.fetch().await, Err(FetchError::Tls), "no TLS");
    for internet in [other, unknown, plain] {
        assert!(internet.requests().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn t_outbound_the_next_address_is_tried_when_one_does_not_answer() {
    let internet = Internet::new()
        .name(NAME, &["2606:4700::1", "2606:4700::2", PUBLIC])
        .host("2606:4700::1", Answer::Hang)
        .host(PUBLIC, Answer::Tls(reply(JSON, "{}")));
    assert!(internet.fetch().await.is_ok());
    assert_eq!(internet.dials(), ["[2606:4700::1]:443", "93.184.215.14:443"]);
}

#[tokio::test(start_paused = true)]
async fn t_outbound_a_name_with_many_addresses_is_no_way_to_scan() {
    let many: Vec<String> = (1..200).map(|n| format!("93.184.215.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let internet = Internet::new().name(NAME, &many);
    assert_eq!(internet.fetch().await, Err(FetchError::Connect));
    assert_eq!(internet.dials().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn t_outbound_no_error_text_repeats_what_the_far_side_said() {
    let internet = Internet::of(reply("418 canary-reason\r\nx: canary-header", "canary-body"));
    let error = internet.fetch().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    let inside = Internet::new().name(NAME, &["10.1.2.3"]).fetch().await.unwrap_err();
    assert!(!inside.to_string().contains("10."), "{inside}");
}
