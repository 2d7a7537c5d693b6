//! `pilot --chaos`: what kills teams of agents is done to a real job, one thing after the other, and shown with evidence.
//!
//! A step has a file, a judge and a time limit. It acts on the running system, measures, and hands its measurements to
//! [`judge`], which is pure and says what did not hold; [`step`] has the order, and what became of each. A step that does
//! not show what it should makes the run fail, and the others are done all the same.
//!
//! Deliberately absent: switches in the product that would make it fail. What is killed is killed from outside.

mod agent;
mod finish;
mod judge;
mod ledger;
mod notes;
mod processes;
mod repeat;
mod server;
mod step;

use std::collections::VecDeque;

use interlock_api::Problem;
use interlock_api::v1::thread::TimelineItem;
use interlock_core::Reason;
use interlock_core::id::WakeId;
use interlock_core::policy::CONSTANTS;
use serde_json::Value;

pub(crate) use processes::agents_end;
pub(crate) use repeat::{FIRST, SECOND};
pub(crate) use step::Step;

use super::Run;
use super::follow::Following;
use super::outcome::Verdict;
use crate::child::Child;
use crate::context::Context;
use crate::render::style::Paint;
use step::Kind;

/// What the instance of such a run says of its policy, so that nobody waits for what is not shown.
pub(crate) const POLICY: &[(&str, i64)] = &[("retry_backoff_ms", 200), ("wakes_per_minute_max", 0)];
/// How long one look at the thread waits.
const WAIT_MS: u32 = 5_000;

/// A chaos run in progress.
struct Chaos<'r, 'a> {
    run: &'r mut Run<'a>,
    following: Following,
    /// What was read of the job's thread and not looked at yet.
    unread: VecDeque<TimelineItem>,
    /// The messages of the job that this process was told of.
    heard: Vec<judge::Place>,
    /// The entry that says that an agent was killed.
    killed_at: Option<u64>,
    /// The signed head of the ledger when a byte of its copy was changed.
    head: Option<judge::Head>,
    /// What was seen of the thread in which agents repeat themselves.
    silence: Option<repeat::Silence>,
}

/// All of it; says how the job went. What became of each step stands in the outcome.
///
/// # Errors
/// `CHAOS_STEP_FAILED` when a step did not show what it should; the server's problems.
pub(crate) async fn perform(run: &mut Run<'_>) -> Result<Verdict, Problem> {
    introduce(run);
    run.outcome.chaos = Some(Vec::new());
    let mut chaos = Chaos {
        run,
        following: Following::default(),
        unread: VecDeque::new(),
        heard: Vec::new(),
        killed_at: None,
        head: None,
        silence: None,
    };
    let mut verdict = Verdict::NotConverged;
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        chaos.run.show.heading(&format!("{}. {}", n + 1, kind.heading()));
        let step = chaos.take(kind, &mut verdict).await;
        chaos.conclude(step);
    }
    let steps = chaos.run.outcome.chaos.as_deref().unwrap_or_default();
    match failed(steps) {
        Some(problem) => Err(problem),
        None => Ok(verdict),
    }
}

/// What is going to happen, and what is not as usual.
fn introduce(run: &Run<'_>) {
    let set = POLICY.iter().filter_map(|(name, value)| {
        let usual = CONSTANTS.iter().find(|constant| constant.name == *name)?.default;
        Some(format!("`{name}` is {value} instead of {usual}"))
    });
    run.show.paragraph(&format!(
        "While they work, the pilot does to them what usually ends such a job. Every number is measured on this run. For \
         speed, this instance's policy differs from the usual one: {}.",
        set.collect::<Vec<_>>().join(", ")
    ));
}

/// The problem of a run with steps that did not show what they should.
fn failed(steps: &[Step]) -> Option<Problem> {
    let bad = steps.iter().enumerate().filter(|(_, step)| !step.ok);
    let said: Vec<String> =
        bad.map(|(n, step)| format!("step {} ({}): {}", n + 1, step.kind().did(), step.happened)).collect();
    (!said.is_empty()).then(|| {
        Problem::new(Reason::ChaosStepFailed, &said.join("; "), "")
            .hint("look at the instance that was kept, and at its logs")
    })
}

impl Chaos<'_, '_> {
    /// Do one step, as long as it may take.
    async fn take(&mut self, kind: Kind, verdict: &mut Verdict) -> Step {
        let work = async {
            match kind {
                Kind::ServerKilled => server::kill(self).await,
                Kind::AgentKilled => agent::kill(self).await,
                Kind::AgentsRepeat => repeat::repeat(self).await,
                Kind::LedgerChanged => ledger::change(self).await,
                Kind::JobDone => finish::finish(self, verdict).await,
            }
        };
        match tokio::time::timeout(kind.limit(), work).await {
            Ok(Ok(step)) => step,
            Ok(Err(problem)) => Step::cut_off(kind, &problem.detail),
            Err(_) => Step::cut_off(kind, &format!("it did not come about in {} s", kind.limit().as_secs())),
        }
    }

