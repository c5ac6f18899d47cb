//! The limits of this room, each with its unit and its reason.

use std::time::Duration;

/// Largest SAML response read, in bytes once decoded. Real ones stay below 30 KiB; thousand groups make 100.
pub const RESPONSE: usize = 256 * 1024;
/// Largest metadata document read, in bytes. One provider's own, not a federation's.
pub const METADATA: usize = 1024 * 1024;
/// Deepest nesting of elements. A response needs 9.
pub const DEPTH: usize = 32;
/// Most elements in one document.
pub const ELEMENTS: usize = 16 * 1024;
/// Longest tag with all its attributes, in bytes.
pub const TAG: usize = 32 * 1024;
/// Most attributes, namespace declarations among them, on one element.
pub const ATTRIBUTES: usize = 64;
/// Most namespace declarations in one document: a parser that inherits them pays for each at each element.
pub const NAMESPACES: usize = 2048;
/// Most of them in scope at one element: each is looked for among all that are inherited.
pub const NAMESPACES_IN_SCOPE: usize = 64;
/// Longest entity id, in characters (SAML Core §8.3.6).
pub const ENTITY_ID: usize = 1024;
/// Longest name identifier, in characters (SAML Core §8.3.7).
pub const NAME_ID: usize = 256;
/// Most signing keys taken from one provider's metadata: the present one, the next one, and some that linger.
pub const KEYS: usize = 8;
/// Most attribute values read from one response.
pub const VALUES: usize = 4096;
/// Longest attribute name or value read, in bytes.
pub const VALUE: usize = 16 * 1024;
/// Oldest message accepted, by its own `IssueInstant`, in seconds; the person is on the way for a moment only.
pub const MESSAGE_AGE: i64 = 300;
/// How long metadata read from an address counts as fresh.
pub const METADATA_FRESH: Duration = Duration::from_secs(60 * 60);
/// How long the last good metadata goes on counting while its address does not answer.
pub const METADATA_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause between two fetches of metadata, whatever asks for them.
pub const METADATA_PAUSE: Duration = Duration::from_secs(30);
