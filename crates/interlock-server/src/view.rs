//! From rows to what goes over the wire.

use interlock_api::v1::agent::{AgentView, DoorView, SpentView, StandingView};
use interlock_api::v1::denial::DenialView;
use interlock_api::v1::job::{JobView, RequeuedView};
use interlock_api::v1::message::{Data, MessageView, WithdrawalView};
use interlock_api::v1::session::{PresenceView, SessionState, SessionView};
use interlock_api::v1::thread::{BudgetView, FindingView, ParticipantView, ThreadView, TimelineItem};
use interlock_api::v1::wake::{AttemptView, InterventionView, WakeView};
use interlock_core::actor::{AgentName, Permission, Role};
use interlock_core::agent::{Agent, Launch, Standing};
use interlock_core::denial::Denial;
use interlock_core::id::{WakeId, WorkspaceId};
use interlock_core::job::{Job, JobState};
use interlock_core::policy::Policy;
use interlock_core::session::Session;
use interlock_core::thread::{Finding, Message, Thread, Withdrawal};
use interlock_core::wake::{Attempt, Capability, Intervention, Wake, WakeState};
use interlock_core::{Event, Timestamp};
use interlock_engine::read::{StoredMessage, TimelineRow};

/// An agent. The values of its variables stay inside; how it is started is for those who manage agents.
pub(crate) fn agent(agent: Agent, policy: &Policy, to: Role) -> AgentView {
    let launch = if to.may(Permission::AgentManage) { agent.launch } else { Launch::default() };
    let home = agent.runtime.home_variable().and_then(|name| launch.variable(name)).map(str::to_owned);
    let Launch { command, directory, repository, sandbox, model, allowed_tools, writable, live, .. } = launch;
    AgentView {
        agent_id: agent.agent_id,
        name: agent.name,
        role: agent.role,
        runtime: agent.runtime,
        command,
        directory,
        repository,
        sandbox,
        model,
        allowed_tools,
        writable,
        spent: agent.spent.map(|spent| SpentView {
            tokens: spent.tokens,
            until: spent.until(),
            tokens_max: limit(policy.agent_tokens_per_day_max),
        }),
        quota_until: agent.quota.map(|quota| quota.until),
        on: agent.on,
        live,
        home,
        doors: Capability::all_of(agent.runtime).map(DoorView::from).collect(),
        created_at: agent.created_at,
        now: None,
    }
}

/// What an agent does now; about which thread is for those who may know.
pub(crate) fn standing(standing: Standing, may_know: bool) -> StandingView {
    StandingView {
        state: standing.state,
        since: standing.since,
        until: standing.until,
        reason: standing.reason,
        by: standing.by,
        wake_id: standing.wake_id.filter(|_| may_know),
        thread_id: standing.thread_id.filter(|_| may_know),
        session_id: None,
    }
}

/// What an agent last said of itself; nothing where it never did.
pub(crate) fn presence(session: &Session, now: Timestamp) -> Option<PresenceView> {
    let is_active = session.is_active?;
    let state = if is_active { SessionState::Active } else { SessionState::Idle };
    Some(PresenceView { state, silent_ms: ago_ms(session.seen_at, now) })
}

/// A session as it was last heard of.
pub(crate) fn session(session: &Session, policy: &Policy, now: Timestamp) -> SessionView {
    SessionView {
        session_id: session.session_id,
        runtime: session.runtime,
        place: session.place,
        is_open: session.is_open,
        is_held: session.is_held(policy, now),
        activity: session.activity,
        silent_ms: ago_ms(session.seen_at, now),
        human_ago_ms: session.human_at.map(|at| ago_ms(at, now)),
    }
}

fn ago_ms(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.ms_since(at)).unwrap_or_default()
}

/// A job, without what it was given to work with.
pub(crate) fn job(job: Job) -> JobView {
    let (worker, held_until) = job.lease.map(|lease| (lease.worker, lease.until)).unzip();
    let requeued =
        job.requeued.map(|requeued| RequeuedView { by: requeued.by, at: requeued.at, text: requeued.text });
    JobView {
        job_id: job.job_id,
        kind: job.kind,
        name: job.name,
        state: job.state,
        attempts: job.attempts,
        attempts_max: job.policy.attempts_max,
        run_at: (job.state == JobState::Queued).then_some(job.run_at),
        worker,
        held_until,
        error: job.error,
        enqueued_at: job.enqueued_at,
        finished_at: job.finished_at,
        traceparent: job.trace,
        requeues: job.requeues,
        requeued,
    }
}

/// A denial of a workspace.
pub(crate) fn denial(workspace_id: WorkspaceId, denial: Denial) -> DenialView {
    DenialView {
        denial_id: denial.denial_id,
        request_id: denial.request_id,
        at: denial.at,
        workspace_id,
        actor: denial.actor,
        role: denial.role,
        session_id: denial.session_id,
        operation: denial.operation,
        code: denial.reason.code(),
        reason: denial.reason,
        object: denial.object,
        trace_id: denial.trace_id,
    }
}

