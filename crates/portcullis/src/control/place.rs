//! Where the socket is. A socket's address has room for about a hundred bytes, and a directory's path may be longer:
//! on Linux it can then be named by the open directory itself.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use crate::home::socket_of;

/// Longest path that fits into a socket's address everywhere.
const ADDRESS: usize = 100;

/// The address to use, and what must stay open while it is used.
pub(super) fn address(directory: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let plain = socket_of(directory);
    if plain.as_os_str().len() <= ADDRESS || !cfg!(target_os = "linux") {
        return Ok((plain, None));
    }
    let open = File::open(directory)?;
    Ok((socket_of(Path::new(&format!("/proc/self/fd/{}", open.as_raw_fd()))), Some(open)))
}
