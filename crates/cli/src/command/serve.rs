//! `serve`: what a configuration file says.

use std::path::Path;

use super::config::load;
use crate::args::Insecure;
use crate::config::{File, failure};
use crate::failure::Failure;

/// The configuration as the file says.
pub(crate) fn file(path: &Path, insecure: Insecure) -> Result<File, Failure> {
    let (mut file, faults) = load(path)?;
    if !faults.is_empty() {
        return Err(failure(&faults, Some(path)));
    }
    file.extra_ca = insecure.insecure_extra_ca;
    file.cimd_loopback = insecure.insecure_cimd_loopback;
    Ok(file)
}
