//! The data directory: one directory, one server. Whoever holds its `lock` may open the database; everybody else
//! asks the holder over `control.sock`.
//!
//! ```text
//! lock            held for as long as a server, or a command at rest, has the directory
//! portcullis.db   the records; no secret in it works by itself
//! master.key      32 random octets, from which everything else is derived; 0600
//! control.key     32 random octets; who can read them may administer the running server; 0600
//! control.sock    where the running server takes commands; 0600
//! last-run.json   issuer and resources of the last run, for commands while no server runs
//! .gitignore      so that none of this is committed by accident
//! ```

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use portcullis_jose::master::MasterKey;
use portcullis_server::Entropy;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Octets of each key file.
const KEY_SIZE: usize = 32;
/// Most bytes of `last-run.json` that are read.
const LAST_RUN_MAX: u64 = 1024 * 1024;
const LAST_RUN: &str = "last-run.json";
const DATABASE: &str = "portcullis.db";

/// Why a data directory cannot be used. Each says what happened; [`HomeError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A server, or a command, holds it.
    #[error("the data directory `{0}` is in use by a running server")]
    Held(PathBuf),
    /// Somebody else may write there.
    #[error("the data directory `{0}` can be written by others (mode {1:o})")]
    DirectoryMode(PathBuf, u32),
    /// Somebody else may read a key.
    #[error("the key file `{0}` can be read by others (mode {1:o})")]
    FileMode(PathBuf, u32),
    /// A key file holds something else.
    #[error("the key file `{0}` does not hold {KEY_SIZE} octets")]
    Key(PathBuf),
    /// The record of the last run cannot be read.
    #[error("`{0}` is not what a server wrote there")]
    LastRun(PathBuf),
    /// The operating system refused.
    #[error("cannot {0} `{1}`: {2}")]
    Io(&'static str, PathBuf, #[source] io::Error),
}

impl HomeError {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Held(_) => "stop the other server, or give this one a directory of its own".to_owned(),
            Self::DirectoryMode(path, _) => format!("chmod 700 {}", path.display()),
            Self::FileMode(path, _) => {
                format!("chmod 600 {}, and ask yourself who may have read it", path.display())
            }
            Self::Key(_) => "restore it from a backup: without it the database cannot be used".to_owned(),
            Self::LastRun(path) => format!("remove {}; the next start writes it anew", path.display()),
            Self::Io(..) => return None,
        })
    }
}

/// What a running server leaves for the commands that come when it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The issuer.
    pub issuer: String,
    /// The resources.
    pub resources: Vec<LastResource>,
    /// Where the endpoints lay below the issuer; empty for directly there.
    #[serde(default)]
    pub endpoint_path: String,
    /// The database, where it is not `portcullis.db` in the directory itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<PathBuf>,
}

/// A resource, as [`LastRun`] keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResource {
    /// Its canonical URI.
    pub uri: String,
    /// Its name for people.
    pub name: String,
    /// Its scopes, each with whether it is a default one.
    pub scopes: Vec<(String, bool)>,
    /// Whether its tokens are signed with RS256.
    #[serde(default)]
    pub rs256: bool,
    /// The groups whose people may use it; none is everyone.
    #[serde(default)]
    pub people: Option<Vec<String>>,
    /// The groups whose people may have a scope, for scopes that not everybody may have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scope_people: BTreeMap<String, Vec<String>>,
}

/// The key that lets a command administer the running server.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ControlKey([u8; KEY_SIZE]);

impl ControlKey {
    pub(crate) const fn expose(&self) -> &[u8; KEY_SIZE] {
        &self.0
    }

    /// Reads the key of a directory that somebody else holds.
    ///
    /// # Errors
    /// [`HomeError`] when it is not there, not a key, or open to others.
    pub fn of(directory: &Path) -> Result<Self, HomeError> {
        let path = directory.join("control.key");
        read_key(&path)?
            .map(|key| Self(*key))
            .ok_or_else(|| HomeError::Io("read", path, io::ErrorKind::NotFound.into()))
    }
}

impl std::fmt::Debug for ControlKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ControlKey(…)")
    }
}

