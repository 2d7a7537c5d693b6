//! The way in: which facts a command needs, and the arm that decides it.

use crate::command::{
    AckRead, AssignOwner, ChangeStatus, Command, Envelope, FinishJob, InterveneWake, ObserveSession,
    OperateThread, RemindOwner, RemoveParticipant, RenewJob, Report, ReportWake, RequeueJob,
    TriggerParticipant,
};
use crate::facts::{Decision, Facts, Key, Keys, Missing, Reply};
use crate::reason::{Reason, Refusal};
use crate::text::{Digest, fingerprint};
use crate::time::{Now, Timestamp};
use crate::wake::Outcome;
use crate::{agent, guard, job, session, snapshot, thread, wake, webhook};

/// Why a command has no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A rule said no.
    Refused(Refusal),
    /// A fact is needed that was not loaded; the next batch loads it.
    Missing(Key),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing.0)
    }
}

/// The row an idempotency key stands in: actor, operation and key, never two actors' in one.
pub fn idempotency_digest(env: &Envelope) -> Option<Digest> {
    let key = env.idempotency_key.as_ref()?;
    let parts = [env.actor.name.as_str().as_bytes(), env.operation.as_bytes(), key.as_bytes()];
    Some(fingerprint("interlock idempotency 1", &parts))
}

/// What to load before deciding this command.
pub fn keys(env: &Envelope) -> Keys {
    let mut keys = Keys::new();
    if let Some(digest) = idempotency_digest(env) {
        keys.insert(Key::Idempotency(digest));
    }
    // Whether the claim that the caller was started on still holds.
    keys.extend(env.actor.fence.and(env.actor.wake_id).map(Key::Wake));
    match &env.command {
        Command::RegisterAgent(command) => {
            keys.insert(Key::Agent(command.name.clone()));
        }
        Command::CreateThread(command) => {
            keys.extend(command.participants.iter().map(|(name, _)| Key::Agent(name.clone())));
            keys.insert(Key::Agent(env.actor.name.clone()));
        }
        Command::PostMessage(command) | Command::PostAsLead(command) => {
            thread::post_keys(command, &mut keys);
            keys.extend(guard::chain_keys(env));
        }
        Command::CancelMessage(command) => {
            let id = command.thread_id;
            keys.extend([Key::Thread(id), Key::ThreadWakes(id), Key::Message(id, command.message_id)]);
        }
        Command::AckRead(AckRead { thread_id, .. })
        | Command::RemoveParticipant(RemoveParticipant { thread_id, .. })
        | Command::RemindOwner(RemindOwner { thread_id, .. }) => {
            keys.extend([Key::Thread(*thread_id), Key::ThreadWakes(*thread_id)]);
        }
        Command::ChangeStatus(ChangeStatus { thread_id, .. })
        | Command::AssignOwner(AssignOwner { thread_id, .. })
        | Command::OperateThread(OperateThread { thread_id, .. })
        | Command::TriggerParticipant(TriggerParticipant { thread_id, .. }) => {
            keys.extend([Key::Thread(*thread_id), Key::ThreadWakes(*thread_id)]);
            // Whether an agent does it.
            keys.insert(Key::Agent(env.actor.name.clone()));
            keys.extend(guard::chain_keys(env));
        }
        Command::AddParticipant(command) => {
            keys.extend([Key::Thread(command.thread_id), Key::Agent(command.agent.clone())]);
        }
        Command::RetryWake(command) => {
            keys.extend([Key::Wake(command.wake_id), Key::Agent(env.actor.name.clone())]);
            keys.extend(guard::chain_keys(env));
        }
        Command::ClaimWakes(_)
        | Command::NoteSupervisor(_)
        | Command::NoteStranded { .. }
        | Command::HaltAgents
        | Command::Heartbeat { .. }
        | Command::ObserveSession(_)
        | Command::ResumeAgents { .. }
        | Command::RenewWakes(_)
        | Command::CancelWake(_)
        | Command::ReportWake(_)
        | Command::NoteCall { .. } => wake_keys(env, &mut keys),
        Command::CreateWebhook(_)
        | Command::UpdateWebhook(_)
        | Command::PauseWebhook { .. }
        | Command::RotateWebhookSecret(_)
        | Command::DeleteWebhook { .. } => drop(keys.insert(Key::Webhooks)),
        Command::AdvanceWebhook(_)
        | Command::EnqueueJob(_)
        | Command::ClaimJobs(_)
        | Command::RenewJob(_)
        | Command::FinishJob(_)
        | Command::RequeueJob(_) => job_keys(env, &mut keys),
        Command::TakeSnapshot(_) => drop(keys.insert(Key::Census)),
    }
    keys
}

