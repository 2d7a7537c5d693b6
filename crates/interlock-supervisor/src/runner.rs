//! Runs one attempt: the thin shell around the state machine, with its process, its timer and its reports.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use interlock_api::v1::wake::{ClaimedWake, UrgentWake};
use interlock_core::agent::Runtime;
use interlock_core::id::SessionId;
use interlock_core::wake::Door;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::attempt::{Attempt, Input, Output};
use crate::codex_server::{Event, Live};
use crate::environment::environment;
use crate::identity::wall_ms;
use crate::needs::Needs;
use crate::process::Shim;
use crate::protocol::{Failure, Notice, Order, Plan};
use crate::reporter;
use crate::runtime::{self, Heard};
use crate::sessions;
use crate::shared::{Hold, Shared};
use crate::shim::log::Log;

/// Before anything else is claimed: remember it when this machine has not what the wake's agent is started with. Through
/// the live door it is not started.
pub(crate) fn note_lacking(shared: &Shared, claimed: &ClaimedWake) {
    if claimed.door() == Door::Live {
        return;
    }
    let config = &shared.config;
    let start = runtime::start(claimed, config.client.url(), &config.environment);
    // What is wrong with the environment is told when the plan is made.
    let Ok(environment) = environment(claimed, config.client.url(), &config.environment, &start) else {
        return;
    };
    let needs = Needs::of(&claimed.launch, &start.words, &environment.variables);
    if needs.lack().is_some() {
        shared.note_lacking(claimed.wake.agent.clone(), needs);
    }
}

/// Run a claimed wake to its end, its reports included.
pub(crate) async fn run(
    shared: Arc<Shared>,
    hold: Hold,
    claimed: ClaimedWake,
    inputs: UnboundedSender<Input>,
    inbox: UnboundedReceiver<Input>,
) {
    let (queue, reports) = unbounded_channel();
    let reporter = tokio::spawn(reporter::deliver(Arc::clone(&shared), hold.held.clone(), reports, inputs));
    let abort = reporter.abort_handle();
    let attempt = Attempt::new(&claimed, shared.now_ms());
    let session = claimed.resume;
    let body = Body::None(Input::NotStarted);
    let mut runner = Runner { shared, claimed, attempt, inbox, body, session };
    runner.start().await;
    loop {
        let input = runner.next().await;
        let input = runner.completed(input);
        let at_ms = runner.shared.now_ms();
        for output in runner.attempt.on(at_ms, input.clone()) {
            match output {
                Output::Start => runner.start_process().await,
                Output::Report(report) => {
                    // The reporter ends early only when the lease is lost.
                    let _lost = queue.send(report);
                }
                Output::Forget => abort.abort(),
                Output::AskAcceptance => runner.shared.renew_now.notify_one(),
                Output::Stop => runner.order(Order::Stop).await,
                Output::Kill => runner.order(Order::Kill).await,
            }
        }
        if let Input::Renewed { .. } = input {
            runner.order(Order::Lease { until_ms: runner.attempt.lease_until_ms() }).await;
        }
        if let (Input::StartDelivered, Body::Live(live)) = (&input, &runner.body) {
            // Not before: what the server does not know of cannot be looked for.
            live.tell(Event::Go);
        }
        if input == Input::Urgent {
            runner.tell_urgent();
        }
        if runner.attempt.is_over() {
            break;
        }
    }
    drop(queue);
    tokio::pin!(reporter);
    loop {
        tokio::select! {
            _done = &mut reporter => break,
            Some(input) = runner.inbox.recv() => if input == Input::Lost { abort.abort() },
        }
    }
    drop(hold);
}

/// What does the work.
enum Body {
    /// Nothing: this happened instead.
    None(Input),
    /// A process of its own.
    Shim(Box<Shim>),
    /// A server that runs already.
    Live(Live),
}

struct Runner {
    shared: Arc<Shared>,
    claimed: ClaimedWake,
    attempt: Attempt,
    inbox: UnboundedReceiver<Input>,
    body: Body,
    /// The session that its turn runs in, once it is known.
    session: Option<SessionId>,
}

impl Runner {
    fn lock(&self) -> PathBuf {
        crate::agents_dir(&self.shared.config.state_dir).join(format!("{}.lock", self.claimed.wake.agent))
    }

    fn log(&self) -> PathBuf {
        self.shared.config.logs_dir.join(format!("{}.log", self.claimed.wake.wake_id))
    }

    /// Start it; a wake that must not be started any more is not.
    async fn start(&mut self) {
        if self.shared.is_halted() {
            // Without a process there is nobody to stop, but it is the reason why there is none.
            let _stop = self.attempt.on(self.shared.now_ms(), Input::Halt);
            return;
        }
        if self.claimed.door() == Door::Live {
            let (shared, claimed) = (Arc::clone(&self.shared), self.claimed.clone());
            self.body = Body::Live(Live::start(shared, claimed, self.log(), self.attempt.lease_until_ms()));
            return;
        }
        self.start_process().await;
    }

