//! Error pages: what happened, why, who must act, the next step, a stable code and the request's id.

use axum::response::Response;
use http::StatusCode;
use portcullis_rules::refusal::Refusal;

use crate::app::App;
use crate::client::DocumentFault;
use crate::entropy::EntropyShapes as _;
use crate::page::{BackLink, ErrorPage, Fact, Template};
use crate::reply;
use crate::view::moment;

/// What an error page is about.
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) what: String,
    pub(crate) why: Option<String>,
    pub(crate) who_acts: &'static str,
    pub(crate) next: Vec<String>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) back: Option<BackLink>,
    pub(crate) retry_after: Option<u64>,
}

/// What a browser is told to wait after a 503, in seconds.
const RETRY_SOON: u64 = 2;

const MAKER: &str = "The maker of the app. You did nothing wrong and need not change a setting here.";
pub(crate) const YOU: &str = "You: it takes a minute.";
pub(crate) const OPERATOR: &str = "Whoever runs this server.";

impl Fault {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        what: &str,
        who_acts: &'static str,
        next: Vec<&'static str>,
    ) -> Self {
        Self {
            status,
            code,
            title,
            what: what.to_owned(),
            why: None,
            who_acts,
            next: next.into_iter().map(str::to_owned).collect(),
            facts: Vec::new(),
            back: None,
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SOON),
        }
    }

    /// Adds what the request said.
    pub(crate) fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    /// A request that may not be answered by a redirect, since nobody proved where it may go.
    pub(crate) fn asker(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ClientUnknown => Self::new(
                StatusCode::BAD_REQUEST,
                "E-CLIENT-UNKNOWN",
                "This app is not known here",
                "An app sent you here under an id that this server does not know, or no longer knows.",
                YOU,
                vec![
                    "Go back to the app, remove this connection there and add it again: it then registers anew.",
                    "If this page returns, send the app's support the lines below.",
                ],
            ),
            Refusal::ClientDisabled => Self::new(
                StatusCode::FORBIDDEN,
                "E-CLIENT-DISABLED",
                "This app was switched off here",
                "An administrator of this server has switched off the app that sent you.",
                OPERATOR,
                vec!["Ask the administrator of this server."],
            ),
            _ => Self {
                why: Some(
                    "That could be a mistake in the app, or somebody trying to catch the answer. So we stay here and send nothing.".to_owned(),
                ),
                ..Self::new(
                    StatusCode::BAD_REQUEST,
                    "E-REDIRECT-UNKNOWN",
                    "We stopped this connection",
                    "An app sent you here and asked for the answer to go to an address it never registered.",
                    MAKER,
                    vec![
                        "Go back to the app and connect again.",
                        "If this page returns, send the app's support the lines below. They hold no secrets.",
                    ],
                )
            },
        }
    }

    /// A refusal that would go back to the client, were its address worth trusting unseen.
    pub(crate) fn request(refusal: Refusal) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E-REQUEST-REFUSED",
            "The app asked for something that cannot be done",
            refusal.description(),
            MAKER,
            vec![
                "Go back to the app and connect again.",
                "If this page returns, send the app's support the lines below.",
            ],
        )
        .fact(Fact::mono("Error", refusal.code().as_str()))
    }

    /// A metadata document that could not be used (protocol C10).
    pub(crate) fn document(fault: DocumentFault) -> Self {
        let last = "If this page returns, send the app's support the lines below.";
        let next = if fault.is_transient() { vec!["Try again in a minute.", last] } else { vec![last] };
        Self::new(
            StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST),
            fault.code(),
            "The app's description could not be used",
            fault.what(),
            MAKER,
            next,
        )
        .fact(Fact::text("Because", &fault.why()))
    }

    /// A form that is too old, was used, or is another browser's.
    pub(crate) fn form() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E-FORM-STALE",
            "This page is no longer good",
            "It was used already, is older than ten minutes, or was opened in another browser.",
            YOU,
            vec!["Go back to the app and connect again, or open this server's first page."],
        )
    }

    /// A password, where nobody signs in with one.
    pub(crate) fn no_passwords() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E-NO-PASSWORDS",
            "Nobody signs in with a password here",
            "People sign in to this server through their company.",
            YOU,
            vec!["Open the sign-in page again, and choose your company there."],
        )
    }

    /// A post that came from another site.
    pub(crate) fn foreign_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E-FORM-FOREIGN",
            "Another website tried to answer for you",
            "The form was not sent from a page of this server, so nothing was done.",
            YOU,
            vec!["Close the other website. If you wanted to connect an app, start again from the app."],
        )
    }

    /// The person changed, or was switched off, while a page was open.
    pub(crate) fn person() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E-PERSON-DISABLED",
            "You may not act here now",
            "Your account was switched off.",
            OPERATOR,
            vec!["Ask the administrator of this server."],
        )
    }

    /// A question that was never asked, is forgotten, or was put to somebody else: nothing is told of which.
    pub(crate) fn question() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "E-QUESTION-UNKNOWN",
            "There is no such question for you",
            "Only the person an agent acts for can answer for it. This address is another person's, or too old.",
            YOU,
            vec![
                "If you have more than one account here, sign out and sign in as the one your agent acts for.",
                "If somebody else sent you this address, close the page.",
            ],
        )
    }

    /// A spent or unknown set-up link.
    pub(crate) fn link() -> Self {
        Self::new(
            StatusCode::GONE,
            "E-LINK-DEAD",
            "This link no longer works",
            "It was used already, is older than fifteen minutes, or a newer one was made.",
            OPERATOR,
            vec!["On the machine where Portcullis runs, make a new one: portcullis setup-link"],
        )
    }

    /// No such page.
    pub(crate) fn missing() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "E-NOT-FOUND",
            "There is nothing here",
            "This address leads nowhere on this server.",
            YOU,
            vec!["Open this server's first page."],
        )
    }

    /// Another of our names.
    pub(crate) fn misdirected() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "E-HOST",
            "This server goes by another name",
            "Cookies and redirects work under one name only, so this one is not served.",
            YOU,
            vec!["Use the address below, in the browser and in the app."],
        )
    }

    /// A form that could not be read.
    pub(crate) fn unreadable(status: StatusCode) -> Self {
        Self::new(
            status,
            "E-FORM-UNREADABLE",
            "The form could not be read",
            "What the browser sent is not a well-formed form.",
            YOU,
            vec!["Go back and try again."],
        )
    }

    /// Nothing can be done now.
    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "E-UNAVAILABLE",
            "This cannot be done at the moment",
            "The server could not write to its disk, or has too much to do. Nothing was changed.",
            OPERATOR,
            vec!["Try again in a moment."],
        )
    }

    /// Renders it.
    pub(crate) fn page(self, app: &App) -> Response {
        let status = self.status;
        let page = ErrorPage {
            host: app.settings.site(),
            status: status.as_u16(),
            code: self.code,
            title: self.title.to_owned(),
            what: self.what,
            why: self.why,
            who_acts: self.who_acts.to_owned(),
            next: self.next,
            facts: self.facts,
            request_id: app.entropy.text(),
            at_text: moment(app.now()),
            nothing_shared: true,
            back: self.back,
        };
        tracing::info!(code = self.code, request = page.request_id, "an error page was shown");
        let mut response = render(&page, status, None);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from(seconds));
        }
        response
    }
}

/// Renders a page of ours.
pub(crate) fn render<T: Template>(
    page: &T,
    status: StatusCode,
    leads_to: Option<&portcullis_wire::redirect::RedirectUri>,
) -> Response {
    match page.render() {
        Ok(html) => reply::page(status, html, leads_to),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            reply::unavailable(crate::app::Unavailable)
        }
    }
}
