//! Starts the agent and the threads that wait for what comes of it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use super::Event;
use super::lines::Lines;
use super::log::Log;
use super::redact::Redactor;
use crate::protocol::{Failure, Notice, Plan};

/// Bytes read from the agent at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Start the agent as the leader of a group of its own; gives the group. The lock is handed down to it.
pub(super) fn start(
    plan: &Plan,
    lock: File,
    log: Option<Log>,
    events: &Sender<Event>,
) -> Result<Pid, Failure> {
    let fault = |error: io::Error| Failure {
        detail: format!("the agent's process cannot be made: {error}"),
        hint: "check the limits on processes and open files".into(),
    };
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|e| fault(e.into()))?;
    // Everything the agent starts inherits the lock: it stays taken when this shim is killed before them.
    rustix::io::fcntl_setfd(&lock, FdFlags::empty()).map_err(|error| fault(error.into()))?;
    let (status, status_end) = io::pipe().map_err(fault)?;
    let (output, output_end) = io::pipe().map_err(fault)?;
    let (program, first_args) =
        plan.exec.split_first().ok_or_else(|| fault(io::ErrorKind::NotFound.into()))?;
    let mut command = Command::new(program);
    command.args(first_args).args(["--parent", &std::process::id().to_string()]);
    if let Some(directory) = &plan.directory {
        command.args(["--directory", directory]);
    }
    if let Some(input) = &plan.input {
        command.arg("--input").arg(input);
    }
    command.arg("--").args(&plan.command);
    command.env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
    command.stdout(output_end.try_clone().map_err(fault)?).stderr(output_end);
    let child = command.stdin(Stdio::from(status_end)).process_group(0).spawn().map_err(fault)?;
    // Its copies of the pipes' ends would keep them open for ever.
    drop(command);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let main = pid.ok_or_else(|| fault(io::ErrorKind::Other.into()))?;
    let redactor = super::redactor(plan);
    let (for_status, for_output, for_ends) = (events.clone(), events.clone(), events.clone());
    std::thread::spawn(move || {
        // Nothing to read and the end: execution closed the pipe.
        let mut text = String::new();
        let read = io::BufReader::new(status).read_to_string(&mut text);
        let failure = read.ok().and_then(|_| serde_json::from_str(&text).ok());
        for_status.send(Event::Executed(failure.map_or(Ok(()), Err)))
    });
    let lines = Lines::of(plan.runtime);
    std::thread::spawn(move || read_output(output, lines, redactor, log, &for_output));
    std::thread::spawn(move || {
        let _held = lock;
        wait_for_ends(main, &for_ends);
    });
    Ok(main)
}

/// Take in what is printed as fast as it comes, so that the agent never waits for its log.
fn read_output(
    mut output: impl io::Read,
    mut lines: Option<Lines>,
    mut redactor: Redactor,
    mut log: Option<Log>,
    events: &Sender<Event>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut sure = Vec::new();
    let mut is_first = true;
    loop {
        let count = match output.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if is_first {
            is_first = false;
            // The loop is gone only when the process is about to be.
            let _unheard = events.send(Event::Output);
        }
        let bytes = chunk.get(..count).unwrap_or_default();
        match &mut lines {
            Some(lines) => redactor.push(&lines.take(bytes, events), &mut sure),
            None => redactor.push(bytes, &mut sure),
        }
        log = keep(log, events, |log| log.append(&sure));
        sure.clear();
    }
    if let Some(lines) = &mut lines {
        redactor.push(&lines.finish(events), &mut sure);
    }
    redactor.finish(&mut sure);
    let _done = keep(log, events, |log| log.append(&sure).and_then(|()| log.finish()));
    let _unheard = events.send(Event::OutputClosed);
}

/// Write into the log while there is one: a full disk ends the log and not the agent.
fn keep(
    log: Option<Log>,
    events: &Sender<Event>,
    write: impl FnOnce(&mut Log) -> io::Result<()>,
) -> Option<Log> {
    let mut log = log?;
    match write(&mut log) {
        Ok(()) => Some(log),
        Err(error) => {
            let _unheard = events.send(Event::Unlogged(error.to_string()));
            None
        }
    }
}

/// Reap everything that ends, adopted processes too, until there is nothing left.
fn wait_for_ends(main: Pid, events: &Sender<Event>) {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => {
                // At once and as a whole, so that a group that only forks cannot run away.
                let _gone: Result<(), _> = rustix::process::kill_process_group(main, Signal::KILL);
                let _unheard = events.send(Event::Ended(ending(status)));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => {
                let _unheard = events.send(Event::AllGone);
                return;
            }
        }
    }
}

fn ending(status: WaitStatus) -> Notice {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Notice::Exited { code },
        (None, signal) => Notice::Signalled { signal: signal.unwrap_or_default() },
    }
}
