//! Questions on a terminal: a line each, an empty answer takes what stands in brackets.

use std::io::{BufRead, Write};

use crate::failure::Failure;

/// Bytes of the longest answer; what is longer is cut, and then refused.
const ANSWER: u64 = 1024;

/// Who asks, and whom.
pub(super) struct Asker<'a, W> {
    input: &'a mut dyn BufRead,
    output: W,
}

impl<'a, W: Write> Asker<'a, W> {
    pub(super) fn new(input: &'a mut dyn BufRead, output: W) -> Self {
        Self { input, output }
    }

    /// Asks until the answer is one; where nobody answers any more, says so.
    pub(super) fn ask<T>(
        &mut self,
        question: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        loop {
            let asked = write!(self.output, "{question} [{default}]: ").and_then(|()| self.output.flush());
            let mut line = String::new();
            let heard =
                asked.and_then(|()| std::io::Read::take(&mut *self.input, ANSWER).read_line(&mut line));
            match heard {
                Ok(read) if read > 0 => {}
                _ => {
                    return Err(
                        Failure::fixable("nobody answers").advise("say `--yes`, and the rest by flags")
                    );
                }
            }
            let said = line.trim();
            match read(if said.is_empty() { default } else { said }) {
                Ok(value) => return Ok(value),
                Err(failure) => {
                    let _ = writeln!(self.output, "{failure}\n"); // the next question finds out
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(said: &str) -> Result<u8, Failure> {
        said.parse().map_err(|_| Failure::fixable(format!("`{said}` is no number")))
    }

    #[test]
    fn it_asks_until_there_is_an_answer() {
        for (typed, expected) in [("\n", Ok(7)), ("9\n", Ok(9)), ("x\n 8 \n", Ok(8)), ("x\n", Err(()))] {
            let mut input = typed.as_bytes();
            let mut talk = Vec::new();
            let heard = Asker::new(&mut input, &mut talk).ask("How many?", "7", number);
            assert_eq!(heard.map_err(|_| ()), expected, "{typed:?}");
            let talk = String::from_utf8(talk).unwrap();
            assert!(talk.starts_with("How many? [7]: "), "{talk}");
            assert_eq!(talk.contains("`x` is no number"), typed.starts_with('x'), "{talk}");
        }
    }
}
