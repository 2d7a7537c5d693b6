//! One attempt at one wake, as a pure state machine: what happened goes in, what to do comes out.
//!
//! It reads no clock: every input carries the milliseconds of the supervisor's, which counts the machine's sleep. The shell around it
//! (`runner.rs`) owns the process, the timer and the reports, and decides nothing.

use interlock_api::v1::wake::{ClaimedWake, ReportParams};
use interlock_core::id::{SessionId, WakeId};
use interlock_core::wake::{Door, Evidence, Lack, Lane, Outcome, TurnFault};

use crate::runtime::{Fault, Heard};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// The agent's process exists.
    Spawned,
    /// Its command could not be started.
    SpawnFailed,
    /// Nothing was started, through no fault of the agent.
    NotStarted,
    /// It printed its first byte.
    Printed,
    /// Its runtime says that the turn began in this session.
    Began {
        /// The session.
        session_id: SessionId,
    },
    /// Its runtime says something by which the turn cannot come to anything.
    Hopeless {
        /// What.
        fault: TurnFault,
    },
    /// What its runtime has told by its end.
    Heard(Heard),
    /// This machine has not what it is started with, so nothing was started.
    CannotRun {
        /// What is missing.
        lacks: Lack,
    },
    /// Its session is open in another process, so nothing was started.
    SessionBusy,
    /// Its runtime knows no such session, so nothing was started.
    SessionGone,
    /// Nobody can tell what became of what was begun.
    Unknown,
    /// What an earlier life may have begun was looked for, and nothing of it runs; nothing was begun.
    NotRunning,
    /// There is no server of its runtime that could do it, so nothing was sent.
    DoorUnavailable,
    /// It and everything it had started is gone; this is how its main process ended.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The same, by a signal.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// The server has the report that the process was started.
    StartDelivered,
    /// The server does not want it started now, though the claim holds.
    StartRefused,
    /// The lease was renewed.
    Renewed {
        /// When the renewal was sent.
        asked_ms: u64,
        /// Whether the server counts the wake as accepted.
        is_accepted: bool,
    },
    /// Another claim has the wake, or nobody has.
    Lost,
    /// All agents are to be stopped.
    Halt,
    /// A person ended the wake: its process is to be stopped.
    Cancel,
    /// Something that cannot wait is there for its turn, which may be told of it.
    Urgent,
    /// Its turn has taken in that another wake cannot wait.
    Told {
        /// That one.
        wake_id: WakeId,
        /// Up to which message it was told.
        seq: u64,
    },
    /// A deadline may have passed.
    Timer,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Start a process of its own.
    Start,
    /// Tell the server, after everything that was to be told before.
    Report(ReportParams),
    /// Renew the leases now, to learn whether the server saw a call of the agent.
    AskAcceptance,
    /// Ask the agent to end, then make it.
    Stop,
    /// End the agent at once.
    Kill,
    /// Tell the server nothing more, not even what waits to be told.
    Forget,
}

/// Why the agent was ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    NotAccepted,
    Hopeless(TurnFault),
    StartRefused,
    RunTimeExceeded,
    Halted,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
    Over,
}

/// Where one attempt stands.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "six facts that come in any order; no state machine has fewer"
)]
pub(crate) struct Attempt {
    lane: Lane,
    accept_timeout_ms: u64,
    lease_ms: u64,
    run_until_ms: u64,
    lease_until_ms: u64,
    /// Set once the server knows of the start: only then does it say whether it saw a call.
    accept_until_ms: Option<u64>,
    is_asked: bool,
    is_accepted: bool,
    /// Whether its runtime speaks in events: then those count, and not that it prints.
    has_events: bool,
    /// The session it was told to go on in.
    resume: Option<SessionId>,
    /// The lesser door that it goes through in the place of the one it was told.
    lesser: Option<Door>,
    /// What it does goes on without it, and can be looked for by whoever has the wake next.
    outlives: bool,
    /// It is to look what became of an earlier attempt, and begins nothing in its place.
    is_look: bool,
    has_begun: bool,
    heard: Heard,
    phase: Phase,
    cause: Option<Cause>,
}

impl Attempt {
    /// An attempt at what was claimed at this time.
    pub(crate) fn new(claimed: &ClaimedWake, at_ms: u64) -> Self {
        let lease_ms = u64::from(claimed.lease_ms);
        Self {
            lane: claimed.lane,
            accept_timeout_ms: u64::from(claimed.accept_timeout_ms),
            lease_ms,
            run_until_ms: at_ms.saturating_add(u64::from(claimed.run_ms_max)),
            lease_until_ms: at_ms.saturating_add(lease_ms),
            accept_until_ms: None,
            is_asked: false,
            is_accepted: false,
            has_events: claimed.runtime.is_cli(),
            resume: claimed.resume,
            lesser: None,
            outlives: claimed.door() == Door::Live,
            is_look: claimed.is_in_doubt,
            has_begun: false,
            heard: Heard::default(),
            phase: Phase::Starting,
            cause: None,
        }
    }

