//! Keys. Each is parsed once and is for one algorithm, which is the key's own and never the token's to choose.

mod alg;
mod jwk;
mod set;
mod signing;
mod verifying;

pub use alg::Alg;
pub use jwk::{Jwk, Jwks};
pub use set::KeySet;
pub use signing::SigningKey;
pub use verifying::{KID, RSA_BITS, VerifyingKey};
