//! What agents may use, and how the trail is kept.

use portcullis_rules::budget::{Each, LONGEST_WINDOW, Limit, Of, Only, SHORTEST_WINDOW};
use portcullis_server::{AuditSettings, Calls, WhenFull};
use portcullis_wire::id::ClientId;
use portcullis_wire::limit;
use portcullis_wire::resource::Resource;

use super::fault::Fault;
use super::file::{File, LimitFile};
use super::reader::At;
use super::span;

pub(super) fn limits(file: &File, faults: &mut Vec<Fault>) -> Vec<Limit> {
    if let Some(beyond) = file.limits.get(limit::BUDGETS) {
        faults.push(Fault::new(
            beyond.line,
            "limit",
            format!("there are more than {} limits", limit::BUDGETS),
        ));
    }
    file.limits.iter().filter_map(|written| one(written, faults)).collect()
}

/// One of a few words.
fn word<T: Copy>(
    at: Option<&At<String>>,
    key: &str,
    words: &[(&str, T)],
    default: T,
    faults: &mut Vec<Fault>,
) -> T {
    let Some(At { value, line }) = at else { return default };
    match words.iter().find(|(known, _)| known == value) {
        Some((_, meant)) => *meant,
        None => {
            let known: Vec<String> = words.iter().map(|(known, _)| format!("\"{known}\"")).collect();
            faults.push(
                Fault::new(*line, key, format!("`{value}` is none of the choices"))
                    .advise(format!("write {}", known.join(" or "))),
            );
            default
        }
    }
}

fn one(file: &LimitFile, faults: &mut Vec<Fault>) -> Option<Limit> {
    let before = faults.len();
    let of = word(
        file.of.as_ref(),
        "limit.of",
        &[("calls", Of::Calls), ("requests", Of::Requests)],
        Of::Calls,
        faults,
    );
    let kinds = [
        ("agent", Each::Agent),
        ("client", Each::Client),
        ("person", Each::Person),
        ("resource", Each::Resource),
        ("tool", Each::Tool),
    ];
    let each = word(file.each.as_ref(), "limit.each", &kinds, Each::Agent, faults);
    let Some(most) = &file.most else {
        faults.push(Fault::new(file.line, "limit.most", "how many?").advise("write `most = 100`"));
        return None;
    };
    let window = match &file.window {
        Some(at) if (SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&at.value) => at.value,
        Some(at) => {
            let message = format!(
                "`{}` is not between {} and {}",
                span::print(at.value),
                span::print(SHORTEST_WINDOW),
                span::print(LONGEST_WINDOW)
            );
            faults.push(Fault::new(at.line, "limit.window", message));
            return None;
        }
        None => {
            faults.push(
                Fault::new(file.line, "limit.window", "in which time?").advise("write `window = \"1m\"`"),
            );
            return None;
        }
    };
    let mut read = |at: &Option<At<String>>, key: &str, fits: &dyn Fn(&str) -> bool| {
        if let Some(At { value, line }) = at.as_ref().filter(|at| !fits(&at.value)) {
            faults.push(Fault::new(*line, key, format!("`{value}` names none")));
        }
    };
    read(&file.agent, "limit.agent", &|text| text.parse::<portcullis_wire::id::GrantId>().is_ok());
    read(&file.client, "limit.client", &|text| ClientId::parse(text).is_some());
    read(&file.resource, "limit.resource", &|text| Resource::parse(text).is_ok());
    let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
    let only = Only {
        agent: text(&file.agent).and_then(|text| text.parse().ok()),
        client: text(&file.client).and_then(|text| ClientId::parse(&text)),
        tool: text(&file.tool),
        resource: text(&file.resource).and_then(|text| Resource::parse(&text).ok()),
    };
    (faults.len() == before).then_some(Limit { of, most: most.value, window, only, each })
}

pub(super) fn audit(file: &File, faults: &mut Vec<Fault>) -> AuditSettings {
    let default = AuditSettings::default();
    AuditSettings {
        calls: word(
            file.audit_calls.as_ref(),
            "audit.calls",
            &[("batched", Calls::Batched), ("before", Calls::Before)],
            default.calls,
            faults,
        ),
        when_full: word(
            file.audit_when_full.as_ref(),
            "audit.when_full",
            &[("stop", WhenFull::Stop), ("go", WhenFull::Go)],
            default.when_full,
            faults,
        ),
        keep: file.audit_keep.as_ref().map_or(default.keep, |at| at.value),
        most: file.audit_most.as_ref().map_or(default.most, |at| u64::from(at.value)),
    }
}
