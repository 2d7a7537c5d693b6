//! The second step: an agent is killed as soon as it has accepted its wake.

use interlock_api::Problem;
use interlock_api::operations as op;
use interlock_api::v1::wake::GetWakeParams;
use interlock_core::actor::AgentName;
use interlock_core::id::WakeId;
use interlock_core::wake::WakeResult;

use super::judge;
use super::step::{Kind, Step};
use super::{Chaos, is_step, processes, text};
use crate::render::style::Paint;

/// A kill, and what followed.
struct Shot {
    agent: AgentName,
    wake_id: WakeId,
    process: u32,
    /// The entry that says that the attempt failed, and why.
    failed: Option<(u64, String)>,
    next: Option<u32>,
}

/// Kill whoever is woken next; again the one after where that one had just ended.
pub(super) async fn kill(chaos: &mut Chaos<'_, '_>) -> Result<Step, Problem> {
    loop {
        let mut shot = shoot(chaos).await?;
        follow(chaos, &mut shot).await?;
        match shot.failed.take() {
            Some((index, reason)) => return conclude(chaos, &shot, index, reason).await,
            None => chaos.tell(
                "missed",
                Paint::Yellow,
                "that turn had just ended by itself: once more, in the next one",
            ),
        }
    }
}

/// Wait until a turn begins, and kill its process.
async fn shoot(chaos: &mut Chaos<'_, '_>) -> Result<Shot, Problem> {
    loop {
        let item = chaos.next().await?;
        let begun = item.wake_id.filter(|_| item.kind == "wake.accepted");
        let Some((wake_id, process)) = begun.and_then(|id| Some((id, processes::agent(id)?))) else {
            continue;
        };
        if processes::kill(process) {
            let said = format!("{} at work on wake {wake_id}: process {process}", item.actor);
            chaos.tell("SIGKILL", Paint::Red, &said);
            return Ok(Shot { agent: item.actor, wake_id, process, failed: None, next: None });
        }
    }
}

/// Follow the turn to its end.
async fn follow(chaos: &mut Chaos<'_, '_>, shot: &mut Shot) -> Result<(), Problem> {
    loop {
        let item = chaos.next().await?;
        if is_step(&item, "wake.attempt_failed", shot.wake_id) {
            shot.failed = Some((item.index, text(&item, "reason")));
        } else if is_step(&item, "wake.accepted", shot.wake_id) {
            shot.next = processes::agent(shot.wake_id);
            let process = shot.next.map_or_else(String::new, |id| format!(": process {id}"));
            chaos.tell("again", Paint::Green, &format!("{} is at it again, attempt 2{process}", shot.agent));
        } else if is_step(&item, "wake.finished", shot.wake_id) {
            return Ok(());
        }
    }
}

async fn conclude(
    chaos: &mut Chaos<'_, '_>,
    shot: &Shot,
    index: u64,
    reason: String,
) -> Result<Step, Problem> {
    chaos.killed_at = Some(index);
    let request = GetWakeParams { wake_id: shot.wake_id, wait_ms: 0 };
    let wake = chaos.run.cast.read::<op::GetWake>(&request).await?;
    let facts = judge::Agent {
        reason,
        attempts: wake.attempts,
        result: wake.result.map_or_else(String::new, |result: WakeResult| result.as_str().to_owned()),
        processes: (shot.process, shot.next),
    };
    let happened = format!(
        "the ledger says {}; attempt {} began by itself and did the work",
        facts.reason, facts.attempts
    );
    let proof = format!("agent {}; wake {}: entry {index} says how it ended", shot.process, shot.wake_id);
    Ok(Step::judged(Kind::AgentKilled, &facts.faults(), happened, proof))
}
