//! The server's own work: which kinds of jobs this program does, and the runner that does them.

use std::sync::Arc;

use interlock_api::Problem;
use interlock_engine::{Engine, JobRunner, RunnerOptions, Work};

use crate::instance::Instance;

/// Every kind of work, a line for each.
const fn works() -> Vec<Arc<dyn Work>> {
    Vec::new()
}

/// The runner of an instance's jobs. Every server has one; on a shared database they share the work.
///
/// # Errors
/// Never: the actor it works as has a good name.
pub(crate) fn runner(engine: &Arc<Engine>, instance: &Instance, url: &str) -> Result<JobRunner, Problem> {
    // Places differ by process, and processes of different machines by where they listen.
    let worker = format!("{} {}", std::process::id(), url);
    let options = RunnerOptions::of(engine.policy(), worker);
    JobRunner::new(Arc::clone(engine), instance.config.workspace_id, options, works())
        .map_err(|refusal| Problem::of(&refusal, ""))
}
