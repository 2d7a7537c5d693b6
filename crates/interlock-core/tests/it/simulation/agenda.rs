//! What happens next: a queue by virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use interlock_core::Timestamp;
use interlock_core::id::{SessionId, WakeId};

/// Something that is going to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A supervisor asks for wakes: its poll, or because it was told that there are some.
    Claim { supervisor: usize, life: u32, is_poll: bool },
    /// A supervisor begins what it has claimed.
    Start { supervisor: usize, life: u32, wake: WakeId, fence: u64 },
    /// A process takes its next step.
    Step { process: usize },
    /// A process is over its time: to accept, or to run.
    Overdue { process: usize, is_accept: bool },
    /// A process that was asked to end is made to.
    Stopped { process: usize },
    /// A supervisor renews its leases, delivers what it could not tell, and ends what it lost.
    Renew { supervisor: usize, life: u32 },
    /// A supervisor is killed.
    Crash { supervisor: usize },
    /// It is started again.
    Restart { supervisor: usize },
    /// It loses its line to the server for so long.
    CutOff { supervisor: usize, ms: i64 },
    /// It stands still for so long: with the whole machine that it is on, or alone.
    Freeze { supervisor: usize, ms: i64, is_machine: bool },
    /// It goes on.
    Thaw { supervisor: usize },
    /// The clock of the server is put forward, or back.
    Clock { ms: i64 },
    /// The server in which live turns run dies, and all of them with it.
    CodexDies,
    /// It is there again.
    CodexBack,
    /// Somebody at a terminal ends the turn that runs there.
    Interrupt,
    /// The supervisor that follows a live turn loses sight of it, and the turn goes on.
    LoseSight,
    /// A person has something for the agent whose turn this is that cannot wait until it is over.
    CannotWait { process: usize },
    /// The server looks whether somebody who must act is to be told again.
    Remind,
    /// A person does something.
    Person,
    /// A person sends a prompt in a session of an agent that they have open.
    Types,
    /// The turn of such a prompt is over, and the session with it when it is closed.
    Typed { agent: &'static str, session: SessionId, is_closed: bool },
    /// A burst of messages.
    Storm,
    /// The end of trouble: nobody but agents does anything any more, and nothing breaks.
    Calm,
}

/// The queue. What is due at the same time happens in the order in which it was put in.
#[derive(Default)]
pub(super) struct Agenda {
    queue: BinaryHeap<Reverse<(Timestamp, u64, What)>>,
    count: u64,
}

impl Agenda {
    pub(super) fn put(&mut self, at: Timestamp, what: What) {
        self.count += 1;
        self.queue.push(Reverse((at, self.count, what)));
    }

    pub(super) fn next(&mut self) -> Option<(Timestamp, What)> {
        self.queue.pop().map(|Reverse((at, _, what))| (at, what))
    }
}