    /// Whether nothing of the agent lives and nothing more will come out.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// When its lease is over, unless it is renewed.
    pub(crate) const fn lease_until_ms(&self) -> u64 {
        self.lease_until_ms
    }

    /// When to say [`Input::Timer`] next.
    pub(crate) fn timer_ms(&self) -> Option<u64> {
        if self.phase == Phase::Over || self.cause == Some(Cause::Lost) {
            return None;
        }
        let is_free = self.phase == Phase::Running && self.cause.is_none();
        let run = is_free.then_some(self.run_until_ms);
        let accept = self.accept_until_ms.filter(|_| is_free && !self.is_accepted && !self.is_asked);
        [Some(self.lease_until_ms), run, accept].into_iter().flatten().min()
    }

    /// Take in what happened at this time.
    pub(crate) fn on(&mut self, at_ms: u64, input: Input) -> Vec<Output> {
        if self.phase == Phase::Over {
            // The process is gone; only its reports may be lost now.
            return if input == Input::Lost { vec![Output::Forget] } else { Vec::new() };
        }
        let is_renewal = matches!(input, Input::Renewed { .. });
        if self.outlives && at_ms >= self.lease_until_ms && !is_renewal {
            // Whatever came of it since is for the next claim to find: this one says nothing more.
            let mut outputs = self.lose();
            outputs.extend(self.take_in(at_ms, input));
            return outputs;
        }
        self.take_in(at_ms, input)
    }

    fn take_in(&mut self, at_ms: u64, input: Input) -> Vec<Output> {
        match input {
            Input::Spawned => {
                self.phase = Phase::Running;
                vec![Output::Report(ReportParams::Started { lane: self.lane, door: self.lesser })]
            }
            Input::SpawnFailed => self.end(Outcome::SpawnFailed),
            Input::NotStarted => self.end(Outcome::NotStarted),
            Input::Exited { code } => self.end(Outcome::Exited { code }),
            Input::Signalled { signal } => self.end(Outcome::Signalled { signal }),
            Input::SessionBusy => self.end(Outcome::SessionBusy),
            Input::CannotRun { lacks } => self.end(Outcome::CannotRun { lacks }),
            Input::SessionGone => self.end(Outcome::SessionGone),
            Input::DoorUnavailable => self.descend(),
            Input::Unknown => self.unknown(),
            Input::NotRunning => self.end(Outcome::NotRunning),
            Input::Printed => self.on_printed(),
            Input::Began { session_id } => self.on_began(session_id),
            Input::Hopeless { fault } => self.kill(Cause::Hopeless(fault)),
            Input::Heard(heard) => {
                self.heard = heard;
                Vec::new()
            }
            Input::StartDelivered => {
                self.accept_until_ms = Some(at_ms.saturating_add(self.accept_timeout_ms));
                Vec::new()
            }
            // A process that nobody waits for.
            Input::StartRefused => self.kill(Cause::StartRefused),
            Input::Renewed { asked_ms, is_accepted } => self.on_renewed(asked_ms, is_accepted),
            Input::Lost => self.lose(),
            // The server knows which of the two it is.
            Input::Halt | Input::Cancel => self.stop(Cause::Halted),
            Input::Timer => self.on_timer(at_ms),
            Input::Told { wake_id, seq } if self.phase == Phase::Running => {
                vec![Output::Report(ReportParams::Told { wake_id, seq })]
            }
            // What is told, and whether it can be, the door knows.
            Input::Urgent | Input::Told { .. } => Vec::new(),
        }
    }

    /// On to the next lesser door, in the same claim: nothing was sent through this one. What was only to be looked for is
    /// given back: who may be at work there by now the server knows.
    fn descend(&mut self) -> Vec<Output> {
        if self.is_look && self.phase == Phase::Starting {
            return self.end(Outcome::DoorUnavailable);
        }
        if self.phase != Phase::Starting || self.cause.is_some() {
            return self.end(Outcome::NotStarted);
        }
        self.outlives = false;
        self.lesser = Some(if self.resume.is_some() { Door::Resume } else { Door::Spawn });
        vec![Output::Start]
    }

    fn on_printed(&mut self) -> Vec<Output> {
        if self.phase != Phase::Running || self.is_accepted || self.has_events {
            return Vec::new();
        }
        self.is_accepted = true;
        vec![Output::Report(ReportParams::Accepted { evidence: Evidence::Output, session_id: None })]
    }

