//! Everything a change must pass, cheapest first.
//!
//! The release build is made from a clean clone of `HEAD`, once, and the pilot runs from it: a file that somebody
//! forgot to commit is found here. The tests come last, so that their runner's summary closes the log.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use serde_json::Value;
use tempfile::TempDir;

use crate::test_run::{Profile, Selection};
use crate::{external, postgres, shell, test_run, tidy};

/// How long the pilot may take before it counts as stuck.
const PILOT_MAX: Duration = Duration::from_mins(15);
const POLL: Duration = Duration::from_millis(100);

/// Runs every step and stops at the first that fails.
pub(crate) fn run() -> Result<ExitCode> {
    shell::be_strict();
    let started = Instant::now();
    step("fmt", || shell::succeed(&mut shell::cargo(["fmt", "--all", "--check"])))?;
    step("tidy", || if tidy::run()? { Ok(()) } else { bail!("the repository is not tidy") })?;
    step("clippy", || {
        let words = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
        shell::succeed(&mut shell::cargo(words))
    })?;
    let clone = step("clone", CleanClone::make)?;
    step("release build", || {
        shell::succeed(&mut clone.cargo(["build", "--release", "--locked", "-p", "interlock"]))
    })?;
    step("pilot", || pilot(&clone, &[]))?;
    step("chaos", || pilot(&clone, &["--chaos"]))?;
    step("PostgreSQL", postgres::ensure_installed)?;
    step("test build", || test_run::build(&Selection::default()))?;
    step("verify-external", || {
        let with_fixtures = external::debug_build("interlock-conformance")?;
        external::verify(&clone.target.join("release/interlock"), &with_fixtures)
    })?;
    drop(clone);
    step("server tests on PostgreSQL", || {
        let code = test_run::run(&Selection::behaviour_on_postgres(), Profile::Ci)?;
        ensure!(code == ExitCode::SUCCESS, "what callers rely on does not hold there");
        Ok(())
    })?;
    println!("== tests (after {:.1} s)", started.elapsed().as_secs_f64());
    test_run::run(&Selection::default(), Profile::Ci)
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let started = Instant::now();
    let outcome = work();
    let seconds = started.elapsed().as_secs_f64();
    println!("== {name}: {}, {seconds:.1} s", if outcome.is_ok() { "ok" } else { "FAILED" });
    outcome.with_context(|| format!("step `{name}` failed"))
}

/// A clone of `HEAD` in a temporary folder, removed in the end.
struct CleanClone {
    folder: TempDir,
    target: PathBuf,
}

impl CleanClone {
    fn make() -> Result<Self> {
        let root = shell::root();
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let clone = Self { target: target_folder(&root)?, folder };
        let mut command = Command::new("git");
        command.args(["clone", "--quiet", "--"]).arg(&root).arg(clone.path());
        shell::succeed(&mut command)?;
        Ok(clone)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = shell::cargo(arguments);
        command.current_dir(self.path()).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// The checkout's own target folder, so that dependencies are built once. Not when the checkout has changes that are
/// not committed: cargo would later take what was built from `HEAD` for a build of them.
fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata =
        MetadataCommand::new().cargo_path(shell::cargo_path()).current_dir(root).no_deps().exec()?;
    let target = metadata.target_directory.into_std_path_buf();
    let changes = shell::output(shell::git(root).args(["status", "--porcelain", "--untracked-files=no"]))?;
    if changes.is_empty() {
        return Ok(target);
    }
    println!("note: uncommitted changes are not in the clone, which is built on its own");
    Ok(target.join("clean-clone"))
}

fn pilot(clone: &CleanClone, options: &[&str]) -> Result<()> {
    let said = clone.folder.path().join("pilot.out");
    let mut command = clone.cargo(["run", "--release", "--locked", "--quiet", "--", "pilot", "--json"]);
    command.args(options);
    command.stdin(Stdio::null()).stdout(File::create(&said)?);
    let mut child = command.spawn().context("cannot start the pilot")?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > PILOT_MAX {
            child.kill()?;
            child.wait()?;
            bail!("the pilot did not end in {} s", PILOT_MAX.as_secs());
        }
        std::thread::sleep(POLL);
    };
    let said = std::fs::read_to_string(&said)?;
    judge(status.success(), &said).with_context(|| format!("the pilot ended with {status} and said:\n{said}"))
}

/// A pilot has passed when it ended well and its last line says so.
fn judge(is_success: bool, said: &str) -> Result<()> {
    let last = said.lines().next_back().context("standard output is empty")?;
    let report: Value = serde_json::from_str(last).context("the last line is no JSON")?;
    let verdict = report.get("verdict").and_then(Value::as_str).context("the last line has no verdict")?;
    ensure!(verdict == "resolved", "the verdict is `{verdict}`");
    ensure!(is_success, "the verdict is `resolved`, the exit code is not 0");
    println!("pilot: {verdict}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn only_a_resolved_pilot_that_ends_well_passes() {
        judge(true, "noise\n{\"schema\":\"pilot/1\",\"verdict\":\"resolved\"}\n").unwrap();
        for (is_success, said, wrong) in [
            (true, "", "standard output is empty"),
            (true, "{\"verdict\":\"resolved\"}\nbye\n", "the last line is no JSON"),
            (true, "{\"problem\":null}\n", "the last line has no verdict"),
            (true, "{\"verdict\":\"not_converged\"}\n", "the verdict is `not_converged`"),
            (false, "{\"verdict\":\"resolved\"}\n", "the verdict is `resolved`, the exit code is not 0"),
        ] {
            assert_eq!(judge(is_success, said).unwrap_err().to_string(), wrong);
        }
    }
}
