//! The rules in the domain's words: agents, people, posts, claims and reports on a virtual clock.

mod post;
mod supervisors;

use std::collections::BTreeMap;

use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::agent::{Label, Launch, Runtime};
use interlock_core::command::{
    AckRead, AddParticipant, AssignOwner, CancelMessage, ChangeStatus, CreateThread, InterveneWake,
    ObserveSession, OperateThread, RegisterAgent, RemindOwner, RemoveParticipant, ThreadAction,
    TriggerParticipant,
};
use interlock_core::facts::{Facts, Position};
use interlock_core::id::{CommandId, FindingId, MessageId, SessionId, ThreadId, WakeId, WorkspaceId};
use interlock_core::policy::Policy;
use interlock_core::session::Observed;
use interlock_core::text::fingerprint;
use interlock_core::thread::{Finding, Status, Thread, ThreadKind, ThreadRole};
use interlock_core::wake::{Claimant, Door, Wake, WakeState};
use interlock_core::{
    Command, Envelope, Event, Hybrid, Now, Reason, Refusal, Reply, Stop, Timestamp, decide, evolve,
    idempotency_digest, keys, more_keys,
};

use crate::invariants;
use crate::rows::Rows;

pub(crate) use post::Post;
pub(crate) use supervisors::{Answer, Claim};

/// 2026-01-02T03:04:05Z: where every virtual clock begins.
const START_MS: i64 = 1_767_323_045_000;

pub(crate) fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

/// A finding's id for tests: number `n`.
pub(crate) fn finding_id(n: u128) -> FindingId {
    FindingId::from_u128(n)
}

/// What a command that was not refused led to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Done {
    pub(crate) events: Vec<Event>,
    pub(crate) reply: Reply,
    pub(crate) replayed: Option<u64>,
}

impl Done {
    /// The kinds of its events, shortened to what stands before the version.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.events.iter().map(kind).collect()
    }

    /// The `seq` of the message posted.
    pub(crate) fn seq(&self) -> u64 {
        match self.reply {
            Reply::Message(_, _, seq, _) => seq,
            _ => panic!("no message was posted: {self:?}"),
        }
    }

    /// The id of the message posted.
    pub(crate) fn message_id(&self) -> MessageId {
        match self.reply {
            Reply::Message(_, id, _, _) => id,
            _ => panic!("no message was posted: {self:?}"),
        }
    }
}

/// An event's kind without its version.
pub(crate) fn kind(event: &Event) -> String {
    let value = serde_json::to_value(event).unwrap();
    let text = value["kind"].as_str().unwrap();
    text.split('/').next().unwrap().to_owned()
}

