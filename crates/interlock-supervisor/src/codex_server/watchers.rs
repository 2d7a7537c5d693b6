//! The shells around [`Watch`]: a connection to each server in which an agent was woken, and the reports of what is seen.
//!
//! A connection that is lost is made again as long as the supervisor lives, so that a server which was started again is
//! watched again. What is seen is told with how long ago it was: it may have waited for a server of ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interlock_api::operations::ObserveSession;
use interlock_api::v1::session::ObserveSessionParams;
use interlock_core::actor::AgentName;
use interlock_core::agent::Runtime;
use interlock_core::id::SessionId;
use interlock_core::session::Observed;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::AbortHandle;

use super::watch::{Act, Event, Moment, Sight, Watch};
use super::wire::{Wire, heard, is_gone};
use crate::identity::wall_ms;
use crate::shared::Shared;

/// Servers of Codex that one supervisor watches; others are looked at when somebody is woken there.
pub(crate) const WATCHED_MAX: usize = 32;
/// Sights that wait to be told; what is seen beyond that is not.
pub(crate) const SIGHTS_MAX: usize = 256;
/// How often a sight is tried to be told: about ten seconds long, after which it says little about now.
const TRIES_MAX: u32 = 6;
/// The pause after the first try; doubles.
const TRY_PAUSE: Duration = Duration::from_millis(200);
/// The pause before a server that was lost is connected to again; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(200);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long our server may take to say whether a person keeps us out.
const HEED_MAX: Duration = Duration::from_secs(3);

/// What watches the servers of one supervisor.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    all: Mutex<BTreeMap<PathBuf, Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    known: UnboundedSender<(SessionId, AgentName)>,
    task: AbortHandle,
}

impl Watchers {
    /// Watch an agent's session in the server on this socket, until the supervisor ends.
    pub(crate) fn watch(&self, shared: &Arc<Shared>, socket: &Path, thread: SessionId, agent: &AgentName) {
        let mut all = self.all();
        if all.len() >= WATCHED_MAX && !all.contains_key(socket) {
            tracing::warn!(socket = %socket.display(), max = WATCHED_MAX, "codex_server.not_watched");
            return;
        }
        let watcher = all.entry(socket.to_owned()).or_insert_with(|| {
            let (known, news) = unbounded_channel();
            let task = tokio::spawn(watch(Arc::clone(shared), socket.to_owned(), news));
            Watcher { known, task: task.abort_handle() }
        });
        // It ends with the supervisor, which asks for nothing more.
        let _over = watcher.known.send((thread, agent.clone()));
    }

    /// Watch no longer.
    pub(crate) fn end(&self) {
        for watcher in std::mem::take(&mut *self.all()).into_values() {
            watcher.task.abort();
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Watcher>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch(shared: Arc<Shared>, socket: PathBuf, news: UnboundedReceiver<(SessionId, AgentName)>) {
    let (sights, told) = channel(SIGHTS_MAX);
    let shell = Shell { shared: &shared, socket, watch: Watch::default(), wire: None, news, sights };
    // Both at once, in one task: whoever ends it ends both.
    tokio::join!(shell.run(), tell(&shared, told));
}

struct Shell<'s> {
    shared: &'s Shared,
    socket: PathBuf,
    watch: Watch,
    wire: Option<Wire>,
    news: UnboundedReceiver<(SessionId, AgentName)>,
    /// What was seen, and when by the monotonic clock.
    sights: Sender<(Sight, u64)>,
}

impl Shell<'_> {
    async fn run(mut self) {
        let mut pause = PAUSE;
        loop {
            let event = match &self.wire {
                Some(_) => self.next().await,
                None => match Wire::connect(&self.socket).await {
                    Ok(wire) => {
                        (self.wire, pause) = (Some(wire), PAUSE);
                        Event::Connected
                    }
                    Err(error) => {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                        Event::Lost { is_gone: is_gone(&error) }
                    }
                },
            };
            self.take_in(event).await;
        }
    }

    async fn take_in(&mut self, event: Event) {
        let at_ms = self.shared.now_ms();
        for act in self.watch.on(Moment { at_ms, wall_ms: wall_ms() }, event) {
            match act {
                Act::Send(text) => {
                    let sent = match &mut self.wire {
                        Some(wire) => wire.send(text).await,
                        // It is asked again when there is a connection.
                        None => Ok(()),
                    };
                    if sent.is_err() {
                        self.wire = None;
                    }
                }
                Act::Observe(sight) => {
                    if self.sights.try_send((sight, at_ms)).is_err() {
                        tracing::warn!(socket = %self.socket.display(), max = SIGHTS_MAX, "sight.left_out");
                    }
                }
                Act::Connect => self.wire = None,
            }
        }
    }

    async fn next(&mut self) -> Event {
        let timer = self.shared.alarm(self.watch.timer_ms());
        tokio::select! {
            Some((thread, agent)) = self.news.recv() => Event::Known { thread, agent },
            () = timer => Event::Timer,
            heard = heard(&mut self.wire) => heard.map_or(Event::Lost { is_gone: false }, Event::Heard),
        }
    }
}

/// Tell our server what was seen, in order, each a few times at most.
async fn tell(shared: &Shared, mut sights: Receiver<(Sight, u64)>) {
    while let Some((sight, seen_ms)) = sights.recv().await {
        let mut pause = TRY_PAUSE;
        for left in (0..TRIES_MAX).rev() {
            let waited = shared.now_ms().saturating_sub(seen_ms);
            let observed = observe(shared, &sight, sight.ago_ms.saturating_add(waited)).await;
            let Err(problem) = observed else { break };
            let (agent, what) = (&sight.agent, sight.observed);
            if left == 0 || !problem.retryable {
                tracing::warn!(%agent, %what, %problem, "sight.not_told");
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

async fn observe(shared: &Shared, sight: &Sight, ago_ms: u64) -> Result<bool, interlock_api::Problem> {
    let params = ObserveSessionParams {
        agent: Some(sight.agent.clone()),
        session_id: Some(sight.thread),
        runtime: Some(Runtime::Codex),
        observed: sight.observed,
        ago_ms,
        wake_id: None,
        deliver: false,
    };
    let answer = shared.config.client.call::<ObserveSession>(&params, None).await;
    answer.map(|answer| answer.is_held).inspect_err(|problem| shared.note_refusal(problem))
}

/// Tell our server when a person last said something in a session, and learn whether nobody may enter it now. While it does
/// not say so, nobody does: the wake loses nothing by waiting.
pub(crate) async fn heed(shared: &Shared, thread: SessionId, agent: &AgentName, person_at_ms: u64) -> bool {
    let ago_ms = wall_ms().saturating_sub(person_at_ms);
    if ago_ms > interlock_core::limits::OBSERVED_AGO_MS_MAX.unsigned_abs() {
        return false;
    }
    let prompt = Sight { agent: agent.clone(), thread, observed: Observed::HumanPrompt, ago_ms };
    let over = Sight { observed: Observed::TurnEnded, ..prompt.clone() };
    let looked_ms = shared.now_ms();
    let told = async {
        observe(shared, &prompt, ago_ms).await?;
        // As old as the look: a turn that begins meanwhile is not taken for over.
        observe(shared, &over, shared.now_ms().saturating_sub(looked_ms)).await
    };
    match tokio::time::timeout(HEED_MAX, told).await {
        Ok(Ok(is_held)) => is_held,
        Ok(Err(problem)) => {
            tracing::warn!(%agent, %problem, "sight.not_told");
            true
        }
        Err(_) => {
            tracing::warn!(%agent, "sight.not_told: no answer in time");
            true
        }
    }
}
