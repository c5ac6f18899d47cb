//! `serve`: what a configuration file says.

use std::path::Path;

use super::config::load;
use crate::args::{Insecure, Shared};
use crate::config::failure;
use crate::failure::Outcome;

pub(crate) async fn run(shared: &Shared, path: &Path, insecure: Insecure) -> Outcome {
    let (mut file, faults) = load(path)?;
    if !faults.is_empty() {
        return Err(failure(&faults, Some(path)));
    }
    file.extra_ca = insecure.insecure_extra_ca;
    file.cimd_loopback = insecure.insecure_cimd_loopback;
    crate::run::run(shared, &file, Some(path)).await
}
