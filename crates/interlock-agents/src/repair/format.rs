//! Lets the formatter do its work.

use super::Workshop;
use super::record::Draft;
use crate::check::Kind;
use crate::error::WorkError;
use crate::process::{Job, run};

impl Workshop {
    /// Formats and commits, when a check asks for formatted code and it is not.
    pub fn format(&self, finding_id: Option<&str>) -> Result<Option<String>, WorkError> {
        if !self.reformat()? {
            return Ok(None);
        }
        let changed = self.git.text(&["diff", "--name-only"])?;
        let names: Vec<String> = changed.lines().map(|name| format!("`{name}`")).collect();
        let story = match names.as_slice() {
            [one] => format!("rustfmt laid out {one}."),
            many => format!("rustfmt laid out {} files.", many.len()),
        };
        self.commit(&Draft {
            subject: "Format with rustfmt".to_owned(),
            story,
            note: None,
            findings: finding_id.into_iter().collect(),
            rule: "rustfmt",
        })
    }

    /// Runs the formatter when a check asks for it; says whether anything changed. Nothing is committed.
    pub(super) fn reformat(&self) -> Result<bool, WorkError> {
        let Some(check) = self.checks_of(Kind::Format).next() else { return Ok(false) };
        if self.bench.run(check)?.is_clean() {
            return Ok(false);
        }
        let own = check.words.get(1..).unwrap_or_default().iter().take_while(|word| *word != "--");
        let arguments: Vec<String> = own.filter(|word| *word != "--check").cloned().collect();
        // Code that does not parse stays as it is: that is a finding of its own, for another repair.
        run(&Job {
            program: check.program(),
            arguments: &arguments,
            dir: &self.bench.root,
            environment: &self.bench.environment(),
            limits: self.bench.limits,
            keep: None,
        })?;
        self.git.is_changed()
    }
}
