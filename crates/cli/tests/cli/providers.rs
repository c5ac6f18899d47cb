//! `[[provider]]`: what is in order, and what is told.

use crate::config::check;

const ACME: &str = r#"
[[resource]]
path = "/mcp"
upstream = "builtin"

[[provider]]
name = "acme"
kind = "keycloak"
issuer = "https://login.acme.example/realms/staff"
client_id = "portcullis"
client_secret_env = "PATH"
domains = ["acme.example"]
account_groups = ["ops"]
proof_lasts = "7d"

[provider.groups]
"mcp-admins" = "ops"
"*" = "keep"

[[provider]]
name = "hub"
kind = "github"
client_id = "portcullis"
client_secret_env = "PATH"
accounts = "known"
"#;

#[test]
fn providers_in_order_have_no_faults() {
    check(ACME, &[]);
}

#[test]
fn t_absent_a_provider_that_lacks_or_mixes_something_is_told_with_line_and_fix() {
    for (name, given, expected) in [
        ("no name", "kind = \"google\"\nclient_id = \"x\"", vec![(5, "provider.name", "acme")]),
        ("no issuer", "name = \"a\"\nclient_id = \"x\"", vec![(5, "provider.issuer", "issuer = ")]),
        ("no client id", "name = \"a\"\nkind = \"google\"", vec![(5, "provider.client_id", "register it")]),
        (
            "a kind misspelled",
            "name = \"a\"\nkind = \"gogle\"\nclient_id = \"x\"",
            vec![(7, "provider.kind", "google")],
        ),
        (
            "a name for no address",
            "name = \"Acme Inc\"\nkind = \"google\"\nclient_id = \"x\"",
            vec![(6, "provider.name", "small letters")],
        ),
        (
            "everybody at Microsoft",
            "name = \"a\"\nkind = \"entra\"\ntenant = \"common\"\nclient_id = \"x\"",
            vec![(8, "provider.tenant", "Directory (tenant) ID")],
        ),
        (
            "no tenant",
            "name = \"a\"\nkind = \"entra\"\nclient_id = \"x\"",
            vec![(5, "provider.tenant", "Directory (tenant) ID")],
        ),
        (
            "an issuer for Google",
            "name = \"a\"\nkind = \"google\"\nissuer = \"https://accounts.google.com\"\nclient_id = \"x\"",
            vec![(8, "provider.issuer", "leave it out")],
        ),
        (
            "a secret in the file",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"\nclient_secret = \"s\"",
            vec![(9, "provider.client_secret", "client_secret_")],
        ),
        (
            "a secret that is nowhere",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"\nclient_secret_env = \"NO_SUCH_NAME_HERE\"",
            vec![(9, "provider.client_secret_env", "not set")],
        ),
        (
            "saml without metadata",
            "name = \"a\"\nkind = \"saml\"",
            vec![(5, "provider.metadata_file", "export")],
        ),
        (
            "saml by an address and no entity id",
            "name = \"a\"\nkind = \"saml\"\nmetadata_url = \"https://idp.example/m\"",
            vec![(5, "provider.issuer", "entityID")],
        ),
        (
            "saml with metadata that is none",
            "name = \"a\"\nkind = \"saml\"\nmetadata_file = \"/dev/null\"",
            vec![(8, "provider.metadata_file", "metadata")],
        ),
        (
            "an issuer that is no address",
            "name = \"a\"\nclient_id = \"x\"\nissuer = \"login.acme.example\"",
            vec![(8, "provider.issuer", "copy the issuer")],
        ),
        (
            "saml with a client id",
            "name = \"a\"\nkind = \"saml\"\nclient_id = \"x\"\nmetadata_file = \"/dev/null\"",
            vec![(8, "provider.client_id", "leave it out")],
        ),
        (
            "a domain twice",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"\ndomains = [\"a.example\"]\n[[provider]]\nname = \"b\"\nkind = \"github\"\nclient_id = \"x\"\ndomains = [\"A.example\"]",
            vec![(15, "provider.domains", "one provider")],
        ),
        (
            "one name for two",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"\n[[provider]]\nname = \"a\"\nkind = \"github\"\nclient_id = \"x\"",
            vec![(11, "provider.name", "each its own")],
        ),
        (
            "one provider twice",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"\n[[provider]]\nname = \"b\"\nkind = \"google\"\nclient_id = \"y\"",
            vec![(10, "provider.issuer", "each provider once")],
        ),
        (
            "everybody at Google",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"",
            vec![(5, "provider.accounts", "accounts = \"create\" if")],
        ),
        (
            "everybody at Google, by a list that names nothing",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"\ndomains = []",
            vec![(5, "provider.accounts", "accounts = \"create\" if")],
        ),
        (
            "everybody at Google, under another kind",
            "name = \"a\"\nissuer = \"https://accounts.google.com\"\nclient_id = \"x\"",
            vec![(7, "provider.issuer", "kind = \"google\"")],
        ),
        (
            "organisations that anybody can make",
            "name = \"a\"\nkind = \"github\"\nclient_id = \"x\"\naccounts = \"known\"\n[provider.groups]\n\"*\" = \"keep\"",
            vec![(11, "provider.groups.*", "name each organisation")],
        ),
        (
            "groups of a provider that names none",
            "name = \"a\"\nkind = \"google\"\nclient_id = \"x\"\naccount_groups = [\"ops\"]",
            vec![(5, "provider.account_groups", "[provider.groups]")],
        ),
    ] {
        // Google and GitHub want it said whom they bring; the cases about that say nothing.
        let says = given.contains("accounts = ") || expected[0].1 == "provider.accounts";
        let known = if says { "" } else { "\naccounts = \"known\"" };
        let given = given.replace("\n[[provider]]", &format!("{known}\n[[provider]]")) + known;
        let text =
            format!("[[resource]]\npath = \"/mcp\"\nupstream = \"builtin\"\n\n[[provider]]\n{given}\n");
        assert!(!expected.is_empty(), "{name}");
        check(&text, &expected);
    }
    check(
        "[sign_in]\npasswords = false\n[[resource]]\npath = \"/mcp\"\nupstream = \"builtin\"\n",
        &[(2, "sign_in.passwords", "add a [[provider]]")],
    );
}
