//! A server with providers whose addresses need not be asked for, and a browser on its way to one.

use std::time::Duration;

use crate::provider::Provider;
use portcullis_rules::federation::Joining;
use portcullis_server::{ProviderKind, ProviderSettings};
use portcullis_sso::oidc::{self, Preset, Secret};
use portcullis_sso::{ClaimPath, Mapping, saml};
use portcullis_testkit::{Answer, Browser, Page, World};

/// What we say at providers to be who we are; it must never be seen again.
pub(crate) const CLIENT_SECRET: &str = "the-secret-of-this-installation-at-its-provider";

/// The metadata of a real SAML identity provider.
const SAML_METADATA: &[u8] = include_bytes!("../../../sso/tests/saml/real/pysaml2/metadata.xml");

/// A provider of a name.
pub(crate) fn provider(name: &str, label: &str, kind: ProviderKind) -> ProviderSettings {
    ProviderSettings {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        mapping: Mapping { keep_other_groups: true, ..Mapping::oidc() },
        joining: Joining { lasts: Duration::from_secs(3600), ..Joining::default() },
        domains: Vec::new(),
    }
}

/// One that speaks OpenID Connect.
pub(crate) fn openid(name: &str, label: &str, issuer: &str) -> ProviderSettings {
    let settings = oidc::Settings {
        client_secret: Some(Secret::new(CLIENT_SECRET.to_owned())),
        ..oidc::Settings::new(Preset::Generic, issuer, "portcullis")
    };
    provider(name, label, ProviderKind::Oidc(Box::new(settings)))
}

/// GitHub: it is not asked where its addresses are.
pub(crate) fn github() -> ProviderSettings {
    let settings = oidc::Settings {
        client_secret: Some(Secret::new(CLIENT_SECRET.to_owned())),
        ..oidc::Settings::new(Preset::GitHub, "", "portcullis")
    };
    provider("github", "GitHub", ProviderKind::Oidc(Box::new(settings)))
}

/// A SAML identity provider, by the metadata of a real one.
pub(crate) fn saml() -> ProviderSettings {
    let settings = saml::Settings {
        entity_id: String::new(),
        acs: String::new(),
        issuer: None,
        idp: saml::Source::Metadata(SAML_METADATA.to_vec()),
        names: saml::Names::PersistentOnly,
        private_network: true,
    };
    let mapping = Mapping { groups: vec![ClaimPath::new("groups")], ..Mapping::saml() };
    ProviderSettings { mapping, ..provider("corp", "Corp", ProviderKind::Saml(Box::new(settings))) }
}

/// A server with these providers.
pub(crate) async fn world(providers: Vec<ProviderSettings>) -> World {
    world_with(providers, true).await
}

/// The same, with or without passwords.
pub(crate) async fn world_with(providers: Vec<ProviderSettings>, passwords: bool) -> World {
    let change = move |settings: &mut portcullis_server::Settings| {
        settings.providers = providers;
        settings.sign_in.passwords = passwords;
        settings.insecure_cimd_loopback = true;
    };
    World::builder().settings(change).start().await
}

/// The address a leaving page goes to.
#[track_caller]
pub(crate) fn destination(page: &Page) -> url::Url {
    let html = page.text();
    let (_, rest) = html.split_once("content=\"0; url=").unwrap_or_else(|| panic!("no way out: {html}"));
    let url = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    url::Url::parse(&url).unwrap()
}

/// A parameter of an address.
#[track_caller]
pub(crate) fn parameter(url: &url::Url, name: &str) -> String {
    let mut found = url.query_pairs().filter(|(key, _)| key == name);
    let value = found.next().unwrap_or_else(|| panic!("no {name} in {url}")).1.into_owned();
    assert!(found.next().is_none(), "{name} is there twice");
    value
}

/// Presses the button of a provider on a sign-in page; the page that takes the browser there.
pub(crate) async fn choose(browser: &mut Browser, page: &Page, name: &str) -> Page {
    let form = page.form("/sign-in/with");
    let answer = browser.press(&form, Some(name)).await;
    answer.is(200);
    Page { answer }
}

/// Leaves for a provider; the address it goes to.
pub(crate) async fn leave(browser: &mut Browser, name: &str) -> url::Url {
    let page = browser.open("/sign-in").await;
    destination(&choose(browser, &page, name).await)
}

/// What the provider of the tests gives us for its own resources; it must never be seen again.
pub(crate) const UPSTREAM_TOKENS: [&str; 2] = ["access-of-ada", "refresh-of-ada"];

/// A provider that is really there, as ours is told of it.
pub(crate) fn of(name: &str, label: &str, there: &Provider) -> ProviderSettings {
    let settings = oidc::Settings {
        client_secret: there.state().secret.clone().map(Secret::new),
        ..oidc::Settings::new(Preset::Generic, there.issuer(), "portcullis")
    };
    provider(name, label, ProviderKind::Oidc(Box::new(settings)))
}

/// A server, and a company that is really there, by name `acme`.
pub(crate) async fn acme(change: impl FnOnce(&mut ProviderSettings)) -> (World, Provider) {
    let there = Provider::start().await;
    let mut acme = of("acme", "Acme", &there);
    change(&mut acme);
    let world = world(vec![acme]).await;
    there.state().now = portcullis_wire::time::UnixTime::from_seconds(world.now());
    (world, there)
}

/// The whole way through a provider, from the page that is open: what came of it, nothing followed.
pub(crate) async fn through(
    world: &World,
    browser: &mut Browser,
    page: &Page,
    there: &Provider,
    name: &str,
) -> Answer {
    let out = choose(browser, page, name).await;
    there.state().now = portcullis_wire::time::UnixTime::from_seconds(world.now());
    let back = there.visit(destination(&out).as_str());
    browser.get(&world.net.target(&back)).await
}

/// A browser in which whoever is at `acme` is signed in.
pub(crate) async fn arrived(world: &World, there: &Provider) -> Browser {
    let mut browser = world.browser();
    let answer = try_arriving(world, &mut browser, there).await;
    assert_eq!(answer.is(303).location(), format!("{}/account", world.issuer()));
    browser
}

/// The same, which may fail.
pub(crate) async fn try_arriving(world: &World, browser: &mut Browser, there: &Provider) -> Answer {
    let page = browser.open("/sign-in").await;
    through(world, browser, &page, there, "acme").await
}
