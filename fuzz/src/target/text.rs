//! Forms, scopes, names and challenges.

use portcullis_wire::challenge::Challenge;
use portcullis_wire::error::ErrorCode;
use portcullis_wire::form::{Form, encode};
use portcullis_wire::limit;
use portcullis_wire::scope::Scopes;
use portcullis_wire::text::displayable;

use super::{Verdict, hold};

/// A form has one reading, and what is encoded is read back.
pub(super) fn form(input: &[u8]) -> Verdict {
    if let Ok(form) = Form::parse(input) {
        let each_once = form.each_once(&[]).is_ok();
        for name in ["client_id", "scope", "resource", "a", "x"] {
            let one = form.one(name);
            hold(!each_once || one.is_ok(), "a parameter is repeated in a form without repetition")?;
            let all = form.all(name).count();
            hold(one.is_err() || all == usize::from(matches!(one, Ok(Some(_)))), "one and all disagree")?;
        }
    }
    let text = String::from_utf8_lossy(input);
    let again = Form::parse(format!("x={}", encode(&text)).as_bytes());
    let again = again.map_err(|_| "what was encoded has no reading")?;
    hold(again.one("x").ok().flatten().unwrap_or_default() == text, "what was encoded reads otherwise")
}

/// Scopes print in one way, and read back as they were.
pub(super) fn scope(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let Ok(scopes) = Scopes::parse(&text) else { return Ok(()) };
    let printed = scopes.to_string();
    let again = Scopes::parse(&printed).map_err(|_| "what is printed has no reading")?;
    hold(again == scopes && again.to_string() == printed, "what is printed reads otherwise")?;
    hold(scopes.len() <= limit::SCOPES, "more scopes than allowed")?;
    hold(scopes.iter().all(|scope| text.split(' ').any(|t| t == scope.as_str())), "a scope nobody sent")?;
    hold(scopes.covers(&scopes) && scopes.minus(&scopes).is_empty(), "scopes do not cover themselves")
}

/// A name that is shown holds nothing that hides, turns or breaks a line, is bounded, and is shown as it is.
pub(super) fn name(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let shown = displayable(&text, limit::CLIENT_NAME);
    hold(shown.chars().count() <= limit::CLIENT_NAME, "longer than allowed")?;
    let turns =
        |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}');
    hold(!shown.chars().any(|c| c.is_control() || turns(c)), "a character that hides or turns text")?;
    hold(displayable(&shown, limit::CLIENT_NAME) == shown, "what is shown would be shown otherwise")
}

/// A challenge stays one header with one scheme, whatever text comes into it.
pub(super) fn challenge(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let made = Challenge::bearer()
        .error(ErrorCode::InvalidToken)
        .description(&text)
        .resource_metadata("https://h.example/.well-known/oauth-protected-resource")
        .to_header();
    hold(http::HeaderValue::from_str(&made).is_ok(), "no header can carry it")?;
    hold(made.starts_with("Bearer error=\"invalid_token\""), "another scheme or order")?;
    let mut quoted = false;
    let mut bytes = made.bytes();
    let mut outside = String::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => drop(bytes.next()),
            b'"' => quoted = !quoted,
            _ if quoted => {}
            _ => outside.push(char::from(byte)),
        }
    }
    hold(!quoted, "a quote that is not closed")?;
    hold(
        outside.matches(',').count() == 2 && outside.matches('=').count() == 3,
        "a value broke out of its quotes",
    )
}