    /// Start the shim.
    async fn start_process(&mut self) {
        if sessions::is_busy(&self.claimed, &self.shared.config.environment) {
            tracing::info!(wake_id = %self.claimed.wake.wake_id, agent = %self.claimed.wake.agent, "wake.session_busy");
            self.body = Body::None(Input::SessionBusy);
            return;
        }
        let started = match self.plan() {
            Ok(plan) if self.is_lacking(&plan) => return,
            Ok(plan) => {
                Shim::start(&self.shared.config.shim, &plan, Stdio::inherit()).await.map_err(|error| {
                    Failure {
                        detail: format!("the shim cannot be started: {error}"),
                        hint: "check that the program of the supervisor is still in its place".into(),
                    }
                })
            }
            Err(failure) => Err(failure),
        };
        match started {
            Ok(shim) => self.body = Body::Shim(Box::new(shim)),
            Err(failure) => {
                self.log_failure(&failure);
                self.body = Body::None(Input::SpawnFailed);
            }
        }
    }

    /// Whether this machine has not what the agent is started with.
    fn is_lacking(&mut self, plan: &Plan) -> bool {
        let needs = Needs::of(&self.claimed.launch, &plan.command, &plan.environment);
        let Some(lacks) = needs.lack() else { return false };
        self.log_failure(&needs.failure(lacks));
        self.body = Body::None(Input::CannotRun { lacks });
        true
    }

    /// A failure that no shim writes into the wake's log.
    fn log_failure(&self, failure: &Failure) {
        self.failed(failure);
        let text = format!("{}\nhint: {}\n", failure.detail, failure.hint);
        if let Err(error) = Log::open(&self.log()).and_then(|mut log| log.append(text.as_bytes())) {
            tracing::warn!(wake_id = %self.claimed.wake.wake_id, %error, "wake.unlogged");
        }
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let config = &self.shared.config;
        let start = runtime::start(&self.claimed, config.client.url(), &config.environment);
        let environment = environment(&self.claimed, config.client.url(), &config.environment, &start)?;
        let input = start.input.as_ref().map(|text| self.write_input(text)).transpose()?;
        let as_ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Ok(Plan {
            wake: self.claimed.wake.wake_id.to_string(),
            attempt: self.claimed.wake.attempts.saturating_add(1),
            command: start.words,
            directory: self.claimed.launch.directory.clone(),
            environment: environment.variables,
            secrets: environment.secrets,
            exec: config.exec.clone(),
            lock: self.lock().into_os_string(),
            log: self.log().into_os_string(),
            input: input.map(PathBuf::into_os_string),
            runtime: self.claimed.runtime,
            interrupt_ms: as_ms(config.kill_order.interrupt),
            terminate_ms: as_ms(config.kill_order.terminate),
            lease_until_ms: Some(self.attempt.lease_until_ms()),
        })
    }

