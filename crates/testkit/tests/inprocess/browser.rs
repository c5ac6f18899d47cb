//! A browser: it keeps cookies, and answers our pages' forms with what is hidden in them.

use std::collections::BTreeMap;

use super::{Answer, Ask, PASSWORD, Place, encode};

/// A jar of cookies at one place.
pub struct Browser<'a> {
    pub place: &'a Place,
    pub jar: BTreeMap<String, String>,
}

/// The ticket in the form that posts to `action`.
pub fn ticket(page: &Answer, action: &str) -> String {
    let html = page.text();
    let form = html.split(&format!("action=\"{action}\"")).nth(1);
    let form = form.unwrap_or_else(|| panic!("no form for {action} in {} {html}", page.status));
    let rest = form.split("name=\"ticket\" value=\"").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

impl<'a> Browser<'a> {
    pub fn new(place: &'a Place) -> Self {
        Self { place, jar: BTreeMap::new() }
    }

    /// Its cookies as a header.
    pub fn cookie(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub async fn send(&mut self, ask: Ask) -> Answer {
        let ask = if self.jar.is_empty() { ask } else { ask.header("cookie", &self.cookie()) };
        let answer = self.place.send(ask.header("accept", "text/html")).await;
        for cookie in answer.cookies() {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, target: &str) -> Answer {
        self.send(Ask::get(target)).await
    }

    pub async fn post(&mut self, target: &str, form: &[(&str, &str)]) -> Answer {
        self.send(
            Ask::post(target).form(form).header("sec-fetch-site", "same-origin").header("origin", "null"),
        )
        .await
    }

    /// `/authorize`, without following where it leads.
    pub async fn ask(&mut self, query: &[(String, String)]) -> Answer {
        self.get(&format!("/authorize?{}", encode(query))).await
    }

    /// `/authorize` and the page it leads to.
    pub async fn page(&mut self, query: &[(String, String)]) -> Answer {
        let answer = self.ask(query).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let to = answer.location().to_owned();
        self.get(&to).await
    }

    /// Signs in at the form on `page`.
    pub async fn sign_in(&mut self, page: &Answer, name: &str, password: &str) -> Answer {
        let ticket = ticket(page, "/sign-in");
        self.post(
            "/sign-in",
            &[("ticket", &ticket), ("name", name), ("password", password), ("answer", "sign-in")],
        )
        .await
    }

    /// Opens the sign-in page and signs in.
    pub async fn enter(&mut self, name: &str) -> Answer {
        let page = self.get("/sign-in").await;
        let answer = self.sign_in(&page, name, PASSWORD).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer
    }

    /// Presses a button of the consent form on `page`, with everything ticked that the page offers.
    pub async fn consent(&mut self, page: &Answer, press: &str, more: &[(&str, &str)]) -> Answer {
        let ticket = ticket(page, "/consent");
        let html = page.text();
        let offered: Vec<&str> =
            html.split("name=\"scope\" value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let mut form = vec![("ticket", ticket.as_str()), ("answer", press), ("started", "yes")];
        form.extend(offered.iter().map(|scope| ("scope", *scope)));
        form.extend(more);
        self.post("/consent", &form).await
    }

    /// From the request to a code, allowing all that is asked.
    pub async fn code(&mut self, query: &[(String, String)]) -> String {
        self.code_with(query, &[]).await
    }

    /// The same, with more in the consent form.
    pub async fn code_with(&mut self, query: &[(String, String)], more: &[(&str, &str)]) -> String {
        let page = self.page(query).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let answer = self.consent(&page, "allow", more).await;
        answer.landed("code").unwrap_or_else(|| panic!("no code: {} {}", answer.status, answer.text()))
    }
}
