//! Accounts and set-up links.

use portcullis_jose::mint::SetupLink;
use portcullis_rules::event::{Event, EventKind};
use portcullis_rules::groups::{self, Group};
use portcullis_rules::model::{User, account_key};
use portcullis_rules::verdict::{Verdict, Write};
use portcullis_rules::{people, revoke};
use portcullis_wire::id::UserId;
use serde_json::json;

use super::{AdminError, Rows, named, on_user, person, user_row};
use crate::app::App;
use crate::entropy::EntropyShapes as _;
use crate::view::rfc3339;

pub(super) async fn setup_link(app: &App, reset: Option<String>) -> Rows {
    let reset = match reset {
        Some(name) => Some(named(app, &name).await?),
        None => None,
    };
    let number = app.entropy.number(app.now());
    let link = app.mint.mint::<SetupLink>(number, app.entropy.bytes());
    let outcome = app
        .settle(
            |store| store.setup_facts(None),
            |facts, now| {
                people::make_setup_link(
                    number,
                    link.digest(),
                    reset.as_ref(),
                    facts.has_local_users,
                    &app.settings.lifetimes,
                    now,
                )
            },
        )
        .await?;
    match outcome {
        Ok(()) => Ok(vec![json!({
            "url": format!("{}?link={}", app.settings.url("/setup"), link.expose()),
            "expires_at": rfc3339(app.now() + app.settings.lifetimes.setup_link),
        })]),
        Err(_) => Err(AdminError::Invalid(
            "there are accounts already; to give one of them a new password, name it: `--reset USER`"
                .to_owned(),
        )),
    }
}

async fn hashed(app: &App, password: String) -> Result<portcullis_rules::model::PasswordHash, AdminError> {
    people::password_fits(&password)?;
    app.passwords.hash(password, app.entropy.bytes()).await.map_err(|_| AdminError::Unavailable)
}

pub(super) async fn add(app: &App, name: &str, password: String, admin: bool) -> Rows {
    let name = people::account_name(name)?;
    let hash = hashed(app, password).await?;
    let key = account_key(&name);
    let id = UserId::from_number(app.entropy.secret_number());
    let user = User { admin, ..User::new(id, name, Some(hash), app.now()) };
    app.settle(
        |store| store.user_by_key(key.clone()),
        |taken, now| people::add(user.clone(), taken.is_some(), now),
    )
    .await??;
    Ok(vec![user_row(&user)])
}

pub(super) async fn list(app: &App) -> Rows {
    Ok(app.store.users().await?.iter().map(user_row).collect())
}

pub(super) async fn password(app: &App, name: &str, password: String) -> Rows {
    let user = named(app, name).await?;
    let hash = hashed(app, password).await?;
    on_user(app, user.id, |now| people::reset_password(user.id, hash.clone(), now)).await
}

pub(super) async fn enable(app: &App, name: &str, enabled: bool) -> Rows {
    let user = named(app, name).await?;
    on_user(
        app,
        user.id,
        |now| if enabled { people::enable(user.id, now) } else { people::disable(user.id, now) },
    )
    .await
}

pub(super) async fn remove(app: &App, name: &str) -> Rows {
    let user = named(app, name).await?;
    on_user(app, user.id, |now| people::remove(user.id, now)).await?;
    app.membership.forget(user.id);
    Ok(vec![json!({ "id": user.id, "name": user.name, "removed": true })])
}

/// Ends every agent of a person; the account stays.
pub(super) async fn cut_off(app: &App, name: &str) -> Rows {
    let user = named(app, name).await?;
    on_user(app, user.id, |now| revoke::person(user.id, now)).await
}

/// Puts a person into exactly these groups.
pub(super) async fn put_into(app: &App, name: &str, names: Vec<String>) -> Rows {
    let user = named(app, name).await?;
    let mut wanted = std::collections::BTreeSet::new();
    for name in names {
        let group = Group::parse(&name).ok_or_else(|| {
            AdminError::Invalid(format!(
                "`{name}` is no name of a group: it has small letters, digits and `-_.@`, and begins with a letter or digit"
            ))
        })?;
        wanted.insert(group);
    }
    // One after the other, so that what is remembered last is what was written last.
    let _turn = app.membership.turn.lock().await;
    app.settle(|store| store.user(user.id), |user, now| groups::set(user.as_ref(), wanted.clone(), now))
        .await??;
    let user = app.store.user(user.id).await?;
    user.iter().for_each(|user| app.membership.note(user));
    Ok(user.iter().map(user_row).collect())
}

/// Removes an account, if it is still there, and erases what the trail knows of the person. The trail stays whole.
pub(super) async fn erase(app: &App, text: &str) -> Rows {
    let id = person(app, text).await?;
    // What is on its way to the trail gets there first, and is erased with the rest.
    let erased = async {
        app.settle(
            |store| store.user(id),
            |user, now| {
                let verdict = match user {
                    Some(_) => people::remove(id, now),
                    None => Verdict::yes(()),
                };
                verdict
                    .writing(Write::ErasePerson(id))
                    .writing(Write::Audit(Event::new(EventKind::UserErased, now).user(id)))
            },
        )
        .await?
        .map_err(AdminError::from)
    };
    app.trail.erasing(id, erased).await?;
    app.membership.forget(id);
    Ok(vec![json!({ "id": id, "erased": true })])
}
