//! A person at a browser, as far as forms go: opens pages, keeps cookies, fills in what is asked.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{RequestBuilder, redirect::Policy};
use url::{Url, form_urlencoded};

use crate::Outcome;

/// More redirects than this lead nowhere.
const HOPS: usize = 8;

pub struct Person {
    http: reqwest::Client,
    home: Url,
    name: String,
    password: String,
    cookies: BTreeMap<String, String>,
}

/// Where a request led: a page of the server's, or an address elsewhere.
enum Place {
    Page(String),
    Away(String),
}

impl Person {
    pub fn new(home: &str, name: &str, password: &str) -> Outcome<Self> {
        Ok(Self {
            http: reqwest::Client::builder()
                .redirect(Policy::none())
                .build()?,
            home: Url::parse(home)?,
            name: name.to_owned(),
            password: password.to_owned(),
            cookies: BTreeMap::new(),
        })
    }

    /// Signs in where asked and allows what is offered and `ticked`; the address the browser is sent back to.
    pub async fn consent(&mut self, url: &str, ticked: &[&str]) -> Outcome<String> {
        let page = self.open(url).await?;
        let mut fields = fields(&page, "/consent")?;
        fields.extend(
            ticked
                .iter()
                .map(|scope| ("scope".to_owned(), (*scope).to_owned())),
        );
        fields.extend([
            ("started".to_owned(), "yes".to_owned()),
            ("answer".to_owned(), "allow".to_owned()),
        ]);
        match self.submit("/consent", &fields).await? {
            Place::Away(address) => Ok(address),
            Place::Page(page) => Err(format!("the answer was not taken: {page}").into()),
        }
    }

    /// Approves the call that waits at `url`.
    pub async fn approve(&mut self, url: &str) -> Outcome<()> {
        let page = self.open(url).await?;
        let mut fields = fields(&page, "/approve")?;
        fields.push(("answer".to_owned(), "approve".to_owned()));
        self.submit("/approve", &fields).await.map(|_| ())
    }

    /// Opens a page, and signs in where that is asked for.
    async fn open(&mut self, url: &str) -> Outcome<String> {
        let page = self.page(self.http.get(url)).await?;
        let Ok(mut form) = fields(&page, "/sign-in") else {
            return Ok(page);
        };
        form.extend([
            ("name".to_owned(), self.name.clone()),
            ("password".to_owned(), self.password.clone()),
        ]);
        form.push(("answer".to_owned(), "sign-in".to_owned()));
        match self.submit("/sign-in", &form).await? {
            Place::Page(page) => Ok(page),
            Place::Away(address) => Err(format!("signing in led to {address}").into()),
        }
    }

    async fn page(&mut self, ask: RequestBuilder) -> Outcome<String> {
        match self.follow(ask).await? {
            Place::Page(page) => Ok(page),
            Place::Away(address) => Err(format!("no page, but {address}").into()),
        }
    }

    async fn submit(&mut self, path: &str, fields: &[(String, String)]) -> Outcome<Place> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let ask = self.http.post(self.home.join(path)?);
        let ask = ask.header(ORIGIN, self.home.origin().ascii_serialization());
        self.follow(
            ask.header("content-type", "application/x-www-form-urlencoded")
                .body(body),
        )
        .await
    }

    /// Follows redirects as long as they stay here.
    async fn follow(&mut self, mut ask: RequestBuilder) -> Outcome<Place> {
        for _ in 0..HOPS {
            let jar: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let reply = ask.header(COOKIE, jar.join("; ")).send().await?;
            for cookie in reply.headers().get_all(SET_COOKIE) {
                let pair = cookie
                    .to_str()?
                    .split(';')
                    .next()
                    .and_then(|pair| pair.split_once('='));
                self.cookies
                    .extend(pair.map(|(name, value)| (name.trim().to_owned(), value.to_owned())));
            }
            let Some(next) = reply.headers().get(LOCATION) else {
                return Ok(Place::Page(reply.text().await?));
            };
            let next = reply.url().join(next.to_str()?)?;
            if next.origin() != self.home.origin() {
                return Ok(Place::Away(next.into()));
            }
            ask = self.http.get(next);
        }
        Err("redirected again and again".into())
    }
}

/// What the form that leads to `action` holds already: hidden fields, and boxes that are ticked.
fn fields(page: &str, action: &str) -> Outcome<Vec<(String, String)>> {
    let form = page.split("<form").find(|form| {
        let tag = form.split('>').next().unwrap_or_default();
        attribute(tag, "action").is_some_and(|it| it.ends_with(action))
    });
    let form = form.ok_or_else(|| format!("the page has no form for {action}: {page}"))?;
    let inside = form.split("</form>").next().unwrap_or_default();
    let inputs = inside
        .split("<input")
        .skip(1)
        .filter_map(|rest| rest.split('>').next());
    let kept = inputs.filter(|tag| match attribute(tag, "type").as_deref() {
        Some("hidden") => true,
        Some("checkbox" | "radio") => tag.split_whitespace().any(|word| word == "checked"),
        _ => false,
    });
    Ok(kept
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(str::to_owned)
}
