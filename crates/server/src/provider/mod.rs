//! The identity providers people sign in through: what the owner says of them, what is remembered while somebody is
//! on the way there and back, and what becomes of who comes back.

mod arrival;
mod handoff;
mod party;
mod settings;
mod trial;

pub(crate) use arrival::{Arrived, KeptPresented, arrive, judged};
#[cfg(feature = "saml")]
pub(crate) use handoff::exchange;
pub(crate) use handoff::{Kept, Returning, Step, open, put, state_text, take};
pub(crate) use party::{Party, Provider, Providers};
pub use settings::{ProviderKind, ProviderSettings};
pub(crate) use trial::{Found, TRIAL_LIFE, Trials};
