//! Consent: who asks, where the answer goes, what it may do.

use super::{
    Claim, ClientFace, ClientKind, RightGroup, RightKind, ScopeLine, Site, Template, counted, groups,
    hostile, initial_of,
};

/// `/consent`. The form posts to the same path: `ticket`, `scope` (once for each ticked one), `replaces` (an id or
/// empty), `started` (`yes`; asked for clients on the person's device) and `answer` (`deny` or `allow`).
/// "Sign in as somebody else" posts `ticket` and `again=1` to `/sign-out`.
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub struct Consent {
    /// This host, in ASCII.
    pub host: Site,
    /// The account that is signed in.
    pub account: String,
    /// Who asks; its kind follows from this request's redirect URI.
    pub client: ClientFace,
    /// Host (and port) the answer goes to, in ASCII; the scheme for a private-use redirect.
    pub return_host: String,
    /// The whole redirect URI.
    pub return_uri: String,
    /// The resource, by the name its owner gave it.
    pub resource_name: String,
    /// The resource's canonical URI.
    pub resource_uri: String,
    /// What is asked for, and (marked as held) what the agent has already.
    pub scopes: Vec<ScopeLine>,
    /// What agents of this client and resource were refused lately and is not asked for now: never ticked.
    pub wanted: Vec<ScopeLine>,
    /// Agents of the same client this one could replace.
    pub replaces: Vec<Replaceable>,
    /// The form's ticket against forgery.
    pub ticket: String,
    /// Whether an agent asks for more than it has.
    pub only_new: bool,
    /// When this client was first seen here, as a sentence.
    pub first_seen_text: Option<String>,
    /// When the right ends by itself, as a sentence.
    pub lifetime_text: String,
    /// Why the last answer could not be taken.
    pub fault: Option<String>,
}

/// An agent that a new one could replace.
#[derive(Clone, Debug)]
pub struct Replaceable {
    /// What is posted back.
    pub id: String,
    /// Its label.
    pub label: Claim,
    /// When it was last used, such as `Last call yesterday at 16:20`.
    pub last_used_text: String,
}

impl Consent {
    fn title(&self) -> String {
        let who = match self.client.kind() {
            ClientKind::ThisComputer => "A program on this computer".to_owned(),
            ClientKind::App => "An app on this device".to_owned(),
            ClientKind::Website | ClientKind::Machine | ClientKind::Personal => self.client.in_words(),
        };
        format!("{who} {} {}", self.verb(), self.resource_name)
    }

