//! The model of wakes: who is to be woken for what, who holds it, and how it ends.

use interlock_core::Reason;
use interlock_core::id::WakeId;
use interlock_core::thread::Status;
use interlock_core::wake::{WakeResult, WakeState};

use super::op::{Claim, How};
use super::{Model, OLGA, Outcome, Verdict};

const LEASE_MS: i64 = 60_000;
const BACKOFF_MS: i64 = 2_000;
const ATTEMPTS_MAX: u32 = 3;
const TURNS_MAX: u32 = 20;

/// Who has claimed a wake.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hold {
    fence: u64,
    life: usize,
    until: i64,
    /// How often the wake had been held back by then.
    held_back: u32,
}

/// A wake.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Wake {
    pub(crate) id: Option<WakeId>,
    pub(crate) agent: usize,
    pub(crate) thread: usize,
    pub(crate) seq: u64,
    pub(crate) state: WakeState,
    pub(crate) result: Option<WakeResult>,
    pub(crate) due: i64,
    pub(crate) held: bool,
    pub(crate) urgent: bool,
    pub(crate) attempts: u32,
    /// Number, end, and whether it was taken back, of each message that asks for it.
    asks: Vec<(u64, Option<i64>, bool)>,
    standing: bool,
    seen: bool,
    fence: u64,
    held_back: u32,
    hold: Option<Hold>,
}

impl Wake {
    fn is_live(&self) -> bool {
        self.state != WakeState::Finished
    }

    fn waits(&self) -> bool {
        self.state == WakeState::Pending
    }

    /// How it ends when nothing that asks for it counts any more.
    fn over(&self, now: i64) -> Option<WakeResult> {
        let counts = |(_, end, gone): &(u64, Option<i64>, bool)| !gone && end.is_none_or(|end| end > now);
        if self.standing || self.asks.iter().any(counts) {
            return None;
        }
        let all_gone = self.asks.iter().all(|(_, _, gone)| *gone);
        Some(if all_gone { WakeResult::Superseded } else { WakeResult::Expired })
    }

    fn finish(&mut self, result: WakeResult) {
        (self.state, self.result, self.hold) = (WakeState::Finished, Some(result), None);
    }

    fn let_go(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.until = 0;
        }
    }
}

impl Model {
    fn wake(&mut self, agent: usize, thread: usize, seq: u64) -> &mut Wake {
        let held = self.threads[thread].status != Status::Active;
        self.wakes.push(Wake {
            id: None,
            agent,
            thread,
            seq,
            state: WakeState::Pending,
            result: None,
            due: self.now,
            held,
            urgent: false,
            attempts: 0,
            asks: Vec::new(),
            standing: false,
            seen: false,
            fence: 0,
            held_back: 0,
            hold: None,
        });
        self.wakes.last_mut().unwrap()
    }

    fn live(&mut self, thread: usize) -> impl Iterator<Item = &mut Wake> {
        self.wakes.iter_mut().filter(move |wake| wake.thread == thread && wake.is_live())
    }

    /// A message wakes those it is for who can be woken; one that waits already waits for it too.
    pub(super) fn wakes_for(&mut self, thread: usize, seq: u64) {
        let found = &self.threads[thread];
        let said = found.message(seq).clone();
        let agents: Vec<usize> =
            (0..3).filter(|who| found.parts.get(who).is_some_and(|part| said.is_for(*who, part))).collect();
        for agent in agents {
            let waits = self.live(thread).find(|wake| wake.agent == agent && wake.waits()).is_some();
            let wake = if waits {
                self.live(thread).find(|wake| wake.agent == agent && wake.waits()).unwrap()
            } else {
                self.wake(agent, thread, seq)
            };
            wake.asks.push((seq, said.expires, false));
            (wake.seq, wake.urgent, wake.seen) = (seq, wake.urgent | said.urgent, false);
        }
    }

    /// A message was taken back: what waits for nothing else ends.
    pub(super) fn asks_no_more(&mut self, thread: usize, seq: u64) {
        let now = self.now;
        // What was asked for by the very message that stands in its place is new, and not over.
        for wake in self.live(thread) {
            wake.asks.iter_mut().filter(|(asked, ..)| *asked == seq).for_each(|ask| ask.2 = true);
            if let Some(end) = wake.over(now).filter(|_| wake.waits()) {
                wake.finish(end);
            }
        }
    }

    pub(super) fn has_read(&mut self, thread: usize, who: usize, seq: u64) {
        for wake in self.live(thread).filter(|wake| wake.agent == who && wake.seq <= seq) {
            if wake.waits() && wake.attempts == 0 {
                wake.finish(WakeResult::AlreadyActive);
            } else {
                wake.seen = true;
            }
        }
    }

