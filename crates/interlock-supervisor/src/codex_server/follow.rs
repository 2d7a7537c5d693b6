//! The shell around one turn: its socket, its timer, its log, the token it lends.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::agent::Runtime;
use interlock_core::id::SessionId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::deadline::{Deadline, Watched};
use super::params::{client_id, missing_variables, wanted};
use super::probe;
use super::record::{self, Record};
use super::token::{self, Lent};
use super::turn::{Act, Event, Turn};
use super::watchers::heed;
use super::wire::{Wire, heard, is_gone};
use crate::attempt::Input;
use crate::environment::standing;
use crate::runtime;
use crate::shared::Shared;
use crate::shim::log::Log;
use crate::shim::redact::Redactor;

/// The pause before a server that was lost is looked for again.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// An attempt through the live door. Dropping it closes its connection: a turn that runs goes on, and whoever has the
/// wake next looks for it; its deadline ends it when nobody has it by then.
#[derive(Debug)]
pub(crate) struct Live {
    inputs: UnboundedReceiver<Input>,
    events: UnboundedSender<Event>,
    lease: watch::Sender<u64>,
    task: AbortHandle,
}

impl Live {
    /// Begin an attempt at this claim, whose lease is over at this time.
    pub(crate) fn start(
        shared: Arc<Shared>,
        claimed: ClaimedWake,
        log: PathBuf,
        lease_until_ms: u64,
    ) -> Self {
        let ((say, inputs), (events, inbox)) = (unbounded_channel(), unbounded_channel());
        let (lease, renewed) = watch::channel(lease_until_ms);
        let task = tokio::spawn(follow(shared, claimed, log, (say, inbox, renewed))).abort_handle();
        Self { inputs, events, lease, task }
    }

