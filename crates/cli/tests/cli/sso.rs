//! `sso` and `users link`: providers against a running server, told as they are.

use std::path::Path;

use serde_json::Value;

use crate::world::{Server, at};

const PASSWORD: &str = "correct horse battery staple\n";

/// A provider at a port of this computer where nothing listens: it was somebody's a moment ago, and is not reserved.
fn configured(directory: &Path) -> (String, String) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let issuer = format!("http://{closed}");
    let secret = directory.join("acme.secret");
    std::fs::write(&secret, "a secret of this server there\n").unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[[resource]]\npath = \"/mcp\"\nupstream = \"builtin\"\n\
         [[provider]]\nname = \"acme\"\nlabel = \"Acme\"\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\n\
         client_secret_file = \"{}\"\nprivate_network = true\ndomains = [\"acme.example\"]\n",
        secret.display()
    );
    let file = directory.join("portcullis.toml");
    std::fs::write(&file, text).unwrap();
    (issuer, format!("serve --config {} --insecure-cimd-loopback", file.display()))
}

fn listed(directory: &Path) -> Value {
    let mut rows = at(directory, "sso list --json", "").rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

fn account(directory: &Path, name: &str) -> Value {
    at(directory, "users list --json", "").rows().into_iter().find(|row| row["name"] == name).unwrap()
}

#[test]
fn a_provider_that_does_not_answer_is_told_with_the_fix() {
    let place = tempfile::tempdir().unwrap();
    let (issuer, words) = configured(place.path());
    let server = Server::start(place.path(), &words);
    let row = listed(place.path());
    assert_eq!((&row["name"], &row["kind"], &row["state"]), (&"acme".into(), &"oidc".into(), &"on".into()));
    assert_eq!(row["issuer"], issuer);
    let entered = format!("http://{}/callback/acme", server.address());
    assert_eq!(row["addresses"]["redirect_uri"], entered, "what is entered there");

    let told = at(place.path(), "sso check acme", "");
    assert_eq!(told.code, 3, "{}", told.err);
    for part in ["✗ discovery document of ", "(discovery_unavailable)", "why: ", "to do, by "] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    let rows = at(place.path(), "sso check acme --json", "").rows();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["ok"], &rows[0]["fault"]["transient"]), (&false.into(), &true.into()), "{rows:?}");

    // A sign-in that cannot end well is not begun.
    let test = at(place.path(), "sso test acme --json", "");
    assert_eq!(test.code, 3, "{}", test.err);
    let row = test.rows().remove(0);
    assert_eq!((&row["state"], &row["url"]), (&"not begun".into(), &Value::Null));

    for words in ["sso check nobody", "sso test nobody", "sso disable nobody", "sso enable nobody"] {
        let refused = at(place.path(), words, "");
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{words}");
        assert!(refused.err.contains("`nobody`"), "{words}: {}", refused.err);
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_provider_is_switched_off_and_on_again_across_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let (_, words) = configured(place.path());
    let server = Server::start(place.path(), &words);
    assert_eq!(at(place.path(), "sso disable acme", "").code, 0);
    assert_eq!(listed(place.path())["state"], "off");
    assert_eq!(server.stop(), 0);
    assert_eq!(listed(place.path())["state"], "off", "at rest");
    let server = Server::start(place.path(), &words);
    assert_eq!(listed(place.path())["state"], "off", "a restart switches nothing on");
    assert_eq!(at(place.path(), "sso enable acme", "").code, 0);
    assert_eq!(listed(place.path())["state"], "on");
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_account_is_tied_to_one_person_at_a_provider_and_untied() {
    let place = tempfile::tempdir().unwrap();
    let (issuer, words) = configured(place.path());
    let server = Server::start(place.path(), &words);
    for who in ["alice", "bob"] {
        let added = at(place.path(), &format!("users add {who} --password-stdin"), PASSWORD);
        assert_eq!(added.code, 0, "{}", added.err);
    }
    let link = |who: &str, provider: &str| {
        at(place.path(), &format!("users link {who} --provider {provider} --subject s-1"), "")
    };
    assert_eq!(link("alice", "acme").code, 0);
    let row = account(place.path(), "alice");
    assert_eq!((row["provider"].as_str(), &row["subject"]), (Some(issuer.as_str()), &"s-1".into()));
    assert!(row["proven_until"].is_string(), "{row}");
    assert_eq!(row["enabled"], true);
    assert_eq!(listed(place.path())["people"], 1);

    // One person there is one account here.
    assert_eq!(link("bob", "acme").code, 1);
    assert_eq!(link("bob", "nobody").code, 1);
    assert_eq!(account(place.path(), "bob")["provider"], Value::Null);

    // Whoever belongs to a provider that is off may not act, and the list says so.
    assert_eq!(at(place.path(), "sso disable acme", "").code, 0);
    let row = account(place.path(), "alice");
    assert_eq!((&row["enabled"], &row["switched_off"]), (&false.into(), &false.into()), "{row}");
    assert_eq!(at(place.path(), "sso enable acme", "").code, 0);

    assert_eq!(at(place.path(), "users unlink alice", "").code, 0);
    assert_eq!(account(place.path(), "alice")["provider"], Value::Null);
    assert_eq!(at(place.path(), "users unlink nobody", "").code, 1);
    let trail = at(place.path(), "audit --json", "").rows();
    for event in ["provider_switched_off", "provider_switched_on", "account_linked", "account_unlinked"] {
        assert!(trail.iter().any(|row| row["event"] == event), "{event}");
    }
    assert_eq!(server.stop(), 0);
}
