//! Trials of a provider, for `portcullis sso test`: begun over the control socket, walked in a browser, told over the
//! control socket again. In memory, few and short: what a provider says of a person is kept nowhere else.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_wire::time::UnixTime;
use serde_json::Value;

/// How long a trial may take.
pub(crate) const TRIAL_LIFE: Duration = Duration::from_secs(10 * 60);
/// Trials at once; the oldest goes for one more.
const TRIALS: usize = 16;

/// What is known of a trial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// Nobody is back yet.
    Pending,
    /// This came of it.
    Report(Value),
}

struct Trial {
    provider: String,
    until: UnixTime,
    #[cfg_attr(
        not(feature = "saml"),
        expect(dead_code, reason = "only a SAML response is kept before its browser")
    )]
    held: Option<Value>,
    report: Option<Value>,
}

/// The trials that go on.
#[derive(Default)]
pub(crate) struct Trials(Mutex<HashMap<String, Trial>>);

impl Trials {
    fn all(&self, now: UnixTime) -> MutexGuard<'_, HashMap<String, Trial>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, trial| trial.until > now);
        all
    }

    /// Begins one.
    pub(crate) fn begin(&self, handle: String, provider: &str, now: UnixTime) {
        let mut all = self.all(now);
        if all.len() >= TRIALS {
            let oldest = all.iter().min_by_key(|(_, trial)| trial.until).map(|(handle, _)| handle.clone());
            oldest.map(|oldest| all.remove(&oldest));
        }
        let trial =
            Trial { provider: provider.to_owned(), until: now + TRIAL_LIFE, held: None, report: None };
        all.insert(handle, trial);
    }

    /// The name of the provider that a trial, not yet over, is about.
    pub(crate) fn provider(&self, handle: &str, now: UnixTime) -> Option<String> {
        self.all(now).get(handle).filter(|trial| trial.report.is_none()).map(|trial| trial.provider.clone())
    }

    /// Keeps what came of one until the browser was looked at.
    #[cfg(feature = "saml")]
    pub(crate) fn hold(&self, handle: &str, report: Value, now: UnixTime) {
        if let Some(trial) = self.all(now).get_mut(handle) {
            trial.held = Some(report);
        }
    }

    /// Ends one with what was kept of it.
    #[cfg(feature = "saml")]
    pub(crate) fn release(&self, handle: &str, now: UnixTime) {
        if let Some(trial) = self.all(now).get_mut(handle) {
            let held = trial.held.take();
            trial.report = trial.report.take().or(held);
        }
    }

    /// Ends one; the first report counts.
    pub(crate) fn end(&self, handle: &str, report: Value, now: UnixTime) {
        if let Some(trial) = self.all(now).get_mut(handle) {
            trial.report.get_or_insert(report);
        }
    }

    /// What came of one; none for one that never was, or is forgotten.
    pub(crate) fn found(&self, handle: &str, now: UnixTime) -> Option<Found> {
        let all = self.all(now);
        let trial = all.get(handle)?;
        Some(trial.report.clone().map_or(Found::Pending, Found::Report))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trial_is_told_once_it_is_over_and_forgotten_in_time() {
        let (trials, now) = (Trials::default(), UnixTime::from_seconds(1000));
        trials.begin("a".to_owned(), "acme", now);
        assert_eq!(trials.provider("a", now).as_deref(), Some("acme"));
        assert_eq!(trials.found("a", now), Some(Found::Pending));
        trials.end("a", json!(1), now);
        trials.end("a", json!(2), now);
        assert_eq!(trials.found("a", now), Some(Found::Report(json!(1))));
        assert_eq!(trials.provider("a", now), None, "it is walked once");
        assert_eq!(trials.found("a", now + TRIAL_LIFE), None);
        assert_eq!(trials.found("never", now), None);
    }

    #[test]
    fn there_are_never_more_than_a_few() {
        let trials = Trials::default();
        for number in 0..50 {
            let now = UnixTime::from_seconds(1000 + number);
            trials.begin(number.to_string(), "acme", now);
        }
        assert_eq!(trials.0.lock().unwrap().len(), TRIALS);
        assert!(trials.found("49", UnixTime::from_seconds(1050)).is_some());
    }
}
