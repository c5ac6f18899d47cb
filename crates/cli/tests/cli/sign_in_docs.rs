//! What `docs/sign-in.md` says to write is in order, each block by itself.

use crate::world::run;

const PAGE: &str = include_str!("../../../../docs/sign-in.md");
/// Stands before a block that names no resource of its own.
const RESOURCE: &str = "[[resource]]\npath = \"/mcp\"\nupstream = \"builtin\"\n";

/// A provider's, as pysaml2 writes it.
const METADATA: &str = include_str!("../../../sso/tests/saml/real/pysaml2/metadata.xml");

/// Every TOML block of the page, with the line it begins at.
fn blocks() -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let mut lines = PAGE.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim() == "```toml" {
            let text: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            all.push((at + 1, text.join("\n")));
        }
    }
    all
}

#[test]
fn every_configuration_on_the_page_is_in_order() {
    let place = tempfile::tempdir().unwrap();
    let blocks = blocks();
    for kind in ["google", "entra", "okta", "auth0", "keycloak", "github", "oidc", "saml"] {
        let line = format!("kind = \"{kind}\"");
        assert!(blocks.iter().any(|(_, text)| text.contains(&line)), "{kind} is not on the page");
    }
    for (line, text) in blocks {
        let whole = if text.contains("[[resource]]") { text } else { format!("{RESOURCE}{text}\n") };
        // Each file that is spoken of is there, beside the configuration; a variable that is set stands in for the page's.
        let named = whole.lines().filter(|line| line.contains("_file = "));
        for name in named.filter_map(|line| line.split('"').nth(1)) {
            let content = if name.ends_with(".xml") { METADATA } else { "placeholder\n" };
            std::fs::write(place.path().join(name), content).unwrap();
        }
        let here = format!("_file = \"{}/", place.path().display());
        let file = place.path().join("portcullis.toml");
        std::fs::write(&file, whole.replace("_file = \"", &here).replace("ACME_SECRET", "PATH")).unwrap();
        let ended = run(&format!("config check {}", file.display()));
        assert_eq!(ended.code, 0, "the block at line {line} of docs/sign-in.md: {}{}", ended.out, ended.err);
    }
}
