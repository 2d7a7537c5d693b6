//! Jobs against a small model: what is known of each by what was asked and answered.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::command::{JobOutcome, RenewJob};
use interlock_core::id::JobId;
use interlock_core::job::{Job, JobState, JobTotals, NewJob, RetryPolicy};
use interlock_core::limits::{CLAIM_JOBS_MAX, JOB_KEPT_MS};
use interlock_core::{Command, Event, Reason, Timestamp};
use proptest::prelude::*;

use crate::jobs::{LEASE_MS, RETRY, new_job, world};
use crate::refused;
use crate::world::World;

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Op {
    Enqueue { name: usize, attempts_max: u32, in_ms: i64 },
    Claim { limit: u32 },
    Finish { claim: usize, how: usize },
    Renew { claim: usize },
    Requeue { job: usize },
    Wait(i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..5_usize, 1..4_u32, prop_oneof![Just(0_i64), Just(700), Just(5_000)])
            .prop_map(|(name, attempts_max, in_ms)| Op::Enqueue { name, attempts_max, in_ms }),
        6 => (0..4_u32).prop_map(|limit| Op::Claim { limit }),
        6 => (0..20_usize, 0..5_usize).prop_map(|(claim, how)| Op::Finish { claim, how }),
        3 => (0..20_usize).prop_map(|claim| Op::Renew { claim }),
        3 => (0..20_usize).prop_map(|job| Op::Requeue { job }),
        6 => prop_oneof![Just(1_i64), Just(500), Just(1_500), Just(LEASE_MS), Just(JOB_KEPT_MS)].prop_map(Op::Wait),
    ]
}

/// What is known of a job by what was asked and answered.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    name: Option<String>,
    attempts_max: u32,
    attempts: u32,
    fence: u64,
    is: Is,
}

#[derive(Debug, Clone, PartialEq)]
enum Is {
    /// Not before the first, surely at the second.
    Waiting(Timestamp, Timestamp),
    Held(Timestamp),
    Done(Timestamp),
    Dead,
}

struct Model {
    w: World,
    jobs: BTreeMap<JobId, Known>,
    forgotten: BTreeSet<JobId>,
    claims: Vec<Job>,
    requeued: BTreeSet<JobId>,
    /// What became of jobs, counted as it was asked and answered; how long they took is not.
    totals: JobTotals,
}

impl Model {
    fn new() -> Self {
        Self {
            w: world(),
            jobs: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            claims: Vec::new(),
            requeued: BTreeSet::new(),
            totals: JobTotals::default(),
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Enqueue { name, attempts_max, in_ms } => self.enqueue(*name, *attempts_max, *in_ms),
            Op::Claim { limit } => self.claim(*limit),
            Op::Finish { claim, how } => self.finish(*claim, *how),
            Op::Renew { claim } => self.renew(*claim),
            Op::Requeue { job } => self.requeue(*job),
            Op::Wait(ms) => self.w.advance_ms(*ms),
        }
        self.agrees();
    }

    fn open_of(&self, name: &str) -> Option<JobId> {
        let is_it = |known: &Known| {
            known.name.as_deref() == Some(name) && matches!(known.is, Is::Waiting(..) | Is::Held(_))
        };
        self.jobs.iter().find(|(_, known)| is_it(known)).map(|(id, _)| *id)
    }

    fn enqueue(&mut self, name: usize, attempts_max: u32, in_ms: i64) {
        let name = (name > 0).then(|| format!("name {name}"));
        let at = self.w.now().plus_ms(in_ms);
        let policy = RetryPolicy { attempts_max, ..RETRY };
        let new = NewJob { policy, run_at: Some(at), ..new_job(name.as_deref()) };
        let there = name.as_deref().and_then(|name| self.open_of(name));
        let id = self.w.enqueues(new).unwrap();
        if let Some(there) = there {
            return assert_eq!(id, there, "a name is given once");
        }
        let known = Known { name, attempts_max, attempts: 0, fence: 0, is: Is::Waiting(at, at) };
        assert_eq!(self.jobs.insert(id, known), None);
        self.totals.accepted += 1;
    }