    /// What a new status does to wakes.
    pub(super) fn holds(&mut self, thread: usize, status: Status) {
        let held = status != Status::Active;
        let ends = matches!(status, Status::Resolved | Status::Closed);
        for wake in self.live(thread) {
            if wake.held != held {
                wake.held = held;
                wake.held_back += u32::from(held);
            }
            if ends && wake.waits() {
                wake.finish(WakeResult::Superseded);
            }
        }
    }

    pub(super) fn is_waited_for_no_more(&mut self, thread: usize, who: usize) {
        for wake in self.live(thread).filter(|wake| wake.agent == who && wake.waits()) {
            wake.finish(WakeResult::Superseded);
        }
    }

    pub(super) fn triggers(&mut self, thread: usize, by: usize, who: usize) -> Verdict {
        let now = self.now;
        let found = self.seen(thread, by)?;
        if found.status != Status::Active {
            return Err(Reason::ThreadWrongStatus);
        }
        let (last, part) = (found.last(), found.parts.get(&who).ok_or(Reason::ParticipantMissing)?);
        let has_read = part.cursor >= last;
        if who > 2 {
            return Err(Reason::RuntimeUnmanaged);
        }
        let runs = self.live(thread).any(|wake| wake.agent == who && !wake.waits());
        if runs {
            return Ok(Outcome::Unchanged);
        }
        if let Some(wake) = self.live(thread).find(|wake| wake.agent == who) {
            if wake.over(now).is_none() {
                return Ok(Outcome::Unchanged);
            }
            (wake.standing, wake.seen) = (true, false);
            return Ok(Outcome::Entry);
        }
        let wake = self.wake(who, thread, last);
        (wake.standing, wake.seen) = (true, has_read);
        Ok(Outcome::Entry)
    }

    /// It waits for another attempt, and for what waited behind it. What ends with that is over for good.
    fn waits_again(&mut self, n: usize) {
        let now = self.now;
        let (agent, thread) = (self.wakes[n].agent, self.wakes[n].thread);
        let status = self.threads[thread].status;
        let takes_part = self.threads[thread].parts.contains_key(&agent);
        if !matches!(status, Status::Active | Status::Blocked) || !takes_part {
            return self.wakes[n].finish(WakeResult::Superseded);
        }
        let behind = |wake: &Wake| wake.agent == agent && wake.thread == thread && wake.is_live();
        for other in (0..self.wakes.len()).filter(|other| *other != n).collect::<Vec<_>>() {
            if !behind(&self.wakes[other]) {
                continue;
            }
            if let Some(end) = self.wakes[other].over(now) {
                self.wakes[other].finish(end);
                continue;
            }
            let taken = self.wakes[other].clone();
            self.wakes[other].finish(WakeResult::Superseded);
            let wake = &mut self.wakes[n];
            wake.asks.extend(taken.asks.into_iter().filter(|(_, _, gone)| !gone));
            let last = wake.asks.iter().map(|(seq, ..)| *seq).max().unwrap_or_default();
            wake.seq = wake.seq.max(last).max(if taken.standing { taken.seq } else { 0 });
            (wake.urgent, wake.standing, wake.seen) =
                (wake.urgent | taken.urgent, wake.standing | taken.standing, false);
        }
        if let Some(end) = self.wakes[n].over(now) {
            self.wakes[n].finish(end);
        }
    }

    /// Those that are due and whose agents are free, urgent ones first. What was lost waits again, also while all are
    /// stopped.
    pub(super) fn claims(&mut self, life: usize, limit: usize) -> Outcome {
        let (now, mut outcome) = (self.now, Outcome::Unchanged);
        let is_gone = |hold: &Hold| hold.until <= now || hold.life != life;
        let before = self.wakes.clone();
        let looked_at = |wake: &Wake| wake.is_live() && (!wake.waits() || wake.hold.is_some() || !wake.held);
        for (n, wake) in before.iter().enumerate().filter(|(_, wake)| looked_at(wake)) {
            if let Some(end) = wake.over(now).filter(|_| wake.waits()) {
                self.wakes[n].finish(end);
                outcome = Outcome::Entry;
            } else if wake.hold.as_ref().is_some_and(is_gone) {
                self.wakes[n].let_go();
            }
        }
        for (n, wake) in before.iter().enumerate().filter(|(_, wake)| wake.state == WakeState::Running) {
            if wake.hold.as_ref().is_none_or(is_gone) {
                outcome = Outcome::Entry;
                (self.wakes[n].state, self.wakes[n].attempts) = (WakeState::Pending, wake.attempts - 1);
                self.waits_again(n);
            }
        }
        if self.is_halted {
            return outcome;
        }
        // What such a one has just taken in counts from the next claim on.
        let is_ready = |n: &usize| {
            let (old, wake) = (&before[*n], &self.wakes[*n]);
            wake.waits() && !wake.held && wake.due <= now && old.over(now).is_none() && looked_at(old)
        };
        let mut ready: Vec<usize> = (0..self.wakes.len()).filter(is_ready).collect();
        ready.retain(|n| self.wakes[*n].hold.as_ref().is_none_or(is_gone));
        ready.sort_by_key(|n| (!before[*n].urgent, before[*n].due, before[*n].id));
        let mut busy: Vec<usize> = Vec::new();
        let holds = |wake: &&Wake| wake.is_live() && wake.hold.as_ref().is_some_and(|hold| !is_gone(hold));
        busy.extend(self.wakes.iter().filter(holds).map(|wake| wake.agent));
        let mut left = limit;
        for n in ready {
            let wake = &mut self.wakes[n];
            if left > 0 && !busy.contains(&wake.agent) {
                busy.push(wake.agent);
                left -= 1;
                let last = wake.hold.as_ref().map_or(wake.fence, |hold| hold.fence.max(wake.fence));
                let (fence, until) = (last + 1, now + LEASE_MS);
                wake.hold = Some(Hold { fence, life, until, held_back: wake.held_back });
            }
        }
        outcome
    }

