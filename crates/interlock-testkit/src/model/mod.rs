//! A small model of what messaging promises, written down a second time and without the rules themselves: threads,
//! participants, messages that expire and are taken back, cursors, and the wakes that follow from them. Random commands
//! are given to it and to a store; what one says the other must say.

mod op;
mod play;
mod wakes;

pub(crate) use op::ops;
pub(crate) use play::play;

use std::collections::BTreeMap;

use interlock_core::Reason;
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::thread::{MessageState, Status};

use op::{Do, Say};
use wakes::Wake;

/// Who acts; the first three can be woken, the last sees and leads everything and is nobody's agent.
pub(crate) const PEOPLE: [&str; 5] = ["ann", "bob", "cem", "una", "olga"];
/// The last of them.
pub(crate) const OLGA: usize = 4;

/// Somebody's part in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) leads: bool,
    pub(crate) cursor: u64,
    pub(crate) since: u64,
}

/// A message.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Said {
    pub(crate) id: Option<MessageId>,
    /// How many messages of all threads were there before.
    pub(crate) place: u64,
    pub(crate) from: usize,
    pub(crate) to: Vec<usize>,
    pub(crate) to_leads: Option<bool>,
    pub(crate) is_system: bool,
    pub(crate) urgent: bool,
    pub(crate) expires: Option<i64>,
    pub(crate) cancelled: bool,
    pub(crate) superseded: bool,
    pub(crate) words: Vec<&'static str>,
    /// What it answers and follows from.
    pub(crate) about: Vec<u64>,
}

impl Said {
    pub(crate) fn state(&self, now: i64) -> MessageState {
        match self {
            Self { superseded: true, .. } => MessageState::Superseded,
            Self { cancelled: true, .. } => MessageState::Cancelled,
            Self { expires: Some(at), .. } if *at <= now => MessageState::Expired,
            _ => MessageState::Live,
        }
    }

    fn is_withdrawn(&self) -> bool {
        self.cancelled || self.superseded
    }

    /// Whether it is for somebody with this part.
    pub(crate) fn is_for(&self, who: usize, part: &Part) -> bool {
        let all = self.to.is_empty() && self.to_leads.is_none();
        who != self.from && (all || self.to.contains(&who) || self.to_leads == Some(part.leads))
    }
}

/// A thread.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) id: Option<ThreadId>,
    pub(crate) status: Status,
    pub(crate) parts: BTreeMap<usize, Part>,
    pub(crate) said: Vec<Said>,
    /// Finished wakes since the last change of status.
    turns: u32,
}

impl Thread {
    pub(crate) fn last(&self) -> u64 {
        self.said.len() as u64
    }

    pub(crate) fn message(&self, seq: u64) -> &Said {
        &self.said[usize::try_from(seq - 1).unwrap()]
    }

    /// The numbers of what is unread for somebody: for it, after its cursor, and still counting.
    pub(crate) fn unread(&self, who: usize, now: i64) -> Vec<u64> {
        let Some(part) = self.parts.get(&who) else { return Vec::new() };
        let counts = |said: &Said| said.is_for(who, part) && said.state(now) == MessageState::Live;
        (part.cursor + 1..=self.last()).filter(|seq| counts(self.message(*seq))).collect()
    }

    /// Who first said something about a message, and with which number.
    pub(crate) fn answers(&self, seq: u64) -> BTreeMap<usize, u64> {
        let mut first = BTreeMap::new();
        for (number, said) in (1..).zip(&self.said) {
            if said.about.contains(&seq) {
                first.entry(said.from).or_insert(number);
            }
        }
        first
    }
}

/// What became of a command: an entry of the ledger, or nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Entry,
    Unchanged,
}

type Verdict = Result<Outcome, Reason>;

/// The whole workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) threads: Vec<Thread>,
    pub(crate) wakes: Vec<Wake>,
    pub(crate) is_halted: bool,
    said: u64,
}

