//! On the way to a provider: where to, before the browser goes there.

use super::{Claim, Site, Template, hostile};

/// What `POST /sign-in/with` answers. It goes on by itself, at once, and has a link for who stays. It is a page and no
/// redirect: `form-action` of the page before would have to name the provider.
#[derive(Debug, Template)]
#[template(path = "leaving.html")]
pub struct Leaving {
    /// This host, in ASCII.
    pub host: Site,
    /// What the owner calls the provider.
    pub label: Claim,
    /// The provider's host, in ASCII.
    pub destination: Claim,
    /// Where to.
    pub url: String,
}

impl Leaving {
    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let plain = || Self {
            host: "auth.acme.example".into(),
            label: Claim::name("Acme"),
            destination: Claim::long("login.acme.example"),
            url: "https://login.acme.example/authorize?state=s&nonce=n".into(),
        };
        vec![
            ("leaving", plain()),
            (
                "leaving-hostile",
                Self {
                    label: Claim::name(hostile::MARKUP),
                    destination: Claim::long(&hostile::long()),
                    url: format!("https://login.acme.example/{}", hostile::MARKUP),
                    ..plain()
                },
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_to_and_goes_there_without_script() {
        let html = Leaving::samples().remove(0).1.render().unwrap();
        let url = "https://login.acme.example/authorize?state=s&#38;nonce=n";
        assert!(html.contains(&format!(r#"<meta http-equiv="refresh" content="0; url={url}">"#)));
        assert!(html.contains(&format!(r#"href="{url}""#)));
        assert!(html.contains(r#"<bdi dir="ltr">login.acme.example</bdi>"#));
    }

    #[test]
    fn nothing_of_a_url_ends_the_attribute() {
        let html = Leaving::samples().remove(1).1.render().unwrap();
        assert!(!html.contains("<script") && !html.contains("<img"));
    }
}
