//! Delivers the reports of one attempt: in order, each until the server answers.

use std::sync::Arc;
use std::time::Duration;

use interlock_api::Problem;
use interlock_api::operations::ReportWake;
use interlock_api::v1::wake::{ReportParams, ReportWakeParams};
use interlock_core::wake::Outcome;
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
    let mut is_refused = false;
    while let Some(report) = reports.recv().await {
        let Some(report) = (if is_refused { given_back(&report) } else { Some(report) }) else { continue };
        let is_start = matches!(report, ReportParams::Started { .. });
        let step = step(&report);
        let input = match deliver_one(&shared, &held, report, &step).await {
            Ok(()) if is_start => Input::StartDelivered,
            Ok(()) => continue,
            Err(problem) => {
                tracing::warn!(wake_id = %held.wake_id, step, %problem, "report.refused");
                match problem.known_reason() {
                    Some(Reason::LeaseLost) => Input::Lost,
                    _ if is_start => Input::StartRefused,
                    _ => continue,
                }
            }
        };
        is_refused |= input == Input::StartRefused;
        let is_lost = input == Input::Lost;
        // An attempt that is over listens no more.
        let _over = inputs.send(input);
        if is_lost {
            return;
        }
    }
}

/// What is left to be told when the start was refused: for the server nothing has run, so the wake is given back
/// and does not wait for the end of its lease.
fn given_back(report: &ReportParams) -> Option<ReportParams> {
    let ReportParams::Ended { usage, is_session_total, .. } = *report else { return None };
    let outcome = Outcome::NotStarted;
    Some(ReportParams::Ended { outcome, usage, is_session_total, last_message: None })
}

async fn deliver_one(shared: &Shared, held: &Held, report: ReportParams, step: &str) -> Result<(), Problem> {
    let params = ReportWakeParams {
        wake_id: held.wake_id,
        incarnation: held.incarnation.clone(),
        fence: held.fence,
        report,
    };
    // Fences count per wake, so the wake is part of the key.
    let key = format!("{}:{}:{}:{}", held.incarnation, held.wake_id, held.fence, step);
    let mut stuck = None;
    let mut pause = PAUSE;
    loop {
        match shared.config.client.call::<ReportWake>(&params, Some(&key)).await {
            Ok(_) => return Ok(()),
            Err(problem) if is_final(&problem) => return Err(problem),
            Err(problem) => {
                shared.note_refusal(&problem);
                stuck.get_or_insert_with(|| {
                    tracing::warn!(wake_id = %held.wake_id, step, %problem, "report.delayed");
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

/// Names a report among those of one claim: each comes once.
fn step(report: &ReportParams) -> String {
    match report {
        ReportParams::Started { .. } => "started".into(),
        ReportParams::Accepted { .. } => "accepted".into(),
        ReportParams::Told { wake_id, seq } => format!("told.{wake_id}.{seq}"),
        ReportParams::Ended { .. } => "ended".into(),
    }
}
