//! `new`: writes an MCP server that is whole, and says what to do next.
//!
//! `answers` goes from what was said to what is meant, `ask` asks for the rest on a terminal, `kit` knows the
//! templates, `fill` puts the answers in, and `write` makes the folder in one piece or not at all.

mod answers;
mod ask;
mod fill;
mod kit;
mod write;

use std::io::{IsTerminal as _, stderr, stdin};

use serde_json::json;

use self::answers::{Answers, absolute};
use self::ask::Asker;
use crate::args::{New, Shared};
use crate::failure::{Exit, Outcome};
use crate::output::{print, say};

pub(crate) fn run(shared: &Shared, wish: &New) -> Outcome {
    let folder = absolute(&wish.folder)?;
    write::refuse_what_is_there(&folder)?;
    let mut input = stdin().lock();
    let mut asker = (!wish.yes && stdin().is_terminal() && stderr().is_terminal())
        .then(|| Asker::new(&mut input, stderr()));
    let answers = Answers::settle(wish, &folder, asker.as_mut())?;
    let kit = kit::of(answers.template);
    let values = answers.values();
    let files: Vec<(&str, String)> =
        kit.files.iter().map(|(path, text)| (*path, fill::fill(text, &values))).collect();
    write::write(&folder, &files)?;
    if shared.json {
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        print(
            &json!({ "folder": folder, "template": answers.template.to_string(), "files": paths })
                .to_string(),
        );
    } else {
        print(&folder.display().to_string());
    }
    say(fill::fill(kit.next, &values).trim_end());
    Ok(Exit::Done)
}
