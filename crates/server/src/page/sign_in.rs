//! Sign in: who waits, a name and a password.

use super::{Claim, ClientFace, ClientKind, Site, Template, hostile, initial_of};

/// `/sign-in`. The form posts `ticket`, `name`, `password` and `answer` (`sign-in` or `stop`) to the same path; the
/// forms above it post `ticket`, and `provider` or `address`, to `/sign-in/with`.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    /// This host, in ASCII, with its port when it is not the default one.
    pub host: Site,
    /// The client that sent the person here, when one did.
    pub waiting: Option<Waiting>,
    /// Whether a call of an agent waits behind it for the person's answer.
    pub question: bool,
    /// Through whom else one may sign in here; shown before the password, since who has a company uses it.
    pub providers: Vec<ProviderButton>,
    /// The work address typed before, where a provider can be found by it; none where none can.
    pub work_address: Option<String>,
    /// Why the work address led nowhere.
    pub address_fault: Option<String>,
    /// Whether people may sign in with a name and a password.
    pub passwords: bool,
    /// The forms' ticket against forgery.
    pub ticket: String,
    /// What the person typed as name before.
    pub name_prefill: String,
    /// Why the last try did not work.
    pub fault: Option<SignInFault>,
    /// Whether the person may stop here and be sent back to the waiting client with `access_denied`.
    pub stop: bool,
}

/// One provider.
#[derive(Clone, Debug)]
pub struct ProviderButton {
    /// What the form posts: small letters, digits and `-`.
    pub name: String,
    /// What its owner calls it.
    pub label: Claim,
}

impl ProviderButton {
    /// A button.
    #[must_use]
    pub fn new(name: &str, label: &str) -> Self {
        Self { name: name.to_owned(), label: Claim::name(label) }
    }
}

/// Who waits for this sign-in.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The client.
    pub client: ClientFace,
    /// The resource it wants, by the name its owner gave it.
    pub resource_name: String,
}

impl Waiting {
    /// The letter on the resource's tile.
    #[must_use]
    pub fn resource_initial(&self) -> char {
        initial_of(&self.resource_name)
    }
}

/// Why a sign-in did not work, in words that do not tell whether the name exists.
#[derive(Clone, Debug)]
pub struct SignInFault {
    /// What happened.
    pub text: String,
    /// Seconds until another try is taken, when there is a wait.
    pub retry_after: Option<u64>,
}

impl SignInFault {
    /// The wait in words, rounded up: `30 seconds`, `2 minutes`.
    #[must_use]
    pub fn wait_text(&self) -> Option<String> {
        let text = match self.retry_after? {
            0 | 1 => "a second".to_owned(),
            s @ 2..=90 => format!("{s} seconds"),
            s => format!("{} minutes", s.div_ceil(60)),
        };
        Some(text)
    }
}