/// A data directory that is ours for as long as this value lives.
#[derive(Debug)]
pub struct Home {
    directory: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes the directory if it is not there (0700), and takes its lock.
    ///
    /// # Errors
    /// [`HomeError`]; [`HomeError::Held`] when somebody else has it.
    pub fn open(directory: &Path) -> Result<Self, HomeError> {
        let fault = |what| move |error| HomeError::Io(what, directory.to_owned(), error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(fault("make the directory"))?;
        let mode = fs::metadata(directory).map_err(fault("look at"))?.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(HomeError::DirectoryMode(directory.to_owned(), mode));
        }
        let path = directory.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| HomeError::Io("open", path.clone(), error))?;
        match lock.try_lock() {
            Ok(()) => {
                let home = Self { directory: directory.to_owned(), _lock: lock };
                home.stay_out_of_version_control()?;
                Ok(home)
            }
            Err(TryLockError::WouldBlock) => Err(HomeError::Held(directory.to_owned())),
            Err(TryLockError::Error(error)) => Err(HomeError::Io("lock", path, error)),
        }
    }

    /// A program's data directory may lie in its own checkout, and keys must not be committed.
    fn stay_out_of_version_control(&self) -> Result<(), HomeError> {
        let path = self.directory.join(".gitignore");
        if path.exists() {
            return Ok(());
        }
        fs::write(&path, "*\n").map_err(|error| HomeError::Io("write", path, error))
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the database is: what the last run said, else `portcullis.db` here.
    ///
    /// # Errors
    /// [`HomeError::LastRun`] if the record of the last run cannot be read.
    pub fn database(&self) -> Result<PathBuf, HomeError> {
        let elsewhere = self.last_run()?.and_then(|run| run.database);
        Ok(self.directory.join(elsewhere.unwrap_or_else(|| DATABASE.into())))
    }

    /// Where the running server takes commands.
    pub fn socket(&self) -> PathBuf {
        socket_of(&self.directory)
    }

    /// The key everything else is derived from, made on the first start.
    ///
    /// # Errors
    /// [`HomeError`] when it is open to others, is no key, or cannot be read or written.
    pub fn master_key(&self, entropy: &dyn Entropy) -> Result<MasterKey, HomeError> {
        Ok(MasterKey::new(*self.key("master.key", entropy)?))
    }

    /// The key of the control socket, made on the first start.
    ///
    /// # Errors
    /// As [`Home::master_key`].
    pub fn control_key(&self, entropy: &dyn Entropy) -> Result<ControlKey, HomeError> {
        Ok(ControlKey(*self.key("control.key", entropy)?))
    }

    fn key(&self, name: &str, entropy: &dyn Entropy) -> Result<Zeroizing<[u8; KEY_SIZE]>, HomeError> {
        let path = self.directory.join(name);
        if let Some(key) = read_key(&path)? {
            return Ok(key);
        }
        let mut key = Zeroizing::new([0; KEY_SIZE]);
        entropy.fill(key.as_mut());
        self.write(name, key.as_ref()).map_err(|error| HomeError::Io("write", path, error))?;
        Ok(key)
    }

    /// What the last run left, if there was one.
    ///
    /// # Errors
    /// [`HomeError::LastRun`] if it cannot be read.
    pub fn last_run(&self) -> Result<Option<LastRun>, HomeError> {
        let path = self.directory.join(LAST_RUN);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HomeError::Io("read", path, error)),
        };
        match serde_json::from_reader(file.take(LAST_RUN_MAX)) {
            Ok(run) => Ok(Some(run)),
            Err(_) => Err(HomeError::LastRun(path)),
        }
    }

    /// Leaves word for commands that come when this server is gone.
    ///
    /// # Errors
    /// [`HomeError::Io`] if it cannot be written.
    pub fn remember(&self, run: &LastRun) -> Result<(), HomeError> {
        let fault = |error| HomeError::Io("write", self.directory.join(LAST_RUN), error);
        let text = serde_json::to_vec_pretty(run).map_err(|error| fault(error.into()))?;
        self.write(LAST_RUN, &text).map_err(fault)
    }

    /// Writes a file whole or not at all, for its owner alone.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (path, draft) = (self.directory.join(name), self.directory.join(format!("{name}.new")));
        // We hold the lock: a draft that lies there is what a crash left.
        if let Err(error) = fs::remove_file(&draft)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(&self.directory)?.sync_all()
    }
}