/// See [`keys`], for what supervisors and sessions say.
fn wake_keys(env: &Envelope, keys: &mut Keys) {
    match &env.command {
        Command::ClaimWakes(command) => {
            keys.extend([Key::LiveWakes, Key::Halt, Key::Terminals]);
            // Who else could run it is asked for what this one cannot.
            keys.extend((!command.claimant.cannot_run.is_empty()).then_some(Key::Supervisors));
        }
        Command::NoteSupervisor(_) => drop(keys.insert(Key::Supervisors)),
        Command::NoteStranded { wake_id } => {
            keys.extend([Key::Wake(*wake_id), Key::Supervisors, Key::Halt]);
        }
        Command::HaltAgents => keys.extend([Key::LiveWakes, Key::Halt]),
        Command::Heartbeat { .. } => drop(keys.insert(Key::Sessions(env.actor.name.clone()))),
        Command::ObserveSession(command) => session::keys(env, command, keys),
        // Whether an agent does it.
        Command::ResumeAgents { .. } => keys.extend([Key::Halt, Key::Agent(env.actor.name.clone())]),
        Command::RenewWakes(command) => keys.extend(command.wakes.iter().map(|(id, _)| Key::Wake(*id))),
        Command::CancelWake(InterveneWake { wake_id, .. })
        | Command::ReportWake(ReportWake { wake_id, .. })
        | Command::NoteCall { wake_id } => drop(keys.insert(Key::Wake(*wake_id))),
        _ => {}
    }
}

/// See [`keys`], for what makes jobs or lets something become of them: that is counted, but for a sign of life.
fn job_keys(env: &Envelope, keys: &mut Keys) {
    match &env.command {
        Command::AdvanceWebhook(_) => keys.extend([Key::Webhooks, Key::JobTotals]),
        Command::EnqueueJob(new) => {
            keys.insert(Key::JobTotals);
            keys.extend(named(&new.kind, new.name.as_deref()));
        }
        Command::ClaimJobs(_) => keys.extend([Key::DueJobs, Key::JobTotals]),
        Command::RenewJob(RenewJob { job_id, .. }) => drop(keys.insert(Key::Job(*job_id))),
        Command::FinishJob(FinishJob { job_id, .. }) | Command::RequeueJob(RequeueJob { job_id, .. }) => {
            keys.extend([Key::Job(*job_id), Key::JobTotals]);
        }
        _ => {}
    }
}

fn named(kind: &str, name: Option<&str>) -> Option<Key> {
    name.map(|name| Key::JobNamed(kind.to_owned(), name.to_owned()))
}

/// What else to load, now that the first facts are there; empty for most commands.
pub fn more_keys(facts: &Facts, env: &Envelope, now: Timestamp) -> Keys {
    let mut keys = Keys::new();
    let thread_of = |id| [Key::Thread(id), Key::ThreadWakes(id)];
    match &env.command {
        Command::PostMessage(command) | Command::PostAsLead(command) => {
            // Whoever joins by speaking is woken later if a supervisor can.
            if let Ok(Some(thread)) = facts.thread(command.thread_id)
                && !thread.members.contains_key(&env.actor.name)
            {
                keys.insert(Key::Agent(env.actor.name.clone()));
            }
            if let Some(old) = command.terms.supersedes {
                keys.extend(wake::withdrawal_keys(facts, command.thread_id, old));
            }
        }
        Command::CancelMessage(command) => {
            keys.extend(wake::withdrawal_keys(facts, command.thread_id, command.message_id));
        }
        Command::RetryWake(InterveneWake { wake_id, .. })
        | Command::CancelWake(InterveneWake { wake_id, .. })
        | Command::NoteStranded { wake_id } => {
            if let Ok(Some(wake)) = facts.wake(*wake_id) {
                keys.extend(thread_of(wake.thread_id));
            }
        }
        Command::ReportWake(command) => {
            if let Ok(Some(wake)) = facts.wake(command.wake_id) {
                keys.extend(thread_of(wake.thread_id));
                keys.insert(Key::Agent(wake.agent.clone()));
            }
            if matches!(command.report, Report::Started { .. }) {
                // An agent has one process: what else of it runs or is claimed.
                keys.extend([Key::LiveWakes, Key::Halt]);
            } else if matches!(command.report, Report::Ended { outcome: Outcome::NotStarted, .. }) {
                keys.insert(Key::Halt);
            }
        }
        Command::ClaimWakes(command) => keys.extend(wake::claim_keys(facts, command, now)),
        Command::RenewWakes(command) => keys.extend(wake::renew_keys(facts, command)),
        Command::NoteCall { wake_id } => {
            // Its acceptance is a sign of life of the session that it runs in.
            keys.extend(facts.wake(*wake_id).ok().flatten().map(|wake| Key::Thread(wake.thread_id)));
        }
        Command::Heartbeat { .. } => {
            let name = &env.actor.name;
            keys.extend(session::more_keys(facts, name, &(name.clone(), None), &[]));
        }
        Command::ObserveSession(command) => {
            let ObserveSession { agent, session_id, threads, .. } = command;
            keys.extend(session::told_keys(facts, env, command));
            keys.extend(session::more_keys(facts, agent, &(agent.clone(), *session_id), threads));
        }
        Command::RequeueJob(RequeueJob { job_id, .. }) => {
            if let Ok(Some(job)) = facts.job(*job_id) {
                keys.extend(named(&job.kind, job.name.as_deref()));
            }
        }
        Command::UpdateWebhook(command) => keys.extend(webhook::resume_keys(facts, command)),
        Command::AdvanceWebhook(command) => keys.extend(webhook::advance_keys(facts, command)),
        _ => {}
    }
    keys.retain(|key| !facts.has(key));
    keys
}

