//! `config`: what is wrong with a file, and what its settings mean.

use std::io::Read as _;
use std::path::Path;

use serde_json::json;

use crate::args::{Config, Shared};
use crate::config::{FILE_MAX, Fault, File, Setting, find, nearest_setting, resolve, settings};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, print, say};

pub(crate) fn run(shared: &Shared, wish: Config) -> Outcome {
    let output = Output::new(shared.json);
    match wish {
        Config::Check { file } => check(output, &file),
        Config::Explain { key: None } => {
            settings().iter().for_each(|setting| explain(output, setting));
            Ok(Exit::Done)
        }
        Config::Explain { key: Some(key) } => match find(&key) {
            Some(setting) => {
                explain(output, setting);
                Ok(Exit::Done)
            }
            None => {
                let hint = nearest_setting(&key).map_or_else(
                    || "`portcullis config explain` lists all settings".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                Err(Failure::fixable(format!("there is no setting `{key}`")).hint(hint))
            }
        },
    }
}

/// Reads a configuration file: its text, what it says, and what is wrong with its form.
pub(crate) fn load(path: &Path) -> Result<(File, Vec<Fault>), Failure> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_MAX).read_to_string(&mut text))
        .map_err(|error| Failure::fixable(format!("cannot read `{}`: {error}", path.display())))?;
    Ok(File::read(&text))
}

fn check(output: Output, path: &Path) -> Outcome {
    let (file, mut faults) = load(path)?;
    if let Err(more) = resolve(&file, None) {
        // Where the form is broken, what seems to be missing may only be unreadable.
        let broken: Vec<String> = faults.iter().map(|fault| fault.key.clone()).collect();
        let told = |fault: &Fault| broken.is_empty() || (fault.line > 0 && !broken.contains(&fault.key));
        faults.extend(more.into_iter().filter(told));
    }
    faults.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
    faults.dedup();
    for fault in &faults {
        if output.is_json() {
            output.object(&fault.json());
        } else {
            print(&fault.told(Some(path)));
            if let Some(hint) = &fault.hint {
                print(&format!("  hint: {hint}"));
            }
        }
    }
    if faults.is_empty() {
        say(&format!("`{}` is in order", path.display()));
        return Ok(Exit::Done);
    }
    Ok(Exit::Found)
}

fn explain(output: Output, setting: &Setting) {
    let Setting { key, unit, default, meaning } = setting;
    if output.is_json() {
        output.object(&json!({ "key": key, "unit": unit, "default": default, "meaning": meaning }));
    } else {
        print(&format!("{key} ({unit}; default: {default})\n  {meaning}"));
    }
}