    /// Say how a step went, and keep it.
    fn conclude(&mut self, step: Step) {
        if step.ok {
            self.tell("shown", Paint::Green, &step.happened);
        } else {
            self.tell("NOT SHOWN", Paint::Red, &step.happened);
        }
        self.run.outcome.chaos.get_or_insert_default().push(step);
    }

    /// Say what was done or seen just now.
    fn tell(&self, label: &str, paint: Paint, text: &str) {
        self.run.show.fact(Context::now(), label, paint, text);
    }

    /// Read on in the job's thread, which shows it.
    async fn read(&mut self, wait_ms: u32) -> Result<Vec<TimelineItem>, Problem> {
        let run = &mut *self.run;
        let items = self.following.next(run.cast, run.show, run.outcome, wait_ms).await?;
        let said = items.iter().filter_map(|item| item.message.as_ref());
        self.heard.extend(said.map(|message| (message.seq, message.message_id.to_string())));
        Ok(items)
    }

    /// The next thing that happens in the job's thread.
    ///
    /// # Errors
    /// `NOT_CONVERGED` when the job has ended; the server's problems.
    async fn next(&mut self) -> Result<TimelineItem, Problem> {
        loop {
            if let Some(item) = self.unread.pop_front() {
                return Ok(item);
            }
            if let Some(status) = self.following.ended {
                let detail = format!("the job's thread was {status} before this could be shown");
                return Err(Problem::new(Reason::NotConverged, &detail, ""));
            }
            let items = self.read(WAIT_MS).await?;
            self.unread.extend(items);
        }
    }

    /// Show what happened in the job's thread meanwhile.
    async fn catch_up(&mut self) -> Result<(), Problem> {
        self.unread.clear();
        self.read(0).await.map(drop)
    }

    /// Start a server again on the instance whose server is gone.
    async fn restart(&mut self) -> Result<(), Problem> {
        let run = &mut *self.run;
        *run.child = Child::spawn(&run.stage.instance, run.database, &[])?;
        run.child.ready().await?;
        run.cast.move_to(&run.child.url)
    }

    /// The commits of the branch, and those that the thread was told of, in their order.
    async fn commits(&self) -> Result<judge::Commits, Problem> {
        let messages = super::outcome::messages(&self.run.cast.client, self.run.cast.thread_id).await?;
        let pushed = messages.iter().filter(|message| {
            message.event_type.as_deref() == Some(interlock_core::thread::event_type::FIX_PUSHED)
        });
        let told =
            pushed.filter_map(|message| Some(message.data.get("commit")?.as_str()?.to_owned())).collect();
        Ok(judge::Commits { made: self.run.stage.commits()?, told })
    }
}

/// Whether this is a step of this wake.
fn is_step(item: &TimelineItem, kind: &str, wake_id: WakeId) -> bool {
    item.kind == kind && item.wake_id == Some(wake_id)
}

/// A text in the event.
fn text(item: &TimelineItem, name: &str) -> String {
    let found = item.event.as_ref().and_then(|event| event.get(name)).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// Seconds as people read them.
fn seconds(duration: std::time::Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_a_step_that_failed_names_it() {
        let good = Step::judged(Kind::ServerKilled, &[], "nothing was lost".into(), "entry 3".into());
        assert_eq!(failed(std::slice::from_ref(&good)), None);
        let bad = Step::cut_off(Kind::LedgerChanged, "the changed copy verifies");
        let problem = failed(&[good, bad]).unwrap();
        assert_eq!(problem.known_reason(), Some(Reason::ChaosStepFailed));
        assert_eq!(
            problem.detail,
            "step 2 (one byte of an exported ledger changed): the changed copy verifies"
        );
    }

    #[test]
    fn what_is_refuted_later_is_not_shown() {
        let mut step = Step::judged(Kind::AgentsRepeat, &[], "blocked".into(), "entry 3".into());
        step.refute("somebody was woken");
        assert_eq!((step.ok, step.happened.as_str()), (false, "somebody was woken"));
        step.refute("twice");
        assert_eq!(step.happened, "somebody was woken; twice");
    }

    #[test]
    fn the_policy_of_a_run_is_one_that_a_server_takes() {
        for (name, value) in POLICY {
            let constant = CONSTANTS.iter().find(|constant| constant.name == *name).unwrap();
            assert!((constant.min..=constant.max).contains(value) && *value != constant.default, "{name}");
        }
    }
}
