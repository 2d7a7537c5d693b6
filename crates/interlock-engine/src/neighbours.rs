//! Several servers on one database: what one commits, the others' waiting calls hear of.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use interlock_core::id::WorkspaceId;
use interlock_core::{Reason, Refusal};
use interlock_store::{Heard, Neighbours, Order, WORD_THREADS_MAX, Word};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::notify::Note;

/// Between two tries to reach the database again.
const RETRY: Duration = Duration::from_secs(1);
/// How long the end of a server waits for what it has still to say.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// What the others have not been told yet: one word for each workspace, whatever happens meanwhile.
#[derive(Debug, Default)]
struct Untold {
    words: BTreeMap<WorkspaceId, Word>,
    /// One is on its way.
    is_telling: bool,
}

impl Untold {
    fn add(&mut self, word: Word) {
        let Some(known) = self.words.get_mut(&word.workspace_id) else {
            self.words.insert(word.workspace_id, word);
            return;
        };
        known.supervisors |= word.supervisors;
        known.workers |= word.workers;
        // What was said last counts.
        if word.order != Order::None {
            known.order = word.order;
        }
        known.size = known.size.max(word.size);
        known.threads = match (known.threads.take(), word.threads) {
            (Some(mut threads), Some(more)) => {
                threads.extend(more);
                (threads.len() <= WORD_THREADS_MAX).then_some(threads)
            }
            _ => None,
        };
    }
}

/// Where words wait for being told; never holds up who puts one in.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    from: u64,
    untold: Arc<watch::Sender<Untold>>,
}

impl Outbox {
    pub(crate) fn put(&self, note: &Note, size: u64, order: Order) {
        let Note { workspace_id, threads, supervisors, workers, jobs: _, snapshots: _ } = note.clone();
        let threads = (threads.len() <= WORD_THREADS_MAX).then(|| threads.into_iter().collect());
        let word = Word { from: self.from, workspace_id, size, threads, supervisors, workers, order };
        self.untold.send_modify(|untold| untold.add(word));
    }

    async fn next(&self) -> Word {
        let mut untold = self.untold.subscribe();
        loop {
            let mut word = None;
            self.untold.send_if_modified(|untold| {
                word = untold.words.pop_first().map(|(_, word)| word);
                untold.is_telling = word.is_some();
                true
            });
            if let Some(word) = word {
                return word;
            }
            if untold.wait_for(|untold| !untold.words.is_empty()).await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// A server's part among the others; ends with this.
#[derive(Debug)]
pub struct Neighbourhood {
    outbox: Outbox,
    // Its tasks end with it.
    _tasks: JoinSet<()>,
}

impl Neighbourhood {
    /// Leave it: what has still to be said is said first, if that is possible in a short time.
    pub async fn leave(self) {
        let mut untold = self.outbox.untold.subscribe();
        let all_told = untold.wait_for(|untold| untold.words.is_empty() && !untold.is_telling);
        if tokio::time::timeout(LEAVE_MAX, all_told).await.is_err() {
            tracing::warn!("neighbours.not_told");
        }
    }
}

impl Engine {
    /// Tell the other servers of the database what is committed here, and hear of what they commit.
    ///
    /// # Errors
    /// `INTERNAL` when the system has no randomness.
    pub fn join(self: &Arc<Self>, neighbours: &Arc<dyn Neighbours>) -> Result<Neighbourhood, Refusal> {
        let random =
            crate::random_bytes::<8>().map_err(|error| Refusal::new(Reason::Defect, error.to_string()))?;
        let from = u64::from_be_bytes(random);
        let outbox = Outbox { from, untold: Arc::new(watch::Sender::default()) };
        self.notifier.tell_also(outbox.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(outbox.clone(), Arc::clone(neighbours)));
        tasks.spawn(hear(from, Arc::downgrade(self), Arc::clone(neighbours)));
        Ok(Neighbourhood { outbox, _tasks: tasks })
    }

    fn heard(&self, word: Word) {
        let Word { workspace_id, threads, supervisors, workers, order, .. } = word;
        match order {
            Order::None => {}
            Order::Halt => {
                tracing::warn!("agents.halted_elsewhere");
                self.halt_here(workspace_id);
            }
            Order::Resume => self.resume_here(workspace_id),
        }
        match threads {
            Some(threads) => {
                let threads = threads.into_iter().collect();
                self.notifier.send_here(Some(Note {
                    workspace_id,
                    threads,
                    supervisors,
                    workers,
                    jobs: workers,
                    snapshots: false,
                }));
            }
            None => self.notifier.send_here(None),
        }
    }
}

async fn tell(outbox: Outbox, neighbours: Arc<dyn Neighbours>) {
    let mut is_well = true;
    loop {
        let word = outbox.next().await;
        match neighbours.tell(&word).await {
            Ok(()) => is_well = true,
            Err(error) => {
                if std::mem::take(&mut is_well) {
                    tracing::warn!(%error, "neighbours.not_told");
                }
                // Together with what is to be said by then.
                outbox.untold.send_modify(|untold| untold.add(word));
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn hear(from: u64, engine: Weak<Engine>, neighbours: Arc<dyn Neighbours>) {
    let mut is_well = true;
    loop {
        let heard = neighbours.hear().await;
        let Some(engine) = engine.upgrade() else { return };
        match heard {
            Ok(Heard::Word(word)) if word.from == from => {}
            Ok(Heard::Word(word)) => engine.heard(word),
            Ok(Heard::Anything) => engine.notifier.send_here(None),
            Err(error) => {
                if std::mem::take(&mut is_well) {
                    tracing::warn!(%error, "neighbours.not_heard");
                }
                drop(engine);
                tokio::time::sleep(RETRY).await;
                continue;
            }
        }
        is_well = true;
    }
}
