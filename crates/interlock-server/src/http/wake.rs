//! Wakes: what supervisors claim and report, and what everybody may see.

use interlock_api::operations as op;
use interlock_api::v1::wake::{
    CancelWakeParams, ClaimWakesParams, ClaimWakesResponse, ClaimedWake, GetWakeParams, ListWakesParams,
    ListWakesResponse, RenewWakesParams, RenewWakesResponse, RenewedWake, ReportParams, ReportWakeParams,
    RetryWakeParams, TriggerParticipantParams, TriggerParticipantResponse, UrgentWake, WakeView,
};
use interlock_core::actor::{Actor, AgentName, Guarded, Role};
use interlock_core::command::{Command, InterveneWake, RenewWakes, Report, ReportWake, TriggerParticipant};
use interlock_core::facts::{Kept, Reply};
use interlock_core::id::WakeId;
use interlock_core::limits::{CANNOT_RUN_MAX, CLAIM_WAKES_MAX, HELD_WAKES_MAX, LABELS_MAX};
use interlock_core::wake::{Claimant, Door, Lane, Lease, Urgent, Wake, WakeResult, WakeState};
use interlock_core::{Reason, Refusal};
use interlock_engine::read::{Page, WakeFilter};
use interlock_engine::{ClaimWait, Permit, random_session};

use super::agent::bound;
use crate::context::{Ctx, cursor, deadline, failed, rows, wait};
use crate::view;

/// Characters of a supervisor's name and of an incarnation.
const NAME_CHARS_MAX: usize = 64;
/// Wakes renewed by one call.
const RENEWALS_MAX: usize = 64;
/// A token outlives its process's time by this: the last report must still pass.
const TOKEN_GRACE_MS: i64 = 30_000;

pub(crate) async fn list(
    cx: Ctx,
    _permit: Permit<op::ListWakes>,
    p: ListWakesParams,
) -> Result<ListWakesResponse, Refusal> {
    let limit = rows(p.limit)?;
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let workspace = cx.workspace();
    let agent = match shown(&cx.actor, p.agent) {
        Shown::All => None,
        Shown::Of(agent) => Some(agent),
        Shown::None => return Ok(ListWakesResponse { wakes: Vec::new(), next_cursor: None }),
    };
    let after = cursor::<WakeId>(p.cursor.as_ref())?;
    let mut wakes = loop {
        let page = Page { after, limit: limit + 1 };
        let now = cx.engine().now();
        let filter = WakeFilter {
            thread: p.thread_id,
            agent: agent.clone(),
            state: p.state,
            is_live: false,
            result: p.result,
            due_by: p.is_due.then_some(now),
        };
        let found = cx.store().wakes(workspace, filter, page).await.map_err(failed)?;
        let wanted =
            |note: &interlock_engine::Note| note.workspace_id == workspace && !note.threads.is_empty();
        if !found.is_empty() {
            break found;
        }
        // One becomes due by itself when its pause is over.
        let due_at = if p.is_due { cx.store().next_due(workspace, now).await.map_err(failed)? } else { None };
        if !cx.wait_for_turn(&mut watch, until, due_at, wanted).await {
            break found;
        }
    };
    let more = wakes.len() > limit as usize;
    wakes.truncate(limit as usize);
    let next_cursor = wakes.last().filter(|_| more).map(|wake| wake.wake_id.to_string());
    Ok(ListWakesResponse { wakes: wakes.into_iter().map(view::wake).collect(), next_cursor })
}

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetWake>,
    p: GetWakeParams,
) -> Result<WakeView, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut wake = one(&cx, p.wake_id).await?;
    let mine = wake.agent == cx.actor.name || wake.cause == cx.actor.name;
    if !mine && !sees_all(&cx.actor) && cx.visible(wake.thread_id).await.is_err() {
        return Err(not_found(p.wake_id).hiding(p.wake_id));
    }
    let thread_id = wake.thread_id;
    while wake.state != WakeState::Finished
        && cx.wait(&mut watch, until, |note| note.threads.contains(&thread_id)).await
    {
        wake = one(&cx, p.wake_id).await?;
    }
    let session_id = match wake.door {
        Some(Door::Live) => bound(&cx, thread_id, &wake.agent).await?.and_then(|member| member.session),
        _ => None,
    };
    let is_halted = wake.state == WakeState::Pending && cx.engine().is_halted(cx.workspace()).await;
    Ok(WakeView { session_id, is_halted, ..view::one_wake(wake) })
}