    /// What the program reads on its standard input: ids only, for this user alone.
    fn write_input(&self, text: &str) -> Result<PathBuf, Failure> {
        let folder = crate::agents_dir(&self.shared.config.state_dir);
        let path = folder.join(format!("{}.input", self.claimed.wake.agent));
        let written = std::fs::remove_file(&path)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .and_then(|()| std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path))
            .and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => Ok(path),
            Err(error) => Err(Failure {
                detail: format!("the agent's input `{}` cannot be written: {error}", path.display()),
                hint: "make room on the disk, and keep the state folder writable".into(),
            }),
        }
    }

    async fn next(&mut self) -> Input {
        loop {
            let alarm = self.shared.alarm(self.attempt.timer_ms());
            match &mut self.body {
                Body::None(input) => return input.clone(),
                Body::Live(live) => tokio::select! {
                    Some(input) = self.inbox.recv() => return input,
                    () = alarm => return Input::Timer,
                    // It ends with a word on how; without one nobody knows how it went, or whether it goes on.
                    input = live.next() => return input.unwrap_or(Input::Unknown),
                },
                Body::Shim(shim) => tokio::select! {
                    Some(input) = self.inbox.recv() => return input,
                    () = alarm => return Input::Timer,
                    notice = shim.next() => {
                        if let Some(input) = self.on_notice(notice).await {
                            return input;
                        }
                    }
                },
            }
        }
    }

    /// When its model's quota is given again may stand elsewhere than in what it told.
    fn completed(&mut self, input: Input) -> Input {
        match input {
            Input::Began { session_id } => self.session = Some(session_id),
            Input::Heard(heard) => return Input::Heard(self.with_quota(heard).at(wall_ms())),
            _ => {}
        }
        input
    }

    fn with_quota(&self, heard: Heard) -> Heard {
        let is_codex = self.claimed.runtime == Runtime::Codex;
        if !is_codex || !heard.is_out_of_quota() || heard.resets_at_s.is_some() || heard.reset_in_ms.is_some()
        {
            return heard;
        }
        let home = runtime::home(Runtime::Codex, &self.claimed.launch, &self.shared.config.environment);
        let found = home.zip(self.session);
        let resets_at_s = found.and_then(|(home, session)| runtime::quota::written_down(&home, session));
        Heard { resets_at_s, ..heard }
    }

    async fn on_notice(&mut self, notice: Option<Notice>) -> Option<Input> {
        let wake_id = self.claimed.wake.wake_id;
        let agent = &self.claimed.wake.agent;
        Some(match notice {
            Some(Notice::Started { pid }) => {
                tracing::info!(%wake_id, %agent, pid, "wake.started");
                if let Body::Shim(shim) = &mut self.body {
                    shim.group = Some(pid);
                }
                Input::Spawned
            }
            // Of turns that are watched over alone.
            Some(Notice::Watching) => return None,
            Some(Notice::Output) => Input::Printed,
            Some(Notice::Began { session_id }) => Input::Began { session_id },
            Some(Notice::Hopeless { fault }) => {
                tracing::warn!(%wake_id, %agent, %fault, "wake.hopeless");
                Input::Hopeless { fault }
            }
            Some(Notice::Heard(heard)) => Input::Heard(heard),
            Some(Notice::Unlogged { detail }) => {
                tracing::warn!(%wake_id, %agent, detail, "wake.unlogged");
                return None;
            }
            Some(Notice::Busy) => {
                tracing::warn!(%wake_id, %agent, "wake.busy: a former process of the agent does not end");
                Input::NotStarted
            }
            Some(Notice::Cancelled) => Input::NotStarted,
            Some(Notice::Failed(failure)) => {
                self.failed(&failure);
                Input::SpawnFailed
            }
            Some(Notice::LeaseOver) => {
                tracing::warn!(%wake_id, %agent, "wake.lease_over");
                Input::Lost
            }
            Some(Notice::Exited { code }) => {
                tracing::info!(%wake_id, %agent, code, "wake.exited");
                Input::Exited { code }
            }
            Some(Notice::Signalled { signal }) => {
                tracing::info!(%wake_id, %agent, signal, "wake.signalled");
                Input::Signalled { signal }
            }
            None => self.on_shim_gone().await,
        })
    }

    /// The shim was killed, and the agent with it; what the agent had started may not have been.
    async fn on_shim_gone(&mut self) -> Input {
        let group = if let Body::Shim(shim) = &self.body { shim.group } else { None };
        tracing::warn!(wake_id = %self.claimed.wake.wake_id, ?group, "wake.shim_gone");
        crate::process::clear(self.lock(), group).await;
        if group.is_some() {
            return Input::Signalled { signal: rustix::process::Signal::KILL.as_raw() };
        }
        let has_exited = match &mut self.body {
            Body::Shim(shim) => shim.has_exited().await,
            Body::None(_) | Body::Live(_) => false,
        };
        if !has_exited {
            return Input::NotStarted;
        }
        // It would do so again and again.
        self.log_failure(&Failure {
            detail: "the shim ended before it started anything".into(),
            hint: "check that the supervisor's program was not replaced by another version while it runs"
                .into(),
        });
        Input::SpawnFailed
    }

    /// Only a turn in a server of its runtime can be told more; others find what waits when they are over.
    fn tell_urgent(&self) {
        let urgent = self.shared.take_urgent(self.claimed.wake.wake_id);
        if let (Some(UrgentWake { wake_id, seq, prompt, .. }), Body::Live(live)) = (urgent, &self.body) {
            live.tell(Event::Tell { wake_id, seq, text: prompt });
        }
    }

    async fn order(&mut self, order: Order) {
        match &mut self.body {
            Body::Shim(shim) => shim.order(order).await,
            // A turn is interrupted; there is no process of ours to kill.
            Body::Live(live) => match order {
                Order::Kill => live.tell(Event::Leave),
                Order::Stop => live.tell(Event::Stop),
                Order::Lease { until_ms } => live.renewed(until_ms),
                Order::Over => {}
            },
            Body::None(_) => {}
        }
    }

    fn failed(&self, failure: &Failure) {
        let (wake_id, agent) = (self.claimed.wake.wake_id, &self.claimed.wake.agent);
        tracing::warn!(%wake_id, %agent, detail = failure.detail, hint = failure.hint, "wake.spawn_failed");
    }
}