/// What follows from a command on these facts at this time; pure and total.
///
/// # Errors
/// [`Stop::Refused`] when a rule says no, [`Stop::Missing`] when a fact was not loaded.
pub fn decide(facts: &Facts, env: &Envelope, now: &Now) -> Result<Decision, Stop> {
    if let Some(digest) = idempotency_digest(env)
        && let Some(used) = facts.used(&digest)?
    {
        if used.fingerprint != env.fingerprint {
            return Err(Refusal::new(
                Reason::KeyReused,
                "the idempotency key was used for another request of this operation",
            )
            .hint("use a new key for a new request, and the same key only for a retry")
            .into());
        }
        return Ok(Decision {
            reply: Reply::of(&used.events),
            replayed: Some(used.index),
            ..Decision::unchanged()
        });
    }
    if !matches!(env.command, Command::NoteCall { .. }) {
        wake::expect_held(facts, env)?;
    }
    match &env.command {
        Command::RegisterAgent(command) => agent::register(facts, env, command, now),
        Command::CreateThread(command) => thread::create(facts, env, command, now),
        Command::PostMessage(command) => thread::post(facts, env, command, now),
        Command::CancelMessage(command) => thread::cancel(facts, env, command, now),
        Command::AckRead(command) => thread::ack(facts, env, command),
        Command::ChangeStatus(command) => thread::change_status(facts, env, command, now),
        Command::AddParticipant(command) => thread::add(facts, env, command),
        Command::RemoveParticipant(command) => thread::remove(facts, env, command),
        Command::TriggerParticipant(command) => wake::trigger(facts, env, command, now),
        Command::RetryWake(command) => wake::retry(facts, env, command, now),
        Command::CancelWake(command) => wake::cancel(facts, env, command),
        Command::PostAsLead(command) => thread::post_as_lead(facts, env, command, now),
        Command::AssignOwner(command) => thread::assign_owner(facts, env, command, now),
        Command::RemindOwner(command) => thread::remind_owner(facts, env, command, now),
        Command::OperateThread(command) => thread::operate(facts, env, command, now),
        Command::ClaimWakes(command) => wake::claim(facts, env, command, now),
        Command::NoteSupervisor(command) => wake::note_supervisor(facts, command, now),
        Command::NoteStranded { wake_id } => wake::note_stranded(facts, env, *wake_id, now),
        Command::RenewWakes(command) => wake::renew(facts, command, now),
        Command::ReportWake(command) => wake::report(facts, env, command, now),
        Command::Heartbeat { is_active } => session::heartbeat(facts, env, *is_active, now),
        Command::ObserveSession(command) => session::observe(facts, env, command, now),
        Command::HaltAgents => wake::halt(facts, env),
        Command::EnqueueJob(new) => job::enqueue_alone(facts, env, new, now),
        Command::ClaimJobs(command) => job::claim(facts, env, command, now),
        Command::RenewJob(command) => job::renew(facts, command, now),
        Command::FinishJob(command) => job::finish(facts, env, command, now),
        Command::RequeueJob(command) => job::requeue(facts, env, command, now),
        Command::TakeSnapshot(command) => snapshot::take(facts, env, command, now),
        Command::ResumeAgents { since } => wake::resume(facts, env, *since),
        Command::CreateWebhook(command) => webhook::create(facts, env, command, now),
        Command::UpdateWebhook(command) => webhook::update(facts, env, command, now),
        Command::PauseWebhook { webhook_id, reason } => webhook::pause(facts, env, *webhook_id, *reason),
        Command::RotateWebhookSecret(command) => webhook::rotate(facts, env, command, now),
        Command::DeleteWebhook { webhook_id } => webhook::delete(facts, env, *webhook_id),
        Command::AdvanceWebhook(command) => webhook::advance(facts, env, command, now),
        Command::NoteCall { wake_id } => wake::note_call(facts, env, *wake_id),
    }
}
