//! How soon a message wakes somebody: posts to a dormant agent, one at a time, with nothing else to do.
//!
//! What is counted are the ledger's own instants: from the commit of the message, which raises the wake, to the record
//! that the process was started for it, which a supervisor reports when the program runs. The report's way back to the
//! server is in it; what the agent does afterwards is not.

use std::time::Duration;

use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::agent::RegisterAgentParams;
use interlock_api::v1::message::PostMessageParams;
use interlock_api::v1::thread::{CreateThreadParams, ParticipantParams};
use interlock_api::v1::wake::{ListWakesParams, WakeView};
use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::id::ThreadId;
use interlock_core::thread::{MessageKind, ThreadKind, ThreadRole};
use interlock_core::wake::{Lane, WakeState};
use serde_json::json;

use super::stage::{Stage, defect};
use crate::environment;

/// The agent: acknowledges what it was woken for, and ends.
pub(crate) const AGENT: &str = r#"exec "$0" thread ack "$INTERLOCK_THREAD" "$INTERLOCK_WAKE_SEQ""#;
/// How long one wake may take until the measurement is given up.
const WAKE_MAX: Duration = Duration::from_secs(30);
/// Between two looks whether the agent is asleep again.
const LOOK: Duration = Duration::from_millis(5);

/// So many wakes in a thread of this title, one after the other, each with its milliseconds from commit to process.
///
/// # Errors
/// What the server refuses; `WAKE_FAILED` when an agent is not asleep again in time.
pub(crate) async fn measure(stage: &Stage, title: &str, count: u32) -> Result<Vec<(Lane, f64)>, Problem> {
    let client = stage.operator()?;
    let sleeper = AgentName::parse("sleeper").map_err(|error| defect(&error))?;
    let program = environment::program()?.display().to_string();
    let command = ["sh", "-c", AGENT, &program].map(str::to_owned).to_vec();
    let request = RegisterAgentParams {
        name: sleeper.clone(),
        role: Role::Participant,
        runtime: Runtime::Command,
        launch: Launch { command, ..Launch::default() },
        on: None,
    };
    client.call::<op::RegisterAgent>(&request, Some("sleeper")).await?;
    let participants = vec![ParticipantParams { agent: sleeper, role: ThreadRole::Participant }];
    let request = CreateThreadParams { title: title.into(), kind: ThreadKind::Workflow, participants };
    let thread = client.call::<op::CreateThread>(&request, Some(title)).await?.thread_id;
    let mut took_ms = Vec::new();
    for number in 0..count {
        let wake = one(&client, (thread, title), number).await?;
        took_ms.push((wake.lane.unwrap_or(Lane::Poll), dispatched_ms(&wake)?));
    }
    Ok(took_ms)
}

/// Milliseconds from the commit that asked for a wake to the record that a process was started for it.
///
/// # Errors
/// `INTERNAL` for one without.
pub(crate) fn dispatched_ms(wake: &WakeView) -> Result<f64, Problem> {
    let dispatched = wake.dispatched_at.ok_or_else(|| defect(&"a finished wake was never dispatched"))?;
    Ok(f64::from(u32::try_from(dispatched.ms_since(wake.requested_at)).unwrap_or_default()))
}

/// One message, and its wake when the agent is asleep again.
async fn one(
    client: &Client,
    (thread_id, title): (ThreadId, &str),
    number: u32,
) -> Result<WakeView, Problem> {
    // A new commit each time: progress, so that the loop guard lets it go on.
    let data = json!({"commit": format!("{number:040x}"), "branch": "measured"});
    let request = PostMessageParams {
        kind: MessageKind::Event,
        event_type: Some("fix_pushed".into()),
        data: data.as_object().cloned(),
        ..PostMessageParams::to_all(thread_id)
    };
    client.call::<op::PostMessage>(&request, Some(&format!("{title}-{number}"))).await?;
    let until = tokio::time::Instant::now() + WAKE_MAX;
    let request = ListWakesParams { thread_id: Some(thread_id), limit: 1, ..ListWakesParams::default() };
    loop {
        let newest = client.call::<op::ListWakes>(&request, None).await?.wakes.pop();
        match newest {
            Some(wake) if wake.state == WakeState::Finished => return Ok(wake),
            _ if tokio::time::Instant::now() > until => {
                return Err(Problem::new(Reason::WakeFailed, "a measured wake took longer than 30 s", ""));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}