pub(crate) fn thread(thread: Thread, findings: &[Finding], policy: &Policy) -> ThreadView {
    let budget = budget(&thread, policy);
    ThreadView {
        budget,
        thread_id: thread.thread_id,
        title: thread.title,
        kind: thread.kind,
        status: thread.status,
        reason: thread.reason,
        owner: thread.owner,
        created_by: thread.created_by,
        created_at: thread.created_at,
        updated_at: thread.updated_at,
        last_seq: thread.seq,
        participants: thread
            .members
            .into_iter()
            .map(|(agent, member)| ParticipantView {
                agent,
                role: member.role,
                managed: member.managed,
                acked_seq: member.cursor,
            })
            .collect(),
        turns_without_progress: thread.guard.turns,
        turns: thread.guard.turns_total,
        findings: findings
            .iter()
            .map(|finding| FindingView {
                finding_id: finding.finding_id,
                state: finding.state,
                cycles: finding.cycles,
                reported_seq: finding.reported_seq,
                commit: finding.commit.clone(),
            })
            .collect(),
    }
}

/// What a constant limits something to; 0 is no limit.
fn limit(value: i64) -> Option<i64> {
    (value > 0).then_some(value)
}

fn budget(thread: &Thread, policy: &Policy) -> Option<BudgetView> {
    let view = BudgetView {
        spent: thread.guard.spent,
        total: thread.guard.spent_total,
        tokens_max: limit(policy.thread_tokens_max),
        cost_micro_usd_max: limit(policy.thread_cost_micro_usd_max),
    };
    let is_limited = view.tokens_max.is_some() || view.cost_micro_usd_max.is_some();
    (is_limited || !view.total.is_none()).then_some(view)
}

pub(crate) fn message(message: Message, now: Timestamp) -> MessageView {
    let state = message.state(now);
    let Message { thread_id, head, text, withdrawal } = message;
    let mut extra = serde_json::from_str::<Data>(&text.extra).unwrap_or_default();
    // Versions before kept a sender's field of a name that is ours now.
    extra.retain(|name, _| !MessageView::SAID_BY_SERVER.contains(&name.as_str()));
    MessageView {
        message_id: head.message_id,
        thread_id,
        seq: head.seq,
        kind: head.kind,
        event_type: head.event_type,
        event_version: head.event_version,
        schema_version: head.schema_version,
        from: head.from,
        to: head.to,
        to_role: head.to_role,
        in_reply_to: head.in_reply_to,
        priority: head.priority,
        expires_at: head.expires_at,
        supersedes: head.supersedes,
        parents: head.parents,
        state,
        superseded_by: withdrawal.as_ref().and_then(|withdrawal| withdrawal.superseded_by),
        withdrawal: withdrawal.map(|Withdrawal { at, by, text, .. }| WithdrawalView { at, by, text }),
        hops: head.hops,
        posted_at: head.posted_at,
        body: text.body,
        // Written by us from an object; empty text stands for none.
        data: serde_json::from_str::<Data>(&text.data).unwrap_or_default(),
        extra,
    }
}

pub(crate) fn wake(wake: Wake) -> WakeView {
    WakeView {
        wake_id: wake.wake_id,
        agent: wake.agent,
        thread_id: wake.thread_id,
        seq: wake.seq,
        cause: wake.cause,
        state: wake.state,
        held: wake.held,
        is_halted: false,
        attempts: wake.attempts,
        lane: wake.lane,
        door: wake.door,
        door_changes: wake.door_changes,
        supervisor: wake.supervisor,
        in_doubt_since: wake.in_doubt_since,
        result: wake.result,
        reason: wake.reason,
        exit_code: wake.exit_code,
        usage: wake.usage,
        hops: wake.chain.map_or(0, |chain| chain.hops),
        on: wake.on,
        declined_by: wake.declined_by,
        session_id: None,
        requested_at: wake.requested_at,
        due_at: wake.due_at,
        dispatched_at: wake.ladder.dispatched_at,
        told_at: wake.ladder.told_at,
        stranded_at: wake.stranded_at,
        accepted_at: wake.ladder.accepted_at,
        evidence: wake.ladder.evidence,
        seen_at: wake.ladder.seen_at,
        acted_at: wake.ladder.acted_at,
        finished_at: wake.ladder.finished_at,
        deferred_since: wake.deferred_since.filter(|_| wake.state == WakeState::Pending),
        history: wake.history.into_iter().map(attempt).collect(),
        retries: wake.retries,
        retried: wake.retried.map(intervention),
        cancelled: wake.cancelled.map(intervention),
        last_message: None,
    }
}

/// One wake by itself, with what its agent said last: a list of wakes has no room for that.
pub(crate) fn one_wake(mut wake: Wake) -> WakeView {
    let last_message = wake.last_message.take().map(|said| said.text);
    WakeView { last_message, ..self::wake(wake) }
}

