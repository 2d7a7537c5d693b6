//! Runs checks in a working tree.

use std::path::{Path, PathBuf};

use super::{Check, Finding, Kind, Output, Report, Severity, cargo_json, read};
use crate::error::WorkError;
use crate::git::Git;
use crate::process::{Job, Limits, run};

/// A working tree with what running checks in it needs.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The top of the working tree.
    pub root: PathBuf,
    /// Where cargo builds; never inside the files of the repository.
    pub target: PathBuf,
    /// How long a check may take.
    pub limits: Limits,
}

impl Bench {
    /// A working tree whose build directory is beside git's own files, where no `.gitignore` is needed.
    pub fn open(root: &Path, target: Option<PathBuf>, limits: Limits) -> Result<Self, WorkError> {
        let git = Git::at(root);
        let root = PathBuf::from(git.text(&["rev-parse", "--show-toplevel"])?);
        let target = match target {
            Some(target) => target,
            None => git.private_dir()?.join("target-interlock"),
        };
        Ok(Self { root, target, limits })
    }

    /// What the commands get on top of the agent's own environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let target = self.target.display().to_string();
        [
            ("CARGO_TARGET_DIR", target.as_str()),
            ("CARGO_NET_OFFLINE", "true"),
            ("CARGO_TERM_COLOR", "never"),
            ("RUST_BACKTRACE", "0"),
            ("NO_COLOR", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// Runs one check.
    pub fn run(&self, check: &Check) -> Result<Report, WorkError> {
        let arguments = check.arguments();
        let cargo = matches!(check.kind, Kind::Compile | Kind::Test);
        let ended = run(&Job {
            program: check.program(),
            arguments: &arguments,
            dir: &self.root,
            environment: &self.environment(),
            limits: self.limits,
            keep: if cargo { Some(cargo_json::keep) } else { None },
        })
        .map_err(|error| match error {
            WorkError::NotStarted { detail, .. } => {
                WorkError::NotStarted { command: check.command.clone(), detail }
            }
            other => other,
        })?;
        if ended.timed_out && self.limits.is_over() {
            // Says nothing about the code.
            return Err(WorkError::OutOfTime { command: check.command.clone() });
        }
        if ended.timed_out {
            return Ok(overdue(check, ended.took.as_secs()));
        }
        let exists = |path: &str| self.root.join(path).is_file();
        Ok(read(&Output {
            check,
            code: ended.code,
            stdout: &ended.stdout,
            stderr: &ended.stderr,
            root: &self.root,
            exists: &exists,
        }))
    }

    /// Runs several checks, in order.
    pub fn run_all(&self, checks: &[Check]) -> Result<Vec<Report>, WorkError> {
        checks.iter().map(|check| self.run(check)).collect()
    }
}

/// A check that does not end is a complaint like any other; the time it was given is not part of its identity.
fn overdue(check: &Check, seconds: u64) -> Report {
    let finding = Finding {
        path: String::new(),
        line: 0,
        rule: check.rule(),
        severity: Severity::High,
        message: format!("`{}` does not end", check.command),
    };
    let note = Some(format!("`{}` was stopped after {seconds} s", check.command));
    Report { command: check.command.clone(), findings: vec![finding], note, ..Report::default() }
}
