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
/// Workspaces of which rows are kept; of more, one is forgotten.
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
        all.insert(pk, kept);
        if all.len() > KEPT_WORKSPACES_MAX {
            all.pop_first();
        }
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

#[cfg(test)]
mod tests {
    use interlock_core::id::ThreadId;
    use interlock_core::policy::Policy;
    use interlock_core::{Hybrid, Timestamp};
    use interlock_ledger::Hash;

    use super::*;

    fn head(size: u64) -> Head {
        Head {
            size,
            last_leaf: Hash::from_bytes([0; 32]),
            last_at: Hybrid { at: Timestamp::from_millis(1), count: 0 },
            wall_now: Timestamp::from_millis(1),
            batch_id: [1; 16],
            edge: None,
        }
    }

    fn is_relied_on(kept: &Kept) -> bool {
        kept.head(Timestamp::from_millis(2)).is_some()
    }

    /// A thread of this number, in which no wake is unfinished.
    fn quiet(number: usize) -> Keys {
        Keys::from([Key::ThreadWakes(ThreadId::from_u128(u128::try_from(number).unwrap()))])
    }

    fn loaded(keys: &Keys) -> Facts {
        let mut facts = Facts::new(Policy::default());
        for key in keys {
            if let Key::ThreadWakes(id) = key {
                facts.put_thread_wakes(*id, Vec::new());
            }
        }
        facts
    }

    fn has(kept: &mut Kept, number: usize) -> bool {
        kept.serve(&quiet(number), &mut Facts::new(Policy::default()), &mut Vec::new())
    }

    /// One that has found the head twice where it was.
    fn settled() -> Kept {
        let mut kept = Kept::default();
        kept.meet(&head(3));
        assert!(!is_relied_on(&kept));
        kept.meet(&head(3));
        assert!(is_relied_on(&kept));
        kept
    }

    #[test]
    fn nothing_is_kept_that_was_loaded_before_the_head_is_relied_on_or_after_it_moved() {
        let mut kept = Kept::default();
        kept.meet(&head(3));
        kept.learn(&quiet(1), &loaded(&quiet(1)));
        kept.meet(&head(3));
        assert!(!has(&mut kept, 1));
        kept.learn(&quiet(1), &loaded(&quiet(1)));
        assert!(has(&mut kept, 1));
        kept.meet(&head(4));
        assert!(!has(&mut kept, 1) && !is_relied_on(&kept));
    }

    #[test]
    fn of_more_rows_than_are_kept_the_half_is_forgotten_that_was_longest_not_asked_for() {
        let mut kept = settled();
        for number in 0..KEPT_ROWS_MAX {
            kept.learn(&quiet(number), &loaded(&quiet(number)));
            kept.advance(WriteSet::default());
        }
        // Asked for again, and so not the oldest any more.
        assert!(has(&mut kept, 0) && has(&mut kept, 1));
        kept.learn(&quiet(KEPT_ROWS_MAX), &loaded(&quiet(KEPT_ROWS_MAX)));
        kept.advance(WriteSet::default());
        assert!(kept.rows.len() <= KEPT_ROWS_MAX / 2 + 1, "{} rows", kept.rows.len());
        assert!(has(&mut kept, 0) && has(&mut kept, 1) && has(&mut kept, KEPT_ROWS_MAX));
        assert!(!has(&mut kept, 2));
    }

    #[test]
    fn of_more_workspaces_than_are_kept_one_is_forgotten() {
        let memory = Memory::default();
        let count = i64::try_from(KEPT_WORKSPACES_MAX).unwrap();
        for pk in 0..=count {
            memory.put(pk, settled());
        }
        assert!(!is_relied_on(&memory.take(0)));
        assert!((1..=count).all(|pk| is_relied_on(&memory.take(pk))));
    }

    #[test]
    fn who_was_wrong_waits_twice_as_long_and_who_was_right_less_again() {
        let mut kept = settled();
        let waits = |kept: &mut Kept| {
            (0..=PATIENCE_MAX)
                .take_while(|_| {
                    kept.meet(&head(3));
                    !is_relied_on(kept)
                })
                .count()
        };
        for expected in [2, 4, 8, 16, 32, 64, 64] {
            kept.was_wrong();
            assert_eq!(waits(&mut kept), expected);
        }
        for _ in 0..100 {
            kept.was_right();
        }
        kept.forget();
        assert_eq!(waits(&mut kept), 1);
    }
}
