//! Every limit of the runner, with its unit and its reason.

use std::time::Duration;

use portcullis_wire::limit;

/// Largest frame between the two processes, in bytes: some messages long, so that a specification fits as well.
pub const FRAME: usize = 16 * 1024 * 1024;
/// Longest line a server may write or be sent, in bytes.
pub const LINE: usize = limit::MESSAGE_BODY;
/// What a line weighs in the window beside its bytes: thousands of empty lines fill it too.
pub const LINE_WEIGHT: usize = 256;
/// Bytes of lines that may be under way on one channel and direction, unread by the other side.
pub const WINDOW: usize = LINE + LINE_WEIGHT;
/// Frames that wait for the socket, in either process.
pub const FRAMES_WAITING: usize = 32;
/// Children at once, unless the specification says otherwise.
pub const CHILDREN: usize = 64;
/// Children of one agent at one resource: one for each of its sessions, and as many that are still ending. What all need
/// is not one agent's to use up.
pub const CHILDREN_EACH: usize = 2 * SESSIONS_EACH;
/// How long a child may be without a line in either direction, unless the specification says otherwise.
pub const IDLE: Duration = Duration::from_secs(10 * 60);
/// How long a child whose input was closed may take to end by itself.
pub const FAREWELL: Duration = Duration::from_secs(2);
/// A child that lives shorter than this has failed, and the next one of its resource waits.
pub const SETTLED: Duration = Duration::from_secs(5);
/// How long the next child waits after the first failure; doubled at each further one.
pub const BACKOFF: Duration = Duration::from_millis(200);
/// The longest that a child waits for its start.
pub const BACKOFF_MOST: Duration = Duration::from_secs(30);
/// Longest line of a child's standard error that is logged, in bytes; the rest of it is dropped.
pub const LOG_LINE: usize = 2 * 1024;
/// Lines of its standard error that a child may have logged each second; more are counted and dropped.
pub const LOG_LINES: usize = 50;
/// How long the front waits for the runner's first word.
pub const HELLO: Duration = Duration::from_secs(10);
/// Entries of one folder that are looked at to grant all but one of them.
pub const ENTRIES: usize = 4096;
/// How long a request may wait for its answer, unless the bridge's settings say otherwise.
pub const ANSWER: Duration = Duration::from_secs(5 * 60);
/// How long a server may take to answer which revisions it speaks.
pub const PROBE: Duration = Duration::from_secs(20);
/// Requests of callers, and of the server, that one child may have open.
pub const PENDING: usize = 256;
/// Events that wait for a slow reader, each at most a line long.
pub const EVENTS: usize = 4;
/// Messages of a server that wait for a stream to be opened.
pub const UNHEARD: usize = 16;
/// Bytes of such messages.
pub const UNHEARD_BYTES: usize = 256 * 1024;
/// Sessions at once at one resource.
pub const SESSIONS: usize = 256;
/// Sessions of one caller; one more ends the one unused longest. Each may be a process.
pub const SESSIONS_EACH: usize = 4;
/// Resource subscriptions of one session that are remembered.
pub const SUBSCRIPTIONS: usize = 256;
/// Lines in a row that are no messages, after which a child is given up.
pub const GARBAGE: usize = 1000;
/// How often a server whose streams are open, or that owes answers, is said to be in use.
pub const KEEP: Duration = Duration::from_secs(60);
/// Requests that one caller may have open at a server that many share, in all its sessions and in none.
pub const PENDING_EACH: usize = 64;
/// How long the home of an agent's server is kept after it was used last: agents that do nothing end before that.
pub const HOME_KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);
