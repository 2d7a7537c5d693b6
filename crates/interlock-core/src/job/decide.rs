//! Rules of jobs: one holder at a time, a pause after each failure, death after exactly so many attempts.

use super::{Job, JobLease, JobState, NewJob, Requeued};
use crate::command::{ClaimJobs, Envelope, FinishJob, JobOutcome, RenewJob, RequeueJob};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Reply};
use crate::id::JobId;
use crate::limits::{
    CLAIM_JOBS_MAX, JOB_ERROR_BYTES_MAX, JOB_KEPT_MS, JOB_KIND_CHARS_MAX, JOB_NAME_BYTES_MAX,
    JOB_PAYLOAD_BYTES_MAX, REASON_BYTES_MAX,
};
use crate::reason::{Reason, Refusal};
use crate::text::{Salt, digest};
use crate::thread::within;
use crate::time::{Now, Timestamp};

/// The `n`th job that a decision asks for, with the effect that makes it; none when one of that name is not over yet.
///
/// # Errors
/// Missing when its name was not looked up, `LIMIT_EXCEEDED` for a name or a payload that is too long.
pub fn enqueue(
    facts: &Facts,
    env: &Envelope,
    new: &NewJob,
    n: u32,
    now: &Now,
) -> Result<(JobId, Option<Effect>), Stop> {
    check_kind(&new.kind)?;
    within("the job's name", new.name.as_deref().unwrap_or_default(), JOB_NAME_BYTES_MAX)?;
    payload_fits(&new.payload)?;
    if let Some(name) = &new.name
        && let Some(job_id) = facts.job_named(&new.kind, name)?
    {
        return Ok((job_id, None));
    }
    // What becomes of jobs is counted with it, here and below.
    facts.job_totals()?;
    let job = Job {
        job_id: JobId::derive(now.wall, &env.entropy, n),
        kind: new.kind.clone(),
        name: new.name.clone(),
        payload: new.payload.clone(),
        policy: new.policy,
        state: JobState::Queued,
        run_at: new.run_at.unwrap_or(now.wall),
        attempts: 0,
        fence: 0,
        lease: None,
        error: None,
        enqueued_at: now.wall,
        finished_at: None,
        trace: env.trace.clone(),
        requeues: 0,
        requeued: None,
    };
    Ok((job.job_id, Some(Effect::Job(Box::new(job)))))
}

/// A kind of work is one word.
///
/// # Errors
/// `PARAMETER_INVALID`.
pub fn check_kind(kind: &str) -> Result<(), Refusal> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    if (1..=JOB_KIND_CHARS_MAX).contains(&kind.len()) && kind.bytes().all(fits) {
        return Ok(());
    }
    let detail = format!("a job's kind is 1 to {JOB_KIND_CHARS_MAX} of a-z 0-9 `_` `.`");
    Err(Refusal::new(Reason::ParameterInvalid, detail))
}

fn payload_fits(payload: &serde_json::Value) -> Result<(), Refusal> {
    let bytes = payload.to_string().len();
    if bytes <= JOB_PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("the job's payload has {bytes} bytes, at most {JOB_PAYLOAD_BYTES_MAX} are allowed");
    Err(Refusal::new(Reason::LimitExceeded, detail))
}

/// A job that nothing else asks for.
pub(crate) fn enqueue_alone(
    facts: &Facts,
    env: &Envelope,
    new: &NewJob,
    now: &Now,
) -> Result<Decision, Stop> {
    let (job_id, effect) = enqueue(facts, env, new, 0, now)?;
    Ok(answered(effect.into_iter().collect(), Vec::new(), Reply::Job(job_id)))
}

