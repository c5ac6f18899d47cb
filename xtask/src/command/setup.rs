//! `cargo xtask setup`: installs what the tests need and this machine lacks. Debian 12 and 13.

use std::path::Path;
use std::process::Command;

use crate::step::{Steps, cargo, program, quiet};

/// A Debian package, and the program call that ends well where it is not needed.
struct Need {
    package: &'static str,
    found: fn() -> bool,
}

const NEEDS: [Need; 14] = [
    Need {
        package: "build-essential",
        found: || quiet("cc", &["--version"]) && quiet("make", &["--version"]),
    },
    Need { package: "ca-certificates", found: || Path::new("/etc/ssl/certs/ca-certificates.crt").exists() },
    Need { package: "chromium", found: || Path::new("/usr/bin/chromium").exists() },
    Need { package: "curl", found: || quiet("curl", &["--version"]) },
    Need { package: "fonts-dejavu-core", found: || Path::new("/usr/share/fonts/truetype/dejavu").exists() },
    Need { package: "jq", found: || quiet("jq", &["--version"]) },
    Need { package: "nodejs", found: || quiet("node", &["--version"]) },
    Need { package: "npm", found: || quiet("npm", &["--version"]) },
    Need { package: "openssl", found: || quiet("openssl", &["version"]) },
    Need { package: "php-cli", found: || quiet("php", &["--version"]) },
    Need { package: "php-xml", found: || quiet("php", &["-r", "exit(class_exists('DOMXPath') ? 0 : 1);"]) },
    Need { package: "python3-venv", found: || quiet("python3", &["-c", "import ensurepip, venv"]) },
    Need { package: "util-linux", found: || quiet("taskset", &["--version"]) },
    Need { package: "xmlsec1", found: || quiet("xmlsec1", &["--version"]) },
];

/// Installs what is missing; what cannot be installed is a failure.
pub(crate) fn add(steps: &mut Steps) {
    let missing: Vec<&str> = NEEDS.iter().filter(|need| !(need.found)()).map(|need| need.package).collect();
    if !missing.is_empty() {
        steps.program("package lists", &mut as_root("apt-get", &["update", "-q"]));
        let words = [&["install", "-q", "-y", "--no-install-recommends"], missing.as_slice()].concat();
        steps.program("packages", &mut as_root("apt-get", &words));
    }
    if !quiet("cargo", &["fmt", "--version"]) || !quiet("cargo", &["clippy", "--version"]) {
        steps
            .program("rustfmt and clippy", &mut program("rustup", ["component", "add", "rustfmt", "clippy"]));
    }
    steps.program("crates", &mut cargo(&["fetch", "--quiet", "--locked"]));
    let client = ["fetch", "--quiet", "--locked", "--manifest-path", "tests/servers/rmcp-client/Cargo.toml"];
    steps.program("crates of the rmcp client", &mut cargo(&client));
    let install = "import('./tests/clients/install.mjs').then((it) => it.install())";
    steps.program("clients and servers from npm and PyPI", &mut program("node", ["--eval", install]));
    let install = "import('./tests/sso/install.mjs').then((it) => it.install())";
    steps.program("identity providers from npm, PyPI and Debian", &mut program("node", ["--eval", install]));
}

/// The same words for root, or by way of `sudo` for everyone else.
fn as_root(name: &str, words: &[&str]) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout.starts_with(b"0\n"));
    let mut command =
        if root { program(name, words) } else { program("sudo", ["--", name].iter().chain(words)) };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
