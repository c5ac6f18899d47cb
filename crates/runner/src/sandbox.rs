//! What a server may touch: an allow-list that the kernel holds (Landlock), and no Unix sockets (seccomp).

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::spec::{Sandbox, Server};

/// How far servers are kept in sandboxes here. Its `Display` is a sentence for the person who starts us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxReport {
    /// The kernel holds the allow-list.
    Holds {
        /// The version of Landlock's interface whose protections hold, though the kernel's own may be later: from 6
        /// on, servers can neither signal us nor reach abstract sockets.
        abi: u8,
    },
    /// It does not, and why: servers may read what this user may read, the keys included.
    Missing(String),
    /// It was turned off.
    Off,
}

impl SandboxReport {
    /// Whether servers are kept from our keys.
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holds { .. })
    }
}

impl fmt::Display for SandboxReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds { abi } if *abi < 6 => write!(
                f,
                "each server runs in a sandbox (Landlock {abi} or later): it reads no keys; this kernel does not keep it from signalling other processes of this user"
            ),
            Self::Holds { abi } => write!(f, "each server runs in a sandbox (Landlock {abi} or later)"),
            Self::Missing(why) => write!(
                f,
                "NO SANDBOX: {why}; the servers started here can read everything this user can read, our keys included"
            ),
            Self::Off => f.write_str(
                "the sandbox is off: the servers started here can read everything this user can read, our keys included",
            ),
        }
    }
}

/// Why a server cannot be given what its configuration grants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("`{}` holds the data directory, which no server may read; name what lies beside it instead", .0.display())]
    HoldsData(PathBuf),
    #[error("`{}` holds `{}`, which no server may read; name what lies beside it instead", .0.display(), .1.display())]
    HoldsSecret(PathBuf, PathBuf),
    #[error("`{}` is not there, or cannot be looked at", .0.display())]
    Absent(PathBuf),
    #[error(
        "a server's home would hold the data directory; `runtime_dir` must be a folder beside or within it"
    )]
    Runtime,
    #[error("`{0}` was not found")]
    Command(String),
}

/// Paths that are granted, resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grants {
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
    /// Whether the working directory is among them.
    pub(crate) works_here: bool,
}

/// System paths that every server may read and execute.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store"];
/// What servers look at in passing.
const PARTS: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/version",
    "/sys/devices/system/cpu",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
];
/// A process about itself. It is no path that we could resolve: it leads elsewhere for whoever opens it.
const ITSELF: &str = "/proc/self";
/// Devices without a state of their own.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random"];
/// Secrets among the system paths. They matter where we are root.
const SECRETS: &[&str] = &[
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/pki/private",
    "/etc/pki/tls/private",
    "/etc/letsencrypt",
    "/etc/portcullis",
];
/// What lies beside `bin` and belongs to the same program.
const BESIDE_BIN: &[&str] = &["bin", "lib", "lib64", "libexec", "include", "pyvenv.cfg"];

impl Grants {
    /// What `server` may touch. `command` is its program as it was found; `own` are its home and temporary folder.
    /// Nothing of the data directory and of `secrets` is.
    pub(crate) fn of(
        server: &Server,
        command: &Path,
        data_dir: &Path,
        secrets: &[PathBuf],
        own: &[PathBuf],
    ) -> Result<Self, GrantError> {
        // Links do not matter: what the kernel asks for is where they lead.
        let real = |path: &Path| resolve(path).unwrap_or_else(|| path.to_owned());
        let data = real(data_dir);
        let secrets: Vec<PathBuf> = secrets.iter().map(|path| real(path)).collect();
        let mut kept: Vec<PathBuf> = SECRETS.iter().map(PathBuf::from).collect();
        kept.push(data.clone());
        kept.extend(secrets.iter().cloned());
        let mut grants = Self::default();
        for path in SYSTEM.iter().chain(PARTS).map(Path::new) {
            grants.around(path, &kept);
        }
        grants.read.push(ITSELF.into());
        grants.write.extend(DEVICES.iter().map(PathBuf::from).filter(|device| device.exists()));
        grants.program(command, &kept);
        for arg in &server.args {
            let path = server.working_dir.join(arg);
            if !arg.is_empty() && !arg.starts_with('-') && path.is_file() {
                grants.file_and_folder(&path, &kept);
            }
        }
        if !is_broad(&server.working_dir) {
            grants.around(&server.working_dir, &kept);
            grants.works_here = true;
        }
        for path in own {
            let path = resolve(path).ok_or_else(|| GrantError::Absent(path.clone()))?;
            if data.starts_with(&path) {
                return Err(GrantError::Runtime);
            }
            grants.write.push(path);
        }
        grants.read.extend(said(&server.read, &data, &secrets)?);
        grants.write.extend(said(&server.write, &data, &secrets)?);
        Ok(grants)
    }