/// Where the server of `directory` takes commands.
pub(crate) fn socket_of(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

fn read_key(path: &Path) -> Result<Option<Zeroizing<[u8; KEY_SIZE]>>, HomeError> {
    let fault = |error| HomeError::Io("read", path.to_owned(), error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let meta = file.metadata().map_err(fault)?;
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(HomeError::FileMode(path.to_owned(), mode));
    }
    if meta.len() != KEY_SIZE as u64 {
        return Err(HomeError::Key(path.to_owned()));
    }
    let mut key = Zeroizing::new([0; KEY_SIZE]);
    file.read_exact(key.as_mut()).map_err(fault)?;
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::entropy::SystemEntropy;

    fn mode(path: &Path, bits: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
    }

    #[test]
    fn one_directory_has_one_server() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("deep/data");
        let home = Home::open(&directory).unwrap();
        assert!(matches!(Home::open(&directory), Err(HomeError::Held(_))));
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        drop(home);
        assert!(Home::open(&directory).is_ok());
    }

    #[test]
    fn keys_are_made_once_for_their_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::open(place.path()).unwrap();
        let first = home.control_key(&SystemEntropy).unwrap();
        let second = home.control_key(&SystemEntropy).unwrap();
        assert_eq!(first.expose(), second.expose());
        assert_eq!(first.expose(), ControlKey::of(place.path()).unwrap().expose());
        home.master_key(&SystemEntropy).unwrap();
        for name in ["master.key", "control.key", "lock"] {
            assert_eq!(fs::metadata(place.path().join(name)).unwrap().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn t_secret_files_open_to_others_are_refused_with_the_remedy() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::open(place.path()).unwrap();
        home.master_key(&SystemEntropy).unwrap();
        let path = place.path().join("master.key");
        for bits in [0o640, 0o604, 0o620, 0o666] {
            mode(&path, bits);
            let refused = home.master_key(&SystemEntropy).unwrap_err();
            assert!(matches!(refused, HomeError::FileMode(..)), "{bits:o}");
            assert!(refused.hint().unwrap().starts_with("chmod 600 "), "{bits:o}");
        }
        mode(&path, 0o400);
        assert!(home.master_key(&SystemEntropy).is_ok());
        mode(&path, 0o600);
        fs::write(&path, "short").unwrap();
        assert!(matches!(home.master_key(&SystemEntropy), Err(HomeError::Key(_))));
    }

    #[test]
    fn a_directory_others_may_write_is_refused() {
        let place = tempfile::tempdir().unwrap();
        mode(place.path(), 0o777);
        assert!(matches!(Home::open(place.path()), Err(HomeError::DirectoryMode(_, 0o777))));
        mode(place.path(), 0o755);
        assert!(Home::open(place.path()).is_ok());
    }

    #[test]
    fn the_last_run_is_remembered() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::open(place.path()).unwrap();
        assert_eq!(home.last_run().unwrap(), None);
        assert_eq!(home.database().unwrap(), place.path().join("portcullis.db"));
        let run = LastRun {
            issuer: "https://h.example".to_owned(),
            resources: vec![LastResource {
                uri: "https://h.example/mcp".to_owned(),
                name: "Notes".to_owned(),
                scopes: vec![("notes:read".to_owned(), true)],
                rs256: false,
                people: Some(vec!["staff".to_owned()]),
                scope_people: BTreeMap::from([("notes:read".to_owned(), vec!["ops".to_owned()])]),
            }],
            endpoint_path: String::new(),
            database: Some("../notes.db".into()),
        };
        home.remember(&run).unwrap();
        home.remember(&run).unwrap();
        assert_eq!(home.last_run().unwrap(), Some(run));
        assert_eq!(home.database().unwrap(), place.path().join("../notes.db"));
        fs::write(place.path().join(LAST_RUN), "{}").unwrap();
        assert!(matches!(home.last_run(), Err(HomeError::LastRun(_))));
    }
}