/// Whose wakes a list shows.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    All,
    Of(AgentName),
    None,
}

/// Whose wakes a list shows to this actor. Asked of the store, so that pages are full and cursors lead on.
fn shown(actor: &Actor, asked: Option<AgentName>) -> Shown {
    match asked {
        Some(agent) if sees_all(actor) || agent == actor.name => Shown::Of(agent),
        None if sees_all(actor) => Shown::All,
        None => Shown::Of(actor.name.clone()),
        Some(_) => Shown::None,
    }
}

fn sees_all(actor: &Actor) -> bool {
    actor.role.sees_all_threads() || actor.role == Role::Supervisor
}

async fn one(cx: &Ctx, id: WakeId) -> Result<Wake, Refusal> {
    cx.store().wake(cx.workspace(), id).await.map_err(failed)?.ok_or_else(|| not_found(id))
}

fn not_found(id: WakeId) -> Refusal {
    Refusal::new(Reason::WakeNotFound, format!("there is no wake `{id}` for you"))
}

pub(crate) async fn claim(
    cx: Ctx,
    permit: Permit<op::ClaimWakes>,
    p: ClaimWakesParams,
) -> Result<ClaimWakesResponse, Refusal> {
    check_names(&[&p.supervisor, &p.incarnation])?;
    check_limit(p.limit)?;
    let wait = wait(p.wait_ms)?;
    let claim = ClaimWait {
        claimant: claimant(&p)?,
        supervisor: p.supervisor,
        incarnation: p.incarnation,
        limit: p.limit,
        wait,
        doors: p.doors,
    };
    let mut stopping = cx.state.stopping.clone();
    let claimed = tokio::select! {
        claimed = cx.engine().claim(&permit, &cx.request, &claim) => claimed?,
        _ = stopping.wait_for(|stopping| *stopping) => {
            return Err(Refusal::new(Reason::ServerStopping, "the server is stopping"));
        }
    };
    let mut wakes = Vec::with_capacity(claimed.wakes.len());
    for (wake, lease) in claimed.wakes {
        wakes.push(hand_over(&cx, wake, &lease, claimed.lane).await?);
    }
    let urgent = claimed.urgent.iter().map(urgent).collect();
    Ok(ClaimWakesResponse { wakes, halt: claimed.halt, stop: claimed.stop, urgent })
}

/// What the supervisor says of itself.
fn claimant(p: &ClaimWakesParams) -> Result<Claimant, Refusal> {
    let too_many = |what: &str, max: usize| {
        Refusal::new(Reason::LimitExceeded, format!("a claim names at most {max} {what}"))
    };
    if p.labels.len() > LABELS_MAX {
        return Err(too_many("labels", LABELS_MAX));
    }
    if p.cannot_run.len() > CANNOT_RUN_MAX {
        return Err(too_many("agents that it cannot run", CANNOT_RUN_MAX));
    }
    if p.holds.as_ref().is_some_and(|holds| holds.len() > HELD_WAKES_MAX) {
        return Err(too_many("claims that it holds", HELD_WAKES_MAX));
    }
    let holds = p.holds.as_ref().map(|holds| holds.iter().map(|held| (held.wake_id, held.fence)).collect());
    let (labels, cannot_run) = (p.labels.clone(), p.cannot_run.clone());
    Ok(Claimant { labels, cannot_run, holds, ..Claimant::default() })
}

/// What the agent is told: ids only. In a fresh session it knows nothing of the thread, so it is sent to the summary first.
fn prompt(wake: &Wake, is_resumed: bool) -> String {
    let Wake { agent, thread_id, seq, wake_id, .. } = wake;
    let who = format!("You are `{agent}` in thread {thread_id} of Interlock.");
    let what = format!("Messages up to seq {seq} wait for you (wake {wake_id}).");
    let work = "do the work, answer in the thread, then acknowledge them";
    if is_resumed {
        return format!("{who} {what} Read them, {work}: with read_messages, post_message and ack_read.");
    }
    let before = if wake.is_fallback_run() {
        "The session you had before could not be used, so you remember nothing of what was said or decided"
    } else {
        "You may remember nothing of what was said or decided"
    };
    format!(
        "{who} This is a fresh session. {before}: read the thread's summary first, with summarize_thread. {what} Read \
         them, {work}: with read_messages, post_message and ack_read."
    )
}

