//! The job queue.

use std::sync::Arc;

use interlock_core::command::{ClaimJobs, FinishJob, JobOutcome, RenewJob, RequeueJob};
use interlock_core::facts::{Key, Keys};
use interlock_core::id::{JobId, WorkspaceId};
use interlock_core::job::{Job, JobState, NewJob, RetryPolicy};
use interlock_core::limits::JOB_KEPT_MS;
use interlock_core::{Command, Event, Reason, Refusal, Reply};
use interlock_store::{JobFilter, Page, Store};
use serde_json::json;

use super::probe::load;
use crate::{Database, Sequencer, Story};

const LEASE_MS: i64 = 1_000;

pub(crate) fn new_job(kind: &str, name: Option<&str>, attempts_max: u32) -> NewJob {
    NewJob {
        kind: kind.into(),
        name: name.map(Into::into),
        payload: json!({"text": "\u{1F980} \"quoted\"\u{0}"}),
        run_at: None,
        policy: RetryPolicy { base_ms: 100, cap_ms: 1_000, attempts_max },
    }
}

pub(crate) fn requeue(job_id: JobId) -> Command {
    Command::RequeueJob(RequeueJob { job_id, text: "the receiver is mended".into() })
}

async fn begin(database: &Arc<dyn Database>) -> (Arc<dyn Store>, Story, WorkspaceId) {
    let store = database.open().await;
    let tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    (store, tale, ws)
}

impl Story {
    pub(crate) async fn does(&mut self, command: Command) -> Result<(Reply, Vec<Event>), Refusal> {
        let envelope = self.envelope("olga", command);
        self.sequencer.give(envelope).await.map(|done| (done.reply, done.events))
    }

    /// Asks for a job; one of a name that is taken is the one there is.
    pub(crate) async fn enqueue(&mut self, new: NewJob) -> JobId {
        let (reply, _) = self.does(Command::EnqueueJob(new)).await.unwrap();
        let Reply::Job(id) = reply else { panic!("no job: {reply:?}") };
        id
    }

    /// Takes due jobs; gives them with the events of those that died of silence.
    pub(crate) async fn take_jobs(&mut self, worker: &str, limit: u32) -> (Vec<Job>, Vec<Event>) {
        let claim = ClaimJobs { worker: worker.into(), limit, lease_ms: LEASE_MS };
        let (reply, events) = self.does(Command::ClaimJobs(claim)).await.unwrap();
        let Reply::Jobs(jobs) = reply else { panic!("no jobs: {reply:?}") };
        (jobs, events)
    }

    /// What the holder of a claim says.
    pub(crate) async fn finish(&mut self, job: &Job, outcome: JobOutcome) -> Result<Vec<Event>, Refusal> {
        let finish = FinishJob { job_id: job.job_id, fence: job.fence, outcome };
        self.does(Command::FinishJob(finish)).await.map(|(_, events)| events)
    }

    pub(crate) fn later(&mut self, ms: i64) {
        self.sequencer.wall = self.sequencer.wall.plus_ms(ms);
    }
}

/// A job is there when what asked for it is there, and is found by everything it is looked for by.
pub async fn jobs_are_enqueued_with_what_asked_for_them(database: Arc<dyn Database>) {
    let (store, mut tale, ws) = begin(&database).await;
    let thread = tale.open("work").await;
    let post = tale.say(thread, "ann", "please");
    let later = NewJob { run_at: Some(tale.sequencer.wall.plus_ms(5_000)), ..new_job("mail", None, 3) };
    let batch = vec![
        post,
        tale.envelope("olga", Command::EnqueueJob(later)),
        tale.envelope("olga", Command::EnqueueJob(new_job("push", Some("one two"), 3))),
    ];
    let (outcomes, committed) = tale.sequencer.run(batch).await;
    committed.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let made: Vec<Job> = tale.sequencer.mirror.jobs.values().cloned().collect();
    assert_eq!(made.len(), 2);
    drop(store);
    let store = database.open().await;
    for job in &made {
        assert_eq!(store.job(ws, job.job_id).await.unwrap().as_ref(), Some(job));
    }
    assert_eq!(store.job(ws, JobId::from_u128(1)).await.unwrap(), None);
    let all = |filter| store.jobs(ws, filter, Page { after: None, limit: 10 });
    let mut newest_first = made.clone();
    newest_first.reverse();
    assert_eq!(all(JobFilter::default()).await.unwrap(), newest_first);
    let first = store.jobs(ws, JobFilter::default(), Page { after: None, limit: 1 }).await.unwrap();
    let page = Page { after: Some(first[0].job_id), limit: 10 };
    assert_eq!(store.jobs(ws, JobFilter::default(), page).await.unwrap(), newest_first[1..]);
    let mail = all(JobFilter { kind: Some("mail".into()), state: Some(JobState::Queued) }).await.unwrap();
    assert_eq!(mail.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>(), ["mail"]);
    assert!(all(JobFilter { state: Some(JobState::Dead), kind: None }).await.unwrap().is_empty());
    let counts = store.job_counts(ws).await.unwrap();
    assert_eq!(counts.states, [(JobState::Queued, 2)].into());
    assert_eq!(counts.first_due_at, Some(tale.sequencer.wall));
    assert_eq!(store.next_job(ws).await.unwrap(), Some(tale.sequencer.wall));
    let named = Keys::from([
        Key::JobNamed("push".into(), "one two".into()),
        Key::JobNamed("mail".into(), "x".into()),
    ]);
    let (facts, _) = load(&store, ws, named).await;
    let push = made.iter().find(|job| job.kind == "push").unwrap();
    assert_eq!(facts.job_named("push", "one two").unwrap(), Some(push.job_id));
    assert_eq!(facts.job_named("mail", "x").unwrap(), None);
    assert!(store.dump(ws).await.unwrap().iter().all(|line| !line.starts_with("job ")), "operational");
}

