//! What a node keeps of a workspace between its batches, so that the next one needs no round trip to load it.
//!
//! Everything here changes only together with the workspace's head row: by batches that write entries. So it is current as
//! long as the head is what this node saw last, and the statement that writes the next batch asks for just that. What
//! changes without the head, leases, sessions, supervisors, jobs and webhooks, is never kept, nor is what is found by other
//! than its own key. That an idempotency key is new is not kept either but taken for granted: the statement asks for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use interlock_core::agent::Agent;
use interlock_core::facts::{Facts, Key, Keys, RowChange};
use interlock_core::thread::Thread;
use interlock_core::wake::{Wake, WakeState};
use interlock_core::{Timestamp, text::Digest};
use interlock_store::{Head, WriteSet};

/// Rows of a workspace that are kept: agents, threads, and the unfinished wakes of a thread as one. With more, the half
/// that was longest not asked for is forgotten.
const KEPT_ROWS_MAX: usize = 1_024;
/// Workspaces of which rows are kept; with more all are forgotten.
const KEPT_WORKSPACES_MAX: usize = 64;
/// How often in a row the head must be found where this node left it before it is relied on, at most: twice as often after
/// each time that it had moved all the same, and once less after each time that it had not.
const PATIENCE_MAX: u32 = 64;

/// What is kept, by the workspace's number. A batch takes it out and puts it back: of two at once one has nothing.
#[derive(Default)]
pub(crate) struct Memory(Mutex<BTreeMap<i64, Kept>>);

impl Memory {
    pub(crate) fn take(&self, pk: i64) -> Kept {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&pk).unwrap_or_default()
    }

    pub(crate) fn put(&self, pk: i64, kept: Kept) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_WORKSPACES_MAX {
            all.clear();
        }
        all.insert(pk, kept);
    }
}

enum Row {
    Agent(Agent),
    Thread(Thread),
    Wakes(Vec<Wake>),
}

/// What is kept of one workspace.
pub(crate) struct Kept {
    /// The head as this node's last batch left it.
    head: Option<Head>,
    /// Rows as they are with that head, and when each was last asked for, in batches.
    rows: BTreeMap<Key, (Row, u64)>,
    batches: u64,
    /// How often in a row the head was found where this node left it, and how often it must be.
    unmoved: u32,
    patience: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self { head: None, rows: BTreeMap::new(), batches: 0, unmoved: 0, patience: 1 }
    }
}

impl Kept {
    /// The head to rely on at this time, where there is one.
    pub(crate) fn head(&self, now: Timestamp) -> Option<Head> {
        let head = self.head.as_ref().filter(|_| self.is_relied_on())?;
        Some(Head { wall_now: now, ..head.clone() })
    }

    fn is_relied_on(&self) -> bool {
        self.unmoved >= self.patience
    }

    /// Give everything that a batch asks for; says whether that is kept. Idempotency keys count as new, and are noted.
    pub(crate) fn serve(&mut self, keys: &Keys, facts: &mut Facts, new: &mut Vec<Digest>) -> bool {
        for key in keys {
            if let Key::Idempotency(digest) = key {
                facts.put_used(*digest, None);
                new.push(*digest);
                continue;
            }
            let Some((row, asked)) = self.rows.get_mut(key) else { return false };
            *asked = self.batches;
            match (key, row) {
                (Key::Agent(name), Row::Agent(agent)) => facts.put_agent(name.clone(), Some(agent.clone())),
                (Key::Thread(id), Row::Thread(thread)) => facts.put_thread(*id, Some(thread.clone())),
                (Key::ThreadWakes(id), Row::Wakes(wakes)) => facts.put_thread_wakes(*id, wakes.clone()),
                _ => return false,
            }
        }
        true
    }

    /// The head as it is now, locked. When it is not what this node left, nothing that is kept holds.
    pub(crate) fn meet(&mut self, head: &Head) {
        let is_ours = |ours: &Head| (ours.size, ours.batch_id) == (head.size, head.batch_id);
        if self.head.as_ref().is_some_and(is_ours) {
            self.unmoved = self.unmoved.saturating_add(1);
        } else {
            self.forget();
        }
        self.head = Some(Head { edge: None, ..head.clone() });
    }

    /// Keep what was loaded with that head, and not changed yet.
    pub(crate) fn learn(&mut self, keys: &Keys, facts: &Facts) {
        if !self.is_relied_on() {
            return;
        }
        for key in keys {
            let row = match key {
                Key::Agent(name) => facts.agent(name).ok().flatten().cloned().map(Row::Agent),
                Key::Thread(id) => facts.thread(*id).ok().flatten().cloned().map(Row::Thread),
                Key::ThreadWakes(id) => {
                    facts.thread_wakes(*id).ok().map(|wakes| Row::Wakes(wakes.cloned().collect()))
                }
                _ => None,
            };
            if let Some(row) = row {
                self.rows.insert(key.clone(), (row, self.batches));
            }
        }
    }

    /// A batch was committed on that head: rows become what it wrote. Says how large the ledger is.
    pub(crate) fn advance(&mut self, set: WriteSet) -> u64 {
        self.batches += 1;
        let Some(head) = &mut self.head else { return 0 };
        if let Some(last) = set.entries.last() {
            (head.size, head.last_leaf) = (last.index + 1, last.leaf);
            (head.last_at, head.batch_id) = (set.last_at, set.batch_id);
        }
        let size = head.size;
        if self.is_relied_on() {
            set.rows.into_iter().for_each(|row| self.change(row));
            self.shrink();
        }
        size
    }

    fn change(&mut self, row: RowChange) {
        let batches = self.batches;
        match row {
            RowChange::Agent(agent) => {
                self.rows.insert(Key::Agent(agent.name.clone()), (Row::Agent(agent), batches));
            }
            RowChange::Thread(thread) => {
                self.rows.insert(Key::Thread(thread.thread_id), (Row::Thread(thread), batches));
            }
            RowChange::Wake(wake) => {
                if let Some((Row::Wakes(wakes), _)) = self.rows.get_mut(&Key::ThreadWakes(wake.thread_id)) {
                    replace(wakes, wake);
                }
            }
            _ => {}
        }
    }

    fn shrink(&mut self) {
        if self.rows.len() <= KEPT_ROWS_MAX {
            return;
        }
        let mut asked: Vec<u64> = self.rows.values().map(|(_, asked)| *asked).collect();
        let (_, middle, _) = asked.select_nth_unstable(KEPT_ROWS_MAX / 2);
        let oldest = *middle;
        self.rows.retain(|_, (_, asked)| *asked > oldest);
    }

    /// The head was relied on, and had not moved.
    pub(crate) fn was_right(&mut self) {
        self.patience = self.patience.saturating_sub(1).max(1);
    }

    /// The head was relied on, and was another.
    pub(crate) fn was_wrong(&mut self) {
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
        self.forget();
    }

    /// Nothing is known any more.
    pub(crate) fn forget(&mut self) {
        self.head = None;
        self.rows.clear();
        self.unmoved = 0;
    }
}

/// Unfinished wakes by their ids, as they are loaded.
fn replace(wakes: &mut Vec<Wake>, wake: Wake) {
    let place = wakes.binary_search_by_key(&wake.wake_id, |wake| wake.wake_id);
    match (place, wake.state == WakeState::Finished) {
        (Ok(at), true) => drop(wakes.remove(at)),
        (Ok(at), false) => {
            if let Some(old) = wakes.get_mut(at) {
                *old = wake;
            }
        }
        (Err(_), true) => {}
        (Err(at), false) => wakes.insert(at, wake),
    }
}
