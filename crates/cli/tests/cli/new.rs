//! New servers, as far as they can be looked at without building them.

use std::path::Path;
use std::process::Command;

use crate::world::run;

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn every_template_is_written_whole_and_its_configuration_is_in_order() {
    let place = tempfile::tempdir().unwrap();
    for (template, more) in [
        ("rust", ""),
        ("gateway", " --upstream https://mcp.example.com/mcp"),
        ("typescript", " --issuer http://localhost:9000"),
        ("python", " --issuer https://auth.example.com"),
    ] {
        let folder = place.path().join(format!("my-{template}"));
        let words = format!(
            "new {} --template {template} --name Shelf --scope shelf --port 4711{more} --json",
            folder.display()
        );
        let row = run(&words).row();
        let files: Vec<&str> =
            row["files"].as_array().unwrap().iter().filter_map(|file| file.as_str()).collect();
        assert!(files.len() > 3, "{files:?}");
        let all: String = files.iter().map(|file| read(&folder, file)).collect();
        for part in ["Shelf", "shelf:read", "shelf:write", "4711", &format!("my-{template}")] {
            assert!(all.contains(part), "{template}: {part}");
        }
        for key in ["name", "package", "scope", "port", "issuer", "crate", "folder", "dependency"] {
            assert!(!all.contains(&format!("{{{{{key}}}}}")), "{template}: {key}");
        }
        if files.contains(&"portcullis.toml") {
            // Its rules lie beside it.
            let mut check = Command::new(env!("CARGO_BIN_EXE_portcullis"));
            let checked = check.args(["config", "check"]).current_dir(&folder).output().unwrap();
            let said = (checked.status.code(), String::from_utf8(checked.stdout).unwrap());
            assert_eq!(said, (Some(0), String::new()), "{template}");
        }
    }
}

#[test]
fn what_is_there_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("mine.txt"), "mine").unwrap();
    let folder = place.path().join("my-server");
    let words = format!("new {} --template gateway", folder.display());
    assert_eq!(run(&words).code, 0);
    std::fs::write(folder.join("portcullis.toml"), "mine").unwrap();
    let again = run(&words);
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert!(again.err.contains("is there already") && again.err.contains("hint: "), "{}", again.err);
    assert_eq!(read(&folder, "portcullis.toml"), "mine");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
}
