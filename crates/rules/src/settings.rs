//! Lifetimes and graces: settings with names, not numbers in a body.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest life an owner may give to access tokens. Whatever must outlive every token (a cut, a retired signing key)
/// is kept for this long and not for today's setting, which may have been longer yesterday.
pub const LONGEST_ACCESS_TOKEN: Duration = DAY;

/// What an owner may set about time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authorization code; at most 60 s is advised (RFC 9700 §2.1.1).
    pub code: Duration,
    /// An access token; at most [`LONGEST_ACCESS_TOKEN`].
    pub access_token: Duration,
    /// A grant that is not used ends after this.
    pub grant_idle: Duration,
    /// A grant ends after this whatever happens.
    pub grant: Duration,
    /// How long a superseded refresh token may be retried; zero switches it off.
    pub refresh_grace: Duration,
    /// A browser session.
    pub session: Duration,
    /// A page's form.
    pub form: Duration,
    /// A set-up link.
    pub setup_link: Duration,
    /// A registration that never led to a grant.
    pub registration_unused: Duration,
    /// A registration without a living grant.
    pub registration_idle: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: MINUTE,
            access_token: 10 * MINUTE,
            grant_idle: 30 * DAY,
            grant: 365 * DAY,
            refresh_grace: MINUTE,
            session: DAY / 3,
            form: 10 * MINUTE,
            setup_link: 15 * MINUTE,
            registration_unused: DAY,
            registration_idle: 90 * DAY,
        }
    }
}
