//! The committer of a workspace: takes what is waiting as one batch, commits, then answers.

use std::sync::Arc;

use interlock_core::command::Envelope;
use interlock_core::facts::{Keys, Reply};
use interlock_core::id::WorkspaceId;
use interlock_core::{Event, Reason, Refusal};
use interlock_ledger::Tree;
use interlock_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::batch::{Batch, Done, Ground, Verdict};
use crate::notify::{Note, Notifier};
use crate::tally::Tally;
use crate::wake_tally::WakeTally;

/// Commands of one batch.
const COMMANDS_MAX: usize = 512;
/// Commands waiting for a workspace's committer; beyond that callers are told to come back.
pub(crate) const WAITING_MAX: usize = 4_096;
/// Rounds in which a command may ask for facts that were not loaded.
const ROUNDS_MAX: u32 = 3;

/// What a command's caller is told, after the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The answer.
    pub reply: Reply,
    /// The index of the ledger entry, when there is one.
    pub index: Option<u64>,
}

/// A command with the way back to its caller.
pub(crate) struct Waiting {
    pub(crate) env: Envelope,
    pub(crate) reply: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// What a committer works with.
pub(crate) struct Committer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) ground: Arc<Ground>,
    pub(crate) notifier: Notifier,
    tally: Arc<Tally>,
    wakes: Arc<WakeTally>,
    tree: Option<Tree>,
    /// Whether the last batch made the ledger grow.
    has_grown: bool,
    frozen: Option<String>,
}