/// Due jobs for a worker, oldest first. Before that, what a worker that went silent held has failed, and what was done
/// long ago is forgotten.
pub(crate) fn claim(facts: &Facts, env: &Envelope, command: &ClaimJobs, now: &Now) -> Result<Decision, Stop> {
    facts.job_totals()?;
    let (mut events, mut effects, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    for job in facts.due_jobs()? {
        match job.state {
            JobState::Queued => ready.push(job.clone()),
            JobState::Running if job.due_at() <= now.wall => {
                let failed =
                    failed(env, job, Reason::JobAbandoned, "its worker went silent", job.due_at(), now);
                match failed {
                    (job, None) => ready.push(job),
                    (job, Some(event)) => {
                        effects.push(Effect::Job(Box::new(job)));
                        events.push(event);
                    }
                }
            }
            JobState::Completed if now.wall.ms_since(job.due_at()) >= JOB_KEPT_MS => {
                effects.push(Effect::ForgetJob(job.job_id));
            }
            JobState::Running | JobState::Completed | JobState::Dead => {}
        }
    }
    ready.sort_by_key(|job| (job.run_at, job.job_id));
    let limit = usize::try_from(command.limit.min(CLAIM_JOBS_MAX)).unwrap_or(0);
    let mut claimed = Vec::new();
    for job in ready {
        if claimed.len() < limit && job.run_at <= now.wall {
            let job = taken(job, command, now);
            effects.push(Effect::Job(Box::new(job.clone())));
            claimed.push(job);
        } else if facts.job(job.job_id)? != Some(&job) {
            // It has failed just now, and waits.
            effects.push(Effect::Job(Box::new(job)));
        }
    }
    Ok(answered(effects, events, Reply::Jobs(claimed)))
}

fn taken(job: Job, command: &ClaimJobs, now: &Now) -> Job {
    let until = now.wall.plus_ms(command.lease_ms);
    Job {
        state: JobState::Running,
        attempts: job.attempts.saturating_add(1),
        fence: job.fence.saturating_add(1),
        lease: Some(JobLease { worker: command.worker.clone(), until }),
        ..job
    }
}

/// The job after a failed attempt: it waits for the next, or it is dead.
fn failed(
    env: &Envelope,
    job: &Job,
    reason: Reason,
    error: &str,
    at: Timestamp,
    now: &Now,
) -> (Job, Option<Event>) {
    let error = Some(cut(error));
    if job.attempts >= job.policy.attempts_max {
        return died(job, reason, error, now);
    }
    let pause_ms = job.policy.pause_ms(job.attempts, &env.entropy, job.job_id);
    let job =
        Job { state: JobState::Queued, run_at: at.plus_ms(pause_ms), lease: None, error, ..job.clone() };
    (job, None)
}

fn died(job: &Job, reason: Reason, error: Option<String>, now: &Now) -> (Job, Option<Event>) {
    let event = Event::JobDied { job_id: job.job_id, job: job.kind.clone(), attempts: job.attempts, reason };
    let job = Job { state: JobState::Dead, lease: None, error, finished_at: Some(now.wall), ..job.clone() };
    (job, Some(event))
}

/// What is kept of an error in words.
fn cut(error: &str) -> String {
    let mut end = error.len().min(JOB_ERROR_BYTES_MAX);
    while !error.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    error.get(..end).unwrap_or_default().replace('\0', " ")
}

/// A worker still works on it.
pub(crate) fn renew(facts: &Facts, command: &RenewJob, now: &Now) -> Result<Decision, Stop> {
    let mut job = held(facts, command.job_id, command.fence)?;
    if let Some(lease) = &mut job.lease {
        lease.until = now.wall.plus_ms(command.lease_ms);
    }
    let job_id = job.job_id;
    Ok(answered(vec![Effect::Job(Box::new(job))], Vec::new(), Reply::Job(job_id)))
}

/// What became of an attempt, in the word of the worker that made it.
pub(crate) fn finish(
    facts: &Facts,
    env: &Envelope,
    command: &FinishJob,
    now: &Now,
) -> Result<Decision, Stop> {
    facts.job_totals()?;
    let job = held(facts, command.job_id, command.fence)?;
    let (job, event) = match &command.outcome {
        JobOutcome::Done => {
            let finished_at = Some(now.wall);
            (Job { state: JobState::Completed, lease: None, error: None, finished_at, ..job }, None)
        }
        JobOutcome::Failed(error) => failed(env, &job, Reason::JobFailed, error, now.wall, now),
        JobOutcome::Hopeless(error) => died(&job, Reason::JobFailed, Some(cut(error)), now),
        JobOutcome::FailedUntil(error, until) => {
            let (job, event) = failed(env, &job, Reason::JobFailed, error, now.wall, now);
            (Job { run_at: job.run_at.max(*until), ..job }, event)
        }
        JobOutcome::Later(until) => {
            let attempts = job.attempts.saturating_sub(1);
            (Job { state: JobState::Queued, run_at: *until, attempts, lease: None, ..job }, None)
        }
    };
    let job_id = job.job_id;
    Ok(answered(vec![Effect::Job(Box::new(job))], event.into_iter().collect(), Reply::Job(job_id)))
}

/// The job, when whoever says so holds it: nobody was given it since.
fn held(facts: &Facts, job_id: JobId, fence: u64) -> Result<Job, Stop> {
    let job = facts.job(job_id)?.ok_or_else(|| not_found(job_id))?;
    if job.state == JobState::Running && job.fence == fence {
        return Ok(job.clone());
    }
    let detail =
        format!("`{job_id}` is not held by claim {fence}: it is {} after claim {}", job.state, job.fence);
    Err(Refusal::new(Reason::JobLost, detail).hint("stop working on it").into())
}

/// A person lets a dead job try again, with all its attempts.
pub(crate) fn requeue(
    facts: &Facts,
    env: &Envelope,
    command: &RequeueJob,
    now: &Now,
) -> Result<Decision, Stop> {
    let RequeueJob { job_id, text } = command;
    let job_id = *job_id;
    if text.trim().is_empty() {
        let detail = "a job is requeued for a reason, and none is given";
        return Err(Refusal::new(Reason::ParameterInvalid, detail).hint("say why in `text`").into());
    }
    within("the reason", text, REASON_BYTES_MAX)?;
    facts.job_totals()?;
    let job = facts.job(job_id)?.ok_or_else(|| not_found(job_id))?;
    if job.state != JobState::Dead {
        let detail = format!("`{job_id}` is {}, and only a dead job is requeued", job.state);
        return Err(Refusal::new(Reason::JobNotDead, detail).into());
    }
    if let Some(name) = &job.name
        && let Some(other) = facts.job_named(&job.kind, name)?
    {
        let detail = format!("`{other}` does the same and is not over yet");
        return Err(Refusal::new(Reason::JobExists, detail).into());
    }
    let (by, text_salt) = (env.actor.name.clone(), Salt::derive(&env.entropy, 0));
    let requeued = Requeued { by: by.clone(), at: now.wall, text: text.clone(), salt: text_salt.0 };
    let event = Event::JobRequeued {
        job_id,
        job: job.kind.clone(),
        by,
        text_digest: digest(&text_salt, &[text.as_bytes()]),
        text: text.clone(),
        text_salt,
    };
    let job = Job {
        state: JobState::Queued,
        run_at: now.wall,
        attempts: 0,
        finished_at: None,
        requeues: job.requeues.saturating_add(1),
        requeued: Some(requeued),
        ..job.clone()
    };
    Ok(answered(vec![Effect::Job(Box::new(job))], vec![event], Reply::Job(job_id)))
}

/// The refusal for a job that is not there.
pub fn not_found(job_id: JobId) -> Refusal {
    Refusal::new(Reason::JobNotFound, format!("there is no job `{job_id}`"))
}

const fn answered(effects: Vec<Effect>, events: Vec<Event>, reply: Reply) -> Decision {
    Decision { events, effects, reply, replayed: None }
}
