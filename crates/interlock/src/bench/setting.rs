//! What every benchmark takes, where it measures, and how it ends.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use interlock_api::Problem;
use tempfile::TempDir;

use super::machine::Machine;
use super::report::Report;
use super::show;
use crate::context::Context;
use crate::environment::Secret;
use crate::exit::{Answer, End, to_json};
use crate::instance::unwritable;
use crate::output::Output;

/// Where and how strictly is measured.
#[derive(Debug, Args)]
pub(super) struct Setting {
    /// End with 1 when a goal is missed, with 4 when one could not be judged.
    #[arg(long)]
    strict: bool,
    /// The folder to measure in, on the disk that is meant; the system's temporary folder unless said otherwise.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measure on this PostgreSQL database, in workspaces of their own that stay there; INTERLOCK_DATABASE_URL, or a file
    /// unless said otherwise.
    #[arg(long, value_name = "URL")]
    database_url: Option<Secret>,
    /// Take far too little time for figures that mean something: for tests of the command itself.
    #[arg(long, hide = true)]
    quick: bool,
}

impl Setting {
    /// How much is measured.
    pub(super) fn pace<P>(&self, full: P, quick: P) -> P {
        if self.quick { quick } else { full }
    }

    /// The database to measure on; none for a file.
    pub(super) fn database<'a>(&'a self, cx: &'a Context) -> Option<&'a Secret> {
        self.database_url.as_ref().or(cx.environment.database_url.as_ref())
    }

    /// A folder that is removed at the end; what the machine gives there stands in the report.
    pub(super) fn folder(&self, probe: Duration, report: &mut Report) -> Result<TempDir, Problem> {
        let above = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let dir = tempfile::Builder::new().prefix("interlock-bench-").tempdir_in(&above);
        let dir = dir.map_err(|error| unwritable(&above, &error))?;
        report.machine = Machine::look(dir.path(), probe).map_err(|error| unwritable(dir.path(), &error))?;
        Ok(dir)
    }

    /// The end of the command: the report, also where measuring has failed.
    pub(super) fn end(&self, cx: &Context, mut report: Report, measured: Result<(), Problem>) -> End {
        report.problem = measured.err();
        if let Some(problem) = &report.problem {
            Output::note(&format!("error: {}", problem.detail));
        }
        let code = report.exit_code(self.strict);
        Ok(Answer { json: Some(to_json(&report)?), text: show::text(cx.output.style(), &report), code })
    }
}
