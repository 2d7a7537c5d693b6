//! Runs a program with bounded memory and time, and leaves nothing of it behind.
//!
//! A program runs in a process group of its own, led by a one-line watchdog that waits for the end of its
//! standard input. Only this process holds the other end, so whatever ends this process, kill -9 included, ends
//! the group too; and while the watchdog is not reaped the group's number cannot be given to somebody else.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::WorkError;

/// Bytes kept of each output stream, the newest ones.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Bytes of one line looked at as one line.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// How long the readers may take after the group was ended.
const DRAIN_MS_MAX: u64 = 2_000;

/// What an agent knows and the programs it runs shall not.
pub(crate) const PRIVATE_VARIABLES: &[&str] = &[
    "INTERLOCK_CONTRACT",
    "INTERLOCK_URL",
    "INTERLOCK_TOKEN",
    "INTERLOCK_DEADLINE",
    "INTERLOCK_WORKSPACE",
    "INTERLOCK_AGENT",
    "INTERLOCK_SESSION",
    "INTERLOCK_THREAD",
    "INTERLOCK_WAKE",
    "INTERLOCK_WAKE_SEQ",
    "INTERLOCK_PROMPT",
    "INTERLOCK_REPO",
];

/// How long one program may run, and when everything has to be over.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest run of one program.
    pub run_max: Duration,
    /// The instant after which nothing may run.
    pub until: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { run_max: Duration::from_mins(10), until: None }
    }
}

impl Limits {
    fn now(self) -> Duration {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(self.run_max, |left| left.min(self.run_max))
    }

    /// Whether nothing may run any more.
    pub(crate) fn is_over(self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// The same with `factor` times the time for one program.
    pub(crate) fn times(self, factor: u32) -> Self {
        Self { run_max: self.run_max.saturating_mul(factor), ..self }
    }
}

/// Which lines of standard output are worth keeping.
pub(crate) type Keep = fn(&[u8]) -> bool;

/// A program to run.
pub(crate) struct Job<'a> {
    pub(crate) program: &'a str,
    pub(crate) arguments: &'a [String],
    pub(crate) dir: &'a Path,
    pub(crate) environment: &'a [(String, String)],
    pub(crate) limits: Limits,
    pub(crate) keep: Option<Keep>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Whether it was ended because its time was over.
    pub(crate) timed_out: bool,
    /// The end of its standard output.
    pub(crate) stdout: String,
    /// The end of its standard error.
    pub(crate) stderr: String,
    /// How long it ran.
    pub(crate) took: Duration,
}

/// Runs a program to its end.
pub(crate) fn run(job: &Job<'_>) -> Result<Ended, WorkError> {
    let started = Instant::now();
    let group = Group::open()?;
    let mut child = start(job, &group)?;
    let (done, over) = channel();
    let stdout = child.stdout.take().map(|pipe| collect(pipe, job.keep, done.clone()));
    let stderr = child.stderr.take().map(|pipe| collect(pipe, None, done));
    let (exit, exited) = channel();
    std::thread::spawn(move || {
        // The receiver gives up only together with the whole run.
        let _ = exit.send(child.wait());
    });
    let limit = job.limits.now();
    let first = exited.recv_timeout(limit);
    let timed_out = first.is_err();
    group.close();
    let status = first.or_else(|_| exited.recv_timeout(Duration::from_millis(DRAIN_MS_MAX)));
    await_readers(&over);
    Ok(Ended {
        code: status.ok().and_then(Result::ok).and_then(|status| status.code()).filter(|_| !timed_out),
        timed_out,
        stdout: stdout.map(|tail| text(&tail)).unwrap_or_default(),
        stderr: stderr.map(|tail| text(&tail)).unwrap_or_default(),
        took: started.elapsed(),
    })
}

fn start(job: &Job<'_>, group: &Group) -> Result<Child, WorkError> {
    let mut command = Command::new(job.program);
    command.args(job.arguments).current_dir(job.dir).process_group(group.id());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in PRIVATE_VARIABLES {
        command.env_remove(name);
    }
    command.envs(job.environment.iter().map(|(name, value)| (name, value)));
    command.spawn().map_err(|error| WorkError::NotStarted {
        command: std::iter::once(job.program)
            .chain(job.arguments.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" "),
        detail: error.to_string(),
    })
}

/// A process group that lives no longer than this process.
struct Group(Child);

impl Group {
    fn open() -> Result<Self, WorkError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read -r _; kill -9 0"]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).env_clear();
        let watchdog = command.spawn().map_err(|error| WorkError::NotStarted {
            command: "/bin/sh".to_owned(),
            detail: error.to_string(),
        })?;
        Ok(Self(watchdog))
    }

    fn id(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap_or(0)
    }

    /// Ends every process of the group.
    fn close(mut self) {
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::KILL,
        );
        let _ = self.0.wait();
    }
}

type Shared = Arc<Mutex<Vec<u8>>>;

fn collect(pipe: impl Read + Send + 'static, keep: Option<Keep>, done: Sender<()>) -> Shared {
    let tail = Shared::default();
    let shared = Arc::clone(&tail);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) if keep.is_none_or(|keep| keep(&line)) => {
                    append(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), &line);
                }
                Ok(_) => {}
            }
        }
        let _ = done.send(());
    });
    tail
}

/// Appends, and forgets the oldest half once there is twice as much as is kept.
fn append(tail: &mut Vec<u8>, line: &[u8]) {
    tail.extend_from_slice(line);
    if tail.len() > 2 * OUTPUT_BYTES_MAX {
        tail.drain(..tail.len() - OUTPUT_BYTES_MAX);
    }
}

fn await_readers(over: &Receiver<()>) {
    let until = Instant::now() + Duration::from_millis(DRAIN_MS_MAX);
    // A process that left the group may hold a pipe open: what came so far is enough then.
    while over.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
}

fn text(tail: &Shared) -> String {
    let bytes = tail.lock().unwrap_or_else(PoisonError::into_inner);
    let from = bytes.len().saturating_sub(OUTPUT_BYTES_MAX);
    let kept = bytes.get(from..).unwrap_or_default();
    let whole =
        if from == 0 { 0 } else { kept.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
    String::from_utf8_lossy(kept.get(whole..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests;
