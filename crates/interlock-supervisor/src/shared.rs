//! What the tasks of one supervisor share: its configuration, and the wakes it holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interlock_api::Problem;
use interlock_api::v1::wake::UrgentWake;
use interlock_core::Code;
use interlock_core::actor::AgentName;
use interlock_core::id::WakeId;
use interlock_core::limits::CANNOT_RUN_MAX;
use interlock_core::wake::Lack;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};

use crate::attempt::Input;
use crate::clock;
use crate::codex_server::servers::Servers;
use crate::codex_server::watchers::Watchers;
use crate::config::{CONCURRENCY_MAX, Standing, SupervisorConfig};
use crate::needs::{Needs, still_lacking};

/// A wake as its lease knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    /// The wake.
    pub(crate) wake_id: WakeId,
    /// The claim's fence.
    pub(crate) fence: u64,
    /// The life of the supervisor that claimed it.
    pub(crate) incarnation: String,
    /// How long its lease holds.
    pub(crate) lease_ms: u32,
}

/// What the tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// As it was started.
    pub(crate) config: SupervisorConfig,
    /// The supervisor's name.
    pub(crate) name: String,
    /// Renew now.
    pub(crate) renew_now: Notify,
    /// The server has refused the token.
    pub(crate) token_refused: Notify,
    /// Agents that this machine cannot run, as far as it was asked to.
    lacking: Mutex<BTreeMap<AgentName, Needs>>,
    /// Our own servers of Codex.
    pub(crate) servers: Servers,
    /// What watches servers of Codex for people.
    pub(crate) watchers: Watchers,
    wakes: Mutex<BTreeMap<Held, UnboundedSender<Input>>>,
    /// What turns are to be told of, by the wake that runs.
    urgent: Mutex<BTreeMap<WakeId, UrgentWake>>,
    /// How many wakes are held, for those who wait for a change.
    count: watch::Sender<usize>,
    /// How many reports could not be delivered at their first try.
    stuck: watch::Sender<usize>,
    is_halted: AtomicBool,
}

impl Shared {
    /// Of a supervisor that holds nothing yet.
    pub(crate) fn new(config: SupervisorConfig, name: String) -> Arc<Self> {
        Arc::new(Self {
            config,
            name,
            renew_now: Notify::new(),
            token_refused: Notify::new(),
            lacking: Mutex::default(),
            servers: Servers::default(),
            watchers: Watchers::default(),
            wakes: Mutex::default(),
            urgent: Mutex::default(),
            count: watch::channel(0).0,
            stuck: watch::channel(0).0,
            is_halted: AtomicBool::new(false),
        })
    }

    /// Milliseconds of the clock of leases.
    #[expect(clippy::unused_self, reason = "a supervisor's tasks go by one clock")]
    pub(crate) fn now_ms(&self) -> u64 {
        clock::now_ms()
    }

    /// The moment at which [`Self::now_ms`] will be this, or an earlier one at which to look again.
    #[expect(clippy::unused_self, reason = "a supervisor's tasks go by one clock")]
    pub(crate) fn moment(&self, at_ms: u64) -> tokio::time::Instant {
        tokio::time::Instant::now() + clock::until(at_ms)
    }

    /// Done when it is time to look whether [`Self::now_ms`] is this; without a time, never.
    pub(crate) async fn alarm(&self, at_ms: Option<u64>) {
        match at_ms {
            Some(at_ms) => tokio::time::sleep_until(self.moment(at_ms)).await,
            None => std::future::pending().await,
        }
    }

    /// How many agents may run at once.
    pub(crate) fn slots(&self) -> usize {
        self.config.concurrency_max.clamp(1, CONCURRENCY_MAX)
    }

    /// Hold a wake until what this gives is dropped.
    pub(crate) fn hold(self: &Arc<Self>, held: Held, inbox: UnboundedSender<Input>) -> Hold {
        let mut wakes = self.wakes();
        wakes.insert(held.clone(), inbox);
        self.count.send_replace(wakes.len());
        Hold { shared: Arc::clone(self), held }
    }

    /// The wakes held now.
    pub(crate) fn held(&self) -> Vec<Held> {
        self.wakes().keys().cloned().collect()
    }

