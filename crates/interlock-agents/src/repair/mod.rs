//! Mends findings for real, one commit each.
//!
//! The formatter for what is not formatted, the compiler's own suggestions for what it warns about, and for what
//! stopped working the way a person would go: find the commit that broke it, take it back, look whether everything
//! else still works. What none of this mends is said with a reason; guessing at code is deliberately absent.
//!
//! A process may be killed at any instant: a commit is made only after it was verified, and everything else that a
//! run leaves in the working tree, which belongs to the agent, is thrown away by the next one ([`Workshop::open`]).

mod bisect;
mod format;
mod lint;
mod record;
mod revert;
mod script;
mod tidy;

use std::path::{Path, PathBuf};

use crate::check::{Bench, Check, Finding, Kind};
use crate::error::WorkError;
use crate::git::Git;
use crate::process::Limits;

pub use tidy::look_at;

/// A finding somebody wants mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id, for the commit's message.
    pub finding_id: String,
    /// What it is.
    pub finding: Finding,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A commit mends it.
    Mended {
        /// The commit.
        commit: String,
    },
    /// It is not there any more.
    Gone,
    /// It cannot be mended, in words.
    Unresolved(String),
}

impl Outcome {
    fn unresolved(why: impl Into<String>) -> Self {
        Self::Unresolved(why.into())
    }
}

/// What a workshop is opened with.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The branch to work on; what is checked out unless said otherwise.
    pub branch: Option<String>,
    /// The thread the work is for, named in every commit.
    pub thread: String,
    /// Where cargo builds.
    pub target: Option<PathBuf>,
    /// The checks; what the repository suggests unless said otherwise.
    pub checks: Option<Vec<String>>,
    /// How long programs may run.
    pub limits: Limits,
}

/// A working tree in which findings are mended.
#[derive(Debug)]
pub struct Workshop {
    git: Git,
    bench: Bench,
    checks: Vec<Check>,
    branch: String,
    thread: String,
}

impl Workshop {
    /// Takes the working tree over: whatever a killed predecessor left half done is undone first.
    pub fn open(root: &Path, order: Order) -> Result<Self, WorkError> {
        let bench = Bench::open(root, order.target, order.limits)?;
        let git = record::signed(Git::at(&bench.root))?;
        let branch = tidy::recover(&git, order.branch.as_deref())?;
        let checks = crate::check::checks(&bench.root, order.checks.as_deref())?;
        Ok(Self { git, bench, checks, branch, thread: order.thread })
    }

    /// The branch that is worked on.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// The newest commit of the branch.
    pub fn head(&self) -> Result<String, WorkError> {
        self.git.head()
    }

    /// The checks.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The working tree's bench.
    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    fn checks_of(&self, kind: Kind) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.kind == kind)
    }

    /// Mends one finding; `open` are all that are wanted, for one commit may mend several.
    pub fn mend(&self, wanted: &Wanted, open: &[Wanted]) -> Result<Outcome, WorkError> {
        let outcome = self.attempt(wanted, open);
        // Whatever happened, the next finding starts from the branch as it is.
        tidy::recover(&self.git, Some(&self.branch))?;
        outcome
    }

    fn attempt(&self, wanted: &Wanted, open: &[Wanted]) -> Result<Outcome, WorkError> {
        let rule = wanted.finding.rule.as_str();
        if rule == "rustfmt" {
            return Ok(match self.format(Some(&wanted.finding_id))? {
                Some(commit) => Outcome::Mended { commit },
                None => Outcome::Gone,
            });
        }
        if let Some(test) = rule.strip_prefix("test:") {
            return self.mend_test(wanted, test, open);
        }
        if let Some(command) = rule.strip_prefix("check:") {
            return self.mend_custom(wanted, command, open);
        }
        self.mend_lint(wanted, open)
    }
}
