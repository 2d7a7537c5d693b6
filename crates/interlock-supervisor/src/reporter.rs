//! Delivers the reports of one attempt: in order, each until the server answers.

use std::sync::Arc;
use std::time::Duration;

use interlock_api::Problem;
use interlock_api::operations::ReportWake;
use interlock_api::v1::wake::{ReportParams, ReportWakeParams};
use interlock_core::{Code, Reason};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::attempt::Input;
use crate::shared::{Held, Shared};

/// The pause after the first try; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Deliver what comes out of `reports` until it is closed and empty; what the machine must know goes to `inputs`.
pub(crate) async fn deliver(
    shared: Arc<Shared>,
    held: Held,
    mut reports: UnboundedReceiver<ReportParams>,
    inputs: UnboundedSender<Input>,
) {
    while let Some(report) = reports.recv().await {
        let input = match deliver_one(&shared, &held, report).await {
            Ok(()) if matches!(report, ReportParams::Started { .. }) => Input::StartDelivered,
            Ok(()) => continue,
            Err(problem) => {
                let reason = problem.known_reason();
                tracing::warn!(wake_id = %held.wake_id, step = step(report), %problem, "report.refused");
                let is_start = matches!(report, ReportParams::Started { .. });
                // A start that is refused leaves a process that nobody waits for.
                if !is_start && reason != Some(Reason::LeaseLost) {
                    continue;
                }
                Input::Lost
            }
        };
        // An attempt that is over listens no more.
        let _over = inputs.send(input);
        if input == Input::Lost {
            return;
        }
    }
}

async fn deliver_one(shared: &Shared, held: &Held, report: ReportParams) -> Result<(), Problem> {
    let params = ReportWakeParams {
        wake_id: held.wake_id,
        incarnation: held.incarnation.clone(),
        fence: held.fence,
        report,
    };
    // Fences count per wake, so the wake is part of the key.
    let key = format!("{}:{}:{}:{}", held.incarnation, held.wake_id, held.fence, step(report));
    let mut stuck = None;
    let mut pause = PAUSE;
    loop {
        match shared.config.client.call::<ReportWake>(&params, Some(&key)).await {
            Ok(_) => return Ok(()),
            Err(problem) if is_final(&problem) => return Err(problem),
            Err(problem) => {
                stuck.get_or_insert_with(|| {
                    tracing::warn!(wake_id = %held.wake_id, step = step(report), %problem, "report.delayed");
                    shared.stuck()
                });
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether the server has decided: the same report would be refused again.
fn is_final(problem: &Problem) -> bool {
    match problem.code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::Conflict
        | Code::InvalidThreadTransition
        | Code::IdempotencyConflict
        | Code::PreconditionFailed
        | Code::PayloadTooLarge
        | Code::Unsupported
        | Code::WorkspaceMismatch => true,
        // These pass, be it when somebody repairs them.
        Code::Unauthorized
        | Code::Forbidden
        | Code::RateLimited
        | Code::Unavailable
        | Code::DataLoss
        | Code::Internal => false,
    }
}

fn step(report: ReportParams) -> &'static str {
    match report {
        ReportParams::Started { .. } => "started",
        ReportParams::Accepted { .. } => "accepted",
        ReportParams::Ended { .. } => "ended",
    }
}
