//! A shim as the supervisor sees it: orders in, notices out.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::pipe::Sender;
use tokio::process::{Child, ChildStdout, Command};

use crate::protocol::{Notice, Order, line};
use crate::shim::lock;

/// How long a shim that says nothing more may take to exit.
const EXIT_MAX: Duration = Duration::from_secs(1);

/// A running shim. Dropping it ends it and its agent at once: its standard input ends. The shim of a turn goes on until the
/// lease is over.
#[derive(Debug)]
pub(crate) struct Shim {
    child: Child,
    input: Sender,
    notices: Lines<BufReader<ChildStdout>>,
    /// The agent's process group, once it is known.
    pub(crate) group: Option<i32>,
}

impl Shim {
    /// Start a shim with this plan, of an agent or of a turn; one that outlives its supervisor must not hold on to what that
    /// prints to.
    pub(crate) async fn start(
        words: &[OsString],
        plan: &impl serde::Serialize,
        errors: Stdio,
    ) -> io::Result<Self> {
        let (program, args) = words.split_first().ok_or(io::ErrorKind::NotFound)?;
        let (order, input) = io::pipe()?;
        let mut input = Sender::from_owned_fd(input.into())?;
        let plan = line(plan)?;
        // The plan lies in the pipe before the shim begins, so that it need not wait until this process has its turn again.
        let written = first_write(&input, &plan)?;
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .stdin(order)
            .stdout(Stdio::piped())
            .stderr(errors)
            // A Ctrl-C at the supervisor's terminal is for the supervisor, who knows how agents are stopped.
            .process_group(0)
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        input.write_all(plan.get(written..).unwrap_or_default()).await?;
        Ok(Self { child, input, notices: BufReader::new(output).lines(), group: None })
    }

    /// What the shim says next; `None` = it is gone. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<Notice> {
        let text = self.notices.next_line().await.ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Whether it ended by itself, and not by a signal; asked when it says nothing more.
    pub(crate) async fn has_exited(&mut self) -> bool {
        let ended = tokio::time::timeout(EXIT_MAX, self.child.wait()).await;
        matches!(ended, Ok(Ok(status)) if status.code().is_some())
    }

    /// Tell the shim something. One that is gone needs no order; its end is seen in what it says.
    pub(crate) async fn order(&mut self, order: Order) {
        if let Ok(bytes) = line(&order) {
            let _gone = self.input.write_all(&bytes).await;
        }
    }
}

/// Write what has room in the pipe now; gives how much that is.
fn first_write(input: &Sender, bytes: &[u8]) -> io::Result<usize> {
    match input.try_write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// Make sure that nothing is left of an agent whose shim is gone.
pub(crate) async fn clear(lock: PathBuf, group: Option<i32>) {
    let cleared = tokio::task::spawn_blocking(move || {
        if let Some(group) = group.and_then(Pid::from_raw) {
            // Mostly it died with its shim.
            let _gone: Result<(), _> = kill_process_group(group, Signal::KILL);
        }
        lock::clear(&lock, Duration::ZERO)
    });
    if !matches!(cleared.await, Ok(Ok(true))) {
        tracing::warn!("agent.not_cleared: something of it does not end");
    }
}
