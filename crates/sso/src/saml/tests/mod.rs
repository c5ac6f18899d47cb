//! Tests of the room: answers made by a signer of ours in the shapes of several providers, answers of real ones, and
//! everything that must not be taken for one.

mod absent;
mod accepted;
mod canonical;
mod differential;
mod found;
mod markup;
mod profile;
mod real;
mod shapes;
mod signer;
mod way_out;
mod world;
mod wrapping;
