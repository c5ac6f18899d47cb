//! Keys, signatures, sealed values and typed claims, strict by construction.