    /// The program itself, and what belongs to it.
    fn program(&mut self, command: &Path, kept: &[PathBuf]) {
        for path in [Some(command.to_owned()), resolve(command)].into_iter().flatten() {
            self.file_and_folder(&path, kept);
            let Some(folder) = path.parent() else { continue };
            let Some(prefix) = folder.parent().filter(|_| folder.ends_with("bin")) else { continue };
            for part in BESIDE_BIN {
                self.around(&prefix.join(part), kept);
            }
        }
    }

    /// A file, and its folder unless that is a home or everything.
    fn file_and_folder(&mut self, path: &Path, kept: &[PathBuf]) {
        match path.parent() {
            Some(folder) if !is_broad(folder) => self.around(folder, kept),
            _ => self.around(path, kept),
        }
        // A link may lead out of its folder.
        if let Some(real) = resolve(path) {
            self.around(&real, kept);
        }
    }

    /// All of `path` but what is `kept`.
    fn around(&mut self, path: &Path, kept: &[PathBuf]) {
        let Some(path) = resolve(path) else { return };
        if kept.iter().any(|kept| path.starts_with(kept)) {
            return;
        }
        if !kept.iter().any(|kept| kept.starts_with(&path)) {
            self.read.push(path);
            return;
        }
        let Ok(entries) = std::fs::read_dir(&path) else { return };
        for entry in entries.flatten().take(limits::ENTRIES) {
            // A link is followed only where it leads to something that is granted for itself.
            if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                self.around(&entry.path(), kept);
            }
        }
    }
}

/// Paths that the configuration names. They are granted as they are, or refused.
fn said(paths: &[PathBuf], data: &Path, secrets: &[PathBuf]) -> Result<Vec<PathBuf>, GrantError> {
    let resolved = paths.iter().map(|path| {
        let real = resolve(path).ok_or_else(|| GrantError::Absent(path.clone()))?;
        if data.starts_with(&real) || real.starts_with(data) {
            return Err(GrantError::HoldsData(path.clone()));
        }
        match secrets.iter().find(|secret| secret.starts_with(&real)) {
            Some(secret) => Err(GrantError::HoldsSecret(path.clone(), secret.clone())),
            None => Ok(real),
        }
    });
    resolved.collect()
}

/// Whether a folder holds far more than one program: `/`, a home, or a folder of homes.
fn is_broad(folder: &Path) -> bool {
    let Some(folder) = resolve(folder) else { return true };
    let home = std::env::var_os("HOME").map(PathBuf::from).and_then(|home| resolve(&home));
    let broad =
        ["/", "/root", "/home", "/tmp", "/var", "/var/tmp", "/run", "/srv", "/mnt", "/dev", "/proc", "/sys"];
    broad.iter().any(|path| folder == Path::new(path))
        || home.is_some_and(|home| home.starts_with(&folder))
        || folder.parent() == Some(Path::new("/home"))
}

