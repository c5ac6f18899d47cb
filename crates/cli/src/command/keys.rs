//! `keys`: what signs tokens.

use portcullis::admin::Command;

use super::Desk;
use crate::args::Keys;
use crate::failure::Outcome;

pub(crate) async fn run(desk: &Desk, keys: Keys) -> Outcome {
    match keys {
        Keys::List => {
            desk.list(Command::KeyList, &["kid", "alg", "state", "created_at"], "no keys yet").await
        }
        Keys::Rotate => {
            let said =
                "the next key signs from now on; the one before stays published until its tokens have ended";
            desk.done(Command::KeyRotate, said).await
        }
        Keys::Revoke { kid } => {
            let said = format!("tokens signed with `{kid}` are refused from now on");
            desk.done(Command::KeyRevoke { kid }, &said).await
        }
    }
}
