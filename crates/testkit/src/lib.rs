//! Tests only: a real server on a free port, a hand-moved clock, seeded entropy, honest and dishonest clients.
