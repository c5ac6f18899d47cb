//! What somebody from a provider is called here, and how an address is spelled.

use portcullis_wire::id::UserId;
use portcullis_wire::limit;
use portcullis_wire::text::displayable;

use super::Presented;
use crate::people::account_name;

/// An e-mail address in the one spelling in which addresses are compared: ASCII, in small letters, one `@`. Others are
/// none, since two that look alike must not be two people.
pub fn address(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic());
    let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let fits = text.len() <= limit::EMAIL
        && plain(local)
        && plain(domain)
        && domain.bytes().all(host)
        && !domain.starts_with('.')
        && !domain.ends_with('.');
    fits.then(|| text.to_ascii_lowercase())
}

/// Names for a new account, best first; the first that is free is taken. What the provider calls somebody is their own
/// claim: one that is taken is told apart by the verified address, or by what stands in no other name, and one that looks
/// like an address is used only if it is theirs.
pub fn names(presented: &Presented, provider: &str, new: UserId) -> Vec<String> {
    let claimed = presented.name.as_deref().map(|name| displayable(name, limit::ACCOUNT_NAME + 1));
    let own = |name: &String| !name.contains(['@', '＠', '﹫']) || presented.email.as_ref() == Some(name);
    let claimed = claimed.filter(own).filter(|name| account_name(name).is_ok());
    let mark = new.to_string();
    let mark: String = mark.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
    let suffixed = |name: &str, suffix: &str| {
        let room = limit::ACCOUNT_NAME.saturating_sub(suffix.chars().count() + 3);
        format!("{} ({suffix})", displayable(name, room))
    };
    let base = claimed.clone().unwrap_or_else(|| "Person".to_owned());
    let email = presented.email.as_deref();
    let all = [
        claimed.clone(),
        claimed.as_deref().zip(email).map(|(name, email)| suffixed(name, email)),
        email.map(str::to_owned),
        Some(suffixed(&base, &format!("{provider} {mark}"))),
    ];
    all.into_iter().flatten().filter_map(|name| account_name(&name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(name: Option<&str>, email: Option<&str>) -> Presented {
        Presented {
            issuer: "https://i.example".to_owned(),
            subject: "s".to_owned(),
            name: name.map(str::to_owned),
            email: email.map(str::to_owned),
            groups: None,
        }
    }

    #[test]
    fn t_link_an_address_has_one_spelling_or_is_none() {
        for (given, expected) in [
            ("Alex@Acme.Example", Some("alex@acme.example")),
            ("a.b+c@x-y.example", Some("a.b+c@x-y.example")),
            ("alex", None),
            ("@acme.example", None),
            ("alex@", None),
            ("alex@evil.example@acme.example", None),
            ("alex@acme.example ", None),
            ("al ex@acme.example", None),
            ("alex@acme.example\n", None),
            ("älex@acme.example", None),
            ("alex@аcme.example", None),
            ("alex@.example", None),
            ("alex@acme.example.", None),
        ] {
            assert_eq!(address(given).as_deref(), expected, "{given:?}");
        }
        let long = format!("{}@acme.example", "a".repeat(limit::EMAIL));
        assert_eq!(address(&long), None);
    }

    #[test]
    fn t_client_text_a_name_from_a_provider_hides_nothing_and_passes_for_nobodys_address() {
        let id = UserId::from_number(0xfeed);
        let first = |name, email| names(&presented(name, email), "acme", id).into_iter().next().unwrap();
        assert_eq!(first(Some("Alex\u{202e} Example"), None), "Alex Example");
        assert_eq!(first(Some("boss@acme.example"), Some("eve@acme.example")), "eve@acme.example");
        assert_eq!(first(Some("eve@acme.example"), Some("eve@acme.example")), "eve@acme.example");
        assert!(first(Some("\u{200b}"), None).starts_with("Person (acme "));
        assert!(first(None, None).starts_with("Person (acme "));
        let taken = names(&presented(Some("Alex"), Some("a@acme.example")), "acme", id);
        assert_eq!(taken[..3], ["Alex", "Alex (a@acme.example)", "a@acme.example"].map(str::to_owned));
        assert!(taken[3].starts_with("Alex (acme "));
        let long = names(&presented(Some(&"x".repeat(80)), Some("a@acme.example")), "acme", id);
        assert!(long.len() == 4 && long.iter().all(|name| account_name(name).as_ref() == Ok(name)));
        assert!(long[1].ends_with("… (a@acme.example)"), "{}", long[1]);
    }
}