    /// What is held by this life now.
    pub(crate) fn held_by(&self, life: usize) -> Vec<Claim> {
        let hold = |wake: &Wake| wake.hold.clone().filter(|hold| hold.until > self.now && hold.life == life);
        let claim = |(n, wake): (usize, &Wake)| {
            hold(wake).map(|hold| Claim { wake: n, fence: hold.fence, life: hold.life })
        };
        self.wakes.iter().enumerate().filter_map(claim).collect()
    }

    fn held(&self, claim: &Claim) -> Result<(&Wake, &Hold), Reason> {
        let wake = &self.wakes[claim.wake];
        let hold = wake.hold.as_ref().filter(|hold| (hold.fence, hold.life) == (claim.fence, claim.life));
        hold.map(|hold| (wake, hold)).ok_or(Reason::LeaseLost)
    }

    pub(super) fn starts(&mut self, claim: &Claim) -> Verdict {
        let (wake, hold) = self.held(claim)?;
        if !wake.waits() {
            return Err(Reason::WakeWrongState);
        }
        if hold.until <= self.now || wake.over(self.now).is_some() {
            return Err(Reason::LeaseLost);
        }
        if self.is_halted {
            return Err(Reason::Halted);
        }
        if wake.held {
            return Err(Reason::WakeWrongState);
        }
        let others = self
            .wakes
            .iter()
            .enumerate()
            .filter(|(n, other)| *n != claim.wake && other.agent == wake.agent && other.is_live());
        let is_taken =
            |other: &Wake| !other.waits() || other.hold.as_ref().is_some_and(|h| h.until > self.now);
        if hold.held_back != wake.held_back || others.into_iter().any(|(_, other)| is_taken(other)) {
            return Err(Reason::LeaseLost);
        }
        let fence = hold.fence;
        let wake = &mut self.wakes[claim.wake];
        (wake.state, wake.attempts, wake.fence) = (WakeState::Running, wake.attempts + 1, fence);
        Ok(Outcome::Entry)
    }

    pub(super) fn ends(&mut self, claim: &Claim, how: How) -> Verdict {
        let (wake, _) = self.held(claim)?;
        let (waits, seen, attempts) = (wake.waits(), wake.seen, wake.attempts);
        let (agent, thread) = (wake.agent, wake.thread);
        if how == How::GivenBack {
            let wake = &mut self.wakes[claim.wake];
            wake.attempts -= u32::from(!waits);
            wake.state = WakeState::Pending;
            wake.let_go();
            self.waits_again(claim.wake);
            return Ok(Outcome::Entry);
        }
        if waits {
            return Err(Reason::WakeWrongState);
        }
        let is_well = how == How::Well && seen;
        if !is_well && attempts < ATTEMPTS_MAX {
            let due = self.now + (BACKOFF_MS << (attempts - 1));
            let wake = &mut self.wakes[claim.wake];
            (wake.state, wake.due, wake.hold) = (WakeState::Pending, due, None);
            self.waits_again(claim.wake);
            return Ok(Outcome::Entry);
        }
        self.wakes[claim.wake].finish(if is_well { WakeResult::Triggered } else { WakeResult::Failed });
        self.threads[thread].turns += 1;
        let found = &self.threads[thread];
        let blocks = if is_well { found.turns >= TURNS_MAX } else { found.parts.contains_key(&agent) };
        if blocks && found.status == Status::Active {
            self.turns_into(thread, OLGA, Status::Blocked);
        }
        Ok(Outcome::Entry)
    }
}