    fn verb(&self) -> &'static str {
        if self.only_new { "asks for more in" } else { "wants to use" }
    }

    fn account_initial(&self) -> char {
        initial_of(&self.account)
    }

    fn resource_initial(&self) -> char {
        initial_of(&self.resource_name)
    }

    fn asked(&self) -> impl Iterator<Item = &ScopeLine> {
        self.scopes.iter().filter(|line| !line.held)
    }

    fn held(&self) -> impl Iterator<Item = &ScopeLine> {
        self.scopes.iter().filter(|line| line.held)
    }

    fn asked_len(&self) -> usize {
        self.asked().count()
    }

    fn held_len(&self) -> usize {
        self.held().count()
    }

    /// Every box there is to tick.
    fn boxes(&self) -> usize {
        self.asked_len() + self.wanted.len()
    }

    fn groups(&self) -> Vec<RightGroup<'_>> {
        groups(self.asked())
    }

    /// The honest count: how many rights, and of which kinds.
    fn count_text(&self) -> String {
        let of = |kind| self.asked().filter(|line| line.kind == kind).count();
        let mut kinds = Vec::new();
        for (kind, one, many) in [
            (RightKind::Reads, "reads", "read"),
            (RightKind::Changes, "changes data", "change data"),
            (RightKind::Deletes, "deletes or spends", "delete or spend"),
        ] {
            match of(kind) {
                0 => {}
                1 => kinds.push(format!("1 {one}")),
                n => kinds.push(format!("{n} {many}")),
            }
        }
        let more = if self.only_new { "more " } else { "" };
        match self.asked_len() {
            0 => "It asks for no right by name: it may connect, and nothing more.".to_owned(),
            n => format!(
                "It asks for {}: {}.",
                counted(n, &format!("{more}right"), &format!("{more}rights")),
                kinds.join(", ")
            ),
        }
    }

    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let plain = || Self {
            host: "auth.acme.example".into(),
            account: "alex".into(),
            client: ClientFace::sample_verified(),
            return_host: "claude.ai".into(),
            return_uri: "https://claude.ai/api/mcp/auth_callback".into(),
            resource_name: "Acme Notes".into(),
            resource_uri: "https://notes.acme.example/mcp".into(),
            scopes: ScopeLine::samples(),
            wanted: Vec::new(),
            replaces: vec![Replaceable {
                id: "g7".into(),
                label: Claim::name("Claude on the work laptop"),
                last_used_text: "Last call yesterday at 16:20".into(),
            }],
            ticket: "t1".into(),
            only_new: false,
            first_seen_text: Some("First seen here on 3 March.".into()),
            lifetime_text: "It ends by itself after 30 days without a call.".into(),
            fault: None,
        };
        let local = || Self {
            client: ClientFace::sample_local(),
            return_host: "127.0.0.1:33418".into(),
            return_uri: "http://127.0.0.1:33418/callback".into(),
            first_seen_text: Some("First seen today.".into()),
            replaces: Vec::new(),
            ..plain()
        };
        let mut more = ScopeLine::samples();
        more.iter_mut().filter(|line| line.kind == RightKind::Reads).for_each(|line| line.held = true);
        more.retain(|line| line.kind != RightKind::Deletes);
        let mut wild = ScopeLine::samples();
        wild.push(ScopeLine::sample(
            &hostile::long(),
            hostile::MARKUP,
            RightKind::Deletes,
            &[hostile::BIDI, &hostile::long()],
        ));
        wild.push(ScopeLine::sample("x:rtl", hostile::RTL, RightKind::Changes, &[]));
        let old = |label: &str| Replaceable {
            id: "\"><b>".into(),
            label: Claim::name(label),
            last_used_text: "Never used".into(),
        };
        vec![
            ("consent", plain()),
            ("consent-local", local()),
            (
                "consent-app",
                Self {
                    client: ClientFace::new("Cursor", Some("cursor.com".into()), ClientKind::App),
                    return_host: "cursor:".into(),
                    return_uri: "cursor://anysphere.cursor-mcp/oauth/callback".into(),
                    ..local()
                },
            ),
            (
                "consent-unverified",
                Self {
                    client: ClientFace::new("Desk Companion", None, ClientKind::Website),
                    return_host: "xn--deskcmpanion-8ib.example".into(),
                    return_uri: "https://xn--deskcmpanion-8ib.example/callback".into(),
                    fault: Some(
                        "Nothing was ticked, so there was nothing to allow. Tick a right, or deny.".into(),
                    ),
                    ..plain()
                },
            ),
            (
                "consent-more",
                Self { scopes: more, only_new: true, replaces: Vec::new(), first_seen_text: None, ..plain() },
            ),
            (
                "consent-wanted",
                Self {
                    scopes: ScopeLine::samples().into_iter().take(2).collect(),
                    wanted: ScopeLine::samples().into_iter().skip(2).collect(),
                    replaces: Vec::new(),
                    ..plain()
                },
            ),
            ("consent-nothing", Self { scopes: Vec::new(), replaces: Vec::new(), ..plain() }),
            (
                "consent-hostile",
                Self {
                    account: hostile::long(),
                    client: ClientFace::new(hostile::BIDI, None, ClientKind::Website),
                    return_host: format!("{}.example", "a-very-long-label".repeat(3)),
                    return_uri: format!("https://evil.example/{}", hostile::long()),
                    resource_name: hostile::MARKUP.into(),
                    scopes: wild,
                    replaces: vec![old(hostile::MARKUP), old(hostile::RTL)],
                    ..plain()
                },
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(name: &str) -> String {
        let page = Consent::samples().into_iter().find(|(n, _)| *n == name).unwrap().1;
        page.render().unwrap()
    }

    #[test]
    fn a21_it_shows_who_where_what_and_for_which_resource() {
        let html = html("consent");
        for part in [
            "Claude",
            "Verified domain",
            "https://claude.ai/api/mcp/auth_callback",
            "https://notes.acme.example/mcp",
            "Search and read your notes",
            r#"name="scope" value="notes:read" checked"#,
            "It asks for 4 rights: 2 read, 1 changes data, 1 deletes or spends.",
            "ends by itself after 30 days",
            "/account",
        ] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn what_was_refused_lately_is_offered_and_never_ticked() {
        let html = html("consent-wanted");
        assert!(html.contains("It was refused these lately"));
        for scope in ["notes:write", "notes:delete"] {
            assert!(html.contains(&format!(r#"name="scope" value="{scope}">"#)), "{scope}");
        }
        assert!(html.contains("of 4 ticked"));
        assert!(!self::html("consent").contains("refused these"));
    }

    #[test]
    fn risky_rights_are_off_until_ticked() {
        let html = html("consent");
        for scope in ["notes:write", "notes:delete"] {
            assert!(html.contains(&format!(r#"name="scope" value="{scope}">"#)), "{scope}");
        }
    }

    #[test]
    fn deny_comes_first_and_needs_nothing() {
        let html = html("consent-local");
        let deny = html.find(r#"value="deny" formnovalidate"#).unwrap();
        let allow = html.find(r#"class="btn arm" name="answer" value="allow""#).unwrap();
        assert!(deny < allow);
        assert_eq!(html.matches(r#"name="answer""#).count(), 2);
    }

    #[test]
    fn s05_a_program_on_this_computer_is_never_called_verified() {
        for name in ["consent-local", "consent-app"] {
            let html = html(name);
            assert!(!html.contains("Verified domain"), "{name}");
            assert!(html.contains("Unverified name"), "{name}");
            assert!(html.contains(r#"name="started" value="yes" required"#), "{name}");
            assert!(html.contains("“<bdi"), "{name}");
        }
        assert!(!html("consent").contains(r#"name="started""#));
    }

    #[test]
    fn a32_more_rights_show_only_what_is_new_to_tick() {
        let html = html("consent-more");
        assert!(html.contains("asks for more in"));
        assert!(html.contains("It asks for 1 more right: 1 changes data."));
        assert!(html.contains("It already may"));
        assert!(html.contains(r#"type="checkbox" name="scope" value="notes:write""#));
        assert!(!html.contains(r#"type="checkbox" name="scope" value="notes:read""#));
        // What was ticked before goes along: the new grant is for all that was asked.
        assert!(html.contains(r#"type="hidden" name="scope" value="notes:read""#));
    }

    #[test]
    fn replacing_an_agent_is_off_by_default() {
        let html = html("consent");
        assert!(html.contains(r#"name="replaces" value="" checked"#));
        assert!(html.contains(r#"name="replaces" value="g7">"#));
        assert!(!self::html("consent-local").contains(r#"name="replaces""#));
    }

    #[test]
    fn t_client_text_on_the_consent_page_stays_text() {
        let html = html("consent-hostile");
        assert!(html.contains("&#60;script&#62;"));
        assert!(html.contains(r#"value="&#34;&#62;&#60;b&#62;""#));
        for raw in ["<script", "<img", "<b>x", "\u{202e}", "\u{2066}"] {
            assert!(!html.contains(raw), "{raw}");
        }
        assert!(!html.contains("claude.ai</"), "a claim must not look like a verified domain");
    }
}