/// What a turn that runs already is told of what cannot wait: ids only.
fn urgent(found: &Urgent) -> UrgentWake {
    let Wake { agent, thread_id, seq, wake_id, .. } = &found.wake;
    let prompt = format!(
        "You are `{agent}` in thread {thread_id} of Interlock. Something urgent came: messages up to seq {seq} wait for \
         you (wake {wake_id}). Read them before you go on, do what they ask, answer in the thread, then acknowledge \
         them: with read_messages, post_message and ack_read."
    );
    UrgentWake { running: found.running, wake_id: *wake_id, seq: *seq, prompt }
}

/// Everything the wake's process needs, its own token included.
async fn hand_over(cx: &Ctx, wake: Wake, lease: &Lease, lane: Lane) -> Result<ClaimedWake, Refusal> {
    let engine = cx.engine();
    let found = cx.store().agent(cx.workspace(), wake.agent.clone()).await.map_err(failed)?;
    let agent = found
        .ok_or_else(|| Refusal::new(Reason::AgentNotFound, format!("there is no agent `{}`", wake.agent)))?;
    let now = engine.here();
    let session_id = random_session(now).map_err(|error| Refusal::new(Reason::Defect, error.to_string()))?;
    let policy = engine.policy();
    let run_ms_max = if wake.is_fallback_run() { policy.fallback_run_ms_max } else { policy.run_ms_max };
    let deadline = now.plus_ms(run_ms_max);
    let actor = Actor {
        name: wake.agent.clone(),
        role: agent.role,
        workspace_id: cx.workspace(),
        session_id: Some(session_id),
        wake_id: Some(wake.wake_id),
        fence: Some(lease.fence),
    };
    let token = engine.issuer().mint(&actor, now, run_ms_max + TOKEN_GRACE_MS)?;
    let thread = cx.store().thread(cx.workspace(), wake.thread_id).await.map_err(failed)?;
    let resume = thread.and_then(|thread| thread.members.get(&wake.agent).and_then(|member| member.session));
    let prompt = prompt(&wake, resume.is_some());
    Ok(ClaimedWake {
        workspace_id: cx.workspace(),
        fence: lease.fence,
        lane: if wake.attempts > 0 { Lane::Poll } else { lane },
        runtime: agent.runtime,
        door: lease.door,
        is_in_doubt: lease.is_in_doubt,
        is_override: wake.is_override,
        session_id,
        resume,
        token,
        deadline,
        prompt,
        launch: agent.launch,
        accept_timeout_ms: clamp(policy.accept_timeout_ms),
        run_ms_max: clamp(run_ms_max),
        lease_ms: clamp(policy.lease_ms),
        wake: view::wake(wake),
    })
}

fn clamp(ms: i64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

pub(crate) async fn renew(
    cx: Ctx,
    permit: Permit<op::RenewWakes>,
    p: RenewWakesParams,
) -> Result<RenewWakesResponse, Refusal> {
    check_names(&[&p.supervisor, &p.incarnation])?;
    if p.wakes.len() > RENEWALS_MAX {
        return Err(Refusal::new(
            Reason::LimitExceeded,
            format!("at most {RENEWALS_MAX} wakes are renewed at once"),
        ));
    }
    cx.engine().heard_again(cx.workspace(), &p.supervisor).await?;
    let wakes = p.wakes.iter().map(|held| (held.wake_id, held.fence)).collect();
    let command =
        Command::RenewWakes(RenewWakes { supervisor: p.supervisor, incarnation: p.incarnation, wakes });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    let kept = if let Reply::Renewed(kept) = outcome.reply { kept } else { Vec::new() };
    let renewed = |Kept { wake_id, is_accepted, is_cancelled, urgent: found }| RenewedWake {
        wake_id,
        is_accepted,
        is_cancelled,
        urgent: found.as_ref().map(urgent),
    };
    let wakes = kept.into_iter().map(renewed).collect();
    Ok(RenewWakesResponse { wakes, halt: cx.engine().is_halted(cx.workspace()).await })
}

/// Wake a participant, and wait for the wake's end when asked to.
pub(crate) async fn trigger(
    cx: Ctx,
    permit: Permit<op::TriggerParticipant>,
    p: TriggerParticipantParams,
) -> Result<TriggerParticipantResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let command = Command::TriggerParticipant(TriggerParticipant {
        thread_id: p.thread_id,
        agent: p.agent,
        override_reason: p.override_reason,
    });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    let Reply::Wake(id) = outcome.reply else {
        return Err(Refusal::new(Reason::Defect, format!("a trigger was answered with {:?}", outcome.reply)));
    };
    let first = one(&cx, id).await?;
    // A process that was there before this call; not one that this call has just raised.
    let is_new = outcome.index.is_some();
    let was_running = !is_new && first.state == WakeState::Running;
    let mut wake = first;
    while wake.state != WakeState::Finished
        && cx.wait(&mut watch, until, |note| note.threads.contains(&p.thread_id)).await
    {
        wake = one(&cx, id).await?;
    }
    let running = was_running.then_some(WakeResult::AlreadyActive);
    Ok(TriggerParticipantResponse { result: wake.result.or(running), wake: view::one_wake(wake) })
}