fn attempt(attempt: Attempt) -> AttemptView {
    let Attempt { number, lane, supervisor, at, ended_at, reason, exit_code } = attempt;
    AttemptView { number, lane, supervisor, at, ended_at, reason, exit_code }
}

fn intervention(intervention: Intervention) -> InterventionView {
    InterventionView { by: intervention.by, at: intervention.at, text: intervention.text }
}

pub(crate) fn timeline(row: TimelineRow, created_by: &AgentName, now: Timestamp) -> TimelineItem {
    match row {
        TimelineRow::Message(StoredMessage { message: stored, index, n }) => TimelineItem {
            position: format!("{index}.{n}"),
            index,
            at: stored.head.posted_at,
            actor: stored.head.from.clone(),
            kind: stored.head.event_type.clone().unwrap_or_else(|| "message".to_owned()),
            seq: Some(stored.head.seq),
            wake_id: stored.head.wake_id,
            message: Some(message(stored, now)),
            text: None,
            event: None,
        },
        TimelineRow::Event(position, event) => {
            let value = serde_json::to_value(&event).unwrap_or_default();
            let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
            TimelineItem {
                position: format!("{}.{}", position.index, position.n),
                index: position.index,
                at: position.at.at,
                actor: actor(&event).unwrap_or(created_by).clone(),
                kind: kind.split('/').next().unwrap_or_default().to_owned(),
                seq: None,
                wake_id: wake_id(&event),
                message: None,
                text: None,
                event: Some(value),
            }
        }
    }
}

/// Whom an event is about.
pub(crate) const fn actor(event: &Event) -> Option<&AgentName> {
    match event {
        Event::AgentRegistered { name, .. } => Some(name),
        Event::ThreadCreated { created_by, .. } => Some(created_by),
        Event::ParticipantAdded { participant, .. } => Some(&participant.agent),
        Event::MessagePosted { message, .. } => Some(&message.from),
        Event::StatusChanged { by, .. }
        | Event::WakeOverridden { by, .. }
        | Event::ServersHalted { by, .. }
        | Event::WorkspaceHalted { by, .. }
        | Event::WorkspaceResumed { by }
        | Event::MessageWithdrawn { by, .. }
        | Event::WebhookCreated { by, .. }
        | Event::WebhookUpdated { by, .. }
        | Event::WebhookPaused { by, .. }
        | Event::WebhookResumed { by, .. }
        | Event::WebhookSecretRotated { by, .. }
        | Event::WebhookDeleted { by, .. }
        | Event::OwnerAssigned { by, .. }
        | Event::WakeRetryRequested { by, .. }
        | Event::WakeCancelRequested { by, .. }
        | Event::JobRequeued { by, .. } => Some(by),
        Event::OwnerReminded { owner, .. } => Some(owner),
        Event::ParticipantRemoved { agent, .. }
        | Event::CursorMoved { agent, .. }
        | Event::WakeRequested { agent, .. }
        | Event::WakeDispatched { agent, .. }
        | Event::WakeDoorChanged { agent, .. }
        | Event::WakeAccepted { agent, .. }
        | Event::WakeSeen { agent, .. }
        | Event::WakeActed { agent, .. }
        | Event::WakeAttemptFailed { agent, .. }
        | Event::WakeReleased { agent, .. }
        | Event::WakeDeferred { agent, .. }
        | Event::WakeDeclined { agent, .. }
        | Event::WakeStranded { agent, .. }
        | Event::WakeUsed { agent, .. }
        | Event::WakeSaid { agent, .. }
        | Event::SessionBound { agent, .. }
        | Event::SessionReleased { agent, .. }
        | Event::WakeFinished { agent, .. } => Some(agent),
        Event::ActionRefused { .. }
        | Event::WakeJoined { .. }
        | Event::WakeRecounted { .. }
        | Event::JobDied { .. } => None,
    }
}

const fn wake_id(event: &Event) -> Option<WakeId> {
    match event {
        Event::WakeRequested { wake_id, .. }
        | Event::WakeJoined { wake_id, .. }
        | Event::WakeRecounted { wake_id, .. }
        | Event::WakeDispatched { wake_id, .. }
        | Event::WakeDoorChanged { wake_id, .. }
        | Event::WakeAccepted { wake_id, .. }
        | Event::WakeSeen { wake_id, .. }
        | Event::WakeActed { wake_id, .. }
        | Event::WakeAttemptFailed { wake_id, .. }
        | Event::WakeReleased { wake_id, .. }
        | Event::WakeDeferred { wake_id, .. }
        | Event::WakeOverridden { wake_id, .. }
        | Event::WakeDeclined { wake_id, .. }
        | Event::WakeStranded { wake_id, .. }
        | Event::WakeUsed { wake_id, .. }
        | Event::WakeSaid { wake_id, .. }
        | Event::SessionBound { wake_id, .. }
        | Event::SessionReleased { wake_id, .. }
        | Event::WakeRetryRequested { wake_id, .. }
        | Event::WakeCancelRequested { wake_id, .. }
        | Event::WakeFinished { wake_id, .. } => Some(*wake_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
