//! The runner of jobs: claims what is due, works on a few at once, says what became of each.
//!
//! Nobody waits for it, and it may be killed at any instant: what it held is taken by another when the lease has run
//! out, and counts as a failed attempt. So work is done at least once, and must bear to be done again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::command::{ClaimJobs, Command, FinishJob, JobOutcome, RenewJob};
use interlock_core::facts::Reply;
use interlock_core::id::WorkspaceId;
use interlock_core::job::Job;
use interlock_core::limits::{CLAIM_JOBS_MAX, JOB_RUN_MS_MAX, JOBS_AT_ONCE_MAX};
use interlock_core::policy::Policy;
use interlock_core::{Reason, Refusal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::committer::Outcome;
use crate::engine::{Engine, Request};
use crate::notify::Watch;

/// What stands as actor in the ledger where a job's end is history.
const NAME: &str = "interlock";
/// The shortest pause between two looks.
const PAUSE_MS_MIN: i64 = 10;
/// Between two looks while something is due that a claim has not given.
const OVERDUE_MS: i64 = 50;
/// Between two tries to say what became of a job, while the store is away.
const RETRY: Duration = Duration::from_millis(250);
/// How long work in hand may take when the runner is told to stop; then it is left to its lease.
const STOP: Duration = Duration::from_secs(3);

/// How one kind of job is done.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// The kind.
    fn kind(&self) -> &'static str;

    /// Do it; what was done before by an attempt that did not come to its end may be done again.
    ///
    /// What it says of a failure is shown to people who look at jobs: no secret, no answer of a stranger as it came.
    async fn run(&self, job: &Job) -> JobOutcome;

    /// How long one attempt may take.
    fn run_ms_max(&self) -> i64 {
        JOB_RUN_MS_MAX
    }
}

/// How a runner works.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// Its name, for people who look at jobs.
    pub worker: String,
    /// For how long it holds a job without a sign of life.
    pub lease_ms: i64,
    /// Jobs at once.
    pub concurrency: u32,
}

impl RunnerOptions {
    /// A runner of this name, as the policy has it.
    pub const fn of(policy: &Policy, worker: String) -> Self {
        Self { worker, lease_ms: policy.job_lease_ms, concurrency: JOBS_AT_ONCE_MAX }
    }
}

/// Works on a workspace's jobs.
pub struct JobRunner {
    engine: Arc<Engine>,
    actor: Actor,
    options: RunnerOptions,
    works: BTreeMap<&'static str, Arc<dyn Work>>,
}

impl JobRunner {
    /// A runner of these kinds of work.
    ///
    /// # Errors
    /// `INTERNAL` never, but for a name that is none.
    pub fn new(
        engine: Arc<Engine>,
        workspace_id: WorkspaceId,
        options: RunnerOptions,
        works: Vec<Arc<dyn Work>>,
    ) -> Result<Self, Refusal> {
        let name = AgentName::parse(NAME).map_err(|error| Refusal::new(Reason::Defect, error.to_string()))?;
        let actor = Actor {
            name,
            role: Role::Supervisor,
            workspace_id,
            session_id: None,
            wake_id: None,
            fence: None,
        };
        let works = works.into_iter().map(|work| (work.kind(), work)).collect();
        Ok(Self { engine, actor, options, works })
    }

