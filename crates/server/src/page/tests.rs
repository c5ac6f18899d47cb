//! What holds for every page.

use std::collections::HashSet;

use super::{all_samples, logo, stylesheet};

fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_sample_has_its_own_name() {
    let all = all_samples().unwrap();
    let names: HashSet<_> = all.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.len() >= 20);
}

#[test]
fn t_noscript_login_no_script_no_inline_style_nothing_from_elsewhere() {
    for (name, html) in all_samples().unwrap() {
        for word in [
            "<script",
            " style=",
            "<style",
            "<iframe",
            "<object",
            "<embed",
            "<base",
            "javascript:",
            "<img",
            "http-equiv",
        ] {
            // The page that says where the browser goes next, and takes it there.
            let is_leaving = word == "http-equiv" && name.starts_with("leaving");
            assert!(is_leaving || !html.contains(word), "{name}: {word}");
        }
        for tag in html.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            let names: String = tag.split('"').step_by(2).collect();
            assert!(!names.contains(" on"), "{name}: {tag}");
        }
        let known = [stylesheet().path.as_str(), logo().path.as_str(), "#main", "/", "/account", "/sign-in"];
        for href in attributes(&html, "href") {
            let to_question = href.strip_prefix("/approve?id=").is_some_and(|id| id.starts_with("apr_"));
            let leaves = name.starts_with("leaving") && href.starts_with("https://login.acme.example/");
            assert!(to_question || leaves || known.contains(&href), "{name}: {href}");
        }
        assert!(attributes(&html, "src").is_empty(), "{name}");
    }
}

#[test]
fn t_offline_render_forms_post_to_our_own_routes_with_a_ticket() {
    let known = [
        "/sign-in",
        "/sign-in/with",
        "/sign-in/test",
        "/setup",
        "/consent",
        "/approve",
        "/sign-out",
        "/account/revoke",
        "/account/rename",
        "/account/wanted",
        "/account/stop",
        "/account/password",
    ];
    for (name, html) in all_samples().unwrap() {
        for form in html.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next()) {
            let tag = form.split('>').next().unwrap();
            assert!(tag.contains(r#"method="post""#), "{name}: {tag}");
            assert!(attributes(tag, "action").iter().all(|action| known.contains(action)), "{name}: {tag}");
            assert_eq!(attributes(tag, "action").len(), 1, "{name}: {tag}");
            assert_eq!(form.matches(r#"name="ticket""#).count(), 1, "{name}: {tag}");
        }
    }
}

#[test]
fn every_page_has_language_title_skip_link_host_and_no_referrer() {
    for (name, html) in all_samples().unwrap() {
        for part in [
            r#"<html lang="en" dir="ltr">"#,
            r#"<meta name="referrer" content="no-referrer">"#,
            r#"<meta name="viewport" content="width=device-width, initial-scale=1">"#,
            r##"<a class="skip" href="#main">"##,
            r#"<main id="main""#,
            "You are on ",
            "· Portcullis</title>",
        ] {
            assert!(html.contains(part), "{name}: {part}");
        }
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
        assert!(!html.contains("<title> ·"), "{name}: empty title");
    }
}

#[test]
fn ids_are_single_and_every_reference_finds_one() {
    for (name, html) in all_samples().unwrap() {
        let ids = attributes(&html, "id");
        let set: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), set.len(), "{name}: {ids:?}");
        for kind in ["for", "aria-labelledby", "aria-describedby", "form"] {
            for target in attributes(&html, kind).iter().flat_map(|list| list.split(' ')) {
                assert!(set.contains(target), "{name}: {kind}={target}");
            }
        }
    }
}

#[test]
fn t_client_text_no_sample_holds_characters_that_turn_text_around() {
    for (name, html) in all_samples().unwrap() {
        let found = html
            .chars()
            .find(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'));
        assert_eq!(found, None, "{name}");
    }
}

/// Every class a page uses has a rule, and no rule is for a page that is not there.
#[test]
fn classes_and_the_stylesheet_agree() {
    let css = String::from_utf8(stylesheet().bytes.to_vec()).unwrap();
    let mut css_plain = String::new();
    for part in css.split("/*") {
        css_plain.push_str(part.split_once("*/").map_or(part, |(_, rest)| rest));
    }
    let mut used = HashSet::new();
    for (_, html) in all_samples().unwrap() {
        for list in attributes(&html, "class") {
            used.extend(list.split_whitespace().map(str::to_owned));
        }
    }
    let named = |class: &str| {
        let dotted = format!(".{class}");
        css_plain.match_indices(&dotted).any(|(at, _)| {
            !css_plain[at + dotted.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '-')
        })
    };
    let unknown: Vec<_> = used.iter().filter(|class| !named(class)).collect();
    assert!(unknown.is_empty(), "no rule for {unknown:?}");
    let mut unused = Vec::new();
    for part in css_plain.split('.').skip(1) {
        let class: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        if class.starts_with(|c: char| c.is_ascii_lowercase()) && !used.contains(&class) {
            unused.push(class);
        }
    }
    assert!(unused.is_empty(), "rules for no page: {unused:?}");
}