    /// Told also when a call has proved acceptance before: it says which session later wakes go on in.
    fn on_began(&mut self, session_id: SessionId) -> Vec<Output> {
        if self.phase != Phase::Running || self.has_begun {
            return Vec::new();
        }
        if self.resume.is_some_and(|resume| resume != session_id) {
            return self.kill(Cause::Hopeless(TurnFault::WrongSession));
        }
        (self.has_begun, self.is_accepted) = (true, true);
        let session_id = Some(session_id);
        vec![Output::Report(ReportParams::Accepted { evidence: Evidence::Event, session_id })]
    }

    fn on_renewed(&mut self, asked_ms: u64, is_accepted: bool) -> Vec<Output> {
        self.lease_until_ms = self.lease_until_ms.max(asked_ms.saturating_add(self.lease_ms));
        self.is_accepted |= is_accepted;
        // An answer to a question that was put before the time was up decides nothing.
        let is_late = self.accept_until_ms.is_some_and(|until| asked_ms >= until);
        if self.is_accepted || !is_late || self.cause.is_some() {
            return Vec::new();
        }
        self.kill(Cause::NotAccepted)
    }

    fn kill(&mut self, cause: Cause) -> Vec<Output> {
        if self.cause.is_some() {
            return Vec::new();
        }
        self.cause = Some(cause);
        vec![Output::Kill]
    }

    fn on_timer(&mut self, at_ms: u64) -> Vec<Output> {
        if at_ms >= self.lease_until_ms {
            return self.lose();
        }
        if self.phase != Phase::Running {
            return Vec::new();
        }
        if at_ms >= self.run_until_ms {
            return self.stop(Cause::RunTimeExceeded);
        }
        let is_late = self.accept_until_ms.is_some_and(|until| at_ms >= until);
        if !is_late || self.is_accepted || self.is_asked || self.cause.is_some() {
            return Vec::new();
        }
        self.is_asked = true;
        vec![Output::AskAcceptance]
    }

    fn stop(&mut self, cause: Cause) -> Vec<Output> {
        if self.cause.is_some() {
            return Vec::new();
        }
        self.cause = Some(cause);
        vec![Output::Stop]
    }

    /// The wake is no longer ours: whoever has it now must not find our process alive.
    fn lose(&mut self) -> Vec<Output> {
        if self.cause.replace(Cause::Lost) == Some(Cause::Lost) {
            return Vec::new();
        }
        vec![Output::Forget, Output::Kill]
    }

    /// Whatever it was ended for: it may go on.
    fn unknown(&mut self) -> Vec<Output> {
        if self.cause != Some(Cause::Lost) {
            self.cause = None;
        }
        self.end(Outcome::InDoubt)
    }

    fn end(&mut self, natural: Outcome) -> Vec<Output> {
        self.phase = Phase::Over;
        let outcome = match self.cause {
            None => self.told(natural),
            Some(Cause::Lost) => return Vec::new(),
            // It was to be stopped, and there is nothing to stop.
            Some(Cause::Halted) if self.has_found_nothing(natural) => natural,
            Some(Cause::Halted) => Outcome::Halted,
            Some(Cause::RunTimeExceeded) => Outcome::RunTimeExceeded,
            Some(Cause::Hopeless(fault)) => Outcome::TurnFailed { fault, reset_in_ms: None },
            Some(Cause::StartRefused) => Outcome::NotStarted,
            // It ended by itself just before it was killed, or had said by then why it does not accept.
            Some(Cause::NotAccepted)
                if matches!(natural, Outcome::Exited { .. }) || self.heard.fault.is_some() =>
            {
                self.told(natural)
            }
            Some(Cause::NotAccepted) => Outcome::NotAccepted,
        };
        vec![Output::Report(ReportParams::Ended {
            outcome,
            usage: self.heard.usage,
            is_session_total: self.heard.is_session_total,
            last_message: self.heard.last_message.take(),
        })]
    }

    fn has_found_nothing(&self, natural: Outcome) -> bool {
        self.is_look
            && matches!(natural, Outcome::NotRunning | Outcome::DoorUnavailable | Outcome::SessionGone)
    }

    /// What the runtime's own events make of the end of its process: an exit code alone is not to be trusted.
    fn told(&self, natural: Outcome) -> Outcome {
        if !self.has_events {
            return natural;
        }
        match (self.heard.fault, natural) {
            (Some(Fault::SessionGone), _) => Outcome::SessionGone,
            (Some(Fault::SessionBusy), _) => Outcome::SessionBusy,
            // A turn that was completed after all has failed at nothing.
            (Some(Fault::Turn(fault)), _) if !self.heard.is_done => {
                Outcome::TurnFailed { fault, reset_in_ms: self.heard.reset_in_ms }
            }
            (_, Outcome::Exited { code: 0 }) if !self.heard.is_done => {
                Outcome::TurnFailed { fault: TurnFault::TurnIncomplete, reset_in_ms: None }
            }
            (_, natural) => natural,
        }
    }
}

#[cfg(test)]
mod tests;
