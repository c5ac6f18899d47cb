//! Mutation: small changes to seeds, drawn from a seeded sequence.

/// Pieces that have broken parsers elsewhere.
const PIECES: &[&[u8]] = &[
    b"%00",
    b"%2e",
    b"%2F",
    b"%",
    b"..",
    b"/",
    b"//",
    b"\\",
    b"@",
    b":",
    b"#",
    b"?",
    b"&",
    b"=",
    b"+",
    b" ",
    b"  ",
    b"\t",
    b"\r\n",
    b"\n",
    b"\0",
    b"\"",
    b"'",
    b"<",
    b">",
    b"*",
    b",",
    b";",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"{\"a\":",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\\u0061",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x94\x91",
    b"127.0.0.1",
    b"127.1",
    b"[::1]",
    b"localhost",
    b"localhost.",
    b":443",
    b":99999",
    b"https://",
    b"http://",
    b"javascript:",
    b"%C3%A4",
    b"client_id=",
    b"resource=",
    b"&scope=",
    b"=?base64?",
    b"?=",
    b"Bearer ",
    b"Basic ",
    b"eyJ",
    b".",
    b"none",
];

/// A sequence of inputs, the same for the same seed.
pub(crate) struct Mutator {
    state: u64,
    seeds: Vec<Vec<u8>>,
    current: Vec<u8>,
}

impl Mutator {
    /// Begins a sequence.
    pub(crate) fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Self {
        // Any number but zero will do for the generator; neighbours are spread apart.
        let state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { state, seeds, current: Vec::new() }
    }

    /// The next input: a seed, or what the last input was, with a few changes, at most `longest` bytes.
    pub(crate) fn next(&mut self, longest: usize) -> &[u8] {
        if self.current.is_empty() || self.below(4) > 0 {
            let pick = self.below(self.seeds.len());
            self.current = self.seeds.get(pick).cloned().unwrap_or_default();
        }
        for _ in 0..=self.below(6) {
            self.change();
        }
        self.current.truncate(longest);
        &self.current
    }

    /// One change at a random place.
    fn change(&mut self) {
        let at = self.below(self.current.len() + 1);
        let end = (at + 1 + self.below(16)).min(self.current.len());
        match self.below(10) {
            0 if at < end => self.current[at] ^= 1 << self.below(8),
            1 if at < end => self.current[at] = (self.draw() >> 32) as u8,
            2 if at < end => drop(self.current.drain(at..end)),
            3 => self.current.truncate(at),
            4 if at < end => {
                let piece = self.current[at..end].to_vec();
                let times = 1 + if self.below(40) == 0 { self.below(400) } else { self.below(3) };
                self.put(at, &piece.repeat(times));
            }
            5 => {
                let other = self.below(self.seeds.len());
                let other = self.seeds.get(other).cloned().unwrap_or_default();
                let from = self.below(other.len() + 1);
                self.current.truncate(at);
                self.current.extend_from_slice(&other[from..]);
            }
            6 if at < end => {
                for byte in &mut self.current[at..end] {
                    if byte.is_ascii_alphabetic() {
                        *byte ^= 0x20;
                    }
                }
            }
            7 if at < end => {
                let to = self.below(self.current.len());
                self.current.swap(at, to);
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                self.put(at, piece);
            }
        }
    }

    fn put(&mut self, at: usize, piece: &[u8]) {
        self.current.splice(at..at, piece.iter().copied());
    }

    /// A number below `bound`; 0 for an empty range.
    fn below(&mut self, bound: usize) -> usize {
        let drawn = (self.draw() >> 16) as usize;
        drawn.checked_rem(bound).unwrap_or(0)
    }

    /// xorshift64 (Marsaglia 2003).
    fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}
