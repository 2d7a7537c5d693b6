//! Starts the agent and the threads that wait for what comes of it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;

use interlock_core::agent::Runtime;
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use super::Event;
use super::output::{self, Source};
use crate::protocol::{Failure, Notice, Plan};

/// Start the agent as the leader of a group of its own; gives the group. The lock is handed down to it.
pub(super) fn start(plan: &Plan, lock: File, events: &Sender<Event>) -> Result<Pid, Failure> {
    let fault = |error: io::Error| Failure {
        detail: format!("the agent's process cannot be made: {error}"),
        hint: "check the limits on processes and open files".into(),
    };
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|e| fault(e.into()))?;
    // Everything the agent starts inherits the lock: it stays taken when this shim is killed before them.
    rustix::io::fcntl_setfd(&lock, FdFlags::empty()).map_err(|error| fault(error.into()))?;
    let (status, status_end) = io::pipe().map_err(fault)?;
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
    let streams = pipes(&mut command, plan.runtime).map_err(fault)?;
    let spawned = command.stdin(Stdio::from(status_end)).process_group(0).spawn();
    // Not before: a new file may wait for the disk, and the agent need not.
    let log = super::open_log(plan);
    let child = spawned.map_err(fault)?;
    // Its copies of the pipes' ends would keep them open for ever.
    drop(command);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let main = pid.ok_or_else(|| fault(io::ErrorKind::Other.into()))?;
    let (for_status, for_ends) = (events.clone(), events.clone());
    std::thread::spawn(move || {
        // Nothing to read and the end: execution closed the pipe.
        let mut text = String::new();
        let read = io::BufReader::new(status).read_to_string(&mut text);
        let failure = read.ok().and_then(|_| serde_json::from_str(&text).ok());
        for_status.send(Event::Executed(failure.map_or(Ok(()), Err)))
    });
    output::follow(streams, plan.runtime, &super::redactor(plan), log, events.clone());
    std::thread::spawn(move || {
        let _held = lock;
        wait_for_ends(main, &for_ends);
    });
    Ok(main)
}

/// Where the command prints to, and where that is read.
fn pipes(command: &mut Command, runtime: Runtime) -> io::Result<Vec<(Source, io::PipeReader)>> {
    let (out, out_end) = io::pipe()?;
    let mut streams = vec![(Source::Out, out)];
    if output::is_split(runtime) {
        let (err, err_end) = io::pipe()?;
        streams.push((Source::Err, err));
        command.stderr(err_end);
    } else {
        command.stderr(out_end.try_clone()?);
    }
    command.stdout(out_end);
    Ok(streams)
}

/// Reap everything that ends, adopted processes too, until there is nothing left.
fn wait_for_ends(main: Pid, events: &Sender<Event>) {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => {
                // At once and as a whole, so that a group that only forks cannot run away.
                let _gone: Result<(), _> = rustix::process::kill_process_group(main, Signal::KILL);
                let is_alone = is_nobody_left();
                let _unheard = events.send(Event::Ended { end: ending(status), is_alone });
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => {
                let _unheard = events.send(Event::AllGone);
                return;
            }
        }
    }
}

/// Whether nothing is left of all that the agent has started: whoever loses its parent becomes a child of this process, so
/// that without a child there is nobody. What has ended is taken away.
fn is_nobody_left() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return false,
            Err(error) => return error == rustix::io::Errno::CHILD,
        }
    }
}

fn ending(status: WaitStatus) -> Notice {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Notice::Exited { code },
        (None, signal) => Notice::Signalled { signal: signal.unwrap_or_default() },
    }
}
