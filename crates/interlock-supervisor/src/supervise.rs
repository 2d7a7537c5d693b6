//! The supervisor's loop: claims wakes, starts an attempt at each, keeps their leases.

use std::sync::Arc;
use std::time::Duration;

use interlock_api::Problem;
use interlock_api::operations::{ClaimWakes, RenewWakes};
use interlock_api::v1::wake::{
    ClaimWakesParams, ClaimWakesResponse, ClaimedWake, HeldWake, RenewWakesParams, RenewWakesResponse,
};
use interlock_core::Code;
use interlock_core::limits::CLAIM_WAKES_MAX;
use interlock_core::wake::Door;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::attempt::Input;
use crate::config::{Standing, SupervisorConfig};
use crate::shared::{Held, Shared};
use crate::shim::lock;
use crate::{codex_server, credential, identity, runner};

/// How long a claim waits at the server for the first wake.
const CLAIM_WAIT_MS: u32 = 25_000;
/// The same while there are agents that this machine cannot run: so soon it is seen that they can be.
const LACKING_WAIT_MS: u32 = 5_000;
/// The pause after the first failure of a call; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between tries, and the pause between claims while everything is halted.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Between renewals when no claim is open that would tell of a halt: all slots are taken.
const RENEW_FULL_MAX: Duration = Duration::from_secs(1);
/// How long a renewal's answer may take.
const RENEW_ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long the last reports may take, beyond the time that the agents' end takes.
const FAREWELL: Duration = Duration::from_secs(4);
/// How long processes of a former life are given to end by their shims' hands.
const FORMER_GRACE: Duration = Duration::from_secs(3);

/// The same for those that were cut off at the end.
const LAST_GRACE: Duration = Duration::from_secs(1);
/// A claim without a wake that is answered sooner than this is not followed by the next at once.
const IDLE_MIN: Duration = Duration::from_millis(50);

/// See [`crate::run`].
pub(crate) async fn run(config: SupervisorConfig, mut stop: watch::Receiver<bool>) -> Result<(), Problem> {
    let _held = identity::lock(&config.state_dir)?;
    let agents_dir = crate::agents_dir(&config.state_dir);
    for folder in [&agents_dir, &config.logs_dir] {
        std::fs::create_dir_all(folder).map_err(|error| identity::unwritable(folder, &error))?;
    }
    let name = identity::name(&config.state_dir)?;
    // A claim by this life releases what the former one held, so its processes must be gone before.
    clear_agents(&config, FORMER_GRACE).await;
    codex_server::clear(&config.state_dir)
        .map_err(|error| identity::unwritable(&config.state_dir, &error))?;
    let mut claimer = Claimer {
        shared: Shared::new(config, name),
        tasks: JoinSet::new(),
        incarnation: identity::incarnation()?,
        is_in_doubt: false,
        has_claimed: false,
        pause: PAUSE,
    };
    let shared = Arc::clone(&claimer.shared);
    let _ends = codex_server::servers::Ends(Arc::clone(&shared));
    tracing::info!(supervisor = shared.name, incarnation = claimer.incarnation, "supervisor.started");
    credential::begin(&shared).await?;
    let mut keepers = JoinSet::new();
    keepers.spawn(renew(Arc::clone(&shared)));
    keepers.spawn(credential::keep_fresh(Arc::clone(&shared)));
    let done = loop {
        tokio::select! {
            // Its sender's end is a stop too.
            _stop = stop.wait_for(|is_stop| *is_stop) => break Ok(()),
            ticked = claimer.tick() => if let Err(problem) = ticked { break Err(problem) },
        }
    };
    claimer.end().await;
    // Also of those whose last reports took too long.
    clear_agents(&shared.config, LAST_GRACE).await;
    tracing::info!(supervisor = shared.name, "supervisor.stopped");
    done
}

