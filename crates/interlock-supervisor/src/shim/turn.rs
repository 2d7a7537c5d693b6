//! The shim of a turn in a server of its runtime. Nothing of the turn runs here: all that it does is to end it when the lease
//! is over. It outlives its supervisor until then, because the turn does.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::lock::{self, LOCK_PAUSE, Taken};
use super::log::Log;
use super::{Lease, tell};
use crate::codex_server::{Cut, cut};
use crate::protocol::{Failure, Notice, Order, TurnPlan};

/// Watch over one turn as standard input says.
pub(super) fn run(plan: &TurnPlan, input: impl BufRead + Send + 'static) {
    // Whoever watched over it for an earlier claim, or over the turn before, has nothing more to say.
    let pause = || {
        std::thread::sleep(LOCK_PAUSE);
        true
    };
    let _held = match lock::take(Path::new(&plan.lock), Duration::ZERO, pause) {
        Ok(Taken::Held(file)) => file,
        Ok(Taken::Busy | Taken::Cancelled) => return tell(&Notice::Busy),
        Err(error) => return fail(format!("`{}` cannot be locked: {error}", plan.lock.display())),
    };
    let written = if plan.is_found { Ok(()) } else { plan.turn.write(Path::new(&plan.record)) };
    if let Err(error) = written {
        return fail(format!("`{}` cannot be written: {error}", plan.record.display()));
    }
    tell(&Notice::Watching);
    let lease = Arc::new(Lease::until(plan.lease_until_ms));
    let (over, is_over) = channel();
    let renewed = Arc::clone(&lease);
    std::thread::spawn(move || {
        for order in input.lines().map_while(Result::ok).filter_map(|text| serde_json::from_str(&text).ok()) {
            match order {
                Order::Lease { until_ms } => renewed.renew(until_ms),
                Order::Over => return over.send(()),
                Order::Stop | Order::Kill => {}
            }
        }
        // Its supervisor is gone: the lease holds as long as it was told.
        Ok(())
    });
    if !waits(&lease, &is_over) {
        end(plan);
    }
}

/// Until the turn is over, or else the lease; says whether it was the turn.
fn waits(lease: &Lease, is_over: &Receiver<()>) -> bool {
    while let Some(rest) = lease.rest() {
        match is_over.recv_timeout(rest) {
            Ok(()) => return true,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(rest),
        }
    }
    false
}

fn fail(detail: String) {
    let hint = "keep the state folder on a local disk that this user can write".into();
    tell(&Notice::Failed(Failure { detail, hint }));
}

fn end(plan: &TurnPlan) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cut = match runtime {
        Ok(runtime) => runtime.block_on(cut(&plan.turn, Path::new(&plan.record))),
        Err(error) => Err(error.to_string()),
    };
    let line = match cut {
        Ok(Cut::Told) => "the lease was over: the turn was interrupted\n".to_owned(),
        Ok(Cut::Nothing) => return,
        Err(why) => format!("the lease was over, and the turn could not be interrupted: {why}\n"),
    };
    // Nobody listens any more; who reads the wake's log finds it there.
    let _unlogged = Log::open(Path::new(&plan.log)).and_then(|mut log| log.append(line.as_bytes()));
}