impl SignIn {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let plain = || Self {
            host: "auth.acme.example".into(),
            waiting: Some(Waiting {
                client: ClientFace::sample_verified(),
                resource_name: "Acme Notes".into(),
            }),
            question: false,
            providers: Vec::new(),
            work_address: None,
            address_fault: None,
            passwords: true,
            ticket: "t1".into(),
            name_prefill: String::new(),
            fault: None,
            stop: true,
        };
        let fault =
            SignInFault { text: "That name and password do not go together.".into(), retry_after: None };
        let wait = SignInFault { text: "Too many tries for this name.".into(), retry_after: Some(95) };
        let companies =
            || vec![ProviderButton::new("acme", "Acme"), ProviderButton::new("acme-labs", "Acme Labs")];
        let hostile = ClientFace::new(hostile::MARKUP, None, ClientKind::ThisComputer);
        vec![
            ("sign-in", plain()),
            ("sign-in-alone", Self { waiting: None, stop: false, ..plain() }),
            (
                "sign-in-companies",
                Self { providers: companies(), work_address: Some(String::new()), ..plain() },
            ),
            ("sign-in-companies-alone", Self { providers: companies(), passwords: false, ..plain() }),
            (
                "sign-in-address-fault",
                Self {
                    providers: companies(),
                    work_address: Some("alex@elsewhere.example".into()),
                    address_fault: Some("No company that signs in here has that address.".into()),
                    ..plain()
                },
            ),
            ("sign-in-question", Self { waiting: None, stop: false, question: true, ..plain() }),
            ("sign-in-fault", Self { name_prefill: "alex".into(), fault: Some(fault), ..plain() }),
            (
                "sign-in-hostile",
                Self {
                    waiting: Some(Waiting { client: hostile, resource_name: hostile::long() }),
                    name_prefill: hostile::MARKUP.into(),
                    providers: vec![
                        ProviderButton::new("a", &hostile::long()),
                        ProviderButton::new("b", hostile::BIDI),
                    ],
                    work_address: Some(hostile::MARKUP.into()),
                    fault: Some(wait),
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
        let page = SignIn::samples().into_iter().find(|(n, _)| *n == name).unwrap().1;
        page.render().unwrap()
    }

    #[test]
    fn the_form_works_with_password_managers() {
        let html = html("sign-in");
        for part in [
            r#"action="/sign-in""#,
            r#"autocomplete="username""#,
            r#"autocomplete="current-password""#,
            r#"maxlength="128""#,
            r#"name="ticket" value="t1""#,
        ] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn it_says_who_waits_and_offers_to_stop_only_then() {
        let waiting = html("sign-in");
        assert!(waiting.contains("Verified domain"));
        assert!(waiting.contains(r#"value="stop" formnovalidate"#));
        let alone = html("sign-in-alone");
        assert!(!alone.contains("waiting to use"));
        assert!(!alone.contains(r#"value="stop""#));
    }

    #[test]
    fn a_waiting_call_is_told_without_a_word_of_it() {
        assert!(html("sign-in-question").contains("waits for an answer"));
        assert!(!html("sign-in-alone").contains("waits for an answer"));
    }

    #[test]
    fn enter_signs_in_since_its_button_comes_first() {
        let html = html("sign-in");
        assert!(html.find(r#"value="sign-in""#) < html.find(r#"value="stop""#));
    }

    #[test]
    fn whoever_cannot_sign_in_is_told_the_command_that_helps() {
        assert!(html("sign-in").contains("portcullis setup-link --reset NAME"));
    }

    #[test]
    fn a_fault_is_tied_to_the_fields_and_keeps_the_name() {
        let html = html("sign-in-fault");
        assert!(html.contains("<title>Not signed in: Sign in"));
        assert!(html.contains(r#"value="alex""#));
        assert!(html.contains(r#"aria-describedby="fault" aria-invalid="true""#));
    }

    #[test]
    fn t_noscript_login_providers_are_plain_buttons_before_the_password() {
        let html = html("sign-in-companies");
        let at = |part: &str| html.find(part).unwrap_or_else(|| panic!("{part}"));
        assert!(at(r#"name="provider" value="acme""#) < at(r#"name="password""#));
        assert!(at(r#"name="address" type="email""#) < at(r#"name="password""#));
        assert_eq!(html.matches(r#"action="/sign-in/with""#).count(), 2);
        assert!(html.contains("Sign in with <bdi class=\"untrusted\">Acme Labs</bdi>"));
    }

    #[test]
    fn without_passwords_there_is_no_password_form_and_one_may_still_stop() {
        let html = html("sign-in-companies-alone");
        for part in
            [r#"name="password""#, r#"name="name""#, "setup-link", "or with a password", r#"name="address""#]
        {
            assert!(!html.contains(part), "{part}");
        }
        assert!(html.contains(r#"value="stop""#));
    }

    #[test]
    fn without_providers_nothing_speaks_of_companies() {
        let html = html("sign-in");
        assert!(!html.contains("/sign-in/with") && !html.contains("or with a password"));
    }

    #[test]
    fn an_address_that_leads_nowhere_is_said_at_its_field() {
        let html = html("sign-in-address-fault");
        assert!(html.contains(r#"aria-describedby="address-hint address-fault" aria-invalid="true""#));
        assert!(html.contains(r#"value="alex@elsewhere.example""#));
    }

    #[test]
    fn a_wait_is_told_in_words() {
        for (given, expected) in
            [(1, "a second"), (30, "30 seconds"), (95, "2 minutes"), (3600, "60 minutes")]
        {
            let fault = SignInFault { text: String::new(), retry_after: Some(given) };
            assert_eq!(fault.wait_text().unwrap(), expected);
        }
        assert_eq!(SignInFault { text: String::new(), retry_after: None }.wait_text(), None);
    }
}