/// Make sure that no agent of this state folder runs.
async fn clear_agents(config: &SupervisorConfig, grace: Duration) {
    let folder = crate::agents_dir(&config.state_dir);
    let cleared = tokio::task::spawn_blocking(move || {
        let files = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "lock")) {
            if !lock::clear(&path, grace)? {
                tracing::warn!(path = %path.display(), "agent.not_cleared: something of it does not end");
            }
        }
        Ok::<(), std::io::Error>(())
    });
    if let Ok(Err(error)) = cleared.await {
        tracing::warn!(%error, "agent.not_cleared");
    }
}

struct Claimer {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    incarnation: String,
    /// A claim's answer was lost: wakes may be leased to this life that it does not know of.
    is_in_doubt: bool,
    has_claimed: bool,
    pause: Duration,
}

impl Claimer {
    /// One claim and what follows from it.
    async fn tick(&mut self) -> Result<(), Problem> {
        while self.tasks.try_join_next().is_some() {}
        let slots = self.shared.slots();
        self.shared.until_held(|count| count < slots).await;
        self.shared.unstuck().await;
        if self.is_in_doubt && self.shared.held().is_empty() {
            // A new life releases them at once; waiting for their leases to run out would take a minute.
            self.incarnation = identity::incarnation()?;
            self.is_in_doubt = false;
        }
        let asked = tokio::time::Instant::now();
        let answer = self.claim().await;
        let held = self.shared.held().len();
        let duration_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok(answer) => {
                self.shared.note_standing(Standing::Taken);
                self.has_claimed = true;
                self.pause = PAUSE;
                let pause = if answer.halt { PAUSE_MAX } else { IDLE_MIN };
                let (wakes, halt) = (answer.wakes.len(), answer.halt);
                self.on_claimed(answer);
                if wakes > 0 {
                    tracing::info!(wakes, held, duration_ms, "tick.completed");
                    return Ok(());
                }
                tracing::debug!(held, halt, duration_ms, "tick.idle");
                tokio::time::sleep_until(asked + pause).await;
                Ok(())
            }
            Err(problem) if is_refused(&problem) && !self.has_claimed => Err(problem),
            Err(problem) => {
                let again_ms = u64::try_from(self.pause.as_millis()).unwrap_or(u64::MAX);
                let reason = &problem.reason;
                tracing::warn!(reason, %problem, held, duration_ms, again_ms, "tick.failed");
                self.shared.note_refusal(&problem);
                self.is_in_doubt = true;
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(PAUSE_MAX);
                Ok(())
            }
        }
    }

    async fn claim(&self) -> Result<ClaimWakesResponse, Problem> {
        let held = self.shared.held();
        let free = self.shared.slots().saturating_sub(held.len());
        let cannot_run = self.shared.cannot_run();
        let params = ClaimWakesParams {
            supervisor: self.shared.name.clone(),
            incarnation: self.incarnation.clone(),
            limit: u32::try_from(free).unwrap_or(CLAIM_WAKES_MAX).clamp(1, CLAIM_WAKES_MAX),
            wait_ms: if cannot_run.is_empty() { CLAIM_WAIT_MS } else { LACKING_WAIT_MS },
            labels: self.shared.config.labels.clone(),
            cannot_run,
            // A claim is only asked for after the former one: what the server has leased to this life besides was lost
            // with an answer.
            holds: Some(
                held.iter().map(|held| HeldWake { wake_id: held.wake_id, fence: held.fence }).collect(),
            ),
            doors: Door::ALL.to_vec(),
        };
        self.shared.config.client.call::<ClaimWakes>(&params, None).await
    }

    fn on_claimed(&mut self, answer: ClaimWakesResponse) {
        self.shared.set_halted(answer.halt);
        for wake_id in answer.stop {
            tracing::info!(%wake_id, "wake.cancelled");
            self.shared.cancel(wake_id);
        }
        for urgent in &answer.urgent {
            self.shared.tell(urgent);
        }
        for claimed in answer.wakes {
            self.start(claimed);
        }
    }

    fn start(&mut self, claimed: ClaimedWake) {
        runner::note_lacking(&self.shared, &claimed);
        let lease = Held {
            wake_id: claimed.wake.wake_id,
            fence: claimed.fence,
            incarnation: self.incarnation.clone(),
            lease_ms: claimed.lease_ms,
        };
        let (inputs, inbox) = unbounded_channel();
        let hold = self.shared.hold(lease, inputs.clone());
        self.tasks.spawn(runner::run(Arc::clone(&self.shared), hold, claimed, inputs, inbox));
    }

    /// Stop all agents, and give their last reports some time.
    async fn end(&mut self) {
        self.shared.halt();
        let order = self.shared.config.kill_order;
        let patience = order.interrupt + order.terminate + FAREWELL;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!(
                wakes = self.tasks.len(),
                "supervisor.farewell_cut: the server does not take the last reports"
            );
        }
        // Whoever is left loses its shim's standard input with its task, and so its life.
        self.tasks.shutdown().await;
        self.shared.servers.stop().await;
    }
}