/// A workspace in memory with its clock, people and agents.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) rows: Rows,
    /// The ledger: every entry's events.
    pub(crate) entries: Vec<Vec<Event>>,
    /// When each entry was made.
    pub(crate) times: Vec<Hybrid>,
    pub(crate) policy: Policy,
    /// The thread opened last: the one that is meant when none is named.
    pub(crate) thread_id: ThreadId,
    /// The key that goes with the next command.
    pub(crate) key: Option<String>,
    /// The wake in whose process the next commands are given.
    pub(crate) acting: Option<WakeId>,
    /// What supervisors say of themselves when they claim, by their names.
    pub(crate) claimants: BTreeMap<String, Claimant>,
    /// The fence of the claim that this process was started on.
    pub(crate) fence: Option<u64>,
    /// The doors that supervisors know.
    pub(crate) doors: Vec<Door>,
    wall: Timestamp,
    last_at: Hybrid,
    asked: u64,
    roles: BTreeMap<AgentName, Role>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            rows: Rows::default(),
            claimants: BTreeMap::new(),
            entries: Vec::new(),
            times: Vec::new(),
            policy: Policy::default(),
            thread_id: ThreadId::from_u128(0),
            key: None,
            acting: None,
            fence: None,
            doors: Door::OF_EVERY_SUPERVISOR.to_vec(),
            wall: Timestamp::from_millis(START_MS),
            last_at: Hybrid::default(),
            asked: 0,
            roles: BTreeMap::new(),
        }
    }

    /// `executor` and `reviewer`, both managed, in a thread that the operator `olga` opened; the reviewer leads it.
    pub(crate) fn pair() -> Self {
        let mut w = Self::new();
        w.agent("executor").managed();
        w.agent("reviewer").managed();
        w.person("olga", Role::Operator);
        w.open(
            "olga",
            &[
                ("executor", ThreadRole::Participant),
                ("reviewer", ThreadRole::Coordinator),
                ("olga", ThreadRole::Participant),
            ],
        );
        w
    }

    // People and agents.

    pub(crate) fn agent(&mut self, text: &str) -> Newcomer<'_> {
        Newcomer { world: self, name: name(text), role: Role::Participant }
    }

    /// Somebody with a token and no row of their own.
    pub(crate) fn person(&mut self, text: &str, role: Role) {
        self.roles.insert(name(text), role);
    }

    /// The thread as it is after `agent` has posted this in the run of the one wake that is due, and done its turn.
    pub(crate) fn answers(&mut self, agent: &str, post: Post) -> Done {
        let claim = self.run_one("sup");
        assert_eq!(claim.agent, name(agent));
        self.acting = Some(claim.wake_id);
        let done = self.post(agent, post).unwrap();
        let seq = self.wake(claim.wake_id).seq;
        let thread_id = self.wake(claim.wake_id).thread_id;
        self.give(agent, Command::AckRead(AckRead { thread_id, seq })).unwrap();
        self.acting = None;
        self.exits(&claim, 0);
        done
    }

    /// Without the guards that put wakes off or look at what is said: what is left stands for itself.
    pub(crate) fn calm(mut self) -> Self {
        self.policy.wakes_per_minute_max = 0;
        self.policy.auto_wakes_max = 0;
        self.policy.backlog_wakes_max = 0;
        self.policy.identical_messages_max = 1_000_000;
        self.policy.causal_hops_max = 1_000_000;
        self
    }

    // Time.

    pub(crate) fn now(&self) -> Timestamp {
        self.wall
    }

    /// Until another supervisor may take over what this one held and did not renew.
    pub(crate) fn advance_past_lease(&mut self) {
        self.advance_ms(self.policy.lease_ms + self.policy.takeover_grace_ms);
    }

    pub(crate) fn advance_ms(&mut self, ms: i64) {
        self.wall = self.wall.plus_ms(ms);
    }

    // Threads.

    pub(crate) fn open(&mut self, by: &str, participants: &[(&str, ThreadRole)]) -> ThreadId {
        let participants = participants.iter().map(|(text, role)| (name(text), *role)).collect();
        let command = CreateThread { title: "work".into(), kind: ThreadKind::Workflow, participants };
        let done = self.give(by, Command::CreateThread(command)).unwrap();
        let Reply::Thread(id) = done.reply else { panic!("no thread was opened: {done:?}") };
        self.thread_id = id;
        id
    }

    pub(crate) fn post(&mut self, from: &str, post: Post) -> Result<Done, Refusal> {
        let mut command = post.0;
        if command.thread_id.as_u128() == 0 {
            command.thread_id = self.thread_id;
        }
        self.give(from, Command::PostMessage(command))
    }

    /// A message to everybody else.
    pub(crate) fn says(&mut self, from: &str, body: &str) -> Done {
        self.post(from, Post::chat(body)).unwrap()
    }

    pub(crate) fn ack(&mut self, who: &str, seq: u64) -> Result<Done, Refusal> {
        let thread_id = self.thread_id;
        self.give(who, Command::AckRead(AckRead { thread_id, seq }))
    }

    pub(crate) fn cancels(&mut self, by: &str, message_id: MessageId) -> Result<Done, Refusal> {
        self.cancels_because(by, message_id, "")
    }

    pub(crate) fn cancels_because(
        &mut self,
        by: &str,
        message_id: MessageId,
        text: &str,
    ) -> Result<Done, Refusal> {
        let command = CancelMessage { thread_id: self.thread_id, message_id, text: text.into() };
        self.give(by, Command::CancelMessage(command))
    }

    pub(crate) fn adds(&mut self, by: &str, agent: &str, role: ThreadRole) -> Result<Done, Refusal> {
        let command = AddParticipant { thread_id: self.thread_id, agent: name(agent), role };
        self.give(by, Command::AddParticipant(command))
    }

    pub(crate) fn removes(&mut self, by: &str, agent: &str) -> Result<Done, Refusal> {
        let command = RemoveParticipant { thread_id: self.thread_id, agent: name(agent) };
        self.give(by, Command::RemoveParticipant(command))
    }

    pub(crate) fn status(&mut self, who: &str, status: Status) -> Result<Done, Refusal> {
        self.status_for(who, status, Reason::ByRequest, None)
    }

    pub(crate) fn status_for(
        &mut self,
        who: &str,
        status: Status,
        reason: Reason,
        owner: Option<&str>,
    ) -> Result<Done, Refusal> {
        let thread_id = self.thread_id;
        let owner = owner.map(name);
        let command = ChangeStatus { thread_id, status, reason, text: "why".into(), owner };
        self.give(who, Command::ChangeStatus(command))
    }

    /// `by` asks for a wake again.
    pub(crate) fn retries(&mut self, by: &str, wake_id: WakeId) -> Result<Done, Refusal> {
        self.give(by, Command::RetryWake(InterveneWake { wake_id, text: "look again".into() }))
    }

    /// `by` ends a wake.
    pub(crate) fn ends(&mut self, by: &str, wake_id: WakeId) -> Result<Done, Refusal> {
        self.give(by, Command::CancelWake(InterveneWake { wake_id, text: "not now".into() }))
    }

    /// `by` names who must act.
    pub(crate) fn assigns(&mut self, by: &str, owner: &str) -> Result<Done, Refusal> {
        let command =
            AssignOwner { thread_id: self.thread_id, owner: name(owner), text: "knows best".into() };
        self.give(by, Command::AssignOwner(command))
    }

    /// The server looks whether somebody is to be told again.
    pub(crate) fn reminds(&mut self) -> Done {
        let since = self.thread().escalation.as_ref().unwrap().since;
        let command = RemindOwner { thread_id: self.thread_id, since };
        self.give_as("interlock", Role::Supervisor, Command::RemindOwner(command)).unwrap()
    }

    /// `by` operates the thread from outside.
    pub(crate) fn operates(
        &mut self,
        by: &str,
        action: ThreadAction,
        text: &str,
        expected: Option<Status>,
    ) -> Result<Done, Refusal> {
        let command = OperateThread { thread_id: self.thread_id, action, text: text.into(), expected };
        self.give(by, Command::OperateThread(command))
    }

    /// `by` asks that `agent` be woken.
    pub(crate) fn trigger(&mut self, by: &str, agent: &str) -> Result<Done, Refusal> {
        self.triggers(by, agent, None)
    }

    /// `by` asks that `agent` be woken although a person is at work in its session.
    pub(crate) fn overrides(&mut self, by: &str, agent: &str, why: &str) -> Result<Done, Refusal> {
        self.triggers(by, agent, Some(why.into()))
    }

    fn triggers(&mut self, by: &str, agent: &str, override_reason: Option<String>) -> Result<Done, Refusal> {
        let command = TriggerParticipant { thread_id: self.thread_id, agent: name(agent), override_reason };
        self.give(by, Command::TriggerParticipant(command))
    }

    // Sessions.

    /// What the hooks of `agent` tell of its session with this number.
    pub(crate) fn sees(&mut self, agent: &str, number: u128, observed: Observed) -> Done {
        self.observes(agent, &Self::sight(agent, number, observed)).unwrap()
    }

    pub(crate) fn sight(agent: &str, number: u128, observed: Observed) -> ObserveSession {
        ObserveSession {
            agent: name(agent),
            session_id: Some(SessionId::from_u128(number)),
            runtime: Some(Runtime::Claude),
            observed,
            ago_ms: 0,
            wake_id: None,
            threads: Vec::new(),
        }
    }

    pub(crate) fn observes(&mut self, by: &str, seen: &ObserveSession) -> Result<Done, Refusal> {
        self.give(by, Command::ObserveSession(seen.clone()))
    }

    // Rows.

    pub(crate) fn thread(&self) -> &Thread {
        &self.rows.threads[&self.thread_id]
    }

    pub(crate) fn cursor(&self, who: &str) -> u64 {
        self.thread().members[&name(who)].cursor
    }

    pub(crate) fn wake(&self, id: WakeId) -> &Wake {
        &self.rows.wakes[&id]
    }

    pub(crate) fn wakes_of(&self, agent: &str) -> Vec<&Wake> {
        self.rows.wakes.values().filter(|wake| wake.agent.as_str() == agent).collect()
    }

    pub(crate) fn pending_of(&self, agent: &str) -> Vec<&Wake> {
        self.wakes_of(agent).into_iter().filter(|wake| wake.state == WakeState::Pending).collect()
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        self.rows.findings.get(&self.thread_id).map_or(&[], Vec::as_slice)
    }

    // The way in.

    /// Give a command as somebody who is known.
    pub(crate) fn give(&mut self, by: &str, command: Command) -> Result<Done, Refusal> {
        let role = self.roles.get(&name(by)).copied().unwrap_or_else(|| panic!("nobody knows {by}"));
        self.give_as(by, role, command)
    }

    pub(crate) fn give_as(&mut self, by: &str, role: Role, command: Command) -> Result<Done, Refusal> {
        let envelope = self.envelope(by, role, command);
        self.run(&envelope)
    }

    pub(crate) fn envelope(&mut self, by: &str, role: Role, command: Command) -> Envelope {
        self.asked += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.asked.to_be_bytes());
        let workspace_id = WorkspaceId::from_u128(1);
        Envelope {
            command_id: CommandId::derive(self.wall, &entropy, 0),
            request_id: format!("req-{}", self.asked),
            workspace_id,
            actor: Actor {
                name: name(by),
                role,
                workspace_id,
                session_id: None,
                wake_id: self.acting,
                fence: self.fence,
            },
            operation: operation(&command),
            fingerprint: fingerprint("test", &[format!("{command:?}").as_bytes()]),
            trace: None,
            idempotency_key: self.key.take(),
            entropy,
            command,
        }
    }

    /// Load, decide, evolve, write: what the engine does for a batch of one.
    pub(crate) fn run(&mut self, envelope: &Envelope) -> Result<Done, Refusal> {
        let mut facts = Facts::new(self.policy.clone());
        self.rows.load(&keys(envelope), self.wall, &self.entries, &mut facts);
        let more = more_keys(&facts, envelope, self.wall);
        self.rows.load(&more, self.wall, &self.entries, &mut facts);
        let now = Now { at: self.last_at.tick(self.wall), wall: self.wall };
        let first = decide(&facts, envelope, &now);
        assert_eq!(first, decide(&facts, envelope, &now), "decide is not deterministic");
        let decision = match first {
            Ok(decision) => decision,
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Missing(key)) => panic!("{key:?} is not declared by {:?}", envelope.command),
        };
        if decision.replayed.is_some() {
            assert!(decision.events.is_empty() && decision.effects.is_empty(), "{decision:?}");
        }
        let index = u64::try_from(self.entries.len()).unwrap();
        for (n, event) in (0..).zip(&decision.events) {
            evolve(&mut facts, event, &Position { index, n, at: now.at }).unwrap();
        }
        for effect in decision.effects {
            facts.apply(effect);
        }
        if !decision.events.is_empty() {
            if let Some(digest) = idempotency_digest(envelope) {
                let used = interlock_core::facts::Used {
                    fingerprint: envelope.fingerprint,
                    index,
                    events: decision.events.clone(),
                };
                facts.remember(digest, used);
            }
            self.entries.push(decision.events.clone());
            self.times.push(now.at);
            self.last_at = now.at;
        }
        let before = invariants::Before::of(&self.rows);
        self.rows.apply(facts.take_changes());
        assert!(facts.take_changes().is_empty(), "changes are taken once");
        invariants::check(&before, &self.rows, self.wall);
        Ok(Done { events: decision.events, reply: decision.reply, replayed: decision.replayed })
    }
}