/// No job is held twice, and who holds it no longer has no say in it.
pub async fn a_job_has_one_holder(database: Arc<dyn Database>) {
    let (store, mut tale, ws) = begin(&database).await;
    for _ in 0..3 {
        tale.enqueue(new_job("mail", None, 3)).await;
    }
    let claim = |worker: &str| ClaimJobs { worker: worker.into(), limit: 2, lease_ms: LEASE_MS };
    let two = [
        tale.envelope("olga", Command::ClaimJobs(claim("a"))),
        tale.envelope("olga", Command::ClaimJobs(claim("b"))),
    ];
    let (outcomes, committed) = tale.sequencer.run(two.to_vec()).await;
    committed.unwrap();
    let mut given: Vec<Vec<Job>> = outcomes
        .into_iter()
        .map(|outcome| match outcome.unwrap().reply {
            Reply::Jobs(jobs) => jobs,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(given.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let lost = given.remove(0).remove(0);
    assert!(given[0].iter().all(|job| job.job_id != lost.job_id));
    assert!(tale.take_jobs("c", 9).await.0.is_empty(), "all are held");
    // Renewed in time it stays; silent for long it goes to another, with the next fence.
    tale.later(LEASE_MS - 1);
    let keep = RenewJob { job_id: given[0][0].job_id, fence: given[0][0].fence, lease_ms: LEASE_MS };
    tale.does(Command::RenewJob(keep)).await.unwrap();
    tale.later(1);
    tale.take_jobs("c", 9).await;
    tale.later(101);
    let taken = tale.take_jobs("c", 9).await.0;
    assert_eq!(taken.len(), 2, "the one that was renewed is not among them");
    let mine = taken.into_iter().find(|job| job.job_id == lost.job_id).unwrap();
    assert_eq!((mine.fence, mine.attempts), (lost.fence + 1, 2));
    let refused = tale.finish(&lost, JobOutcome::Done).await.unwrap_err();
    assert_eq!(refused.reason, Reason::JobLost);
    let renew = RenewJob { job_id: lost.job_id, fence: lost.fence, lease_ms: LEASE_MS };
    assert_eq!(tale.does(Command::RenewJob(renew)).await.unwrap_err().reason, Reason::JobLost);
    assert!(tale.finish(&mine, JobOutcome::Done).await.unwrap().is_empty(), "done is no history");
    assert_eq!(tale.finish(&mine, JobOutcome::Done).await.unwrap_err().reason, Reason::JobLost);
    assert_eq!(store.job(ws, mine.job_id).await.unwrap().unwrap().state, JobState::Completed);
    assert!(store.dump(ws).await.unwrap().len() > 4);
}

/// After exactly so many attempts a job is dead, be it by failing or by silence in the last of them; a person lets it try
/// again, and both stand in the ledger.
pub async fn a_job_dies_after_its_last_attempt(database: Arc<dyn Database>) {
    let (store, mut tale, ws) = begin(&database).await;
    let (failing, silent) =
        (tale.enqueue(new_job("a", None, 3)).await, tale.enqueue(new_job("b", Some("n"), 3)).await);
    let mut died = Vec::new();
    for attempt in 1..=3 {
        let (jobs, events) = tale.take_jobs("w", 9).await;
        assert!(events.is_empty());
        assert_eq!(jobs.iter().map(|job| job.attempts).collect::<Vec<_>>(), [attempt; 2]);
        let job = jobs.iter().find(|job| job.job_id == failing).unwrap();
        died.extend(tale.finish(job, JobOutcome::Failed("no\0 luck".into())).await.unwrap());
        assert!(tale.take_jobs("w", 9).await.0.is_empty(), "it waits first");
        // The pause is over, and the other's lease too.
        tale.later(LEASE_MS);
        if attempt < 3 {
            assert!(tale.take_jobs("w", 0).await.1.is_empty());
            tale.later(LEASE_MS);
        }
    }
    let (jobs, events) = tale.take_jobs("w", 9).await;
    assert!(jobs.is_empty());
    died.extend(events);
    let expected = [(failing, "a", Reason::JobFailed), (silent, "b", Reason::JobAbandoned)]
        .map(|(job_id, job, reason)| Event::JobDied { job_id, job: job.into(), attempts: 3, reason });
    assert_eq!(died, expected);
    let dead = JobFilter { state: Some(JobState::Dead), kind: None };
    let dead = store.jobs(ws, dead, Page { after: None, limit: 9 }).await.unwrap();
    let mut errors: Vec<_> = dead.iter().map(|job| job.error.as_deref().unwrap()).collect();
    errors.sort_unstable();
    assert_eq!(errors, ["its worker went silent", "no  luck"]);
    assert_eq!(store.next_job(ws).await.unwrap(), None, "nothing more comes of them by itself");
    // A job of the same name is made meanwhile: the dead one must wait for its end.
    let other = tale.enqueue(new_job("b", Some("n"), 1)).await;
    assert_ne!(other, silent);
    assert_eq!(tale.does(requeue(silent)).await.unwrap_err().reason, Reason::JobExists);
    assert_eq!(tale.does(requeue(other)).await.unwrap_err().reason, Reason::JobNotDead);
    assert_eq!(tale.does(requeue(JobId::from_u128(1))).await.unwrap_err().reason, Reason::JobNotFound);
    let job = tale.take_jobs("w", 9).await.0.remove(0);
    tale.finish(&job, JobOutcome::Done).await.unwrap();
    let (reply, events) = tale.does(requeue(silent)).await.unwrap();
    assert_eq!(reply, Reply::Job(silent));
    assert!(matches!(&events[..], [Event::JobRequeued { job_id, .. }] if *job_id == silent));
    let again = tale.take_jobs("w", 9).await.0.remove(0);
    assert_eq!((again.job_id, again.attempts, again.fence), (silent, 1, 4));
    let died = tale.finish(&again, JobOutcome::Hopeless("gone".into())).await.unwrap();
    assert!(matches!(&died[..], [Event::JobDied { attempts: 1, .. }]), "no further attempt is made");
}

/// While a job of a name is not over there is no second one, not even in the same batch.
pub async fn a_name_is_taken_until_its_job_is_over(database: Arc<dyn Database>) {
    let (store, mut tale, ws) = begin(&database).await;
    let twice = [0, 1].map(|_| tale.envelope("olga", Command::EnqueueJob(new_job("mail", Some("x"), 1))));
    let (outcomes, committed) = tale.sequencer.run(twice.to_vec()).await;
    committed.unwrap();
    let replies: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().reply).collect();
    assert_eq!(replies[0], replies[1]);
    let first = tale.take_jobs("w", 9).await.0.remove(0);
    assert_eq!(tale.enqueue(new_job("mail", Some("x"), 1)).await, first.job_id, "held is not over");
    assert_ne!(tale.enqueue(new_job("mail", Some("y"), 1)).await, first.job_id);
    // Over, and asked for anew in the same batch.
    let done = FinishJob { job_id: first.job_id, fence: first.fence, outcome: JobOutcome::Done };
    let both = vec![
        tale.envelope("olga", Command::FinishJob(done)),
        tale.envelope("olga", Command::EnqueueJob(new_job("mail", Some("x"), 1))),
    ];
    let (outcomes, committed) = tale.sequencer.run(both).await;
    committed.unwrap();
    assert_ne!(outcomes[1].as_ref().unwrap().reply, Reply::Job(first.job_id));
    // What was done is kept for a while, and then forgotten.
    tale.later(JOB_KEPT_MS - 1);
    tale.take_jobs("w", 0).await;
    assert!(store.job(ws, first.job_id).await.unwrap().is_some());
    tale.later(1);
    tale.take_jobs("w", 0).await;
    assert_eq!(store.job(ws, first.job_id).await.unwrap(), None);
    assert_eq!(store.job_counts(ws).await.unwrap().states, [(JobState::Queued, 2)].into());
}