impl Committer {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        workspace_id: WorkspaceId,
        ground: Arc<Ground>,
        notifier: Notifier,
        tally: Arc<Tally>,
        wakes: Arc<WakeTally>,
    ) -> Self {
        Self {
            store,
            workspace_id,
            ground,
            notifier,
            tally,
            wakes,
            tree: None,
            has_grown: false,
            frozen: None,
        }
    }

    /// Until every sender is gone.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::with_capacity(COMMANDS_MAX);
        while queue.recv_many(&mut waiting, COMMANDS_MAX).await > 0 {
            let batch = std::mem::take(&mut waiting);
            self.commit(batch).await;
        }
    }

    async fn commit(&mut self, mut waiting: Vec<Waiting>) {
        let mut extra = Keys::new();
        for _ in 0..ROUNDS_MAX {
            let (tried, result) = self.try_batch(waiting, std::mem::take(&mut extra)).await;
            waiting = tried;
            match result {
                Ok(verdicts) => waiting = self.answer(waiting, verdicts, &mut extra),
                Err(error) if waiting.len() > 1 && !matches!(error, StoreError::Unavailable(_)) => {
                    // One of them may be what the database does not take; the others shall not suffer for it.
                    for one in waiting {
                        Box::pin(self.commit(vec![one])).await;
                    }
                    return;
                }
                Err(error) => {
                    let refusal = self.refusal(error);
                    return refuse_all(waiting, &refusal);
                }
            }
            if waiting.is_empty() {
                return;
            }
        }
        refuse_all(waiting, &Refusal::new(Reason::Defect, "a command asked for facts again and again"));
    }

    /// Run them as one batch; gives them back with what became of them.
    async fn try_batch(
        &mut self,
        waiting: Vec<Waiting>,
        extra: Keys,
    ) -> (Vec<Waiting>, Result<Vec<Verdict>, StoreError>) {
        if let Some(why) = &self.frozen {
            return (waiting, Err(StoreError::Corrupt(why.clone())));
        }
        let batch_id = match crate::random_bytes::<16>() {
            Ok(id) => id,
            Err(error) => return (waiting, Err(StoreError::Unavailable(error.to_string()))),
        };
        let (commands, replies): (Vec<_>, Vec<_>) = waiting.into_iter().map(|w| (w.env, w.reply)).unzip();
        let batch = Batch::new(Arc::clone(&self.ground), commands, extra, batch_id, self.tree.take());
        let (work, result) = self.store.batch(self.workspace_id, Box::new(batch)).await;
        let Ok(batch) = work.into_any().downcast::<Batch>() else {
            let lost = StoreError::Unavailable("the batch was lost".into());
            let refusal = self.refusal(result.err().unwrap_or(lost));
            for reply in replies {
                // A caller may have gone away.
                drop(reply.send(Err(refusal.clone())));
            }
            self.has_grown = false;
            return (Vec::new(), Ok(Vec::new()));
        };
        let Batch { commands, verdicts, grown, has_entries, .. } = *batch;
        self.has_grown = has_entries;
        let waiting = commands.into_iter().zip(replies).map(|(env, reply)| Waiting { env, reply }).collect();
        // After a failure the tree is read again from the store: what it holds is the truth.
        self.tree = if result.is_ok() { grown } else { None };
        (waiting, result.map(|_| verdicts))
    }

    /// Answer what is decided; gives back what has to be decided again, with the keys it lacks.
    fn answer(&self, waiting: Vec<Waiting>, verdicts: Vec<Verdict>, extra: &mut Keys) -> Vec<Waiting> {
        let mut again = Vec::new();
        let mut note = Note::of(self.workspace_id);
        let (mut answers, mut size) = (Vec::with_capacity(waiting.len()), 0);
        for (one, verdict) in waiting.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Done(Done { reply, index, events, has_work, steps }) => {
                    note.workers |= has_work;
                    note.jobs |= !steps.is_empty();
                    for step in steps {
                        self.tally.add(step);
                    }
                    self.wakes.add(&events);
                    collect(&mut note, &events);
                    size = index.map_or(0, |index| index + 1).max(size);
                    answers.push((one.reply, Ok(Outcome { reply, index })));
                }
                Verdict::Refused(refusal) => answers.push((one.reply, Err(refusal))),
                Verdict::Missing(keys) => {
                    extra.extend(keys);
                    again.push(one);
                }
            }
        }
        if self.has_grown || note.jobs {
            self.notifier.send(note, size);
        }
        for (reply, answer) in answers {
            // A caller may have gone away; its command is done all the same.
            drop(reply.send(answer));
        }
        again
    }

    fn refusal(&mut self, error: StoreError) -> Refusal {
        tracing::error!(workspace = %self.workspace_id, %error, "commit.failed");
        match error {
            StoreError::Corrupt(why) => {
                let refusal = Refusal::new(Reason::StateCorrupt, format!("the workspace is frozen: {why}"))
                    .hint("stop the server and run: interlock doctor");
                self.frozen.get_or_insert(why);
                refusal
            }
            other => unavailable(&other),
        }
    }
}

/// What a caller hears when the store does not do as asked.
pub(crate) fn unavailable(error: &StoreError) -> Refusal {
    match error {
        StoreError::NoWorkspace => Refusal::new(Reason::WorkspaceUnknown, "the workspace is not served here"),
        StoreError::Corrupt(why) => Refusal::new(Reason::StateCorrupt, why.clone()),
        StoreError::Rejected(_) => {
            Refusal::new(Reason::Defect, "the store refused the change; the server's log says why")
        }
        // A commit whose outcome was lost may have happened: only the key makes it safe to ask again.
        other => Refusal::new(Reason::StoreUnavailable, other.to_string())
            .hint("try again, a change with the same idempotency key"),
    }
}

fn collect(note: &mut Note, events: &[Event]) {
    for event in events {
        note.supervisors |= event.concerns_supervisors();
        note.snapshots |= matches!(event, Event::SnapshotTaken { .. });
        if let Some(thread) = event.thread_id()
            && !note.threads.contains(&thread)
        {
            note.threads.push(thread);
        }
    }
}

fn refuse_all(waiting: Vec<Waiting>, refusal: &Refusal) {
    for one in waiting {
        // A caller may have gone away.
        drop(one.reply.send(Err(refusal.clone())));
    }
}
