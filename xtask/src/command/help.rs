//! `cargo xtask help`: the index itself.

use std::process::ExitCode;

const INDEX: &str = "\
cargo xtask COMMAND

  test           everything below but demo; what must hold before a change is taken
  setup          install what the tests need and is missing: Chromium, Node, Python's venv, their packages
  rust           rustfmt, clippy, every Rust test, documentation without warnings
  architecture   the rooms depend on each other only as ARCHITECTURE.md says
  ledger         every requirement in spec/ names a test that exists, or says why there is none
  settings [--write]
                 docs/configuration.md says what the binary explains
  clients [WORD] real MCP clients against the real binary; WORD chooses by name
  servers [WORD] the official server suite and real MCP servers behind the real binary; WORD chooses a part
  new [WORD]     servers that `portcullis new` writes: built, tested, driven by a real client; WORD chooses a template
  sso [WORD]     real identity providers, signed in at with a real browser; WORD chooses a part
  tutorial [--built] [--loud]
                 docs/tutorial.md, done line by line; --built takes the binary that is there, --loud tells all
  pages          every page in Chromium: light, dark, narrow, by keyboard, without script, by axe
  fuzz [--seconds N]
                 mutated input at every parser that meets strangers (default 60 s)
  bench [--smoke]
                 speed and memory beside a bare route; --smoke: a short run in the dev profile
  demo           a guarded MCP server with notes in it, on http://127.0.0.1:8414
";

/// Prints the index.
pub(crate) fn run() -> ExitCode {
    print!("{INDEX}");
    ExitCode::SUCCESS
}
