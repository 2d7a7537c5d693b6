//! Jobs: who holds one, how often it is tried, and what becomes of it.

use interlock_core::actor::Role;
use interlock_core::command::{ClaimJobs, FinishJob, JobOutcome, RenewJob, RequeueJob};
use interlock_core::id::JobId;
use interlock_core::job::{Job, JobState, NewJob, RetryPolicy};
use interlock_core::limits::{
    CLAIM_JOBS_MAX, JOB_ERROR_BYTES_MAX, JOB_KEPT_MS, JOB_KIND_CHARS_MAX, JOB_NAME_BYTES_MAX,
    JOB_PAYLOAD_BYTES_MAX, REASON_BYTES_MAX,
};
use interlock_core::policy::Policy;
use interlock_core::{Command, Event, Reason, Refusal, Reply};
use serde_json::json;

use crate::refused;
use crate::world::{Done, World};

pub(crate) const LEASE_MS: i64 = 10_000;
pub(crate) const RETRY: RetryPolicy = RetryPolicy { base_ms: 1_000, cap_ms: 3_000, attempts_max: 3 };

pub(crate) fn new_job(name: Option<&str>) -> NewJob {
    NewJob {
        kind: "mail".into(),
        name: name.map(Into::into),
        payload: json!({"to": 1}),
        run_at: None,
        policy: RETRY,
    }
}

impl World {
    pub(crate) fn works(&mut self, command: Command) -> Result<Done, Refusal> {
        self.give_as("interlock", Role::Supervisor, command)
    }

