//! The shim's loop: passes on what happens to the agent, ends it when told, and everything it leaves behind.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Event, Lease, processes, tell};
use crate::clock;
use crate::protocol::{Failure, Notice, Order, Plan};

/// The pause between two sweeps for processes that are left; doubles up to [`SWEEP_PAUSE_MAX`].
const SWEEP_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause between two sweeps: what cannot be killed is waited for quietly.
const SWEEP_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Looks at all processes in one sweep.
const SWEEP_PASSES: u32 = 10;
/// How long the last output may take to be read once no process is left.
const DRAIN: Duration = Duration::from_secs(2);

/// How far the agent was brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not at all.
    Running,
    /// It has SIGINT.
    Interrupted,
    /// It has SIGTERM.
    Terminated,
    /// SIGKILL for it and everything it started, again and again until nothing is left.
    Sweeping,
}

/// Whether the command came to be executed.
#[derive(Debug)]
enum Execution {
    Pending,
    Done,
    Failed(Failure),
}

/// What the loop knows.
#[derive(Debug)]
pub(super) struct Watch {
    group: Pid,
    /// Until it is over.
    lease: Option<Arc<Lease>>,
    interrupt: Duration,
    terminate: Duration,
    stage: Stage,
    /// When the next stage, or the next sweep, is due.
    due: Option<Instant>,
    pause: Duration,
    execution: Execution,
    has_output: bool,
    /// What the runtime said and the supervisor was not told yet.
    told: Vec<Notice>,
    is_closed: bool,
    is_all_gone: bool,
    ended: Option<Notice>,
}

impl Watch {
    /// Watch over the agent with this process group.
    pub(super) fn new(plan: &Plan, lease: Arc<Lease>, group: Pid) -> Self {
        Self {
            group,
            lease: Some(lease),
            interrupt: Duration::from_millis(plan.interrupt_ms),
            terminate: Duration::from_millis(plan.terminate_ms),
            stage: Stage::Running,
            due: None,
            pause: SWEEP_PAUSE,
            execution: Execution::Pending,
            has_output: false,
            told: Vec::new(),
            is_closed: false,
            is_all_gone: false,
            ended: None,
        }
    }

    /// Until nothing of the agent is left; gives its end.
    pub(super) fn run(mut self, events: &Receiver<Event>) -> Notice {
        while !self.is_all_gone || matches!(self.execution, Execution::Pending) {
            let rest = self.lease_rest();
            let wait = self.due.map_or(rest, |due| due.saturating_duration_since(Instant::now()).min(rest));
            match events.recv_timeout(wait) {
                Ok(event) => self.on_event(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.on_due(),
            }
        }
        let drained = Instant::now() + DRAIN;
        while !self.is_closed
            && let Ok(event) = events.recv_timeout(drained.saturating_duration_since(Instant::now()))
        {
            self.on_event(event);
        }
        match self.execution {
            Execution::Failed(failure) => Notice::Failed(failure),
            Execution::Pending | Execution::Done => {
                self.ended.unwrap_or(Notice::Signalled { signal: Signal::KILL.as_raw() })
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Order(Order::Kill) => self.sweep(),
            Event::Order(Order::Stop) if self.stage == Stage::Running => {
                self.advance(Stage::Interrupted, Signal::INT, self.interrupt);
            }
            Event::Order(Order::Stop | Order::Lease { .. } | Order::Over) => {}
            Event::Executed(Ok(())) => {
                self.execution = Execution::Done;
                tell(&Notice::Started { pid: self.group.as_raw_nonzero().get() });
                self.tell_output();
            }
            Event::Executed(Err(failure)) => self.execution = Execution::Failed(failure),
            Event::Output => {
                self.has_output = true;
                self.tell_output();
            }
            Event::Began(session_id) => self.tell_later(Notice::Began { session_id }),
            Event::Hopeless(fault) => self.tell_later(Notice::Hopeless { fault }),
            Event::Heard(heard) => self.tell_later(Notice::Heard(heard)),
            Event::Unlogged(detail) => tell(&Notice::Unlogged { detail }),
            Event::OutputClosed => self.is_closed = true,
            Event::Ended { end, is_alone } => {
                self.ended = Some(end);
                // A sweep looks at every process of the machine; mostly there is nobody to look for.
                if !is_alone {
                    self.sweep();
                }
            }
            Event::AllGone => self.is_all_gone = true,
        }
    }

    /// The output, and what it means, is told after the start, in whatever order the threads saw them.
    fn tell_output(&mut self) {
        if !matches!(self.execution, Execution::Done) {
            return;
        }
        if self.has_output {
            self.has_output = false;
            tell(&Notice::Output);
        }
        for notice in self.told.drain(..) {
            tell(&notice);
        }
    }

    fn tell_later(&mut self, notice: Notice) {
        self.told.push(notice);
        self.tell_output();
    }

    /// How long to wait before the lease is looked at again; once it is over nothing of the agent goes on.
    fn lease_rest(&mut self) -> Duration {
        if let Some(rest) = self.lease.as_ref().and_then(|lease| lease.rest()) {
            return rest;
        }
        if self.lease.take().is_some() {
            // Whoever does not listen must not keep it from that.
            self.sweep();
            tell(&Notice::LeaseOver);
        }
        clock::LOOK_MAX
    }

    fn on_due(&mut self) {
        if self.due.is_some_and(|due| due > Instant::now()) {
            return;
        }
        match self.stage {
            Stage::Running => {}
            Stage::Interrupted => self.advance(Stage::Terminated, Signal::TERM, self.terminate),
            Stage::Terminated | Stage::Sweeping => self.sweep(),
        }
    }

    fn advance(&mut self, stage: Stage, signal: Signal, wait: Duration) {
        self.stage = stage;
        self.due = Some(Instant::now() + wait);
        self.signal_group(signal);
    }

    fn sweep(&mut self) {
        if self.is_all_gone {
            return;
        }
        self.stage = Stage::Sweeping;
        self.signal_group(Signal::KILL);
        // Again at once while there is somebody: what forks as fast as it is killed must be outrun.
        let mut passes = 0;
        while processes::kill_descendants() && passes < SWEEP_PASSES {
            passes += 1;
        }
        self.due = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(SWEEP_PAUSE_MAX);
    }

    fn signal_group(&self, signal: Signal) {
        // Once the leader is reaped, its number may belong to somebody else.
        if self.ended.is_none() {
            // It may have ended by itself meanwhile.
            let _gone: Result<(), _> = kill_process_group(self.group, signal);
        }
    }
}
