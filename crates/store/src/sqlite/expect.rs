//! Expectations: each is one look-up inside the verdict's savepoint, so nothing can change before it is written.

use portcullis_rules::verdict::Expect;
use portcullis_wire::digest::Digest;
use rusqlite::{Connection, Error, OptionalExtension as _};

use super::write::{is, of_grant, of_session, of_user};
use super::{approvals, providers};

pub(super) fn holds(c: &Connection, expect: &Expect) -> Result<bool, Error> {
    match expect {
        Expect::GrantLive(id) => {
            is(c, "SELECT 1 FROM grants WHERE id = ?1 AND ended IS NULL AND suspended = 0", [of_grant(id)])
        }
        Expect::GrantScopes(id, scopes) => {
            is(c, "SELECT 1 FROM grants WHERE id = ?1 AND scopes = ?2", (of_grant(id), scopes.to_string()))
        }
        Expect::ClientEnabled(id) => {
            is(c, "SELECT 1 FROM clients WHERE id = ?1 AND enabled = 1", [id.as_str()])
        }
        Expect::UserEnabled(id) => is(
            c,
            "SELECT 1 FROM users WHERE id = ?1 AND enabled = 1 AND (issuer IS NULL OR EXISTS \
             (SELECT 1 FROM providers WHERE providers.issuer = users.issuer AND state = 'on'))",
            [of_user(id)],
        ),
        Expect::ProviderOn(issuer) => providers::is_on(c, issuer),
        Expect::PasswordIs(id, digest) => {
            let hash: Option<String> = c
                .prepare_cached("SELECT password FROM users WHERE id = ?1")?
                .query_row([of_user(id)], |row| row.get(0))
                .optional()?;
            Ok(hash.is_some_and(|hash| !hash.is_empty() && Digest::of(hash.as_bytes()).matches(digest)))
        }
        Expect::SessionLive(id) => is(c, "SELECT 1 FROM sessions WHERE id = ?1", [of_session(id)]),
        Expect::NoLocalUsers => Ok(!is(c, "SELECT 1 FROM users WHERE password <> '' LIMIT 1", [])?),
        Expect::TipIs(id, digest) => {
            is(c, "SELECT 1 FROM grants WHERE id = ?1 AND tip = ?2", (of_grant(id), digest.as_bytes()))
        }
        Expect::UserInGroup(id, group) => is(
            c,
            "SELECT 1 FROM users WHERE id = ?1 AND instr(' ' || member_of || ' ', ' ' || ?2 || ' ') > 0",
            (of_user(id), group.as_str()),
        ),
        Expect::ManagedBy(id, digest) => {
            is(c, "SELECT 1 FROM clients WHERE id = ?1 AND management = ?2", (id.as_str(), digest.as_bytes()))
        }
        Expect::ApprovalsOpen { grant, below, at } => Ok(approvals::open(c, *grant, *at)? < *below),
    }
}
