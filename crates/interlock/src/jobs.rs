//! The server's own work: which kinds of jobs this program does, and the runner that does them.

use std::sync::Arc;

use interlock_api::Problem;
use interlock_core::id::WorkspaceId;
use interlock_engine::{Engine, JobRunner, RunnerOptions, Work};
use interlock_server::Webhooks;

use crate::instance::Instance;

/// Every kind of work, a line for each.
fn works(webhooks: &Arc<Webhooks>, workspace_id: WorkspaceId) -> Vec<Arc<dyn Work>> {
    vec![webhooks.work(workspace_id)]
}

/// The runner of an instance's jobs. Every server has one; on a shared database they share the work.
///
/// # Errors
/// Never: the actor it works as has a good name.
pub(crate) fn runner(
    engine: &Arc<Engine>,
    webhooks: &Arc<Webhooks>,
    instance: &Instance,
    url: &str,
) -> Result<JobRunner, Problem> {
    // Places differ by process, and processes of different machines by where they listen.
    let worker = format!("{} {}", std::process::id(), url);
    let options = RunnerOptions::of(engine.policy(), worker);
    let workspace_id = instance.config.workspace_id;
    JobRunner::new(Arc::clone(engine), workspace_id, options, works(webhooks, workspace_id))
        .map_err(|refusal| Problem::of(&refusal, ""))
}
