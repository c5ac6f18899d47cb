//! Whether a command said what the page shows, and which ports it says it with.

/// Stands in a line for any text, and alone on its line for any lines.
const ANY: &str = "…";

/// `None` when the lines agree, else the first line of the page that is not met.
pub(crate) fn difference(expected: &[String], said: &[&str]) -> Option<String> {
    let Some((first, rest)) = expected.split_first() else {
        return said.first().map(|line| format!("nothing more was expected, but `{line}` was said"));
    };
    if first == ANY {
        let fault = difference(rest, said);
        return match fault {
            Some(_) if !said.is_empty() => difference(expected, &said[1..]).and(fault),
            fault => fault,
        };
    }
    match said.split_first() {
        None => Some(format!("expected `{first}`, but no more was said")),
        Some((line, more)) if is_like(first, line) => difference(rest, more),
        Some((line, _)) => Some(format!("expected `{first}`, not `{line}`")),
    }
}

fn is_like(pattern: &str, line: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once(ANY) else { return pattern == line };
    let Some(mut line) = line.strip_prefix(begin) else { return false };
    let mut parts = rest.split(ANY).peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return line.ends_with(part);
        }
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    true
}

/// Puts one port for another wherever it stands behind a colon, or behind one as it is written within a URL.
pub(crate) fn with_ports(text: &str, ports: &[(u16, u16)]) -> String {
    [":", "%3A"].iter().fold(text.to_owned(), |text, colon| behind(colon, &text, ports))
}

fn behind(colon: &str, text: &str, ports: &[(u16, u16)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(colon) {
        let (before, after) = rest.split_at(at + colon.len());
        out.push_str(before);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        let port: Option<u16> = number.parse().ok();
        let other = ports.iter().find(|(from, _)| Some(*from) == port).map(|(_, to)| to.to_string());
        out.push_str(other.as_deref().unwrap_or(number));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_held_against_the_page() {
        for (expected, said, agree) in [
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("a", "a", true),
            ("a", "b", false),
            ("a", "a\nb", false),
            ("a…", "a", true),
            ("a…c", "abc", true),
            ("a…c", "ab", false),
            ("a…a", "a", false),
            ("…b…d", "abcd", true),
            ("…b…d", "acd", false),
            ("…", "", true),
            ("…", "a\nb", true),
            ("a\n…\nd", "a\nb\nc\nd", true),
            ("a\n…\nd", "a\nb\nc", false),
            ("…\nb\n…", "a\nb", true),
            ("…\nb\n…", "a\nc", false),
        ] {
            let lines: Vec<String> = expected.lines().map(str::to_owned).collect();
            let heard: Vec<&str> = said.lines().collect();
            assert_eq!(difference(&lines, &heard).is_none(), agree, "{expected:?} {said:?}");
        }
    }

    #[test]
    fn ports_are_changed_and_nothing_else() {
        let ports = [(3000, 41000), (8414, 41001)];
        for (text, changed) in [
            ("http://127.0.0.1:3000/mcp", "http://127.0.0.1:41000/mcp"),
            ("3000 a:30001 :8414", "3000 a:30001 :41001"),
            ("{\"exp\":3000000,\"a\":\"b\"}", "{\"exp\":3000000,\"a\":\"b\"}"),
            ("iss=http%3A%2F%2F127.0.0.1%3A3000", "iss=http%3A%2F%2F127.0.0.1%3A41000"),
            ("::", "::"),
        ] {
            assert_eq!(with_ports(text, &ports), changed);
        }
    }
}
