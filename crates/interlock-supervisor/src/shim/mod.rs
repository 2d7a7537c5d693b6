//! The shim: one process between supervisor and agent that outlives neither.
//!
//! It is the agent's parent and adopts what the agent leaves behind, so it can tell when everything is gone. It
//! runs threads that only wait (for orders, output, ended children) and one loop that acts on what they say.

pub(crate) mod exec;
mod lines;
pub(crate) mod lock;
pub(crate) mod log;
mod output;
mod processes;
pub(crate) mod redact;
mod start;
mod turn;
mod watch;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::clock;
use crate::protocol::{Failure, Notice, Order, Plan, TurnPlan, line};
use crate::runtime::Heard;
use interlock_core::id::SessionId;
use interlock_core::wake::TurnFault;
use lock::{LOCK_GRACE, LOCK_PAUSE, Taken};
use log::Log;
use redact::Redactor;

/// The exit code of a shim that was started by something else than a supervisor.
const MISUSED: u8 = 2;

/// What the waiting threads tell the loop.
#[derive(Debug)]
pub(super) enum Event {
    /// The supervisor wants it; its death is [`Order::Kill`], and what it says of the lease is none.
    Order(Order),
    /// The command is executed, or cannot be.
    Executed(Result<(), Failure>),
    /// The first byte of output.
    Output,
    /// The runtime says that the turn began.
    Began(SessionId),
    /// The runtime says something that makes the turn hopeless.
    Hopeless(TurnFault),
    /// What the runtime has told by the end of its output.
    Heard(Heard),
    /// The log cannot be written.
    Unlogged(String),
    /// Nobody can print any more.
    OutputClosed,
    /// The agent's main process ended.
    Ended {
        /// How.
        end: Notice,
        /// It has left nobody behind.
        is_alone: bool,
    },
    /// No process is left.
    AllGone,
}

/// Run one agent, or watch over one turn, as standard input says.
pub(crate) fn run() -> u8 {
    let mut input = BufReader::new(io::stdin());
    let mut first = String::new();
    let read = input.read_line(&mut first);
    if read.is_err() {
        return MISUSED;
    }
    if let Ok(plan) = serde_json::from_str::<TurnPlan>(&first) {
        turn::run(&plan, input);
        return 0;
    }
    let Ok(plan) = serde_json::from_str::<Plan>(&first) else { return MISUSED };
    let (sender, events) = channel();
    let lease = Arc::new(Lease::until(plan.lease_until_ms.unwrap_or(u64::MAX)));
    let (orders, renewed) = (sender.clone(), Arc::clone(&lease));
    std::thread::spawn(move || read_orders(input, &renewed, &orders));
    let last = attempt(&plan, &lease, &sender, &events);
    tell(&last);
    0
}

/// When the lease is over that the agent runs under, as far as the supervisor has said.
#[derive(Debug)]
pub(super) struct Lease(AtomicU64);

impl Lease {
    /// It is over at this time.
    pub(super) const fn until(at_ms: u64) -> Self {
        Self(AtomicU64::new(at_ms))
    }

    /// It was renewed.
    pub(super) fn renew(&self, until_ms: u64) {
        self.0.store(until_ms, Ordering::Relaxed);
    }

    /// How long to wait before looking whether it is over; nothing = it is.
    pub(super) fn rest(&self) -> Option<Duration> {
        let rest = clock::until(self.0.load(Ordering::Relaxed));
        (!rest.is_zero()).then_some(rest)
    }
}

fn read_orders(input: impl io::BufRead, lease: &Lease, orders: &Sender<Event>) {
    for text in input.lines() {
        let order = text.ok().and_then(|text| serde_json::from_str(&text).ok());
        let order = match order.unwrap_or(Order::Kill) {
            Order::Lease { until_ms } => {
                lease.renew(until_ms);
                continue;
            }
            order => order,
        };
        if orders.send(Event::Order(order)).is_err() {
            return;
        }
    }
    // The loop is gone only when the process is about to be.
    let _unheard = orders.send(Event::Order(Order::Kill));
}

/// Say something to the supervisor. Nobody hears it when it is dead; then standard input has ended too.
pub(super) fn tell(notice: &Notice) {
    if let Ok(bytes) = line(notice) {
        let mut out = io::stdout().lock();
        let _unheard = out.write_all(&bytes).and_then(|()| out.flush());
    }
}

fn attempt(plan: &Plan, lease: &Arc<Lease>, sender: &Sender<Event>, events: &Receiver<Event>) -> Notice {
    let pause = || matches!(events.recv_timeout(LOCK_PAUSE), Err(RecvTimeoutError::Timeout));
    let lock = match lock::take(Path::new(&plan.lock), LOCK_GRACE, pause) {
        Ok(Taken::Held(file)) => file,
        Ok(Taken::Busy) => return Notice::Busy,
        Ok(Taken::Cancelled) => return Notice::Cancelled,
        Err(error) => {
            return Notice::Failed(Failure {
                detail: format!("`{}` cannot be locked: {error}", plan.lock.display()),
                hint: "keep the instance folder on a local disk that this user can write".into(),
            });
        }
    };
    // Another supervisor may have the wake by now.
    if lease.rest().is_none() {
        return Notice::Cancelled;
    }
    match start::start(plan, lock, sender) {
        Ok(group) => watch::Watch::new(plan, Arc::clone(lease), group).run(events),
        Err(failure) => Notice::Failed(failure),
    }
}

/// What takes this plan's secrets out.
fn redactor(plan: &Plan) -> Redactor {
    Redactor::new(plan.secrets.iter().map(|secret| secret.clone().into_vec()))
}

pub(super) fn open_log(plan: &Plan) -> Option<Log> {
    let heading = format!(
        "--- {} {} attempt {} in {}: {}",
        crate::identity::wall_now(),
        plan.wake,
        plan.attempt,
        plan.directory.as_deref().unwrap_or("."),
        plan.command.join(" ")
    );
    // A command line may name a value of the environment.
    let mut sure = Vec::new();
    let mut redactor = redactor(plan);
    redactor.push(heading.as_bytes(), &mut sure);
    redactor.finish(&mut sure);
    let heading = String::from_utf8_lossy(&sure);
    let opened = Log::open(Path::new(&plan.log)).and_then(|mut log| log.begin(&heading).map(|()| log));
    opened.map_err(|error| tell(&Notice::Unlogged { detail: error.to_string() })).ok()
}
