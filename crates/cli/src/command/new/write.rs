//! Makes a folder in one piece: beside its place first, then there. What is there already is never touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Refuses a place where something is. An empty folder is nothing.
pub(super) fn refuse_what_is_there(folder: &Path) -> Result<(), Failure> {
    let fault =
        |error: &io::Error| Failure::fixable(format!("cannot look at `{}`: {error}", folder.display()));
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(folder).is_err() => {
            Ok(())
        }
        Ok(false) => Err(Failure::fixable(format!("`{}` is there already, and not empty", folder.display()))
            .advise("name another folder; nothing was written")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(fault(&error)),
        Err(_) => Err(Failure::fixable(format!("`{}` is there already, and no folder", folder.display()))
            .advise("name another folder; nothing was written")),
    }
}

/// Writes the files into a folder beside `folder`, which then takes its place. On any fault nothing is left.
pub(super) fn write(folder: &Path, files: &[(&str, String)]) -> Result<(), Failure> {
    let beside = beside(folder);
    let made = make(folder, &beside, files);
    if made.is_err() {
        let _ = fs::remove_dir_all(&beside); // what cannot be removed cannot be helped
    }
    made.map_err(|error| Failure::fixable(format!("cannot write `{}`: {error}", folder.display())))
}

fn make(folder: &Path, beside: &Path, files: &[(&str, String)]) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(beside)?;
    for (path, text) in files {
        let path = beside.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    // Only an empty folder can be removed, and nothing that is there can be renamed over.
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(beside, folder)
}

fn beside(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_written_or_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("deep/one");
        let files = [("a.txt", "a".to_owned()), ("b/c.txt", "c".to_owned())];
        refuse_what_is_there(&folder).unwrap();
        write(&folder, &files).unwrap();
        assert_eq!(fs::read_to_string(folder.join("b/c.txt")).unwrap(), "c");
        assert!(refuse_what_is_there(&folder).is_err());
        // Somebody made the folder in between: it stays as it is, and nothing lies beside it.
        assert!(write(&folder, &[("a.txt", "other".to_owned())]).is_err());
        assert_eq!(fs::read_to_string(folder.join("a.txt")).unwrap(), "a");
        assert_eq!(fs::read_dir(place.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_folder_is_nothing_and_a_file_is_something() {
        let place = tempfile::tempdir().unwrap();
        let empty = place.path().join("empty");
        fs::create_dir(&empty).unwrap();
        refuse_what_is_there(&empty).unwrap();
        write(&empty, &[("a.txt", "a".to_owned())]).unwrap();
        assert!(empty.join("a.txt").exists());
        let failure = refuse_what_is_there(&empty.join("a.txt")).unwrap_err();
        assert!(failure.to_string().contains("no folder"), "{failure}");
    }
}
