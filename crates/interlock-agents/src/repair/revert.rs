//! Takes a culprit back, when that mends what is broken and breaks nothing else.

use std::collections::BTreeSet;

use super::bisect::History;
use super::record::Draft;
use super::script::Script;
use super::{Outcome, Wanted, Workshop};
use crate::check::{Check, Kind, Report, Severity};
use crate::error::WorkError;
use crate::git::short;

/// Which tests passed and failed, and whether everything compiled.
#[derive(Default)]
struct State {
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
    compiles: bool,
}

impl Workshop {
    /// Mends a failing test.
    pub(super) fn mend_test(
        &self,
        wanted: &Wanted,
        test: &str,
        open: &[Wanted],
    ) -> Result<Outcome, WorkError> {
        let mut is_told = true;
        for check in self.checks_of(Kind::Test) {
            let report = self.bench.run(check)?;
            if report.failed.contains(test) {
                let script = Script::test(check, test);
                return self.mend_by_history(wanted, &script, check, open);
            }
            is_told &= report.is_clean() || report.passed.contains(test);
        }
        Ok(if is_told {
            Outcome::Gone
        } else {
            Outcome::unresolved("the tests do not even run at the moment")
        })
    }

    /// Mends a command that fails.
    pub(super) fn mend_custom(
        &self,
        wanted: &Wanted,
        command: &str,
        open: &[Wanted],
    ) -> Result<Outcome, WorkError> {
        let Some(check) = self.checks.iter().find(|check| check.command == command) else {
            return Ok(Outcome::unresolved(format!("`{command}` is none of the checks")));
        };
        if self.bench.run(check)?.is_clean() {
            return Ok(Outcome::Gone);
        }
        let builds = self.bench.root.join("Cargo.toml").is_file() && {
            let build = Check::parse("cargo check --all-targets")?;
            let report = self.bench.run(&build);
            report.is_ok_and(|report| report.findings.iter().all(|found| found.severity != Severity::High))
        };
        self.mend_by_history(wanted, &Script::custom(check, builds), check, open)
    }

    /// Finds the culprit, takes it back, and keeps that only when it helps and breaks nothing.
    pub(super) fn mend_by_history(
        &self,
        wanted: &Wanted,
        script: &Script,
        check: &Check,
        open: &[Wanted],
    ) -> Result<Outcome, WorkError> {
        let before = self.state()?;
        let culprit = match self.blame(script)? {
            History::Culprit(culprit) => culprit,
            History::Silent(why) => return Ok(Outcome::Unresolved(why)),
        };
        super::tidy::recover(&self.git, Some(&self.branch))?;
        let subject = self.git.subject(&culprit)?;
        let blamed = format!("{} \"{subject}\"", short(&culprit));
        if let Some(conflict) = self.take_back(&culprit)? {
            return Ok(Outcome::Unresolved(format!(
                "it fails since {blamed}, and taking that back conflicts with later changes in {conflict}"
            )));
        }
        self.reformat()?;
        if !self.is_mended(wanted, check)? {
            return Ok(Outcome::Unresolved(format!(
                "it fails since {blamed}, but not because of that alone"
            )));
        }
        let after = self.state()?;
        // While nothing compiled, no test passed that could break.
        if before.compiles
            && let Some(broken) = after.failed.difference(&before.failed).next()
        {
            return Ok(Outcome::Unresolved(format!(
                "it fails since {blamed}, and without that `{broken}` fails"
            )));
        }
        if before.compiles && !after.compiles {
            return Ok(Outcome::Unresolved(format!(
                "it fails since {blamed}, and without that the code does not compile"
            )));
        }
        let also: Vec<&Wanted> = open
            .iter()
            .filter(|other| other.finding_id != wanted.finding_id)
            .filter(|other| {
                other.finding.rule.strip_prefix("test:").is_some_and(|test| after.passed.contains(test))
            })
            .collect();
        let draft = Draft {
            subject: format!("Revert \"{subject}\""),
            story: story(wanted, &blamed, &before, &after),
            note: Some(format!("This reverts commit {culprit}.")),
            findings: std::iter::once(wanted).chain(also).map(|one| one.finding_id.as_str()).collect(),
            rule: &wanted.finding.rule,
        };
        Ok(self.commit(&draft)?.map_or_else(
            || Outcome::Unresolved(format!("it fails since {blamed}, but taking that back changes nothing")),
            |commit| Outcome::Mended { commit },
        ))
    }

