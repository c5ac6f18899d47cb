//! `users`: people who may sign in.

use std::io::Read as _;

use portcullis::admin::Command;

use super::Desk;
use crate::args::{Password, Users};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::print;

/// Most bytes read for a password.
const PASSWORD_INPUT: u64 = 4096;

pub(crate) async fn run(desk: &Desk, users: Users) -> Outcome {
    match users {
        Users::List => {
            let columns = ["name", "groups", "admin", "enabled", "provider", "created_at"];
            desk.list(Command::UserList, &columns, "no accounts yet: `portcullis setup-link` makes the first")
                .await
        }
        Users::Add { name, password, admin, groups } => {
            let said = format!("added `{name}`");
            let add = Command::UserAdd { name: name.clone(), password: read(password)?, admin };
            if groups.is_empty() {
                return desk.done(add, &said).await;
            }
            desk.rows(add).await?;
            desk.done(Command::UserGroups { name, groups }, &said).await
        }
        Users::Groups { name, set } => {
            let groups: Vec<String> = set.into_iter().filter(|group| !group.is_empty()).collect();
            let said = match groups.is_empty() {
                true => format!("`{name}` is in no group"),
                false => format!("`{name}` is in {}", groups.join(", ")),
            };
            desk.done(Command::UserGroups { name, groups }, &said).await
        }
        Users::Export { name } => export(desk, name).await,
        Users::Erase { name } => {
            let said = format!("erased `{name}`; the audit trail knows an id and no person");
            desk.done(Command::UserErase { name }, &said).await
        }
        Users::Passwd { name, password } => {
            let said = format!("`{name}` has a new password, and is signed out everywhere");
            desk.done(Command::UserPassword { name, password: read(password)? }, &said).await
        }
        Users::Disable { name } => {
            let said = format!("disabled `{name}`; its agents are refused from now on");
            desk.done(Command::UserDisable { name }, &said).await
        }
        Users::Enable { name } => {
            let said = format!("enabled `{name}`");
            desk.done(Command::UserEnable { name }, &said).await
        }
        Users::Link { name, provider, subject } => {
            let said = format!("`{name}` is that person at `{provider}` from now on");
            desk.done(Command::UserLink { name, provider, subject }, &said).await
        }
        Users::Address { name, address } => {
            let said = match &address {
                Some(address) => format!("`{name}` has the address {address}"),
                None => format!("`{name}` has no address"),
            };
            desk.done(Command::UserAddress { name, address }, &said).await
        }
        Users::Unlink { name } => {
            let said = format!("`{name}` belongs to no provider any more");
            desk.done(Command::UserUnlink { name }, &said).await
        }
        Users::Remove { name } => {
            let said = format!("removed `{name}`; its agents are cut off");
            desk.done(Command::UserRemove { name }, &said).await
        }
    }
}

/// Page by page: an agent may have done more than fits into one answer.
async fn export(desk: &Desk, mut name: String) -> Outcome {
    let mut after = 0;
    loop {
        let rows = desk.rows(Command::UserExport { name: name.clone(), after }).await?;
        rows.iter().for_each(|row| print(&row.to_string()));
        let last = rows.last().filter(|row| row["about"] == "event");
        let Some(number) = last.and_then(|row| row["number"].as_u64()) else { return Ok(Exit::Done) };
        after = number;
        // The person stays the same, also if the account is renamed or removed meanwhile.
        if let Some(subject) = last.and_then(|row| row["subject"].as_str()) {
            subject.clone_into(&mut name);
        }
    }
}

fn read(from: Password) -> Result<String, Failure> {
    if !from.password_stdin {
        return Err(Failure::fixable("a password is read from standard input alone").advise(
            "say `--password-stdin`, and give it there: printf %s \"$PASSWORD\" | portcullis users …",
        ));
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(PASSWORD_INPUT + 1)
        .read_to_string(&mut text)
        .map_err(|_| Failure::fixable("the password on standard input is not UTF-8"))?;
    if text.len() as u64 > PASSWORD_INPUT {
        return Err(Failure::fixable("the password on standard input is too long"));
    }
    Ok(trimmed(&text).to_owned())
}

/// Without the one line break that `echo` adds.
fn trimmed(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_is_not_part_of_a_password() {
        for (given, expected) in
            [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a \n", " a "), ("", "")]
        {
            assert_eq!(trimmed(given), expected, "{given:?}");
        }
    }
}
