//! Every limit of the door, with its unit and its reason.

use std::time::Duration;

/// Largest answer that is held to be edited, in bytes. A larger one streams where nothing has to be edited, and is
/// refused where something may have to.
pub const ANSWER_BODY: usize = 16 * 1024 * 1024;
/// Most bytes of answers held at once, over all agents.
pub const ANSWERS_HELD: usize = 256 * 1024 * 1024;
/// Largest event of a stream, in bytes: an answer may come as one.
pub const EVENT: usize = ANSWER_BODY;
/// Most requests of one agent under way at once.
pub const IN_FLIGHT_PER_AGENT: usize = 64;
/// Most streams of one agent open at once.
pub const STREAMS_PER_AGENT: usize = 16;
/// Most questions to clients open at once, over all agents, and most confirmed calls that wait for their next round.
pub const QUESTIONS: usize = 4096;
/// How long a client may take to answer whether its user agrees.
pub(crate) const QUESTION_PATIENCE: Duration = Duration::from_secs(300);
/// How long a call that comes again waits for its person before it is answered that nothing was decided yet.
pub(crate) const APPROVAL_PATIENCE: Duration = Duration::from_secs(20);
/// How long a request state is good, in seconds: a person may have been asked in between.
pub(crate) const STATE_LIFE: i64 = 60 * 60;
/// Most task ids whose sealed form is remembered, so that a task keeps its name.
pub(crate) const TASKS: usize = 16 * 1024;
/// Most calls of one client for one person that wait for their next round: confirmed, or about to be.
pub(crate) const ROUNDS_EACH: usize = 64;
/// How long the door's own listing of the server's tools may take.
pub(crate) const LISTING: Duration = Duration::from_secs(20);
/// How long it is not tried again after it failed, or after the list was said to have changed.
pub(crate) const LISTING_PAUSE: Duration = Duration::from_secs(2);
/// Most pages of one listing.
pub(crate) const LISTING_PAGES: usize = 64;