    /// When the server does not take the token, another one is looked for.
    pub(crate) fn note_refusal(&self, problem: &Problem) {
        if matches!(problem.code, Code::Unauthorized | Code::Forbidden) {
            self.token_refused.notify_one();
        }
    }

    /// The server has answered, or does not.
    pub(crate) fn note_standing(&self, standing: Standing) {
        self.config.standing.send_if_modified(|known| {
            let is_new = *known != Standing::Taken && *known != standing;
            if is_new {
                *known = standing;
            }
            is_new
        });
    }

    /// Remember that this machine cannot run an agent. The first ones are forgotten when there are too many.
    pub(crate) fn note_lacking(&self, agent: AgentName, needs: Needs) {
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        if lacking.len() >= CANNOT_RUN_MAX {
            lacking.pop_first();
        }
        lacking.insert(agent, needs);
    }

    /// The agents that it cannot run still.
    pub(crate) fn cannot_run(&self) -> BTreeMap<AgentName, Lack> {
        still_lacking(&mut self.lacking.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tell an attempt what happened, if it is still there.
    pub(crate) fn send(&self, held: &Held, input: Input) {
        if let Some(inbox) = self.wakes().get(held) {
            // An attempt that is over listens no more.
            let _over = inbox.send(input);
        }
    }

    /// Stop the process of one wake.
    pub(crate) fn cancel(&self, wake_id: WakeId) {
        for (_, inbox) in self.wakes().iter().filter(|(held, _)| held.wake_id == wake_id) {
            let _over = inbox.send(Input::Cancel);
        }
    }

    /// Something that cannot wait is there for the turn of a wake that is held. Of what nobody took yet the last is kept.
    pub(crate) fn tell(&self, urgent: &UrgentWake) {
        let wakes = self.wakes();
        let running = wakes.iter().filter(|(held, _)| held.wake_id == urgent.running);
        for (_, inbox) in running {
            self.urgent().insert(urgent.running, urgent.clone());
            let _over = inbox.send(Input::Urgent);
        }
    }

    /// What the turn of this wake is to be told of.
    pub(crate) fn take_urgent(&self, running: WakeId) -> Option<UrgentWake> {
        self.urgent().remove(&running)
    }

    fn urgent(&self) -> MutexGuard<'_, BTreeMap<WakeId, UrgentWake>> {
        self.urgent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stop all agents.
    pub(crate) fn halt(&self) {
        for inbox in self.wakes().values() {
            let _over = inbox.send(Input::Halt);
        }
    }

    /// What the server says about halting.
    pub(crate) fn set_halted(&self, is_halted: bool) {
        if self.is_halted.swap(is_halted, Ordering::Relaxed) != is_halted {
            tracing::info!(is_halted, "halt.changed");
        }
        if is_halted {
            self.halt();
        }
    }

    /// Whether nothing may be started.
    pub(crate) fn is_halted(&self) -> bool {
        self.is_halted.load(Ordering::Relaxed)
    }

    /// A watch on how many wakes are held.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Wait until so many wakes are held.
    pub(crate) async fn until_held(&self, is_enough: impl Fn(usize) -> bool) {
        let mut count = self.count();
        // The sender lives as long as this does.
        drop(count.wait_for(|count| is_enough(*count)).await);
    }

    /// A report is stuck until what this gives is dropped.
    pub(crate) fn stuck(&self) -> Stuck {
        self.stuck.send_modify(|count| *count += 1);
        Stuck(self.stuck.clone())
    }

    /// Wait until no report is stuck: a claim that overtakes one could have its work done twice.
    pub(crate) async fn unstuck(&self) {
        let mut stuck = self.stuck.subscribe();
        // The sender lives as long as this does.
        drop(stuck.wait_for(|count| *count == 0).await);
    }

    fn wakes(&self) -> MutexGuard<'_, BTreeMap<Held, UnboundedSender<Input>>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wake is held while this lives.
#[derive(Debug)]
pub(crate) struct Hold {
    shared: Arc<Shared>,
    /// Which.
    pub(crate) held: Held,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut wakes = self.shared.wakes();
        wakes.remove(&self.held);
        self.shared.urgent().remove(&self.held.wake_id);
        self.shared.count.send_replace(wakes.len());
    }
}

/// A report is stuck while this lives.
#[derive(Debug)]
pub(crate) struct Stuck(watch::Sender<usize>);

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