/// Ask for a wake again, and wait for the end of the one that answers when asked to.
pub(crate) async fn retry(
    cx: Ctx,
    permit: Permit<op::RetryWake>,
    p: RetryWakeParams,
) -> Result<WakeView, Refusal> {
    let command = Command::RetryWake(InterveneWake { wake_id: p.wake_id, text: p.text });
    intervene(&cx, &permit, command, p.wait_ms).await
}

/// End a wake, and wait until its process is gone when asked to.
pub(crate) async fn cancel(
    cx: Ctx,
    permit: Permit<op::CancelWake>,
    p: CancelWakeParams,
) -> Result<WakeView, Refusal> {
    let command = Command::CancelWake(InterveneWake { wake_id: p.wake_id, text: p.text });
    intervene(&cx, &permit, command, p.wait_ms).await
}

async fn intervene<O: Guarded>(
    cx: &Ctx,
    permit: &Permit<O>,
    command: Command,
    wait_ms: u32,
) -> Result<WakeView, Refusal> {
    let until = deadline(wait_ms)?;
    let mut watch = cx.engine().watch();
    let outcome = cx.engine().execute(permit, &cx.request, command).await?;
    let Reply::Wake(id) = outcome.reply else {
        let detail = format!("an intervention was answered with {:?}", outcome.reply);
        return Err(Refusal::new(Reason::Defect, detail));
    };
    let mut wake = one(cx, id).await?;
    while wake.state != WakeState::Finished
        && cx.wait(&mut watch, until, |note| note.threads.contains(&wake.thread_id)).await
    {
        wake = one(cx, id).await?;
    }
    Ok(view::one_wake(wake))
}

fn check_limit(limit: u32) -> Result<(), Refusal> {
    match limit {
        0 => Err(Refusal::new(Reason::ParameterInvalid, "a claim of 0 wakes would never end")),
        1..=CLAIM_WAKES_MAX => Ok(()),
        _ => Err(Refusal::new(
            Reason::LimitExceeded,
            format!("`limit` is {limit}, at most {CLAIM_WAKES_MAX} wakes are claimed at once"),
        )),
    }
}

fn check_names(names: &[&str]) -> Result<(), Refusal> {
    let fits = |name: &&str| {
        (1..=NAME_CHARS_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    if names.iter().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::ParameterInvalid,
        format!("a supervisor's name and incarnation are 1 to {NAME_CHARS_MAX} of A-Z a-z 0-9 `_` `.` `-`"),
    ))
}

pub(crate) async fn report(
    cx: Ctx,
    permit: Permit<op::ReportWake>,
    p: ReportWakeParams,
) -> Result<WakeView, Refusal> {
    let report = match p.report {
        ReportParams::Started { lane, door } => Report::Started { lane, door },
        ReportParams::Accepted { evidence, session_id } => Report::Accepted { evidence, session_id },
        ReportParams::Told { wake_id, seq } => Report::Told { wake_id, seq },
        ReportParams::Ended { outcome, usage, is_session_total, last_message } => {
            Report::Ended { outcome, usage, is_session_total, last_message }
        }
    };
    let command = Command::ReportWake(ReportWake {
        wake_id: p.wake_id,
        incarnation: p.incarnation,
        fence: p.fence,
        report,
    });
    cx.engine().execute(&permit, &cx.request, command).await?;
    one(&cx, p.wake_id).await.map(view::wake)
}

#[cfg(test)]
mod tests;
