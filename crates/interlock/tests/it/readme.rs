//! The README's commands do what it says: its marked blocks are one script, run in an empty folder.

use std::path::Path;
use std::process::{Command, Stdio};

/// What stands before a block that is run.
pub(crate) const MARK: &str = "<!-- executed by the tests -->\n```sh\n";
/// What stands before the one that shows what happens when things break.
pub(crate) const CHAOS: &str = "<!-- executed by a test of its own -->\n```sh\n";
/// What stands before one that needs the real Codex and Claude Code.
pub(crate) const REAL: &str = "<!-- executed by the tests with the real programs -->\n```sh\n";

pub(crate) fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

/// The blocks after this mark.
pub(crate) fn blocks<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    text.split(mark).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn what_is_done_by_hand_works_as_written() {
    let readme = readme();
    let blocks = blocks(&readme, MARK);
    assert!(blocks.len() >= 4, "the README lost its marked blocks");
    let dir = tempfile::tempdir().unwrap();
    // The server goes with the script, also when one of its commands fails.
    let script = format!("set -eu\ntrap 'interlock stop >/dev/null 2>&1 || true' EXIT\n{}", blocks.concat());
    let program = Path::new(env!("CARGO_BIN_EXE_interlock"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(dir.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", "/nonexistent"), ("LANG", "C.UTF-8"), ("USER", "anna")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n--- {out}\n--- {err}");
    // Whether the clerk is still running when it is looked at is its own affair.
    for said in ["read and understood", "wak_", "the ledger verifies", "stopped (process"] {
        assert!(out.contains(said), "`{said}` is missing:\n{out}\n--- {err}");
    }
}

#[test]
fn the_two_commands_are_the_ones_it_names() {
    let readme = readme();
    for command in ["cargo run --release -- pilot", "cargo xtask test"] {
        assert!(readme.contains(command), "{command}");
    }
}
