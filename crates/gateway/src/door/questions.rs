//! What was asked of clients and is not answered yet, and confirmed calls that wait for their next round: both good
//! once, and both only in the process that knows them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_wire::time::UnixTime;
use tokio::sync::oneshot;

use super::bounds::{QUESTIONS, ROUNDS_EACH, STATE_LIFE};

/// How ids and keys of requests begin that are ours. What clients answer to them never goes upstream, and what
/// upstreams send under them never goes down.
pub(crate) const RESERVED: &str = "portcullis/";

#[derive(Default)]
pub(crate) struct Questions {
    asked: Mutex<HashMap<String, Asked>>,
    /// Names that are good once, with what they are bound to and until when.
    once: Mutex<HashMap<String, Round>>,
}

struct Round {
    holder: Box<[u8]>,
    bound: String,
    until: UnixTime,
}

struct Asked {
    agent: Arc<str>,
    answer: oneshot::Sender<bool>,
}

/// A question that is open as long as this lives.
pub(crate) struct Open {
    questions: Arc<Questions>,
    name: String,
    pub(crate) answer: oneshot::Receiver<bool>,
}

impl Questions {
    /// Opens a question to an agent's client. None if too many are open.
    pub(crate) fn open(self: &Arc<Self>, agent: &Arc<str>, name: String) -> Option<Open> {
        let (sender, answer) = oneshot::channel();
        let mut asked = lock(&self.asked);
        if asked.len() >= QUESTIONS {
            return None;
        }
        asked.insert(name.clone(), Asked { agent: Arc::clone(agent), answer: sender });
        Some(Open { questions: Arc::clone(self), name, answer })
    }

    /// The answer of an agent's client. Whether there was such a question, of this agent.
    pub(crate) fn answered(&self, agent: &str, name: &str, yes: bool) -> bool {
        let mut asked = lock(&self.asked);
        if asked.get(name).is_none_or(|asked| &*asked.agent != agent) {
            return false;
        }
        asked.remove(name).is_some_and(|asked| asked.answer.send(yes).is_ok())
    }

    /// Remembers a name that is good once, for its holder and what it is bound to. Whether there was room: a holder of
    /// [`ROUNDS_EACH`] loses the one that ends first.
    #[must_use]
    pub(crate) fn remember(&self, holder: &[u8], name: String, bound: String, now: UnixTime) -> bool {
        let mut once = lock(&self.once);
        let own = || once.iter().filter(|(_, round)| *round.holder == *holder);
        if own().count() >= ROUNDS_EACH {
            let first = own().min_by_key(|(_, round)| round.until).map(|(name, _)| name.clone());
            first.map(|name| once.remove(&name));
        }
        if once.len() >= QUESTIONS {
            once.retain(|_, round| round.until > now);
        }
        let is_room = once.len() < QUESTIONS;
        if is_room {
            let until = UnixTime::from_seconds(now.seconds() + STATE_LIFE);
            once.insert(name, Round { holder: holder.into(), bound, until });
        }
        is_room
    }

    /// Uses such a name up. Whether it was still good, for this holder and this.
    pub(crate) fn spend(&self, holder: &[u8], name: &str, bound: &str, now: UnixTime) -> bool {
        let round = lock(&self.once).remove(name);
        round.is_some_and(|round| *round.holder == *holder && round.bound == bound && round.until > now)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.questions.asked).remove(&self.name);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_handle_a_question_is_answered_once_and_by_its_agent() {
        let (questions, agent) = (Arc::new(Questions::default()), Arc::from("a"));
        let mut open = questions.open(&agent, "q".to_owned()).unwrap();
        assert!(!questions.answered("b", "q", true));
        assert!(!questions.answered("a", "r", true));
        assert!(questions.answered("a", "q", true));
        assert!(!questions.answered("a", "q", false));
        assert_eq!(open.answer.try_recv(), Ok(true));
        drop(questions.open(&agent, "gone".to_owned()));
        assert!(!questions.answered("a", "gone", true));
    }

    #[test]
    fn t_once_a_confirmed_round_is_good_once_for_its_own_call_and_not_for_ever() {
        let (questions, now) = (Questions::default(), UnixTime::from_seconds(1000));
        let later = UnixTime::from_seconds(1000 + STATE_LIFE);
        for (name, bound, at, good) in
            [("a", "x", now, true), ("b", "y", now, false), ("c", "x", later, false), ("d", "x", now, true)]
        {
            assert!(questions.remember(b"a", name.to_owned(), "x".to_owned(), now));
            assert_eq!(questions.spend(b"a", name, bound, at), good, "{name}");
            assert!(!questions.spend(b"a", name, "x", now), "{name} again");
        }
        assert!(!questions.spend(b"a", "never", "x", now));
        assert!(questions.remember(b"a", "e".to_owned(), "x".to_owned(), now));
        assert!(!questions.spend(b"b", "e", "x", now), "somebody else's");
    }

    #[test]
    fn t_caps_one_holders_rounds_leave_room_for_another() {
        let questions = Questions::default();
        let mut now = UnixTime::from_seconds(1000);
        for n in 0..=QUESTIONS {
            now = UnixTime::from_seconds(now.seconds() + 1);
            assert!(questions.remember(b"a", n.to_string(), "x".to_owned(), now));
        }
        assert!(questions.remember(b"b", "theirs".to_owned(), "x".to_owned(), now));
        assert!(questions.spend(b"b", "theirs", "x", now));
        assert!(questions.spend(b"a", &QUESTIONS.to_string(), "x", now), "the newest is good");
        assert!(!questions.spend(b"a", "0", "x", now), "the oldest gave way");
    }

    #[test]
    fn t_caps_questions_are_bounded() {
        let (questions, agent) = (Arc::new(Questions::default()), Arc::from("a"));
        let held: Vec<_> = (0..QUESTIONS).map(|n| questions.open(&agent, n.to_string()).unwrap()).collect();
        assert!(questions.open(&agent, "more".to_owned()).is_none());
        drop(held);
        assert!(questions.open(&agent, "more".to_owned()).is_some());
    }
}
