//! The line a person pastes into each app to connect it to a guarded server. The start page and the command line
//! print the same ones.

use serde_json::json;

/// What to paste, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasteLine {
    /// The app.
    pub client: &'static str,
    /// Where the line goes.
    pub how: &'static str,
    /// The line itself, quoted for a POSIX shell where it is a command.
    pub line: String,
}

impl PasteLine {
    /// Words up to this long, in characters, are not broken over two rows: a row ending in `--` helps nobody.
    pub const WORD_KEPT: usize = 24;

    /// The line in its words; joined by single spaces they are the line again.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.line.split(' ')
    }
}

/// Longest server name in a line, in characters.
const NAME_MAX: usize = 40;

/// Lines for the server `url`, which apps shall call `name`. The name is brought to lower-case letters, digits and
/// hyphens, since that is what every app takes. Claude on the web is left out for a server without https: it calls
/// from its own machines and cannot reach this one.
#[must_use]
pub fn paste_lines(name: &str, url: &str) -> Vec<PasteLine> {
    let name = plain_name(name);
    let shell_url = shell(url);
    let vs_code = json!({ "name": name, "type": "http", "url": url }).to_string();
    let cursor = json!({ "mcpServers": { &name: { "url": url } } }).to_string();
    let line = |client, how, line| PasteLine { client, how, line };
    const TERMINAL: &str = "In a terminal";
    let mut lines = vec![
        line("Claude Code", TERMINAL, format!("claude mcp add --transport http {name} {shell_url}")),
        line("VS Code", TERMINAL, format!("code --add-mcp {}", shell(&vs_code))),
        line("Cursor", "In ~/.cursor/mcp.json", cursor),
        line(
            "MCP Inspector",
            TERMINAL,
            format!(
                "npx @modelcontextprotocol/inspector --cli --transport http --server-url {shell_url} --method tools/list"
            ),
        ),
        line(
            "Apps that only start programs",
            "As the command, with mcp-remote between",
            format!("npx mcp-remote {shell_url}"),
        ),
    ];
    if url.starts_with("https://") {
        lines.insert(
            1,
            line(
                "Claude on the web and desktop",
                "Settings, Connectors, Add custom connector",
                url.to_owned(),
            ),
        );
    }
    lines
}

/// Lower-case ASCII letters, digits and single hyphens; `mcp` when nothing is left.
fn plain_name(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if out.len() >= NAME_MAX {
            break;
        }
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "mcp".to_owned() } else { out.to_owned() }
}

/// One word of a POSIX shell.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(client: &str, name: &str, url: &str) -> String {
        paste_lines(name, url).into_iter().find(|line| line.client == client).unwrap().line
    }

    #[test]
    fn names_are_what_every_app_takes() {
        for (given, expected) in [
            ("Acme Notes", "acme-notes"),
            ("  --x--  y", "x-y"),
            ("", "mcp"),
            ("مساعد", "mcp"),
            ("$(rm -rf /)", "rm-rf"),
        ] {
            assert_eq!(plain_name(given), expected, "{given}");
        }
        assert_eq!(plain_name(&"a".repeat(99)).len(), NAME_MAX);
    }

    #[test]
    fn lines_for_a_plain_address() {
        let url = "https://notes.example.com/mcp";
        assert_eq!(
            line_of("Claude Code", "Notes", url),
            format!("claude mcp add --transport http notes {url}")
        );
        assert_eq!(
            line_of("VS Code", "Notes", url),
            format!(r#"code --add-mcp '{{"name":"notes","type":"http","url":"{url}"}}'"#)
        );
        assert_eq!(
            line_of("Cursor", "Notes", url),
            format!(r#"{{"mcpServers":{{"notes":{{"url":"{url}"}}}}}}"#)
        );
    }

    #[test]
    fn a_server_on_this_machine_is_not_offered_to_apps_elsewhere() {
        let clients = |url| paste_lines("n", url).iter().filter(|line| line.client.contains("web")).count();
        assert_eq!(clients("https://notes.example.com/mcp"), 1);
        assert_eq!(clients("http://127.0.0.1:8414/mcp"), 0);
    }

    #[test]
    fn words_make_the_line_again() {
        for line in paste_lines("Notes", "https://h.example/a b?c") {
            assert_eq!(line.words().collect::<Vec<_>>().join(" "), line.line);
        }
    }

    #[test]
    fn nothing_in_an_address_reaches_the_shell() {
        for (given, expected) in [
            ("a?b&c", "'a?b&c'"),
            ("http://[::1]:1/", "'http://[::1]:1/'"),
            ("it's", r"'it'\''s'"),
            ("$(x)`y`", "'$(x)`y`'"),
            ("", "''"),
        ] {
            assert_eq!(shell(given), expected, "{given}");
        }
    }

    #[test]
    fn json_lines_are_json_whatever_the_address_holds() {
        let text = line_of("Cursor", "n", "https://h/\"\\\n");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["mcpServers"]["n"]["url"], "https://h/\"\\\n");
    }
}