/// Whether the server wants nothing to do with this caller.
fn is_refused(problem: &Problem) -> bool {
    matches!(problem.code, Code::Unauthorized | Code::Forbidden | Code::WorkspaceMismatch)
}

/// Keep the leases of all wakes held: at a third of their time, and when an attempt asks for it.
async fn renew(shared: Arc<Shared>) {
    let mut pause = PAUSE;
    loop {
        shared.until_held(|count| count > 0).await;
        wait_for_renewal(&shared).await;
        while !renew_all(&shared).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        pause = PAUSE;
    }
}

async fn wait_for_renewal(shared: &Shared) {
    let start_ms = shared.now_ms();
    let mut count = shared.count();
    loop {
        let held = shared.held();
        // Its own third of each lease; a wake that is claimed meanwhile may have a shorter one.
        let Some(lease_ms) = held.iter().map(|held| held.lease_ms).min() else { return };
        let third = Duration::from_millis(u64::from(lease_ms / 3));
        let wait = if held.len() >= shared.slots() { third.min(RENEW_FULL_MAX) } else { third };
        let due_ms = start_ms.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        if shared.now_ms() >= due_ms {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep_until(shared.moment(due_ms)) => {}
            () = shared.renew_now.notified() => return,
            _changed = count.changed() => {}
        }
    }
}

/// One call for all of them; false = try again.
async fn renew_all(shared: &Shared) -> bool {
    let held = shared.held();
    let asked_ms = shared.now_ms();
    let mut is_done = true;
    // One life at a time: mostly there is but one.
    for life in held.chunk_by(|a, b| a.incarnation == b.incarnation) {
        is_done &= renew_life(shared, life, asked_ms).await;
    }
    is_done
}

async fn renew_life(shared: &Shared, held: &[Held], asked_ms: u64) -> bool {
    let Some(first) = held.first() else { return true };
    let wakes = held.iter().map(|held| HeldWake { wake_id: held.wake_id, fence: held.fence }).collect();
    let incarnation = first.incarnation.clone();
    let params = RenewWakesParams { supervisor: shared.name.clone(), incarnation, wakes };
    let call = shared.config.client.call::<RenewWakes>(&params, None);
    match tokio::time::timeout(RENEW_ANSWER_MAX, call).await {
        Ok(Ok(answer)) => {
            on_renewed(shared, held, &answer, asked_ms);
            true
        }
        Ok(Err(problem)) => {
            shared.note_refusal(&problem);
            tracing::warn!(%problem, wakes = held.len(), "renew.failed");
            false
        }
        Err(_) => {
            tracing::warn!(wakes = held.len(), "renew.failed: no answer in time");
            false
        }
    }
}

fn on_renewed(shared: &Shared, held: &[Held], answer: &RenewWakesResponse, asked_ms: u64) {
    for held in held {
        let kept = answer.wakes.iter().find(|wake| wake.wake_id == held.wake_id);
        let input =
            kept.map_or(Input::Lost, |wake| Input::Renewed { asked_ms, is_accepted: wake.is_accepted });
        shared.send(held, input);
        if kept.is_some_and(|wake| wake.is_cancelled) {
            shared.send(held, Input::Cancel);
        }
        if let Some(urgent) = kept.and_then(|wake| wake.urgent.as_ref()) {
            shared.tell(urgent);
        }
    }
    shared.set_halted(answer.halt);
}
