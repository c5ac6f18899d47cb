//! The configuration: [`File`] as written, [`Plan`] as resolved, and one function between them, [`resolve`]. Both
//! find all faults before they say so, each with its line.

mod door;
mod explain;
mod fault;
mod file;
mod limits;
mod plan;
mod provider;
mod reader;
mod resource;
mod secret;
pub(crate) mod span;

pub(crate) use door::DoorPlan;
pub(crate) use explain::{Setting, find, nearest_setting, settings};
pub(crate) use fault::{Fault, failure};
pub(crate) use file::File;
pub(crate) use plan::{Plan, TlsFiles, resolve};
pub(crate) use reader::At;
pub(crate) use resource::{Behind, Guarded, Program};

/// Most bytes of a configuration file.
pub(crate) const FILE_MAX: u64 = 1024 * 1024;