    /// Reverts without committing; gives the files in conflict when that does not work.
    fn take_back(&self, culprit: &str) -> Result<Option<String>, WorkError> {
        let Some(conflict) = self.revert(culprit)? else { return Ok(None) };
        // The formatter may have laid out the very lines: take that back first, it is done again afterwards.
        super::tidy::recover(&self.git, Some(&self.branch))?;
        let layouts = self.layouts_since(culprit)?;
        if layouts.is_empty() {
            return Ok(Some(conflict));
        }
        for commit in layouts.iter().map(String::as_str).chain([culprit]) {
            if let Some(conflict) = self.revert(commit)? {
                return Ok(Some(conflict));
            }
        }
        Ok(None)
    }

    fn revert(&self, commit: &str) -> Result<Option<String>, WorkError> {
        let is_merge = self.git.commit(&format!("{commit}^2"))?.is_some();
        let mut arguments = vec!["revert", "--no-commit"];
        if is_merge {
            arguments.extend(["-m", "1"]);
        }
        arguments.push(commit);
        if self.git.ask(&arguments)?.ok {
            return Ok(None);
        }
        let files = self.git.text(&["diff", "--name-only", "--diff-filter=U"])?;
        let files: Vec<&str> = files.lines().collect();
        Ok(Some(if files.is_empty() { "the history".to_owned() } else { files.join(", ") }))
    }

    /// Our own formatting commits after a commit, newest first.
    fn layouts_since(&self, commit: &str) -> Result<Vec<String>, WorkError> {
        let format = "--format=%H %(trailers:key=Interlock-Rule,valueonly,separator=%x2C)";
        let log = self.git.text(&["log", "--first-parent", format, &format!("{commit}..HEAD")])?;
        let own =
            log.lines().filter_map(|line| line.split_once(' ')).filter(|(_, rule)| rule.trim() == "rustfmt");
        Ok(own.map(|(commit, _)| commit.to_owned()).collect())
    }

    fn is_mended(&self, wanted: &Wanted, check: &Check) -> Result<bool, WorkError> {
        let report = self.bench.run(check)?;
        Ok(match wanted.finding.rule.strip_prefix("test:") {
            // A test that is gone has not been mended.
            Some(test) => report.passed.contains(test),
            None if wanted.finding.rule.starts_with("check:") => report.is_clean(),
            None => !report.findings.iter().any(|finding| finding.is_same(&wanted.finding)),
        })
    }

    /// What the tests say now, over every check that runs any.
    fn state(&self) -> Result<State, WorkError> {
        let mut state = State { compiles: true, ..State::default() };
        for check in self.checks_of(Kind::Test) {
            let Report { passed, failed, findings, .. } = self.bench.run(check)?;
            state.compiles &= findings.iter().all(|finding| is_of_run(&finding.rule));
            state.passed.extend(passed);
            state.failed.extend(failed);
        }
        state.passed.retain(|name| !state.failed.contains(name));
        Ok(state)
    }
}

fn is_of_run(rule: &str) -> bool {
    rule.starts_with("test:") || rule.starts_with("check:")
}

fn story(wanted: &Wanted, blamed: &str, before: &State, after: &State) -> String {
    let rule = wanted.finding.rule.as_str();
    let what = match rule.strip_prefix("test:").or_else(|| rule.strip_prefix("check:")) {
        Some(name) => format!("`{name}` fails since {blamed}"),
        None => format!("`{}` does not compile since {blamed}", wanted.finding.path),
    };
    let gone = before.passed.iter().filter(|name| !after.passed.contains(*name)).count();
    let lost = match gone {
        0 => String::new(),
        1 => "; one test of that change went with it".to_owned(),
        many => format!("; {many} tests of that change went with it"),
    };
    match (after.passed.len(), after.failed.len()) {
        (0, 0) => format!("{what}; that is reverted{lost}."),
        (passed, 0) => format!("{what}; that is reverted, all {passed} tests pass{lost}."),
        (passed, failed) => {
            format!("{what}; that is reverted, {passed} tests pass and {failed} still fail{lost}.")
        }
    }
}
