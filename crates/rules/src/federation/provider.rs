//! Providers: what a start finds configured, and an administrator's switch.

use std::collections::BTreeMap;

use portcullis_wire::time::UnixTime;

use super::{Provider, ProviderState};
use crate::event::{CallFacts, Event, EventKind};
use crate::refusal::Refusal;
use crate::verdict::{Verdict, Write};

/// Names the provider in an event.
pub(super) fn about(event: Event, name: &str) -> Event {
    event.call(CallFacts {
        method: "sign_in".to_owned(),
        rule: Some(name.to_owned()),
        ..CallFacts::default()
    })
}

fn put(verdict: Verdict<()>, row: Provider, was: Option<&Provider>, why: &'static str) -> Verdict<()> {
    let acts = |state| state == ProviderState::On;
    let (before, after) = (was.is_some_and(|was| acts(was.state)), acts(row.state));
    let event = match (before, after) {
        (false, true) => Some(EventKind::ProviderSwitchedOn),
        (true, false) => Some(EventKind::ProviderSwitchedOff),
        _ => None,
    };
    let told = event.map(|kind| about(Event::new(kind, row.since).reason(why), &row.name));
    let issuer = row.issuer.clone();
    let at = row.since;
    let verdict = verdict.writing(Write::PutProvider { provider: row, was: was.map(|was| was.state) });
    let verdict = match before && !after {
        true => verdict.writing(Write::CutPeopleOf(issuer, at)),
        false => verdict,
    };
    match told {
        Some(event) => verdict.writing(Write::Audit(event)),
        None => verdict,
    }
}

/// Brings the rows in line with what is configured: each is an issuer and its name. One that is configured no longer is
/// gone, and its people are cut off; one that is back is on again, unless an administrator switched it off. A name
/// that is given to another issuer is another provider: nobody moves with it.
pub fn configure(rows: &[Provider], configured: &[(String, String)], now: UnixTime) -> Verdict<()> {
    let configured: BTreeMap<&str, &str> =
        configured.iter().map(|(issuer, name)| (issuer.as_str(), name.as_str())).collect();
    let mut verdict = Verdict::yes(());
    for row in rows.iter().filter(|row| !configured.contains_key(row.issuer.as_str())) {
        let off = row.state == ProviderState::Off;
        let state = if off { ProviderState::Off } else { ProviderState::Gone };
        let since = if row.state == state { row.since } else { now };
        let after = Provider { state, configured: false, since, ..row.clone() };
        if after != *row {
            verdict = put(verdict, after, Some(row), "not_configured");
        }
    }
    for (issuer, name) in configured {
        let was = rows.iter().find(|row| row.issuer == issuer);
        let state = match was.map(|row| row.state) {
            Some(ProviderState::Off) => ProviderState::Off,
            _ => ProviderState::On,
        };
        let since = was.filter(|row| row.state == state).map_or(now, |row| row.since);
        let after =
            Provider { issuer: issuer.to_owned(), name: name.to_owned(), state, configured: true, since };
        if was != Some(&after) {
            verdict = put(verdict, after, was, "configured");
        }
    }
    verdict
}

/// Switches a provider off, which cuts all its people off at once, or on again: for an administrator. One that is not
/// configured stays gone, whatever the switch says.
pub fn switch(provider: Option<&Provider>, on: bool, now: UnixTime) -> Verdict<()> {
    let Some(row) = provider else { return Verdict::refuse(Refusal::ProviderUnknown) };
    let state = match (on, row.configured) {
        (false, _) => ProviderState::Off,
        (true, true) => ProviderState::On,
        (true, false) => ProviderState::Gone,
    };
    if state == row.state {
        return Verdict::yes(());
    }
    put(Verdict::yes(()), Provider { state, since: now, ..row.clone() }, Some(row), "by_admin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::samples::{ISSUER, provider};
    use crate::samples::NOW;

    fn run(rows: &[Provider], configured: &[(&str, &str)]) -> Verdict<()> {
        let configured: Vec<_> = configured.iter().map(|(i, n)| ((*i).to_owned(), (*n).to_owned())).collect();
        configure(rows, &configured, NOW)
    }
    fn states(verdict: &Verdict<()>) -> Vec<(String, ProviderState)> {
        let put = |write: &Write| match write {
            Write::PutProvider { provider, .. } => Some((provider.name.clone(), provider.state)),
            _ => None,
        };
        verdict.writes.iter().filter_map(put).collect()
    }
    fn cuts(verdict: &Verdict<()>) -> bool {
        verdict.writes.contains(&Write::CutPeopleOf(ISSUER.to_owned(), NOW))
    }

    #[test]
    fn t_disable_a_provider_that_is_gone_or_off_cuts_its_people_off() {
        use ProviderState::{Gone, Off, On};
        let acme = |state| (("acme".to_owned()), state);
        for (name, state, here, expected, cut) in [
            ("still there", On, true, None, false),
            ("gone", On, false, Some(Gone), true),
            ("still gone", Gone, false, None, false),
            ("back", Gone, true, Some(On), false),
            ("off stays off", Off, true, None, false),
            ("off and gone stays off", Off, false, Some(Off), false),
        ] {
            let configured: &[(&str, &str)] = if here { &[(ISSUER, "acme")] } else { &[] };
            let verdict = run(&[provider(state)], configured);
            assert_eq!(states(&verdict), expected.map(acme).into_iter().collect::<Vec<_>>(), "{name}");
            assert_eq!(cuts(&verdict), cut, "{name}");
            assert_eq!(verdict.is_silent(), expected.is_none(), "{name}");
        }
    }

    #[test]
    fn t_issuer_bind_a_name_with_another_issuer_is_another_provider() {
        let verdict = run(&[provider(ProviderState::On)], &[("https://evil.example", "acme")]);
        let rows: Vec<_> = verdict
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::PutProvider { provider, was } => {
                    Some((provider.issuer.as_str(), provider.state, *was))
                }
                _ => None,
            })
            .collect();
        assert_eq!(
            rows,
            [
                (ISSUER, ProviderState::Gone, Some(ProviderState::On)),
                ("https://evil.example", ProviderState::On, None),
            ]
        );
        assert!(cuts(&verdict));
    }

    #[test]
    fn t_disable_the_switch_is_the_administrators_and_configuration_does_not_turn_it() {
        let on = provider(ProviderState::On);
        let off = switch(Some(&on), false, NOW);
        assert_eq!(states(&off), [("acme".to_owned(), ProviderState::Off)]);
        assert!(cuts(&off));
        let again = switch(Some(&provider(ProviderState::Off)), true, NOW);
        assert_eq!(states(&again), [("acme".to_owned(), ProviderState::On)]);
        assert!(!cuts(&again));
        let absent = Provider { configured: false, ..provider(ProviderState::Off) };
        assert_eq!(states(&switch(Some(&absent), true, NOW)), [("acme".to_owned(), ProviderState::Gone)]);
        assert!(switch(Some(&on), true, NOW).is_silent());
        assert_eq!(switch(None, true, NOW).outcome, Err(Refusal::ProviderUnknown));
    }
}
