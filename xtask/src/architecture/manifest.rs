//! What the manifests say.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use crate::place::root;
use crate::step::cargo;

/// The arrows: a room, and the rooms of ours it may name in `[dependencies]`.
const ARROWS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("fetch", &[]),
    ("jose", &["wire"]),
    ("mcp", &["wire"]),
    ("rules", &["wire", "jose"]),
    ("store", &["wire", "jose", "rules"]),
    ("guard", &["wire", "jose", "mcp"]),
    ("policy", &["wire", "mcp"]),
    ("gateway", &["wire", "mcp", "guard", "policy"]),
    ("runner", &["wire", "mcp"]),
    ("sso", &["wire", "jose", "fetch"]),
    ("server", &["wire", "jose", "fetch", "mcp", "policy", "rules", "store", "guard", "gateway", "sso"]),
    (
        "portcullis",
        &["wire", "jose", "fetch", "mcp", "policy", "rules", "store", "guard", "gateway", "sso", "server"],
    ),
    (
        "cli",
        &[
            "wire",
            "jose",
            "fetch",
            "mcp",
            "policy",
            "rules",
            "store",
            "guard",
            "gateway",
            "runner",
            "sso",
            "server",
            "portcullis",
        ],
    ),
];

/// What a room does without: crates it must not name in `[dependencies]`.
const ABSENCES: &[(&str, &[&str])] = &[
    ("wire", &["tokio", "axum", "http", "hyper", "rusqlite"]),
    ("jose", &["tokio", "axum", "http", "hyper", "rusqlite"]),
    ("rules", &["tokio", "axum", "http", "hyper", "rusqlite", "tracing"]),
    ("mcp", &["tokio", "axum", "hyper", "rusqlite"]),
    ("guard", &["tokio", "axum", "hyper", "rusqlite"]),
    ("policy", &["tokio", "axum", "http", "hyper", "rusqlite", "tracing"]),
    ("gateway", &["axum", "rusqlite"]),
    ("runner", &["axum", "rusqlite"]),
    ("sso", &["axum", "hyper", "rusqlite"]),
    ("store", &["axum", "http", "hyper"]),
    ("fetch", &["axum", "rusqlite", "hyper-rustls"]),
    ("portcullis", &["clap"]),
    ("server", &["clap", "rusqlite"]),
];

/// Crates that would bring a second provider of cryptography.
const OTHER_CRYPTO: &[&str] = &["ring", "openssl-sys", "openssl", "native-tls"];

/// The manifest of every room, by the room's name.
fn manifests() -> BTreeMap<String, String> {
    let rooms = std::fs::read_dir(root().join("crates")).into_iter().flatten().flatten();
    rooms
        .filter_map(|room| {
            let text = std::fs::read_to_string(room.path().join("Cargo.toml")).ok()?;
            Some((room.file_name().to_string_lossy().into_owned(), text))
        })
        .collect()
}

/// The names on the left of a manifest's section, `[dependencies]` and its kin for one target included.
fn named_in<'a>(manifest: &'a str, section: &'a str) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header == section || header.ends_with(&format!(".{section}"));
            return None;
        }
        let name = line.split(['=', '.', ' ']).next()?;
        (inside && !name.is_empty() && !name.starts_with('#')).then_some(name)
    })
}

/// A package of ours as a room: `portcullis-wire` is `wire`.
fn room_of(package: &str) -> Option<&str> {
    match package {
        "portcullis" => Some("portcullis"),
        other => other.strip_prefix("portcullis-"),
    }
}

/// Rooms depend on each other only along the arrows; `testkit` may name all and is named by none.
pub(super) fn arrows() -> Vec<String> {
    let mut faults = Vec::new();
    for (room, manifest) in manifests() {
        let arrows = ARROWS.iter().find(|(name, _)| *name == room).map(|(_, arrows)| *arrows);
        let Some(arrows) = arrows else {
            if room != "testkit" {
                faults.push(format!("`{room}` has no arrows: add it to ARCHITECTURE.md and to this list"));
            }
            continue;
        };
        for to in named_in(&manifest, "dependencies").filter_map(room_of) {
            if !arrows.contains(&to) {
                faults.push(format!("`{room}` depends on `{to}`"));
            }
        }
    }
    faults
}

/// Rooms do without what ARCHITECTURE.md says they do without.
pub(super) fn absences() -> Vec<String> {
    let manifests = manifests();
    let mut faults = Vec::new();
    for (room, without) in ABSENCES {
        let manifest = manifests.get(*room).map_or("", String::as_str);
        faults.extend(
            named_in(manifest, "dependencies")
                .filter(|name| without.contains(name))
                .map(|name| format!("`{room}` names `{name}`")),
        );
    }
    faults
}

/// Every package takes its lints from the workspace, and the workspace forbids unsafe code. One that is a workspace of its
/// own, so that what it pulls in stays out of ours, forbids it itself.
pub(super) fn lints() -> Vec<String> {
    let workspace = read(&root().join("Cargo.toml"));
    let mut faults = Vec::new();
    if !workspace.contains("unsafe_code = \"forbid\"") {
        faults.push("the workspace does not forbid unsafe code".to_owned());
    }
    for path in crate::place::files(&root(), "toml") {
        let text = read(&path);
        let package = path.file_name().is_some_and(|name| name == "Cargo.toml") && text.contains("[package]");
        let own = text.contains("\n[workspace]\n") && text.contains("[lints.rust]\nunsafe_code = \"forbid\"");
        if package && !own && !text.contains("[lints]\nworkspace = true") {
            faults.push(crate::place::from_root(&path));
        }
    }
    faults
}

/// Neither ring nor OpenSSL is built into anything of ours, nor runs while we build.
pub(super) fn crypto() -> Vec<String> {
    let words = ["tree", "--workspace", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let said = cargo(&words).stderr(Stdio::inherit()).output();
    let Ok(said) = said else { return vec!["`cargo tree` cannot be run".to_owned()] };
    if !said.status.success() {
        return vec!["`cargo tree` failed".to_owned()];
    }
    let tree = String::from_utf8_lossy(&said.stdout).into_owned();
    let found = tree.lines().filter_map(|line| line.split(' ').next());
    let mut found: Vec<String> =
        found.filter(|name| OTHER_CRYPTO.contains(name)).map(|name| format!("`{name}` is built")).collect();
    found.dedup();
    found
}

/// Every room stands in ARCHITECTURE.md, by its name in backticks.
pub(super) fn described() -> Vec<String> {
    let text = read(&root().join("ARCHITECTURE.md"));
    manifests().into_keys().filter(|room| !text.contains(&format!("`{room}`"))).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_by_name() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nhttp.workspace = true\n# note\n\
                        serde = \"1\"\n[dev-dependencies]\ntokio.workspace = true\n\
                        [target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n";
        assert_eq!(named_in(manifest, "dependencies").collect::<Vec<_>>(), ["http", "serde", "libc"]);
        assert_eq!(named_in(manifest, "dev-dependencies").collect::<Vec<_>>(), ["tokio"]);
    }

    #[test]
    fn arrows_point_one_way() {
        for (at, (room, arrows)) in ARROWS.iter().enumerate() {
            for to in *arrows {
                assert!(ARROWS[..at].iter().any(|(earlier, _)| earlier == to), "{room} → {to}");
            }
        }
    }
}