    /// A failed attempt; says whether it was the last.
    fn fails(known: &mut Known, at: Timestamp) -> bool {
        let is_last = known.attempts >= known.attempts_max;
        let full = (RETRY.base_ms << (known.attempts - 1)).min(RETRY.cap_ms);
        known.is = if is_last { Is::Dead } else { Is::Waiting(at.plus_ms(full / 2), at.plus_ms(full)) };
        is_last
    }

    fn claim(&mut self, limit: u32) {
        let now = self.w.now();
        let mut died = BTreeSet::new();
        for (id, known) in &mut self.jobs {
            match known.is {
                Is::Held(until) if until <= now => {
                    let is_dead = Self::fails(known, until);
                    died.extend(is_dead.then_some(*id));
                    self.totals.died += u64::from(is_dead);
                    self.totals.retried += u64::from(!is_dead);
                }
                Is::Done(at) if now.ms_since(at) >= JOB_KEPT_MS && !self.requeued.contains(id) => {
                    self.forgotten.insert(*id);
                }
                _ => {}
            }
        }
        self.jobs.retain(|id, _| !self.forgotten.contains(id));
        let (claimed, events) = self.w.takes(limit);
        let told = events.iter().map(|event| match event {
            Event::JobDied { job_id, reason: Reason::JobAbandoned, .. } => *job_id,
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<BTreeSet<_>>(), died);
        for job in &claimed {
            let known = self.jobs.get_mut(&job.job_id).unwrap();
            assert!(matches!(known.is, Is::Waiting(first, _) if first <= now), "{known:?}");
            (known.attempts, known.fence) = (known.attempts + 1, known.fence + 1);
            assert_eq!((job.attempts, job.fence), (known.attempts, known.fence));
            assert!(job.attempts <= known.attempts_max);
            known.is = Is::Held(now.plus_ms(LEASE_MS));
            self.totals.claimed += 1;
        }
        let left = self.jobs.values().filter(|known| matches!(known.is, Is::Waiting(_, sure) if sure <= now));
        assert!(
            left.count() == 0 || claimed.len() == usize::try_from(limit).unwrap(),
            "a claim leaves nothing that it may have"
        );
        self.claims.extend(claimed);
    }

    fn finish(&mut self, claim: usize, how: usize) {
        let Some(job) = self.claims.get(claim % self.claims.len().max(1)).cloned() else { return };
        let outcome = match how {
            0 | 1 => JobOutcome::Done,
            2 => JobOutcome::Failed("no".into()),
            3 => JobOutcome::Hopeless("never".into()),
            _ => JobOutcome::Later(self.w.now().plus_ms(300)),
        };
        let now = self.w.now();
        let result = self.w.finishes(&job, outcome);
        self.totals.put_off += u64::from(how == 4 && result.is_ok());
        let Some(known) = self.holder(&job) else {
            assert!(matches!(refused(result), Reason::JobLost | Reason::JobNotFound));
            return;
        };
        let is_dead = match how {
            0 | 1 => {
                known.is = Is::Done(now);
                false
            }
            2 => Self::fails(known, now),
            3 => {
                known.is = Is::Dead;
                true
            }
            _ => {
                known.attempts -= 1;
                known.is = Is::Waiting(now.plus_ms(300), now.plus_ms(300));
                false
            }
        };
        self.totals.completed += u64::from(how <= 1);
        self.totals.retried += u64::from(how == 2 && !is_dead);
        self.totals.died += u64::from(is_dead);
        assert_eq!(result.unwrap().kinds(), if is_dead { vec!["job.died"] } else { Vec::new() });
    }

    /// The job, as long as this claim of it holds.
    fn holder(&mut self, claim: &Job) -> Option<&mut Known> {
        let known = self.jobs.get_mut(&claim.job_id)?;
        (matches!(known.is, Is::Held(_)) && known.fence == claim.fence).then_some(known)
    }

    fn renew(&mut self, claim: usize) {
        let Some(job) = self.claims.get(claim % self.claims.len().max(1)).cloned() else { return };
        let renew = RenewJob { job_id: job.job_id, fence: job.fence, lease_ms: LEASE_MS };
        let until = self.w.now().plus_ms(LEASE_MS);
        let result = self.w.works(Command::RenewJob(renew));
        match self.holder(&job) {
            Some(known) => known.is = Is::Held(until),
            None => assert!(matches!(refused(result), Reason::JobLost | Reason::JobNotFound)),
        }
    }

    fn requeue(&mut self, job: usize) {
        let Some(id) = self.jobs.keys().nth(job % self.jobs.len().max(1)).copied() else { return };
        let known = self.jobs[&id].clone();
        let is_taken = known.name.as_deref().is_some_and(|name| self.open_of(name).is_some());
        let result = self.w.requeues(id, "once more");
        if known.is != Is::Dead {
            return assert_eq!(refused(result), Reason::JobNotDead);
        }
        if is_taken {
            return assert_eq!(refused(result), Reason::JobExists);
        }
        result.unwrap();
        let now = self.w.now();
        self.jobs.insert(id, Known { attempts: 0, is: Is::Waiting(now, now), ..known });
        self.requeued.insert(id);
        self.totals.requeued += 1;
    }

    /// The rows say what the model says.
    fn agrees(&self) {
        let ids: Vec<_> = self.w.rows.jobs.keys().collect();
        assert_eq!(ids, self.jobs.keys().collect::<Vec<_>>(), "no job is lost, and none made up");
        for (id, known) in &self.jobs {
            let job = self.w.job(*id);
            assert_eq!((job.attempts, job.fence), (known.attempts, known.fence));
            match known.is {
                Is::Waiting(first, sure) => {
                    assert_eq!((job.state, &job.lease), (JobState::Queued, &None));
                    assert!(first <= job.run_at && job.run_at <= sure, "{job:?}");
                }
                Is::Held(until) => {
                    assert_eq!(job.state, JobState::Running);
                    assert_eq!(job.lease.as_ref().unwrap().until, until);
                }
                Is::Done(at) => assert_eq!((job.state, job.finished_at), (JobState::Completed, Some(at))),
                Is::Dead => assert_eq!((job.state, &job.lease), (JobState::Dead, &None)),
            }
        }
        self.is_counted();
    }

    /// What became of jobs is counted, each once, and adds up with the rows that are there.
    fn is_counted(&self) {
        let JobTotals { taken_ms, within, .. } = self.w.rows.job_totals;
        assert_eq!(self.w.rows.job_totals, JobTotals { taken_ms, within, ..self.totals.clone() });
        let JobTotals { accepted, claimed, retried, put_off, completed, died, requeued, .. } = self.totals;
        assert_eq!(within.iter().sum::<u64>(), completed);
        let standing = self.w.rows.census(&[]).jobs;
        let of = |state| standing.get(&state).copied().unwrap_or(0);
        let (waiting, running, dead) = (of(JobState::Queued), of(JobState::Running), of(JobState::Dead));
        assert_eq!(accepted, completed + dead + waiting + running, "none is lost");
        assert_eq!(claimed, completed + retried + put_off + died + running, "each claim came to something");
        assert_eq!(dead, died - requeued);
    }

    /// Work goes on until nothing is left to do.
    fn drain(&mut self) {
        while self.jobs.values().any(|known| matches!(known.is, Is::Waiting(..) | Is::Held(_))) {
            self.w.advance_ms(LEASE_MS);
            self.claim(CLAIM_JOBS_MAX);
            let held = self.claims.len();
            self.finish(held.saturating_sub(1), 2);
            self.agrees();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_workers_do_every_job_comes_to_its_end_once(ops in prop::collection::vec(op(), 1..80)) {
        let mut model = Model::new();
        for op in &ops {
            model.step(op);
        }
        model.drain();
        let over = |job: &Job| matches!(job.state, JobState::Completed | JobState::Dead);
        prop_assert!(model.w.rows.jobs.values().all(over));
    }
}