    /// What happened; nothing more after the end of it. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        self.inputs.recv().await
    }

    /// Tell it something. One that is over needs to hear nothing.
    pub(crate) fn tell(&self, event: Event) {
        let _over = self.events.send(event);
    }

    /// The lease was renewed.
    pub(crate) fn renewed(&self, until_ms: u64) {
        self.lease.send_replace(until_ms);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How the attempt is told, what it is told, and until when its lease holds.
type Ends = (UnboundedSender<Input>, UnboundedReceiver<Event>, watch::Receiver<u64>);

async fn follow(shared: Arc<Shared>, claimed: ClaimedWake, log: PathBuf, (say, inbox, lease): Ends) {
    let hide = redactor(&shared, &claimed);
    let until_ms = *lease.borrow();
    let prepared = prepare(&shared, &claimed, hide, &log, until_ms).await;
    let Prepared { socket, is_ours, turn, deadline, _lent } = match prepared {
        Ok(prepared) => prepared,
        Err(hindrance) => {
            let why = &hindrance.why;
            tracing::debug!(wake_id = %claimed.wake.wake_id, why, "live.unavailable");
            if claimed.launch.live || claimed.is_in_doubt {
                // Where it was asked for, its absence is worth a word; elsewhere it is the usual thing.
                Notes::open(&log, &claimed).add(&format!("not through Codex's server: {why}"));
            }
            let _over = say.send(hindrance.end(claimed.is_in_doubt));
            return;
        }
    };
    let notes = Notes::open(&log, &claimed);
    if let Some(session) = turn.thread() {
        shared.watchers.watch(&shared, &socket, session, &claimed.wake.agent);
    }
    let mut shell =
        Shell { shared, claimed, log, socket, is_ours, turn, deadline, wire: None, say, inbox, lease, notes };
    shell.run().await;
    if let Some(deadline) = shell.deadline.filter(|_| !shell.turn.may_go_on()) {
        deadline.over().await;
    }
}

/// Why it does not even come to a turn's first step.
#[derive(Debug, PartialEq, Eq)]
struct Hindrance {
    why: String,
    /// Nothing runs: the server is gone with whatever it did, or nothing was asked of it.
    is_certain: bool,
}

impl<T: Into<String>> From<T> for Hindrance {
    fn from(why: T) -> Self {
        Self { why: why.into(), is_certain: false }
    }
}

impl Hindrance {
    fn certain(why: &str) -> Self {
        Self { why: why.into(), is_certain: true }
    }

    /// What that is for the attempt: another door may do what nothing was sent for. What an earlier life may have sent
    /// is in doubt as long as nobody has looked.
    const fn end(&self, is_in_doubt: bool) -> Input {
        if is_in_doubt && !self.is_certain { Input::NotStarted } else { Input::DoorUnavailable }
    }
}

/// Everything that a turn needs.
struct Prepared {
    socket: PathBuf,
    is_ours: bool,
    turn: Turn,
    /// Of one that an earlier claim may have begun: it is taken over before it is looked for.
    deadline: Option<Deadline>,
    /// The token, while it runs.
    _lent: Lent,
}

/// What takes the wake's token and the agent's own values out of its log.
fn redactor(shared: &Shared, claimed: &ClaimedWake) -> Redactor {
    let standing = standing(&claimed.launch, &shared.config.environment, &[]);
    let secrets = standing.map(|standing| standing.secrets).unwrap_or_default();
    Redactor::new(secrets.into_iter().chain([claimed.token.clone().into()]).map(OsString::into_vec))
}

async fn prepare(
    shared: &Arc<Shared>,
    claimed: &ClaimedWake,
    hide: Redactor,
    log: &Path,
    lease_until_ms: u64,
) -> Result<Prepared, Hindrance> {
    let config = &shared.config;
    let launch = &claimed.launch;
    let home = runtime::home(Runtime::Codex, launch, &config.environment)
        .ok_or("neither CODEX_HOME nor HOME is set for the agent")?;
    let begun = if claimed.is_in_doubt { begun(shared, claimed)? } else { None };
    let (socket, is_ours) = match &begun {
        Some(begun) => find(shared, claimed, &home, begun).await?,
        None => choose(shared, claimed, &home).await?,
    };
    let missing = missing_variables(launch);
    if !is_ours && !missing.is_empty() {
        tracing::info!(wake_id = %claimed.wake.wake_id, ?missing, "live.variables_not_set");
    }
    let kind = (is_ours, hide);
    let mut wanted = wanted(claimed, &config.state_dir, &config.bridge, &config.environment, kind)?;
    let mut deadline = None;
    if let Some(begun) = begun {
        wanted.thread = Some(begun.session_id);
        let turn = Watched { record: begun, is_found: true, log: log.to_owned() };
        let taken = Deadline::start(shared, claimed, turn, lease_until_ms).await?;
        wanted.is_cut = taken.record.is_cut;
        deadline = Some(taken);
    }
    let file = token::path(&config.state_dir, claimed);
    let lent = Lent::new(file, config.client.url(), &claimed.token)
        .map_err(|error| format!("the token cannot be lent: {error}"))?;
    Ok(Prepared { socket, is_ours, turn: Turn::new(wanted), deadline, _lent: lent })
}

/// What was asked for by the claim before. Without a word of it, it is looked for in the agent's session, where it has one;
/// else nothing was asked for.
fn begun(shared: &Shared, claimed: &ClaimedWake) -> Result<Option<Record>, Hindrance> {
    let path = record::path(&shared.config.state_dir, claimed);
    let read = Record::read(&path, &client_id(claimed));
    let begun = read.map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    if begun.is_none() && claimed.resume.is_none() {
        return Err(Hindrance::certain("nothing was asked of a server"));
    }
    Ok(begun)
}

/// The server in which it was begun. One of ours is gone with the supervisor's life; what it has written down is told by the
/// next one.
async fn find(
    shared: &Arc<Shared>,
    claimed: &ClaimedWake,
    home: &Path,
    begun: &Record,
) -> Result<(PathBuf, bool), Hindrance> {
    if claimed.launch.live && begun.socket == super::socket(&shared.config.state_dir, home) {
        return Ok((shared.servers.socket(shared, &claimed.launch).await?, true));
    }
    if !begun.socket.exists() {
        return Err(Hindrance::certain("the server in which it was begun is gone"));
    }
    Ok((begun.socket.clone(), false))
}

/// Our own server for an agent that wants it, else a person's; of several, the one that has the thread loaded. Says also
/// whether it was started with the agent's own words.
async fn choose(
    shared: &Arc<Shared>,
    claimed: &ClaimedWake,
    home: &Path,
) -> Result<(PathBuf, bool), Hindrance> {
    let wants_ours = claimed.launch.live;
    let Some(thread) = claimed.resume else {
        // A fresh session is begun where its agent was told to live, and not in front of somebody.
        if wants_ours {
            return Ok((shared.servers.socket(shared, &claimed.launch).await?, true));
        }
        return Err("a fresh session is not begun in a person's own server".into());
    };
    let (ours, theirs) = (super::socket(&shared.config.state_dir, home), super::control(home));
    let mut there = Vec::from_iter(theirs.exists().then_some((theirs, false)));
    if wants_ours {
        there.insert(0, (shared.servers.socket(shared, &claimed.launch).await?, true));
    } else if ours.exists() {
        // Another agent's; it may have this thread loaded all the same.
        there.push((ours, false));
    }
    if there.len() > 1 {
        for (socket, is_ours) in &there {
            if probe::has_loaded(socket, thread).await {
                return Ok((socket.clone(), *is_ours));
            }
        }
    }
    there.into_iter().next().ok_or_else(|| Hindrance::certain("none runs"))
}

struct Shell {
    shared: Arc<Shared>,
    claimed: ClaimedWake,
    log: PathBuf,
    socket: PathBuf,
    /// It is one that we run for people to attach to.
    is_ours: bool,
    turn: Turn,
    /// What ends the turn when nobody follows it any more: there before anything is sent.
    deadline: Option<Deadline>,
    wire: Option<Wire>,
    say: UnboundedSender<Input>,
    inbox: UnboundedReceiver<Event>,
    lease: watch::Receiver<u64>,
    notes: Notes,
}

impl Shell {
    async fn run(&mut self) {
        let mut event = self.connect(Duration::ZERO).await;
        loop {
            let acts = self.turn.on(self.shared.now_ms(), event);
            let next = self.perform(acts).await;
            if self.turn.is_over() {
                return;
            }
            event = match next {
                Some(event) => event,
                None => self.next().await,
            };
        }
    }

    /// Do it; gives what happened on the way.
    async fn perform(&mut self, acts: Vec<Act>) -> Option<Event> {
        let mut happened = None;
        for act in acts {
            match act {
                Act::Send(text) => {
                    let sent = match &mut self.wire {
                        Some(wire) => wire.send(text).await,
                        None => Err(io::ErrorKind::NotConnected.into()),
                    };
                    if sent.is_err() {
                        self.wire = None;
                        happened = Some(Event::Gone);
                    }
                }
                Act::Connect => happened = Some(self.connect(CONNECT_PAUSE).await),
                Act::Cut => self.cut(),
                Act::Say(Input::Spawned) => match self.watch_over().await {
                    // The runner is gone when its supervisor ends.
                    Ok(()) => drop(self.say.send(Input::Spawned)),
                    Err(why) => return Some(Event::Unwatched { why }),
                },
                Act::Say(input) => {
                    if let Input::Began { session_id } = input {
                        self.on_began(session_id);
                    }
                    let _gone = self.say.send(input);
                }
                Act::Log(text) => self.notes.add(&text),
                Act::Heed { person_at_ms } => {
                    let agent = &self.claimed.wake.agent;
                    let is_held = match self.turn.thread() {
                        Some(session) => heed(&self.shared, session, agent, person_at_ms).await,
                        None => false,
                    };
                    happened = Some(Event::Heeded { is_held });
                }
            }
        }
        happened
    }

    /// Whatever becomes of this supervisor, the turn that is about to begin ends with its lease.
    async fn watch_over(&mut self) -> Result<(), String> {
        let Some(session_id) = self.turn.thread().filter(|_| self.deadline.is_none()) else { return Ok(()) };
        let client_id = client_id(&self.claimed);
        let record = Record { socket: self.socket.clone(), session_id, client_id, is_cut: false };
        let until_ms = *self.lease.borrow_and_update();
        let turn = Watched { record, is_found: false, log: self.log.clone() };
        self.deadline = Some(Deadline::start(&self.shared, &self.claimed, turn, until_ms).await?);
        Ok(())
    }

    /// Whoever looks for it later is not to think that a person did that.
    fn cut(&self) {
        let Some(deadline) = &self.deadline else { return };
        if let Err(error) = deadline.record.cut(&deadline.path) {
            tracing::warn!(wake_id = %self.claimed.wake.wake_id, %error, "turn.cut_unrecorded");
        }
    }

    /// People can sit down in front of it from here on, and are seen.
    fn on_began(&mut self, session_id: SessionId) {
        if self.is_ours {
            let words = super::attach(&self.socket).join(" ");
            self.notes.add(&format!("attach with: {words} {}", session_id.to_uuid_text()));
        }
        self.shared.watchers.watch(&self.shared, &self.socket, session_id, &self.claimed.wake.agent);
    }

    async fn connect(&mut self, pause: Duration) -> Event {
        self.wire = None;
        tokio::time::sleep(pause).await;
        match Wire::connect(&self.socket).await {
            Ok(wire) => {
                self.wire = Some(wire);
                Event::Connected
            }
            Err(error) => Event::Unreachable { is_gone: is_gone(&error) },
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            let timer = self.shared.alarm(self.turn.timer_ms());
            tokio::select! {
                Some(event) = self.inbox.recv() => return event,
                Ok(()) = self.lease.changed() => {
                    let until_ms = *self.lease.borrow_and_update();
                    if let Some(deadline) = &mut self.deadline {
                        deadline.renewed(until_ms).await;
                    }
                }
                () = timer => return Event::Timer,
                heard = heard(&mut self.wire) => return heard.map_or(Event::Gone, Event::Heard),
            }
        }
    }
}

/// The wake's log, as far as it can be written.
struct Notes(Option<Log>);

impl Notes {
    fn open(path: &std::path::Path, claimed: &ClaimedWake) -> Self {
        let wake = &claimed.wake;
        let heading = format!(
            "--- {} {} attempt {} through Codex's server",
            crate::identity::wall_now(),
            wake.wake_id,
            wake.attempts.saturating_add(1),
        );
        let opened = Log::open(path).and_then(|mut log| log.begin(&heading).map(|()| log));
        if let Err(error) = &opened {
            tracing::warn!(wake_id = %wake.wake_id, %error, "wake.unlogged");
        }
        Self(opened.ok())
    }

    fn add(&mut self, text: &str) {
        let Some(log) = &mut self.0 else { return };
        if let Err(error) = log.append(format!("{text}\n").as_bytes()) {
            tracing::warn!(%error, "wake.unlogged");
            self.0 = None;
        }
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if let Some(log) = &mut self.0
            && let Err(error) = log.finish()
        {
            tracing::warn!(%error, "wake.unlogged");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another door may do what was never sent. What may have been sent is in doubt, whatever kept anybody from looking.
    #[test]
    fn what_keeps_from_looking_leaves_the_doubt() {
        let cannot = Hindrance::from("the token cannot be lent: no space left");
        let gone = Hindrance::certain("the server in which it was begun is gone");
        assert_eq!(cannot.end(false), Input::DoorUnavailable);
        assert_eq!(cannot.end(true), Input::NotStarted);
        assert_eq!((gone.end(false), gone.end(true)), (Input::DoorUnavailable, Input::DoorUnavailable));
    }
}
