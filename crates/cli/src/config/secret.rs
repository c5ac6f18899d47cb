//! A secret is never written into the configuration: it comes from a file or from the environment.

use std::path::PathBuf;

use super::fault::Fault;
use super::reader::At;

/// Where a secret is, as written.
pub(super) struct Written<'a> {
    /// How the two settings begin: `…_file` and `…_env`.
    pub(super) key: &'static str,
    /// Where it would stand.
    pub(super) line: usize,
    pub(super) file: Option<&'a At<PathBuf>>,
    pub(super) env: Option<&'a At<String>>,
}

impl Written<'_> {
    /// The secret, which has to be there.
    pub(super) fn required(&self, faults: &mut Vec<Fault>) -> Option<String> {
        if self.file.is_none() && self.env.is_none() {
            self.nowhere(faults);
        }
        self.optional(faults)
    }

    /// The secret, if one is named.
    pub(super) fn optional(&self, faults: &mut Vec<Fault>) -> Option<String> {
        let Self { key, .. } = self;
        match (self.file, self.env) {
            (None, None) => None,
            (Some(at), None) => {
                let key = format!("{key}_file");
                match std::fs::read_to_string(&at.value).map(|text| text.trim_end().to_owned()) {
                    Ok(text) if !text.is_empty() => return Some(text),
                    Ok(_) => faults.push(Fault::new(at.line, &key, "the file is empty")),
                    Err(error) => {
                        faults.push(Fault::new(at.line, &key, format!("`{}`: {error}", at.value.display())));
                    }
                }
                None
            }
            (None, Some(at)) => {
                let found = std::env::var(&at.value).ok().filter(|text| !text.is_empty());
                if found.is_none() {
                    let told = format!("`{}` is not set in the environment", at.value);
                    faults.push(Fault::new(at.line, &format!("{key}_env"), told));
                }
                found
            }
            (Some(_), Some(_)) => {
                self.nowhere(faults);
                None
            }
        }
    }

    fn nowhere(&self, faults: &mut Vec<Fault>) {
        let Self { key, line, .. } = self;
        let (_, name) = key.rsplit_once('.').unwrap_or(("", key));
        faults.push(
            Fault::new(*line, key, "where is the secret?")
                .advise(format!("write `{name}_file` or `{name}_env`, one of them")),
        );
    }
}
