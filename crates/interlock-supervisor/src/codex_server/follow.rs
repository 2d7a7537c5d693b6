//! The shell around one turn: its socket, its timer, its log, the token it lends.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::actor::AgentName;
use interlock_core::agent::Runtime;
use interlock_core::id::SessionId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::params::{missing_variables, wanted};
use super::probe;
use super::token::{self, Lent};
use super::turn::{Act, Event, Turn};
use super::watchers::heed;
use super::wire::Wire;
use crate::attempt::Input;
use crate::environment::standing;
use crate::runtime;
use crate::shared::Shared;
use crate::shim::log::Log;
use crate::shim::redact::Redactor;

/// The pause before a server that was lost is looked for again.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// An attempt through the live door. Dropping it closes its connection: a turn that runs goes on, and whoever has the
/// wake next looks for it.
#[derive(Debug)]
pub(crate) struct Live {
    inputs: UnboundedReceiver<Input>,
    events: UnboundedSender<Event>,
    task: AbortHandle,
}

impl Live {
    /// Begin an attempt at this claim.
    pub(crate) fn start(shared: Arc<Shared>, claimed: ClaimedWake, log: PathBuf) -> Self {
        let ((say, inputs), (events, inbox)) = (unbounded_channel(), unbounded_channel());
        let task = tokio::spawn(follow(shared, claimed, log, say, inbox)).abort_handle();
        Self { inputs, events, task }
    }

    /// What happened; nothing more after the end of it. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        self.inputs.recv().await
    }

    /// Tell it something. One that is over needs to hear nothing.
    pub(crate) fn tell(&self, event: Event) {
        let _over = self.events.send(event);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    shared: Arc<Shared>,
    claimed: ClaimedWake,
    log: PathBuf,
    say: UnboundedSender<Input>,
    inbox: UnboundedReceiver<Event>,
) {
    let hide = redactor(&shared, &claimed);
    let prepared = prepare(&shared, &claimed, hide).await;
    let (socket, is_ours, turn, _lent) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => {
            tracing::debug!(wake_id = %claimed.wake.wake_id, why, "live.unavailable");
            if claimed.launch.live {
                // Where it was asked for, its absence is worth a word; elsewhere it is the usual thing.
                Notes::open(&log, &claimed).add(&format!("not through Codex's server: {why}"));
            }
            let _over = say.send(Input::DoorUnavailable);
            return;
        }
    };
    let notes = Notes::open(&log, &claimed);
    let (agent, session) = (claimed.wake.agent.clone(), claimed.resume);
    if let Some(session) = session {
        shared.watchers.watch(&shared, &socket, session, &agent);
    }
    let mut shell = Shell { shared, socket, is_ours, turn, wire: None, agent, session, say, inbox, notes };
    shell.run().await;
}

/// What takes the wake's token and the agent's own values out of its log.
fn redactor(shared: &Shared, claimed: &ClaimedWake) -> Redactor {
    let standing = standing(&claimed.launch, &shared.config.environment, &[]);
    let secrets = standing.map(|standing| standing.secrets).unwrap_or_default();
    Redactor::new(secrets.into_iter().chain([claimed.token.clone().into()]).map(OsString::into_vec))
}

/// Which socket, which turn, and the token while it runs.
async fn prepare(
    shared: &Arc<Shared>,
    claimed: &ClaimedWake,
    hide: Redactor,
) -> Result<(PathBuf, bool, Turn, Lent), String> {
    let config = &shared.config;
    let launch = &claimed.launch;
    let home = runtime::home(Runtime::Codex, launch, &config.environment)
        .ok_or("neither CODEX_HOME nor HOME is set for the agent")?;
    let (socket, is_ours) = choose(shared, claimed, &home).await?;
    let missing = missing_variables(launch);
    if !is_ours && !missing.is_empty() {
        tracing::info!(wake_id = %claimed.wake.wake_id, ?missing, "live.variables_not_set");
    }
    let kind = (is_ours, hide);
    let wanted = wanted(claimed, &config.state_dir, &config.bridge, &config.environment, kind)?;
    let file = token::path(&config.state_dir, claimed);
    let lent = Lent::new(file, config.client.url(), &claimed.token)
        .map_err(|error| format!("the token cannot be lent: {error}"))?;
    Ok((socket, is_ours, Turn::new(wanted), lent))
}

/// Our own server for an agent that wants it, else a person's; of several, the one that has the thread loaded. Says also
/// whether it was started with the agent's own words.
async fn choose(shared: &Arc<Shared>, claimed: &ClaimedWake, home: &Path) -> Result<(PathBuf, bool), String> {
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
    there.into_iter().next().ok_or_else(|| "none runs".into())
}

struct Shell {
    shared: Arc<Shared>,
    socket: PathBuf,
    /// It is one that we run for people to attach to.
    is_ours: bool,
    turn: Turn,
    wire: Option<Wire>,
    agent: AgentName,
    /// The session that the wake goes on in.
    session: Option<SessionId>,
    say: UnboundedSender<Input>,
    inbox: UnboundedReceiver<Event>,
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
                Act::Say(input) => {
                    if let Input::Began { session_id } = input {
                        self.on_began(session_id);
                    }
                    // The runner is gone when its supervisor ends.
                    let _gone = self.say.send(input);
                }
                Act::Log(text) => self.notes.add(&text),
                Act::Heed { person_at_ms } => {
                    let is_held = match self.session {
                        Some(session) => heed(&self.shared, session, &self.agent, person_at_ms).await,
                        None => false,
                    };
                    happened = Some(Event::Heeded { is_held });
                }
            }
        }
        happened
    }

    /// People can sit down in front of it from here on, and are seen.
    fn on_began(&mut self, session_id: SessionId) {
        if self.is_ours {
            let words = super::attach(&self.socket).join(" ");
            self.notes.add(&format!("attach with: {words} {}", session_id.to_uuid_text()));
        }
        self.shared.watchers.watch(&self.shared, &self.socket, session_id, &self.agent);
    }

    async fn connect(&mut self, pause: Duration) -> Event {
        self.wire = None;
        tokio::time::sleep(pause).await;
        match Wire::connect(&self.socket).await {
            Ok(wire) => {
                self.wire = Some(wire);
                Event::Connected
            }
            Err(error) => {
                let is_gone =
                    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
                Event::Unreachable { is_gone }
            }
        }
    }

    async fn next(&mut self) -> Event {
        let timer = self.turn.timer_ms().map(|at_ms| self.shared.moment(at_ms));
        let alarm = async {
            match timer {
                Some(moment) => tokio::time::sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        let heard = async {
            match &mut self.wire {
                Some(wire) => wire.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(event) = self.inbox.recv() => event,
            () = alarm => Event::Timer,
            heard = heard => {
                if let Some(message) = heard {
                    return Event::Heard(message);
                }
                self.wire = None;
                Event::Gone
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
