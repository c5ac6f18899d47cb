//! Addresses nobody may reach, in every spelling a URL parser takes, and the names that resolve to them.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::Url;

use super::internet::{Answer, Internet, NAME, PAGE, PUBLIC, reply};
use crate::address::{v4_edges, v6_edges};
use crate::{FetchError, Limits, Loopback, Settings, special_use};

const JSON: &str = "200 OK\r\ncontent-type: application/json";

/// Every way to write an IPv4 address in a URL's host, those that hide it in an IPv6 address included.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let bits = address.to_bits();
    let (low24, low16) = (bits & 0xff_ffff, bits & 0xffff);
    let (high, low) = (bits >> 16, low16);
    let escaped = address.to_string().bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02x}");
        text
    });
    let wide: String = address
        .to_string()
        .chars()
        .map(|c| if c == '.' { '\u{3002}' } else { char::from_u32(u32::from(c) + 0xfee0).unwrap() })
        .collect();
    let circled: String = address
        .to_string()
        .chars()
        .map(|c| match c {
            '0' => '\u{24ea}',
            '1'..='9' => char::from_u32(u32::from(c) - u32::from('1') + 0x2460).unwrap(),
            other => other,
        })
        .collect();
    vec![
        address.to_string(),
        format!("{address}."),
        format!("{bits}"),
        format!("{bits:#x}"),
        format!("{bits:#X}"),
        format!("0{bits:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("{a:#06x}.{b:#06x}.{c:#06x}.{d:#06x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("000{a:o}.000{b:o}.000{c:o}.000{d:o}"),
        format!("{a:#x}.{b}.0{c:o}.{d}"),
        format!("{a}.{low24}"),
        format!("{a:#x}.{low24:#x}"),
        format!("{a}.{b}.{low16}"),
        format!("0{a:o}.0{b:o}.{low16:#x}"),
        escaped,
        wide,
        circled,
        format!("[::ffff:{address}]"),
        format!("[::FFFF:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:ffff:{high:04x}:{low:04x}]"),
        format!("[::{address}]"),
        format!("[64:ff9b::{address}]"),
        format!("[64:ff9b:1::{address}]"),
        format!("[64:ff9b:1:{high:x}:{:x}:{:x}00::]", low >> 8, low & 0xff),
        format!("[2002:{high:x}:{low:x}::1]"),
        format!("[2001:0:{high:x}:{low:x}::]"),
        format!("[2001::{:x}:{:x}]", high ^ 0xffff, low ^ 0xffff),
        format!("[fe80::5efe:{address}]"),
    ]
}

fn middle(first: u32, last: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(first + (last - first) / 2)
}

#[tokio::test(start_paused = true)]
async fn t_ssrf_every_encoding_of_every_block_is_refused() {
    let internet = Internet::new();
    let fetcher = internet.fetcher();
    let mut corpus = Vec::new();
    for (first, last) in v4_edges() {
        for address in [first, middle(first.to_bits(), last.to_bits()), last] {
            corpus.extend(spellings(address));
        }
    }
    for (first, last) in v6_edges() {
        let middle = Ipv6Addr::from_bits(first.to_bits() + (last.to_bits() - first.to_bits()) / 2);
        for address in [first, middle, last] {
            corpus.push(format!("[{address}]"));
            corpus.push(format!("[{}]", address.segments().map(|part| format!("{part:04X}")).join(":")));
        }
    }
    corpus.sort();
    corpus.dedup();
    assert!(corpus.len() >= 300, "{} addresses", corpus.len());
    let mut judged = 0;
    for host in corpus {
        // What the parser refuses can reach nothing; what it takes must be refused by the check, not by chance.
        let Ok(url) = Url::parse(&format!("https://{host}/x")) else { continue };
        judged += 1;
        let got = fetcher.fetch(&url, Limits::METADATA).await;
        assert!(matches!(got, Err(FetchError::Address(_))), "{host}: {got:?}");
        for scheme in ["http", "ftp", "file", "gopher", "ws"] {
            let Ok(url) = Url::parse(&format!("{scheme}://{host}/x")) else { continue };
            assert_eq!(
                fetcher.fetch(&url, Limits::METADATA).await,
                Err(FetchError::Scheme),
                "{scheme} {host}"
            );
        }
    }
    assert!(judged >= 300, "{judged} reached the check");
    assert_eq!((internet.lookups(), internet.dials().len()), (0, 0));
}

#[test]
fn t_ssrf_the_neighbours_of_every_block_are_public_or_in_another_block() {
    let blocks: Vec<_> = v4_edges().collect();
    let inside = |address: Ipv4Addr| blocks.iter().any(|(first, last)| (*first..=*last).contains(&address));
    for (first, last) in &blocks {
        let before = first.to_bits().checked_sub(1).map(Ipv4Addr::from_bits);
        let after = last.to_bits().checked_add(1).map(Ipv4Addr::from_bits);
        for neighbour in before.into_iter().chain(after) {
            assert_eq!(special_use(neighbour.into()).is_some(), inside(neighbour), "{neighbour}");
        }
    }
}

#[test]
fn rfc6890_blocks_are_known_by_name_and_public_addresses_are_none_of_them() {
    for (given, expected) in [
        ("8.8.8.8", None),
        ("1.1.1.1", None),
        ("93.184.215.14", None),
        ("172.32.0.0", None),
        ("100.128.0.0", None),
        ("192.0.1.0", None),
        ("168.63.129.17", None),
        ("2606:4700:4700::1111", None),
        ("2001:4860:4860::8888", None),
        ("2001:200::1", None),
        ("2a00:1450::1", None),
        ("3ffe::1", None),
        ("0.0.0.0", Some("0.0.0.0/8")),
        ("10.255.255.255", Some("10.0.0.0/8")),
        ("100.100.100.200", Some("100.64.0.0/10")),
        ("127.0.0.53", Some("127.0.0.0/8")),
        ("168.63.129.16", Some("168.63.129.16")),
        ("169.254.169.254", Some("169.254.0.0/16")),
        ("172.31.255.255", Some("172.16.0.0/12")),
        ("192.0.0.192", Some("192.0.0.0/24")),
        ("192.168.1.1", Some("192.168.0.0/16")),
        ("198.19.255.255", Some("198.18.0.0/15")),
        ("239.255.255.250", Some("224.0.0.0/4")),
        ("255.255.255.255", Some("255.255.255.255")),
        ("::", Some("::,")),
        ("::1", Some("::1,")),
        ("::2", Some("::/96")),
        ("::ffff:8.8.8.8", Some("::ffff:0:0/96")),
        ("::ffff:0:127.0.0.1", Some("outside 2000::/3")),
        ("64:ff9b::8.8.8.8", Some("64:ff9b::/96")),
        ("64:ff9b:1::1", Some("64:ff9b:1::/48")),
        ("64:ff9b:2::1", Some("outside 2000::/3")),
        ("100::1", Some("100::/64")),
        ("2001:0:1::1", Some("2001::/32")),
        ("2001:10::1", Some("2001::/23")),
        ("2001:1ff::1", Some("2001::/23")),
        ("2001:db8::1", Some("2001:db8::/32")),
        ("2002:7f00:1::", Some("2002::/16")),
        ("3fff:fff::1", Some("3fff::/20")),
        ("4000::", Some("outside 2000::/3")),
        ("5f00::1", Some("5f00::/16")),
        ("fd00:ec2::254", Some("fc00::/7")),
        ("fe80::1", Some("fe80::/10")),
        ("fec0::1", Some("fec0::/10")),
        ("ff02::1", Some("ff00::/8")),
    ] {
        let block = special_use(given.parse().unwrap()).map(|block| block.to_string());
        match expected {
            None => assert_eq!(block, None, "{given}"),
            Some(start) => {
                assert!(block.as_ref().is_some_and(|text| text.starts_with(start)), "{given}: {block:?}")
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c07_a_name_is_refused_when_any_of_its_addresses_is_special() {
    for (name, addresses) in [
        ("loopback", &["127.0.0.1"][..]),
        ("private", &["10.0.0.7"]),
        ("cloud metadata", &["169.254.169.254"]),
        ("unspecified", &["0.0.0.0"]),
        ("v6 loopback", &["::1"]),
        ("unique local", &["fd00::1"]),
        ("mapped", &["::ffff:127.0.0.1"]),
        ("NAT64", &["64:ff9b::7f00:1"]),
        ("mixed, public first", &[PUBLIC, "127.0.0.1"]),
        ("mixed, public last", &["::1", PUBLIC]),
        ("mixed, beyond those tried", &[PUBLIC, PUBLIC, PUBLIC, PUBLIC, PUBLIC, PUBLIC, "10.0.0.7"]),
    ] {
        let internet = Internet::new().name(NAME, addresses).host(PUBLIC, Answer::Tls(reply(JSON, "{}")));
        let got = internet.fetch().await;
        assert!(matches!(got, Err(FetchError::Address(_))), "{name}: {got:?}");
        assert_eq!((internet.lookups(), internet.dials()), (1, vec![]), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn t_ssrf_a_rebinding_name_is_dialled_only_where_it_was_checked() {
    let internet = Internet::of(reply(JSON, "{}")).name(NAME, &["127.0.0.1"]);
    let fetcher = internet.fetcher();
    let url = Url::parse(PAGE).unwrap();
    assert!(fetcher.fetch(&url, Limits::METADATA).await.is_ok());
    assert_eq!((internet.lookups(), internet.dials()), (1, vec![format!("{PUBLIC}:443")]));
    let again = fetcher.fetch(&url, Limits::METADATA).await;
    assert!(matches!(again, Err(FetchError::Address(_))), "{again:?}");
    assert_eq!((internet.lookups(), internet.dials().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn c07_names_without_an_address_are_not_found() {
    let internet = Internet::new().name(NAME, &[]);
    assert_eq!(internet.fetch().await, Err(FetchError::Resolve));
    assert!(internet.dials().is_empty());
}

#[tokio::test(start_paused = true)]
async fn c01_urls_of_a_bad_form_cause_no_look_up() {
    let internet = Internet::of(reply(JSON, "{}"));
    let fetcher = internet.fetcher();
    for (given, expected) in [
        ("http://client.example/x", FetchError::Scheme),
        ("ftp://client.example/x", FetchError::Scheme),
        ("file:///etc/passwd", FetchError::Scheme),
        ("data:application/json,{}", FetchError::Scheme),
        ("unix:/run/docker.sock", FetchError::Scheme),
        ("https://user@client.example/x", FetchError::Form),
        ("https://:secret@client.example/x", FetchError::Form),
        ("https://client.example@127.0.0.1/x", FetchError::Form),
        ("https://client.example/x#part", FetchError::Form),
        ("https://client.example/x#", FetchError::Form),
        ("https://client.example./x", FetchError::Host),
        ("https://client_*.example/x", FetchError::Host),
        ("https://client.example:80/x", FetchError::Port),
        ("https://client.example:8443/x", FetchError::Port),
        ("https://client.example:0/x", FetchError::Port),
        ("https://127.0.0.1:6379/x", FetchError::Port),
    ] {
        let url = Url::parse(given).unwrap();
        assert_eq!(fetcher.fetch(&url, Limits::METADATA).await, Err(expected), "{given}");
    }
    assert_eq!((internet.lookups(), internet.dials().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn c07_the_loopback_switch_opens_loopback_alone() {
    let settings = Settings { extra_roots: vec![], loopback: Loopback::AllowPlainAndTls };
    for (name, url, addresses, expected) in [
        ("private", "http://client.example/x", &["10.0.0.7"][..], None),
        ("link local", "http://client.example:8080/x", &["169.254.169.254"], None),
        ("mapped loopback", "http://client.example/x", &["::ffff:127.0.0.1"], None),
        ("loopback and public", "http://client.example/x", &["127.0.0.1", PUBLIC], None),
        ("loopback and private", "http://client.example/x", &["127.0.0.1", "10.0.0.7"], None),
        ("plain, public", "http://client.example/x", &[PUBLIC], Some(FetchError::Scheme)),
        ("other port, public", "https://client.example:8443/x", &[PUBLIC], Some(FetchError::Port)),
    ] {
        let internet = Internet::new().name(NAME, addresses);
        let got =
            internet.fetcher_with(settings.clone()).fetch(&Url::parse(url).unwrap(), Limits::METADATA).await;
        match expected {
            Some(error) => assert_eq!(got, Err(error), "{name}"),
            None => assert!(matches!(got, Err(FetchError::Address(_))), "{name}: {got:?}"),
        }
        assert!(internet.dials().is_empty(), "{name}");
    }
}