/// Somebody who is about to be registered.
pub(crate) struct Newcomer<'w> {
    world: &'w mut World,
    name: AgentName,
    role: Role,
}

impl Newcomer<'_> {
    pub(crate) fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Run by a supervisor.
    pub(crate) fn managed(self) {
        self.run_by(Runtime::Command);
    }

    /// Run by a supervisor as this runtime, where it has this label.
    pub(crate) fn run_as(self, runtime: Runtime, label: Option<&str>) {
        let command = if runtime == Runtime::Command { vec!["agent".into()] } else { Vec::new() };
        let label = label.map(|label| Label::parse(label).unwrap());
        self.register_on(runtime, Launch { command, ..Launch::default() }, label);
    }

    /// Run by a supervisor as this runtime.
    pub(crate) fn run_by(self, runtime: Runtime) {
        let command = if runtime == Runtime::Command { vec!["agent".into()] } else { Vec::new() };
        self.register(runtime, Launch { command, ..Launch::default() });
    }

    /// Run by nobody of ours.
    pub(crate) fn unmanaged(self) {
        self.register(Runtime::Unmanaged, Launch::default());
    }

    /// Run by a supervisor with this label.
    pub(crate) fn managed_on(self, label: &str) {
        let launch = Launch { command: vec!["agent".into()], ..Launch::default() };
        self.register_on(Runtime::Command, launch, Some(Label::parse(label).unwrap()));
    }

    fn register(self, runtime: Runtime, launch: Launch) {
        self.register_on(runtime, launch, None);
    }

    fn register_on(self, runtime: Runtime, launch: Launch, on: Option<Label>) {
        let Self { world, name, role } = self;
        world.roles.insert(name.clone(), role);
        let command = RegisterAgent { name, role, runtime, launch, on };
        world.give_as("root", Role::Admin, Command::RegisterAgent(command)).unwrap();
    }
}

