//! The commits an executor makes, and what it says about them afterwards.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Workshop;
use crate::error::WorkError;
use crate::git::{Git, short};

/// Commits looked at when nobody says where the work began.
const WORK_COMMITS_MAX: &str = "200";

/// A commit to be made.
pub(super) struct Draft<'a> {
    pub(super) subject: String,
    /// One paragraph for people; it is also what the thread is told.
    pub(super) story: String,
    /// A paragraph for git.
    pub(super) note: Option<String>,
    pub(super) findings: Vec<&'a str>,
    pub(super) rule: &'a str,
}

/// Git that signs with the configured identity, else with the executor's.
pub(super) fn signed(git: Git) -> Result<Git, WorkError> {
    let known = |name: &str| git.ask(&["config", "--get", name]).map(|said| said.ok && !said.out.is_empty());
    if known("user.name")? && known("user.email")? {
        return Ok(git);
    }
    Ok(git.set("user.name=Interlock executor").set("user.email=executor@interlock.invalid"))
}

impl Workshop {
    /// Commits what changed in tracked files; none when nothing did.
    pub(super) fn commit(&self, draft: &Draft<'_>) -> Result<Option<String>, WorkError> {
        self.git.text(&["add", "--update"])?;
        if self.git.ask(&["diff", "--cached", "--quiet"])?.ok {
            return Ok(None);
        }
        let mut message = format!("{}\n\n{}\n", draft.subject, draft.story);
        if let Some(note) = &draft.note {
            let _ = write!(message, "\n{note}\n");
        }
        message.push('\n');
        for finding in &draft.findings {
            let _ = writeln!(message, "Interlock-Finding: {finding}");
        }
        let _ = writeln!(message, "Interlock-Rule: {}", draft.rule);
        let _ = writeln!(message, "Interlock-Thread: {}", self.thread);
        self.git.text(&["commit", "--quiet", "--no-verify", "--cleanup=whitespace", "-m", &message])?;
        self.git.head().map(Some)
    }

    /// The commits made for this thread that nobody was told of, oldest first.
    pub fn unannounced(
        &self,
        base: Option<&str>,
        announced: &BTreeSet<String>,
    ) -> Result<Vec<String>, WorkError> {
        let base = match base {
            Some(base) => self.git.commit(base)?,
            None => None,
        };
        let range = base.as_ref().map_or_else(|| "HEAD".to_owned(), |base| format!("{base}..HEAD"));
        let format = "--format=%H %(trailers:key=Interlock-Thread,valueonly,separator=%x2C)";
        let max = format!("--max-count={WORK_COMMITS_MAX}");
        let log = self.git.text(&["log", "--first-parent", &max, format, &range])?;
        let mut commits: Vec<String> = log
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(commit, thread)| !announced.contains(*commit) && thread.trim() == self.thread)
            .map(|(commit, _)| commit.to_owned())
            .collect();
        commits.reverse();
        Ok(commits)
    }

    /// What the thread is told of a commit: read from the commit, so that it is the same after a crash.
    pub fn announcement(&self, commit: &str) -> Result<String, WorkError> {
        let message = self.git.text(&["show", "-s", "--format=%B", commit])?;
        let mut paragraphs = message.split("\n\n");
        let subject = paragraphs.next().unwrap_or_default();
        let story = paragraphs.next().unwrap_or(subject);
        let story = story.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(format!("{story} Pushed as {}.", short(commit)))
    }
}