impl Model {
    /// What this command does.
    pub(crate) fn does(&mut self, what: &Do) -> Verdict {
        match what {
            Do::Open { leads, with } => Ok(self.open(*leads, with)),
            Do::Say(say) => self.says(say),
            Do::Cancel { thread, by, seq } => self.cancels(*thread, *by, *seq),
            Do::Ack { thread, by, seq } => self.acks(*thread, *by, *seq),
            Do::Become { thread, by, status } => self.becomes(*thread, *by, *status),
            Do::Add { thread, by, who, leads } => self.adds(*thread, *by, *who, *leads),
            Do::Remove { thread, by, who } => self.removes(*thread, *by, *who),
            Do::Trigger { thread, by, who } => self.triggers(*thread, *by, *who),
            Do::Claim { life, limit } => Ok(self.claims(*life, *limit)),
            Do::Start(claim) => self.starts(claim),
            Do::End(claim, how) => self.ends(claim, *how),
            Do::Halt => Ok(self.sets_halt(true)),
            Do::Resume => Ok(self.sets_halt(false)),
        }
    }

    fn sets_halt(&mut self, halted: bool) -> Outcome {
        if std::mem::replace(&mut self.is_halted, halted) == halted {
            Outcome::Unchanged
        } else {
            Outcome::Entry
        }
    }

    fn open(&mut self, leads: usize, with: &[usize]) -> Outcome {
        let part = |leads| Part { leads, cursor: 0, since: 0 };
        let mut parts: BTreeMap<usize, Part> = with.iter().map(|who| (*who, part(*who == leads))).collect();
        parts.entry(OLGA).or_insert_with(|| part(true));
        self.threads.push(Thread { id: None, status: Status::Active, parts, said: Vec::new(), turns: 0 });
        Outcome::Entry
    }

    /// Whoever takes no part does not know of it, unless it sees everything.
    fn seen(&self, thread: usize, by: usize) -> Result<&Thread, Reason> {
        let thread = &self.threads[thread];
        if by == OLGA || thread.parts.contains_key(&by) { Ok(thread) } else { Err(Reason::ThreadNotFound) }
    }

    fn led(&self, thread: usize, by: usize) -> Result<&Thread, Reason> {
        let thread = self.seen(thread, by)?;
        let leads = by == OLGA || thread.parts.get(&by).is_some_and(|part| part.leads);
        if leads { Ok(thread) } else { Err(Reason::NotCoordinator) }
    }

    fn says(&mut self, say: &Say) -> Verdict {
        let thread = self.seen(say.thread, say.by)?;
        if !matches!(thread.status, Status::Active | Status::Blocked) {
            return Err(Reason::ThreadWrongStatus);
        }
        if say.to.iter().any(|who| *who != say.by && !thread.parts.contains_key(who)) {
            return Err(Reason::ParticipantMissing);
        }
        if let Some(old) = say.instead_of {
            self.may_withdraw(say.thread, say.by, old)?;
            let old = self.threads[say.thread].message(old);
            if old.is_withdrawn() {
                return Err(Reason::MessageWithdrawn);
            }
            if old.state(self.now) == MessageState::Expired {
                return Err(Reason::MessageExpired);
            }
        }
        let last = self.threads[say.thread].last();
        let newcomer = Part { leads: false, cursor: last, since: last };
        self.threads[say.thread].parts.entry(say.by).or_insert(newcomer);
        let seq = self.append(
            say.thread,
            Said {
                id: None,
                place: 0,
                from: say.by,
                to: say.to.clone(),
                to_leads: say.to_leads,
                is_system: false,
                urgent: say.urgent,
                expires: say.expires_in.map(|ms| self.now + ms),
                cancelled: false,
                superseded: false,
                words: say.words.clone(),
                about: say.reply.iter().chain(&say.parents).copied().collect(),
            },
        );
        self.wakes_for(say.thread, seq);
        if let Some(old) = say.instead_of {
            self.withdraws(say.thread, old, true);
        }
        Ok(Outcome::Entry)
    }

    fn append(&mut self, thread: usize, said: Said) -> u64 {
        self.said += 1;
        self.threads[thread].said.push(Said { place: self.said, ..said });
        self.threads[thread].last()
    }

