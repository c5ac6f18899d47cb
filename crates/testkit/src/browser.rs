//! A browser: it keeps cookies, goes where our pages lead, and answers their forms as a person would.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::ask::{Answer, Ask, encode};
use crate::html::Form;
use crate::net::Net;

/// A page of ours.
#[derive(Clone, Debug)]
pub struct Page {
    /// The answer that carried it.
    pub answer: Answer,
}

impl Page {
    /// The form that goes to `action`, which must be there.
    #[track_caller]
    pub fn form(&self, action: &str) -> Form {
        let mut forms = Form::all(&self.answer.text()).into_iter().filter(|form| form.action == action);
        forms.next().unwrap_or_else(|| panic!("no form for {action}: {:?}", self.answer))
    }

    /// Its HTML.
    pub fn text(&self) -> String {
        self.answer.text()
    }
}

/// A browser of one person.
#[derive(Clone, Debug)]
pub struct Browser {
    net: Net,
    /// Its cookies.
    pub jar: BTreeMap<String, String>,
    /// Where it sits.
    pub source: IpAddr,
}

impl Browser {
    pub(crate) fn new(net: Net) -> Self {
        Self { net, jar: BTreeMap::new(), source: IpAddr::from([127, 0, 0, 1]) }
    }

    /// The same, at another address of this computer.
    #[must_use]
    pub fn at(mut self, source: IpAddr) -> Self {
        self.source = source;
        self
    }

    /// Sends a request with the cookies, and keeps those that come back.
    pub async fn send(&mut self, ask: Ask) -> Answer {
        let mut ask = ask.header("accept", "text/html,application/xhtml+xml").from(self.source);
        if !self.jar.is_empty() {
            let jar: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            ask = ask.header("cookie", &jar.join("; "));
        }
        let answer = self.net.send(ask).await;
        for (name, value) in answer.cookies() {
            if value.is_empty() {
                self.jar.remove(&name);
            } else {
                self.jar.insert(name, value);
            }
        }
        answer
    }

    /// Opens a page; nothing is followed.
    pub async fn get(&mut self, target: &str) -> Answer {
        self.send(Ask::get(target)).await
    }

    /// Sends a form as a page of ours would.
    pub async fn post<N: AsRef<str>, V: AsRef<str>>(&mut self, target: &str, form: &[(N, V)]) -> Answer {
        self.send(
            Ask::post(target).form(form).header("sec-fetch-site", "same-origin").header("origin", "null"),
        )
        .await
    }

    /// Presses a button of a form.
    pub async fn press(&mut self, form: &Form, button: Option<&str>) -> Answer {
        self.post(&form.action, &form.pairs(button)).await
    }

    /// Opens a page of ours, and follows as long as it leads to another of ours.
    pub async fn open(&mut self, target: &str) -> Page {
        let mut answer = self.get(target).await;
        for _ in 0..5 {
            match answer.header("location") {
                Some(to) if answer.status == 303 && to.starts_with(self.net.issuer()) => {
                    let to = self.net.target(to);
                    answer = self.get(&to).await;
                }
                _ => break,
            }
        }
        Page { answer }
    }

    /// `/authorize`; nothing is followed.
    pub async fn ask<N: AsRef<str>, V: AsRef<str>>(&mut self, query: &[(N, V)]) -> Answer {
        self.get(&format!("/authorize?{}", encode(query))).await
    }

    /// `/authorize` and the page it leads to.
    pub async fn page<N: AsRef<str>, V: AsRef<str>>(&mut self, query: &[(N, V)]) -> Page {
        self.open(&format!("/authorize?{}", encode(query))).await
    }

    /// Fills in the sign-in form of a page.
    pub async fn sign_in_at(&mut self, page: &Page, name: &str, password: &str) -> Answer {
        let form = page.form("/sign-in").fill("name", name).fill("password", password);
        self.press(&form, Some("sign-in")).await
    }

    /// Opens the sign-in page and fills it in.
    pub async fn try_sign_in(&mut self, name: &str, password: &str) -> Answer {
        let page = self.open("/sign-in").await;
        self.sign_in_at(&page, name, password).await
    }

    /// Signs in, which must work.
    pub async fn sign_in(&mut self, name: &str, password: &str) {
        self.try_sign_in(name, password).await.is(303);
    }

    /// Allows everything the consent page offers.
    pub async fn allow(&mut self, page: &Page) -> Answer {
        let form = page.form("/consent").tick_all("scope").tick_all("started");
        self.press(&form, Some("allow")).await
    }

    /// Allows these scopes alone.
    pub async fn allow_only(&mut self, page: &Page, scopes: &[&str]) -> Answer {
        let mut form = page.form("/consent").tick_all("started");
        for field in form.fields.iter_mut().filter(|field| field.name == "scope") {
            field.ticked = scopes.contains(&field.value.as_str());
        }
        self.press(&form, Some("allow")).await
    }

    /// Denies.
    pub async fn deny(&mut self, page: &Page) -> Answer {
        self.press(&page.form("/consent"), Some("deny")).await
    }
}
