//! Sessions of the stateful era (until 2025-11-25): the client holds a sealed name, and the server's own stays here.

use http::{HeaderMap, HeaderValue};
use portcullis_mcp::SESSION_ID;
use portcullis_mcp::elicit::Declared;
use serde::{Deserialize, Serialize};

use super::core::Core;
use super::who::{AgentKey, Who};

const PURPOSE: &str = "session";
/// Longest name of a session that servers give, in bytes.
const LONGEST: usize = 1024;

/// What a session's sealed name holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The server's own name for it.
    #[serde(rename = "i")]
    id: String,
    /// The revision that was agreed on, if it was seen.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The agent that began it. Its process is kept under that name, also when the client has a new grant meanwhile.
    #[serde(rename = "k")]
    key: String,
    #[serde(rename = "f", default)]
    form: bool,
    #[serde(rename = "u", default)]
    url: bool,
}

/// The session of a request, and the name by which its client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) session: Session,
    sealed: HeaderValue,
}

/// A name that opens for nobody here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign;

impl Session {
    /// What its client declared that it can show.
    pub(crate) const fn declared(&self) -> Declared {
        Declared { form: self.form, url: self.url }
    }

    /// The agent that began it.
    pub(crate) fn key(&self) -> AgentKey {
        AgentKey(self.key.as_str().into())
    }

    /// The revision that was agreed on, if it was seen.
    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

/// Takes the session out of a request's headers, and puts the server's own name in its place.
pub(crate) fn up(core: &Core, who: &Who, headers: &mut HeaderMap) -> Result<Option<Known>, Foreign> {
    let mut values = headers.get_all(&SESSION_ID).iter();
    let (Some(sealed), None) = (values.next().cloned(), values.next()) else {
        return if headers.contains_key(&SESSION_ID) { Err(Foreign) } else { Ok(None) };
    };
    let text = sealed.to_str().map_err(|_| Foreign)?;
    let plain = core.ports.seals.open(PURPOSE, &who.holder, text).ok_or(Foreign)?;
    let session: Session = serde_json::from_slice(&plain).map_err(|_| Foreign)?;
    headers.insert(SESSION_ID, HeaderValue::from_str(&session.id).map_err(|_| Foreign)?);
    Ok(Some(Known { session, sealed }))
}

/// Puts the sealed name in the place of the server's own in an answer. `begun` tells what the client declared, in the
/// answer to `initialize`.
pub(crate) fn down(
    core: &Core,
    who: &Who,
    headers: &mut HeaderMap,
    known: Option<&Known>,
    begun: Option<Declared>,
    version: Option<String>,
) {
    let Some(own) = headers.remove(&SESSION_ID) else { return };
    let Ok(id) = own.to_str() else { return };
    if id.len() > LONGEST {
        return;
    }
    let sealed = match known {
        Some(known) if begun.is_none() && known.session.id == id => known.sealed.clone(),
        _ => {
            let declared = begun.unwrap_or_default();
            let key = known.map_or_else(|| who.key.0.to_string(), |known| known.session.key.clone());
            let id = id.to_owned();
            let session = Session { id, version, key, form: declared.form, url: declared.url };
            let Ok(plain) = serde_json::to_vec(&session) else { return };
            let Ok(sealed) = HeaderValue::from_str(&core.ports.seals.seal(PURPOSE, &who.holder, &plain))
            else {
                return;
            };
            sealed
        }
    };
    headers.insert(SESSION_ID, sealed);
}