pub(crate) fn resolve(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

/// Where a command is, as a shell would find it.
pub(crate) fn find(command: &str, working_dir: &Path) -> Result<PathBuf, GrantError> {
    let missing = || GrantError::Command(command.to_owned());
    if command.contains('/') {
        let path = working_dir.join(command);
        return if path.is_file() { Ok(path) } else { Err(missing()) };
    }
    let path = std::env::var_os("PATH").ok_or_else(missing)?;
    let found = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    found.map(|folder| folder.join(command)).find(|path| is_program(path)).ok_or_else(missing)
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// What holds on this kernel.
pub(crate) fn report(sandbox: Sandbox) -> SandboxReport {
    match sandbox {
        Sandbox::Off => SandboxReport::Off,
        Sandbox::On => kernel::report(),
    }
}

pub(crate) use kernel::enter;

#[cfg(target_os = "linux")]
mod kernel {
    use std::error::Error;

    use landlock::{
        ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
        RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope,
    };

    use super::{Grants, SandboxReport};

    /// The versions that brought something for us, best first; the others brought networks and logs.
    const ABIS: [ABI; 6] = [ABI::V9, ABI::V6, ABI::V5, ABI::V3, ABI::V2, ABI::V1];

    pub(super) fn report() -> SandboxReport {
        // Making a ruleset restricts nobody.
        let hard = |abi| {
            let all = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
            let all = all.handle_access(AccessFs::from_all(abi)).map_err(|error| error.to_string())?;
            let all = match Scope::from_all(abi) {
                scope if scope.is_empty() => all,
                scope => all.scope(scope).map_err(|error| error.to_string())?,
            };
            all.create().map(drop).map_err(|error| error.to_string())
        };
        let mut last = String::new();
        for abi in ABIS {
            match hard(abi) {
                Ok(()) => return SandboxReport::Holds { abi: abi as u8 },
                Err(error) => last = error,
            }
        }
        SandboxReport::Missing(format!("this kernel has no Landlock ({last})"))
    }

    /// Locks this process in, for good, and whatever it becomes.
    pub(crate) fn enter(grants: &Grants) -> Result<(), Box<dyn Error>> {
        let best = ABI::V9;
        let read = AccessFs::from_read(best);
        let write = AccessFs::from_all(best) & !BitFlags::from(AccessFs::IoctlDev);
        let ruleset = Ruleset::default().handle_access(AccessFs::from_all(best))?;
        let mut ruleset = ruleset.scope(Scope::from_all(best))?.create()?;
        for path in &grants.read {
            ruleset = grant(ruleset, path, read)?;
        }
        for path in &grants.write {
            ruleset = grant(ruleset, path, write)?;
        }
        let status = ruleset.restrict_self()?;
        if status.ruleset == RulesetStatus::NotEnforced {
            return Err("the kernel did not take the sandbox".into());
        }
        Ok(())
    }

    fn grant(
        ruleset: RulesetCreated,
        path: &std::path::Path,
        access: BitFlags<AccessFs>,
    ) -> Result<RulesetCreated, Box<dyn Error>> {
        // What has gone since it was looked up, or may not be opened, cannot be used either.
        let Ok(fd) = PathFd::new(path) else { return Ok(ruleset) };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V9) };
        Ok(ruleset.add_rule(PathBeneath::new(fd, access))?)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::{Grants, SandboxReport};

    pub(super) fn report() -> SandboxReport {
        SandboxReport::Missing("sandboxes are built for Linux only".to_owned())
    }

    pub(crate) fn enter(_: &Grants) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for folder in ["app", "data/keys", "run/home", "other"] {
            std::fs::create_dir_all(place.path().join(folder)).unwrap();
        }
        std::fs::write(place.path().join("app/server"), "").unwrap();
        place
    }

    #[test]
    fn t_runner_the_data_directory_is_never_granted() {
        let place = place();
        let at = |path: &str| resolve(place.path()).unwrap().join(path);
        let data = at("data");
        let mut server = Server::new("/bin/true", [at("app/server").to_str().unwrap()]);
        server.working_dir = at("");
        let own = [at("run/home")];
        let granted = Grants::of(&server, Path::new("/bin/true"), &data, &[], &own).unwrap();
        assert!(granted.read.contains(&at("app")) && granted.read.contains(&at("other")), "{granted:?}");
        let all = granted.read.iter().chain(&granted.write);
        assert!(all.clone().all(|path| !data.starts_with(path) && !path.starts_with(&data)), "{granted:?}");
        assert!(all.clone().all(|path| path != Path::new("/etc")), "all of /etc but its secrets");
        assert!(!granted.read.contains(&PathBuf::from("/etc/shadow")));

        for (name, path) in [("itself", "data"), ("around it", ""), ("within it", "data/keys")] {
            for write in [false, true] {
                let mut server = server.clone();
                if write { &mut server.write } else { &mut server.read }.push(at(path));
                let refused = Grants::of(&server, Path::new("/bin/true"), &data, &[], &own);
                assert_eq!(refused, Err(GrantError::HoldsData(at(path))), "{name}");
            }
        }
        let refused = Grants::of(&server, Path::new("/bin/true"), &data, &[], &[at("")]);
        assert_eq!(refused, Err(GrantError::Runtime));
    }

    #[test]
    fn t_runner_files_with_secrets_are_never_granted_wherever_they_stand() {
        let place = place();
        let at = |path: &str| resolve(place.path()).unwrap().join(path);
        for file in ["key.pem", "app/client.secret", "other/real.pem"] {
            std::fs::write(at(file), "secret").unwrap();
        }
        std::os::unix::fs::symlink(at("other/real.pem"), at("link.pem")).unwrap();
        let secrets = ["key.pem", "app/client.secret", "link.pem"].map(at);
        let mut server = Server::new("/bin/true", [at("app/server").to_str().unwrap()]);
        server.working_dir = at("");
        let of = |server: &Server| {
            Grants::of(server, Path::new("/bin/true"), &at("data"), &secrets, &[at("run/home")])
        };
        let granted = of(&server).unwrap();
        assert!(granted.read.contains(&at("app/server")), "what lies beside one is: {granted:?}");
        for secret in ["key.pem", "app/client.secret", "other/real.pem"].map(at) {
            let all = granted.read.iter().chain(&granted.write);
            assert!(all.clone().all(|path| !secret.starts_with(path)), "{} in {granted:?}", secret.display());
        }
        for (name, path, holds) in [
            ("itself", "key.pem", "key.pem"),
            ("its folder", "app", "app/client.secret"),
            ("where a link leads", "other", "other/real.pem"),
        ] {
            for write in [false, true] {
                let mut server = server.clone();
                if write { &mut server.write } else { &mut server.read }.push(at(path));
                assert_eq!(of(&server), Err(GrantError::HoldsSecret(at(path), at(holds))), "{name}");
            }
        }
    }

    #[test]
    fn a_report_without_a_sandbox_is_loud() {
        let missing = SandboxReport::Missing("this kernel has no Landlock".into());
        assert!(missing.to_string().starts_with("NO SANDBOX") && !missing.holds());
        assert!(SandboxReport::Off.to_string().contains("our keys included"));
        assert!(SandboxReport::Holds { abi: 7 }.holds());
        assert!(SandboxReport::Holds { abi: 5 }.to_string().contains("signalling"));
        assert_eq!(report(Sandbox::Off), SandboxReport::Off);
    }
}