    pub(crate) fn enqueues(&mut self, new: NewJob) -> Result<JobId, Refusal> {
        match self.works(Command::EnqueueJob(new))?.reply {
            Reply::Job(id) => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    /// Takes what is due; gives it with what died of silence.
    pub(crate) fn takes(&mut self, limit: u32) -> (Vec<Job>, Vec<Event>) {
        let claim = ClaimJobs { worker: "one".into(), limit, lease_ms: LEASE_MS };
        let done = self.works(Command::ClaimJobs(claim)).unwrap();
        match done.reply {
            Reply::Jobs(jobs) => (jobs, done.events),
            other => panic!("{other:?}"),
        }
    }

    fn takes_one(&mut self) -> Job {
        let mut jobs = self.takes(CLAIM_JOBS_MAX).0;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    pub(crate) fn finishes(&mut self, job: &Job, outcome: JobOutcome) -> Result<Done, Refusal> {
        self.works(Command::FinishJob(FinishJob { job_id: job.job_id, fence: job.fence, outcome }))
    }

    pub(crate) fn requeues(&mut self, job_id: JobId, text: &str) -> Result<Done, Refusal> {
        self.give("olga", Command::RequeueJob(RequeueJob { job_id, text: text.into() }))
    }

    pub(crate) fn job(&self, id: JobId) -> &Job {
        &self.rows.jobs[&id]
    }
}

pub(crate) fn world() -> World {
    let mut w = World::new();
    w.person("olga", Role::Operator);
    w
}

#[test]
fn a_job_is_tried_exactly_as_often_as_its_policy_says() {
    for attempts_max in 1..=12 {
        let mut w = world();
        let policy = RetryPolicy { attempts_max, ..RETRY };
        let id = w.enqueues(NewJob { policy, ..new_job(None) }).unwrap();
        let mut tried = 0;
        while w.job(id).state == JobState::Queued {
            w.advance_ms(RETRY.cap_ms);
            let job = w.takes_one();
            tried += 1;
            assert_eq!((job.attempts, job.fence), (tried, u64::from(tried)));
            let done = w.finishes(&job, JobOutcome::Failed("no".into())).unwrap();
            let died =
                Event::JobDied { job_id: id, job: "mail".into(), attempts: tried, reason: Reason::JobFailed };
            assert_eq!(done.events, if tried == attempts_max { vec![died] } else { Vec::new() });
        }
        assert_eq!((tried, w.job(id).state), (attempts_max, JobState::Dead));
        w.advance_ms(10 * JOB_KEPT_MS);
        assert_eq!(w.takes(CLAIM_JOBS_MAX), (Vec::new(), Vec::new()), "nothing comes of it by itself");
        assert_eq!(w.job(id).state, JobState::Dead, "and it is kept");
    }
}

#[test]
fn the_pause_is_stored_with_the_job() {
    let mut w = world();
    let policy = RetryPolicy { attempts_max: 9, ..RETRY };
    let id = w.enqueues(NewJob { policy, ..new_job(None) }).unwrap();
    for full in [1_000, 2_000, 3_000, 3_000] {
        let job = w.takes_one();
        w.finishes(&job, JobOutcome::Failed("no".into())).unwrap();
        let pause = w.job(id).run_at.ms_since(w.now());
        assert!((full / 2..=full).contains(&pause), "{pause} of {full}");
        w.advance_ms(pause - 1);
        assert!(w.takes(CLAIM_JOBS_MAX).0.is_empty(), "a millisecond too early");
        w.advance_ms(1);
    }
}

#[test]
fn a_pause_of_any_numbers_is_within_its_bounds() {
    for (base_ms, cap_ms, attempts, most) in
        [(0, 9, 1, 0), (5, 0, 3, 0), (-7, 9, 2, 0), (i64::MAX, i64::MAX, u32::MAX, i64::MAX), (1, 1, 60, 1)]
    {
        let policy = RetryPolicy { base_ms, cap_ms, attempts_max: 1 };
        let pause = policy.pause_ms(attempts, &[7; 32], JobId::from_u128(1));
        assert!((0..=most).contains(&pause), "{policy:?}: {pause}");
    }
}

#[test]
fn what_goes_silent_in_its_last_attempt_is_dead() {
    let mut w = world();
    let policy = RetryPolicy { attempts_max: 1, ..RETRY };
    let id = w.enqueues(NewJob { policy, ..new_job(None) }).unwrap();
    let job = w.takes_one();
    w.advance_ms(LEASE_MS - 1);
    assert!(w.takes(CLAIM_JOBS_MAX).1.is_empty(), "its lease holds");
    w.advance_ms(1);
    let (jobs, events) = w.takes(CLAIM_JOBS_MAX);
    assert!(jobs.is_empty());
    let died = Event::JobDied { job_id: id, job: "mail".into(), attempts: 1, reason: Reason::JobAbandoned };
    assert_eq!(events, [died]);
    assert_eq!(refused(w.finishes(&job, JobOutcome::Done)), Reason::JobLost);
}

#[test]
fn a_silent_worker_has_a_say_until_another_has_the_job() {
    let mut w = world();
    w.enqueues(new_job(None)).unwrap();
    let first = w.takes_one();
    w.advance_ms(2 * LEASE_MS);
    // Late, but nobody was given it meanwhile.
    let renew = RenewJob { job_id: first.job_id, fence: first.fence, lease_ms: LEASE_MS };
    w.works(Command::RenewJob(renew.clone())).unwrap();
    w.advance_ms(2 * LEASE_MS);
    let second = w.takes_one();
    assert_eq!((second.attempts, second.fence), (2, 2));
    assert_eq!(refused(w.works(Command::RenewJob(renew))), Reason::JobLost);
    assert_eq!(refused(w.finishes(&first, JobOutcome::Failed("late".into()))), Reason::JobLost);
    w.finishes(&second, JobOutcome::Done).unwrap();
    assert_eq!(w.job(second.job_id).error, None, "what failed before does not matter any more");
}

#[test]
fn what_is_hopeless_is_not_tried_again() {
    let mut w = world();
    w.enqueues(new_job(None)).unwrap();
    let job = w.takes_one();
    let done = w.finishes(&job, JobOutcome::Hopeless("é".repeat(JOB_ERROR_BYTES_MAX))).unwrap();
    assert_eq!(done.kinds(), ["job.died"]);
    let error = w.job(job.job_id).error.clone().unwrap();
    assert_eq!(error.len(), JOB_ERROR_BYTES_MAX, "cut, and not within a character");
}

#[test]
fn a_requeued_job_has_all_its_attempts_and_says_why_for_ever() {
    let mut w = world();
    let id = w.enqueues(new_job(Some("it"))).unwrap();
    let job = w.takes_one();
    assert_eq!(refused(w.requeues(id, "why not")), Reason::JobNotDead);
    w.finishes(&job, JobOutcome::Hopeless("gone".into())).unwrap();
    assert_eq!(refused(w.requeues(id, " \n")), Reason::ParameterInvalid);
    assert_eq!(refused(w.requeues(id, &"x".repeat(REASON_BYTES_MAX + 1))), Reason::LimitExceeded);
    assert_eq!(refused(w.requeues(JobId::from_u128(9), "why not")), Reason::JobNotFound);
    let done = w.requeues(id, &"x".repeat(REASON_BYTES_MAX)).unwrap();
    assert_eq!((done.kinds(), done.reply), (vec!["job.requeued".to_owned()], Reply::Job(id)));
    assert!(!serde_json::to_string(&done.events).unwrap().contains("xx"), "words stand beside the log");
    let again = w.takes_one();
    assert_eq!((again.job_id, again.attempts, again.fence, again.requeues), (id, 1, 2, 1));
    w.finishes(&again, JobOutcome::Done).unwrap();
    w.advance_ms(10 * JOB_KEPT_MS);
    w.takes(0);
    assert_eq!(w.job(id).requeued.as_ref().unwrap().by.as_str(), "olga");
}

#[test]
fn a_dead_job_waits_for_the_one_that_took_its_name() {
    let mut w = world();
    let id = w.enqueues(new_job(Some("it"))).unwrap();
    let job = w.takes_one();
    w.finishes(&job, JobOutcome::Hopeless("gone".into())).unwrap();
    let other = w.enqueues(new_job(Some("it"))).unwrap();
    assert_ne!(id, other);
    assert_eq!(refused(w.requeues(id, "why not")), Reason::JobExists);
    let job = w.takes_one();
    w.finishes(&job, JobOutcome::Done).unwrap();
    w.requeues(id, "why not").unwrap();
    assert_eq!(w.enqueues(new_job(Some("it"))).unwrap(), id, "it has its name again");
}

#[test]
fn what_is_too_long_is_not_taken() {
    let mut w = world();
    let named = |bytes| new_job(Some("x".repeat(bytes).as_str()));
    assert!(w.enqueues(named(JOB_NAME_BYTES_MAX)).is_ok());
    assert_eq!(refused(w.enqueues(named(JOB_NAME_BYTES_MAX + 1))), Reason::LimitExceeded);
    let of_kind = |kind: &str| NewJob { kind: kind.into(), ..new_job(None) };
    assert!(w.enqueues(of_kind(&"k".repeat(JOB_KIND_CHARS_MAX))).is_ok());
    for kind in ["", "two words", "Mail", "a\0b", &"k".repeat(JOB_KIND_CHARS_MAX + 1)] {
        assert_eq!(refused(w.enqueues(of_kind(kind))), Reason::ParameterInvalid, "{kind}");
    }
    // Two quotes belong to it.
    let filled = |bytes: usize| NewJob { payload: json!("x".repeat(bytes - 2)), ..new_job(None) };
    assert!(w.enqueues(filled(JOB_PAYLOAD_BYTES_MAX)).is_ok());
    assert_eq!(refused(w.enqueues(filled(JOB_PAYLOAD_BYTES_MAX + 1))), Reason::LimitExceeded);
}

#[test]
fn a_claim_takes_the_oldest_and_not_more_than_it_may() {
    let mut w = world();
    let mut ids = Vec::new();
    for n in 0..CLAIM_JOBS_MAX + 3 {
        let run_at = Some(w.now().plus_ms(-i64::from(n)));
        ids.push(w.enqueues(NewJob { run_at, ..new_job(None) }).unwrap());
    }
    ids.reverse();
    let first = w.takes(u32::MAX).0;
    let taken: Vec<JobId> = first.iter().map(|job| job.job_id).collect();
    assert_eq!(taken, ids[..taken.len()]);
    assert_eq!(taken.len(), usize::try_from(CLAIM_JOBS_MAX).unwrap());
    assert_eq!(w.takes(u32::MAX).0.len(), 3);
}

#[test]
fn a_policy_that_makes_no_sense_is_refused() {
    let of = |change: fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        policy.fault()
    };
    assert_eq!(of(|_| {}), None);
    assert!(of(|p| p.job_attempts_max = 0).unwrap().contains("job_attempts_max"));
    assert!(of(|p| p.job_backoff_ms = 0).unwrap().contains("job_backoff_ms"));
    assert!(of(|p| p.job_lease_ms = 86_400_001).unwrap().contains("job_lease_ms"));
    assert!(of(|p| p.job_backoff_max_ms = p.job_backoff_ms - 1).unwrap().contains("job_backoff_max_ms"));
    let retry = Policy { job_attempts_max: 4, ..Policy::default() }.job_retry();
    assert_eq!((retry.attempts_max, retry.base_ms, retry.cap_ms), (4, 2_000, 600_000));
}
