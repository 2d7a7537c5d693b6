//! Applies what the compiler itself suggests and is sure of.

use super::record::Draft;
use super::script::Script;
use super::{Outcome, Wanted, Workshop};
use crate::check::{Finding, Kind, Report, Severity, Suggestions, apply};
use crate::error::WorkError;

impl Workshop {
    /// Mends one complaint of the compiler. Only its own suggestions are applied, so that a commit mends one finding;
    /// `cargo fix` would mend everything at once.
    pub(super) fn mend_lint(&self, wanted: &Wanted, open: &[Wanted]) -> Result<Outcome, WorkError> {
        let finding = &wanted.finding;
        let reports = self.compile()?;
        let Some(found) = all(&reports).find(|other| other.is_same(finding)) else {
            return Ok(Outcome::Gone);
        };
        match self.apply_suggestions(finding, found, &reports)? {
            Ok(draft) => {
                let draft = Draft { findings: vec![&wanted.finding_id], ..draft };
                Ok(self.commit(&draft)?.map_or(Outcome::Gone, |commit| Outcome::Mended { commit }))
            }
            Err(_) if found.severity == Severity::High => {
                super::tidy::recover(&self.git, Some(&self.branch))?;
                self.mend_build(wanted, open)
            }
            Err(why) => Ok(Outcome::Unresolved(why)),
        }
    }

    /// Applies the suggestions for one complaint; gives the commit to be made, or why they do not help.
    fn apply_suggestions<'a>(
        &self,
        finding: &'a Finding,
        found: &Finding,
        reports: &[Report],
    ) -> Result<Result<Draft<'a>, String>, WorkError> {
        let edits = suggestions(reports, finding);
        if edits.is_empty() {
            let why =
                format!("`{}` needs a decision: the compiler suggests nothing it is sure of", finding.rule);
            return Ok(Err(why));
        }
        if !self.rewrite(&edits)? {
            return Ok(Err("the compiler's suggestions contradict each other".to_owned()));
        }
        self.reformat()?;
        let after = self.compile()?;
        if all(&after).any(|other| other.is_same(finding)) {
            return Ok(Err("it is still there after what the compiler suggests".to_owned()));
        }
        if errors(&after) > errors(reports) {
            return Ok(Err("what the compiler suggests does not compile".to_owned()));
        }
        Ok(Ok(Draft {
            subject: format!("Mend `{}` in {}", finding.rule, finding.path),
            story: format!(
                "{}:{}: {}; mended as the compiler suggests.",
                finding.path, found.line, finding.message
            ),
            note: None,
            findings: Vec::new(),
            rule: &finding.rule,
        }))
    }

    fn compile(&self) -> Result<Vec<Report>, WorkError> {
        // The compiler's errors are also found by a test run, when no check compiles only.
        let kind = if self.checks_of(Kind::Compile).next().is_some() { Kind::Compile } else { Kind::Test };
        self.checks_of(kind).map(|check| self.bench.run(check)).collect()
    }

    /// Code that stopped compiling is treated like a test that stopped passing.
    fn mend_build(&self, wanted: &Wanted, open: &[Wanted]) -> Result<Outcome, WorkError> {
        let Some(check) = self.checks_of(Kind::Compile).chain(self.checks_of(Kind::Test)).next() else {
            return Ok(Outcome::unresolved("no check compiles the code"));
        };
        let script = Script::build(check);
        self.mend_by_history(wanted, &script, check, open)
    }

    /// Applies replacements to the files; says whether they fit.
    fn rewrite(&self, edits: &Suggestions) -> Result<bool, WorkError> {
        for (path, edits) in edits {
            let path = self.bench.root.join(path);
            let source =
                std::fs::read_to_string(&path).map_err(|error| WorkError::file(&path, "read", &error))?;
            let Some(text) = apply(&source, edits) else { return Ok(false) };
            std::fs::write(&path, text).map_err(|error| WorkError::file(&path, "written", &error))?;
        }
        Ok(true)
    }
}

fn all(reports: &[Report]) -> impl Iterator<Item = &Finding> {
    reports.iter().flat_map(|report| &report.findings)
}

fn errors(reports: &[Report]) -> usize {
    all(reports).filter(|finding| finding.severity == Severity::High).count()
}

fn suggestions(reports: &[Report], finding: &Finding) -> Suggestions {
    let mut edits = Suggestions::new();
    let own =
        reports.iter().flat_map(|report| &report.suggestions).filter(|own| own.finding.is_same(finding));
    for (path, more) in own.flat_map(|own| &own.edits) {
        edits.entry(path.clone()).or_default().extend(more.iter().cloned());
    }
    edits
}