    /// Work until told to stop; what is in hand then has a few seconds. Dropped at any time, it leaves everything to its
    /// leases.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let runner = Arc::new(self);
        let mut in_hand = JoinSet::new();
        let mut watch = runner.engine.watch();
        while !*stop.borrow() {
            watch.catch_up();
            let free = runner.free(in_hand.len());
            let claimed = if free == 0 { Ok(Vec::new()) } else { runner.claim(free).await };
            let is_well = claimed.is_ok();
            let claimed = claimed.unwrap_or_else(|refusal| {
                tracing::warn!(%refusal, "jobs.not_claimed");
                Vec::new()
            });
            let is_full = is_well && claimed.len() == usize::try_from(free).unwrap_or(usize::MAX);
            for job in claimed {
                in_hand.spawn(Arc::clone(&runner).work_on(job));
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                // A panic is a failed attempt like any other: its lease runs out.
                Some(_) = in_hand.join_next() => {}
                () = runner.pause(&mut watch, is_well), if !is_full => {}
            }
        }
        let rest = async { while in_hand.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP, rest).await.is_err() {
            tracing::warn!("jobs.left_to_their_leases");
        }
    }

    fn free(&self, in_hand: usize) -> u32 {
        let in_hand = u32::try_from(in_hand).unwrap_or(u32::MAX);
        self.options.concurrency.saturating_sub(in_hand).min(CLAIM_JOBS_MAX)
    }

    async fn submit(&self, command: Command, trace: Option<String>) -> Result<Outcome, Refusal> {
        let request = Request { request_id: self.options.worker.clone(), trace, ..Request::default() };
        self.engine.submit(self.actor.clone(), "run_jobs", &request, command).await
    }

    async fn claim(&self, limit: u32) -> Result<Vec<Job>, Refusal> {
        let claim = ClaimJobs { worker: self.options.worker.clone(), limit, lease_ms: self.options.lease_ms };
        match self.submit(Command::ClaimJobs(claim), None).await?.reply {
            Reply::Jobs(jobs) => Ok(jobs),
            other => Err(Refusal::new(Reason::Defect, format!("a claim was answered with {other:?}"))),
        }
    }

    /// Until a job is enqueued or falls due, but no longer than the polling interval. Where a claim has failed, what is due
    /// is no reason to come back sooner.
    async fn pause(&self, watch: &mut Watch, is_well: bool) {
        let (ws, interval) = (self.actor.workspace_id, self.engine.policy().poll_interval_ms);
        let due = if is_well { self.engine.store().next_job(ws).await } else { Ok(None) };
        let pause_ms = match due {
            // Due by this machine's clock, but not by the database's, or another server's by now.
            Ok(Some(due)) if due <= self.engine.now() => OVERDUE_MS.min(interval),
            Ok(Some(due)) => due.ms_since(self.engine.now()).clamp(PAUSE_MS_MIN, interval.max(PAUSE_MS_MIN)),
            Ok(None) => interval,
            Err(error) => {
                tracing::warn!(%error, "jobs.not_looked_at");
                interval
            }
        };
        let until = Instant::now() + Duration::from_millis(u64::try_from(pause_ms).unwrap_or(1_000));
        watch.wait(until, |note| note.workers && note.workspace_id == ws).await;
    }

    async fn work_on(self: Arc<Self>, job: Job) {
        let outcome = match self.works.get(job.kind.as_str()) {
            None => Some(JobOutcome::Failed(format!("this server does no `{}`", job.kind))),
            Some(work) => self.while_held(&job, in_time(work.as_ref(), &job)).await,
        };
        if let Some(outcome) = outcome {
            self.finish(&job, outcome).await;
        }
    }

    /// Say what became of an attempt, also when the store is away for a while: what is done need not be done again.
    async fn finish(&self, job: &Job, outcome: JobOutcome) {
        let finish = FinishJob { job_id: job.job_id, fence: job.fence, outcome };
        let until = Instant::now() + Duration::from_millis(u64::try_from(self.options.lease_ms).unwrap_or(0));
        while let Err(refusal) = self.submit(Command::FinishJob(finish.clone()), job.trace.clone()).await {
            if !refusal.code().is_retryable() || Instant::now() >= until {
                // Another has it by now, or will when the lease has run out; or an answer that was lost has said so already.
                tracing::warn!(job_id = %job.job_id, kind = job.kind, %refusal, "job.end_not_noted");
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The outcome of work, for as long as the job is held; `None` when it was lost to another, or may be by now.
    async fn while_held(&self, job: &Job, doing: impl Future<Output = JobOutcome>) -> Option<JobOutcome> {
        let lease_ms = self.options.lease_ms;
        let lease = Duration::from_millis(u64::try_from(lease_ms).unwrap_or(1).max(1));
        let mut held_until = Instant::now() + lease;
        tokio::pin!(doing);
        loop {
            tokio::select! {
                outcome = &mut doing => return Some(outcome),
                () = tokio::time::sleep(lease / 3) => {}
            }
            let asked_at = Instant::now();
            let renew = RenewJob { job_id: job.job_id, fence: job.fence, lease_ms };
            match self.submit(Command::RenewJob(renew), job.trace.clone()).await {
                Err(refusal) if matches!(refusal.reason, Reason::JobLost | Reason::JobNotFound) => {
                    tracing::warn!(job_id = %job.job_id, kind = job.kind, "job.lost");
                    return None;
                }
                Err(refusal) if Instant::now() >= held_until => {
                    tracing::warn!(job_id = %job.job_id, kind = job.kind, %refusal, "job.let_go");
                    return None;
                }
                Err(refusal) => tracing::warn!(job_id = %job.job_id, %refusal, "job.not_renewed"),
                Ok(_) => held_until = asked_at + lease,
            }
        }
    }
}

/// One attempt, which ends when its time is up.
async fn in_time(work: &dyn Work, job: &Job) -> JobOutcome {
    let ms = work.run_ms_max();
    let limit = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let ended = tokio::time::timeout(limit, work.run(job)).await;
    ended.unwrap_or_else(|_| JobOutcome::Failed(format!("it took longer than {ms} ms")))
}