const fn operation(command: &Command) -> &'static str {
    match command {
        Command::RegisterAgent(_) => "register_agent",
        Command::CreateThread(_) => "create_thread",
        Command::PostMessage(_) => "post_message",
        Command::CancelMessage(_) => "cancel_message",
        Command::AckRead(_) => "ack_read",
        Command::ChangeStatus(_) => "set_thread_status",
        Command::AddParticipant(_) => "add_participant",
        Command::RemoveParticipant(_) => "remove_participant",
        Command::ClaimWakes(_) => "claim_wakes",
        Command::RenewWakes(_) => "renew_wakes",
        Command::NoteSupervisor(_) => "note_supervisor",
        Command::NoteStranded { .. } => "note_stranded",
        Command::ReportWake(_) => "report_wake",
        Command::TriggerParticipant(_) => "trigger_participant",
        Command::RetryWake(_) => "retry_wake",
        Command::CancelWake(_) => "cancel_wake",
        Command::PostAsLead(_) => "assign_task",
        Command::AssignOwner(_) => "assign_escalation_owner",
        Command::RemindOwner(_) => "remind_owner",
        Command::OperateThread(_) => "operate_thread",
        Command::Heartbeat { .. } => "heartbeat_session",
        Command::ObserveSession(_) => "observe_session",
        Command::HaltAgents => "halt_agents",
        Command::ResumeAgents { .. } => "resume_agents",
        Command::NoteCall { .. } => "note_call",
        Command::EnqueueJob(_) | Command::ClaimJobs(_) | Command::RenewJob(_) | Command::FinishJob(_) => {
            "run_jobs"
        }
        Command::RequeueJob(_) => "requeue_job",
        Command::TakeSnapshot(_) => "take_snapshot",
        Command::CreateWebhook(_) => "create_webhook",
        Command::UpdateWebhook(_) => "update_webhook",
        Command::PauseWebhook { .. } => "pause_webhook",
        Command::RotateWebhookSecret(_) => "rotate_webhook_secret",
        Command::DeleteWebhook { .. } => "delete_webhook",
        Command::AdvanceWebhook(_) => "advance_webhook",
    }
}
