//! What a page asks for: files to write, changes to make, commands to run, and what they shall say.

/// One thing a reader does, and the line of the page where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) deed: Deed,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A block `LANGUAGE,file=NAME`: the whole of a file.
    Write { name: String, text: String },
    /// A block `diff,file=NAME`: each part, ` ` and `-`, stands once in the file, and ` ` and `+` takes its place.
    Change { name: String, parts: Vec<Part> },
    /// A line `$ …` of a block `console`, and the lines below it.
    Run { command: String, expected: Vec<String> },
}

/// One part of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) before: String,
    pub(crate) after: String,
}

/// The acts of a page in their order, or the line that is not understood and why.
pub(crate) fn read(page: &str) -> Result<Vec<Act>, (usize, String)> {
    let mut acts = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut block = Vec::new();
        loop {
            match lines.next() {
                None => return Err((number, "this block has no end".to_owned())),
                Some(("```", _)) => break,
                Some(inside) => block.push(inside),
            }
        }
        match info.split_once(",file=") {
            Some(("diff", name)) => {
                acts.push(Act { line: number, deed: change(name, &block).map_err(|why| (number, why))? });
            }
            Some((_, name)) => {
                let text: String = block.iter().flat_map(|(text, _)| [text, "\n"]).collect();
                acts.push(Act { line: number, deed: Deed::Write { name: name.to_owned(), text } });
            }
            None if info == "console" => acts.extend(commands(&block)?),
            None if matches!(info, "sh" | "bash" | "shell" | "console,") => {
                return Err((number, "commands stand in a block `console`, each after `$ `".to_owned()));
            }
            None => {}
        }
    }
    Ok(acts)
}

/// A command goes on while its lines end in `\`, and while a quotation is open: such lines begin with `> `.
fn commands(block: &[(&str, usize)]) -> Result<Vec<Act>, (usize, String)> {
    let mut acts: Vec<Act> = Vec::new();
    for &(text, line) in block {
        if let Some(command) = text.strip_prefix("$ ") {
            let deed = Deed::Run { command: command.to_owned(), expected: Vec::new() };
            acts.push(Act { line, deed });
            continue;
        }
        let Some(Act { deed: Deed::Run { command, expected }, .. }) = acts.last_mut() else {
            return Err((line, "an answer before any `$ ` command".to_owned()));
        };
        match text.strip_prefix("> ") {
            Some(more) if expected.is_empty() => {
                command.push('\n');
                command.push_str(more);
            }
            _ => expected.push(text.to_owned()),
        }
    }
    Ok(acts)
}

fn change(name: &str, block: &[(&str, usize)]) -> Result<Deed, String> {
    let mut parts = vec![Part { before: String::new(), after: String::new() }];
    for (text, _) in block {
        if text.starts_with("@@") {
            parts.push(Part { before: String::new(), after: String::new() });
            continue;
        }
        let Some(part) = parts.last_mut() else { continue };
        let (before, after, rest) = match (text.strip_prefix('-'), text.strip_prefix('+')) {
            (Some(rest), _) => (true, false, rest),
            (_, Some(rest)) => (false, true, rest),
            _ => (true, true, text.strip_prefix(' ').unwrap_or(text)),
        };
        for (side, wanted) in [(&mut part.before, before), (&mut part.after, after)] {
            if wanted {
                side.push_str(rest);
                side.push('\n');
            }
        }
    }
    parts.retain(|part| part.before != part.after);
    if parts.is_empty() || parts.iter().any(|part| part.before.is_empty()) {
        return Err("a change names the lines it stands beside".to_owned());
    }
    Ok(Deed::Change { name: name.to_owned(), parts })
}

/// The file after the change.
pub(crate) fn changed(text: &str, parts: &[Part]) -> Result<String, String> {
    parts.iter().try_fold(text.to_owned(), |text, part| match text.matches(&part.before).count() {
        1 => Ok(text.replacen(&part.before, &part.after, 1)),
        count => Err(format!("these lines stand {count} times in the file, not once:\n{}", part.before)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: usize, command: &str, expected: &[&str]) -> Act {
        let expected = expected.iter().map(|line| (*line).to_owned()).collect();
        Act { line, deed: Deed::Run { command: command.to_owned(), expected } }
    }

    #[test]
    fn commands_have_their_answers_below_them() {
        let page = "Text.\n```console\n$ echo a\na\n$ cat <<E\n> b\n> E\nb\n\nc\n```\n```json\n{}\n```\n";
        assert_eq!(read(page).unwrap(), [run(3, "echo a", &["a"]), run(5, "cat <<E\nb\nE", &["b", "", "c"])]);
    }

    #[test]
    fn files_are_written_whole_and_changed_in_parts() {
        let page = "```rust,file=src/main.rs\nfn main() {}\n```\n```diff,file=a\n x\n-y\n+z\n```\n";
        let acts = read(page).unwrap();
        assert_eq!(
            acts[0].deed,
            Deed::Write { name: "src/main.rs".to_owned(), text: "fn main() {}\n".to_owned() }
        );
        let Deed::Change { name, parts } = &acts[1].deed else { panic!("{acts:?}") };
        assert_eq!((name.as_str(), acts[1].line), ("a", 4));
        assert_eq!(changed("w\nx\ny\n", parts).unwrap(), "w\nx\nz\n");
        assert!(changed("x\ny\nx\ny\n", parts).is_err());
        assert!(changed("x\n", parts).is_err());
    }

    #[test]
    fn a_page_that_would_run_nothing_is_refused_by_line() {
        for (page, line) in [
            ("```console\n$ a", 1),
            ("a\n```sh\nb\n```\n", 2),
            ("```console\nanswer\n```\n", 2),
            ("```diff,file=a\n+only new\n```\n", 1),
            ("```diff,file=a\n nothing\n```\n", 1),
        ] {
            assert_eq!(read(page).unwrap_err().0, line, "{page}");
        }
    }
}
