//! `clients`: software that was entered by hand.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use portcullis::admin::Command;
use portcullis_wire::limit::JWKS_BODY;

use super::Desk;
use crate::args::{ClientAdd, Clients};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::say;

pub(crate) async fn run(desk: &Desk, clients: Clients) -> Outcome {
    match clients {
        Clients::List => {
            let columns = ["client_id", "client_name", "origin", "scope", "enabled", "created_at"];
            desk.list(
                Command::ClientList,
                &columns,
                "no clients yet: they register by themselves when they connect",
            )
            .await
        }
        Clients::Disable { id } => {
            let said = format!("disabled `{id}`; its agents are refused from now on");
            desk.done(Command::ClientDisable { client_id: id }, &said).await
        }
        Clients::Enable { id } => {
            let said = format!("enabled `{id}`");
            desk.done(Command::ClientEnable { client_id: id }, &said).await
        }
        Clients::Remove { id } => {
            let said = format!("removed `{id}`; its agents are cut off");
            desk.done(Command::ClientRemove { client_id: id }, &said).await
        }
        Clients::Add(wish) => {
            let rows = desk.rows(add(wish)?).await?;
            desk.output.facts(&rows);
            if !desk.output.is_json() && rows.iter().any(|row| row.get("client_secret").is_some()) {
                say("the secret is printed this once and never again");
            }
            Ok(Exit::Done)
        }
    }
}

fn add(wish: ClientAdd) -> Result<Command, Failure> {
    let ClientAdd { name, grant, scope, resource, jwks, redirect_uris, resource_server } = wish;
    if grant.is_none() && redirect_uris.is_empty() && resource_server.is_none() {
        return Err(Failure::fixable("what is the client for?").advise(
            "say `--grant client_credentials` for a machine, `--redirect-uri URI` for an app that acts for people, \
             or `--resource-server URI` for a server that asks whether tokens are good",
        ));
    }
    let Some(name) = name.or_else(|| resource_server.clone()) else {
        return Err(Failure::fixable("the client has no name").advise("say `--name NAME`"));
    };
    if grant.is_some() && scope.is_none() {
        return Err(Failure::fixable("a machine is given exactly the scopes named here, and none was")
            .advise("say `--scope \"SCOPE …\"`"));
    }
    let jwks = jwks.map(|path| read(&path)).transpose()?;
    Ok(Command::ClientAdd { name, scope, resource, jwks, redirect_uris, introspects: resource_server })
}

fn read(path: &Path) -> Result<String, Failure> {
    let fault = |error| Failure::fixable(format!("cannot read `{}`: {error}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(fault)?;
    file.take(JWKS_BODY as u64 + 1).read_to_string(&mut text).map_err(fault)?;
    Ok(text) // a longer one is refused by whoever parses it, as it is no longer well-formed
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command as Words};

    fn wish(words: &str) -> Result<Command, String> {
        let all = format!("portcullis clients add {words}");
        let cli = Cli::try_parse_from(all.split(' ').filter(|word| !word.is_empty()))
            .map_err(|error| error.to_string())?;
        match cli.command {
            Words::Clients(clients) => match *clients {
                Clients::Add(wish) => add(wish).map_err(|failure| failure.to_string()),
                _ => Err(String::new()),
            },
            _ => Err(String::new()),
        }
    }

    #[test]
    fn a_client_is_for_one_thing() {
        for (words, expected) in [
            ("--name n --grant client_credentials --scope a", Ok(())),
            ("--name n --redirect-uri http://127.0.0.1/cb", Ok(())),
            ("--resource-server https://h.example/mcp", Ok(())),
            ("--name n", Err("what is the client for?")),
            ("--grant client_credentials --scope a", Err("no name")),
            ("--name n --grant client_credentials", Err("--scope")),
            ("--name n --grant password --scope a", Err("client_credentials")),
            ("--name n --grant client_credentials --scope a --redirect-uri x:y", Err("cannot be used with")),
            ("--resource-server https://h.example/mcp --scope a", Err("cannot be used with")),
        ] {
            match (wish(words), expected) {
                (Ok(_), Ok(())) => {}
                (Err(said), Err(part)) => assert!(said.contains(part), "{words}: {said}"),
                (got, _) => unreachable!("{words}: {got:?}", got = got.is_ok()),
            }
        }
    }
}