    /// Its sender, or who leads; what Interlock says itself is nobody's.
    fn may_withdraw(&self, thread: usize, by: usize, seq: u64) -> Result<(), Reason> {
        let said = self.seen(thread, by)?.message(seq);
        if said.is_system {
            return Err(Reason::ParameterInvalid);
        }
        if said.from == by { Ok(()) } else { self.led(thread, by).map(|_| ()) }
    }

    fn cancels(&mut self, thread: usize, by: usize, seq: u64) -> Verdict {
        self.may_withdraw(thread, by, seq)?;
        let said = self.threads[thread].message(seq);
        if said.is_withdrawn() {
            return Ok(Outcome::Unchanged);
        }
        if said.state(self.now) == MessageState::Expired {
            return Err(Reason::MessageExpired);
        }
        self.withdraws(thread, seq, false);
        Ok(Outcome::Entry)
    }

    fn withdraws(&mut self, thread: usize, seq: u64, for_another: bool) {
        let said = &mut self.threads[thread].said[usize::try_from(seq - 1).unwrap()];
        (said.superseded, said.cancelled) = (for_another, !for_another);
        self.asks_no_more(thread, seq);
    }

    fn acks(&mut self, thread: usize, by: usize, seq: u64) -> Verdict {
        let last = self.seen(thread, by)?.last();
        let part = self.threads[thread].parts.get_mut(&by).ok_or(Reason::ParticipantMissing)?;
        if seq > last {
            return Err(Reason::CursorAhead);
        }
        if seq <= part.cursor {
            return Ok(Outcome::Unchanged);
        }
        part.cursor = seq;
        self.has_read(thread, by, seq);
        Ok(Outcome::Entry)
    }

    fn becomes(&mut self, thread: usize, by: usize, status: Status) -> Verdict {
        use Status::{Active, Blocked, Closed, Resolved};
        let now = self.led(thread, by)?.status;
        match (now, status) {
            _ if now == status => Ok(Outcome::Unchanged),
            (Active, _) | (Blocked | Resolved, Active | Closed) => {
                self.turns_into(thread, by, status);
                Ok(Outcome::Entry)
            }
            _ => Err(Reason::TransitionInvalid),
        }
    }

    /// Whoever changes it, Interlock says so in the thread, and wakes follow.
    fn turns_into(&mut self, thread: usize, by: usize, status: Status) {
        self.threads[thread].status = status;
        self.threads[thread].turns = 0;
        self.append(
            thread,
            Said {
                id: None,
                place: 0,
                from: by,
                to: Vec::new(),
                to_leads: None,
                is_system: true,
                urgent: false,
                expires: None,
                cancelled: false,
                superseded: false,
                words: Vec::new(),
                about: Vec::new(),
            },
        );
        self.holds(thread, status);
    }

    fn adds(&mut self, thread: usize, by: usize, who: usize, leads: bool) -> Verdict {
        let found = self.led(thread, by)?;
        if found.status == Status::Closed {
            return Err(Reason::ThreadWrongStatus);
        }
        match found.parts.get(&who) {
            Some(part) if part.leads == leads => Ok(Outcome::Unchanged),
            Some(_) => Err(Reason::ParticipantExists),
            None => {
                let last = found.last();
                self.threads[thread].parts.insert(who, Part { leads, cursor: last, since: last });
                Ok(Outcome::Entry)
            }
        }
    }

    fn removes(&mut self, thread: usize, by: usize, who: usize) -> Verdict {
        let found = self.seen(thread, by)?;
        if who != by {
            self.led(thread, by)?;
        }
        let part = found.parts.get(&who).ok_or(Reason::ParticipantMissing)?;
        if part.leads && found.parts.values().filter(|part| part.leads).count() == 1 {
            return Err(Reason::LastCoordinator);
        }
        self.threads[thread].parts.remove(&who);
        self.is_waited_for_no_more(thread, who);
        Ok(Outcome::Entry)
    }
}
