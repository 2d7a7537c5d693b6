//! Commands with some sense in them, made from plain numbers and from what has happened so far.

use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Launch, LaunchVariable, Runtime};
use interlock_core::command::{
    AckRead, AddParticipant, CancelMessage, ChangeStatus, ClaimWakes, CreateThread, JobOutcome, PostMessage,
    RegisterAgent, RemoveParticipant, Report, ReportWake, Terms,
};
use interlock_core::id::{FindingId, MessageId, ThreadId};
use interlock_core::limits::JOB_KEPT_MS;
use interlock_core::thread::{MessageKind, Status, ThreadKind, ThreadRole};
use interlock_core::wake::{Claimant, Door, Lane, Lease, Outcome, WakeState};
use interlock_core::{Command, Envelope, Reason, Reply};
use serde_json::{Map, json};

use crate::conformance::jobs::new_job;
use crate::{Sequencer, envelope};

/// The agents of a story; the last is run by nobody.
pub(crate) const AGENTS: [&str; 4] = ["ann", "bob", "cem", "una"];

/// A sequencer that is told a story, and counts what it was told.
pub struct Story {
    /// What it is told to.
    pub sequencer: Sequencer,
    /// Commands so far.
    pub told: u64,
}

impl Story {
    /// A story with its agents registered.
    pub async fn begin(sequencer: Sequencer) -> Self {
        let mut tale = Self { sequencer, told: 0 };
        for (n, name) in AGENTS.into_iter().enumerate() {
            let (runtime, launch) = if n == 3 {
                (Runtime::Unmanaged, Launch::default())
            } else {
                (Runtime::Command, launch(name))
            };
            let name = AgentName::parse(name).unwrap();
            let command = RegisterAgent { name, role: Role::Participant, runtime, launch, on: None };
            tale.tell("olga", Command::RegisterAgent(command)).await;
        }
        tale
    }

    /// An envelope for this story's workspace.
    pub fn envelope(&mut self, by: &str, command: Command) -> Envelope {
        self.told += 1;
        let role = if by == "olga" { Role::Operator } else { Role::Participant };
        let key = format!("key-{}", self.told);
        envelope(self.sequencer.workspace_id, self.told, by, role, Some(&key), command)
    }

    /// One command in a batch of its own; refusals are part of a story. Gives its answer.
    pub async fn tell(&mut self, by: &str, command: Command) -> Option<Reply> {
        let envelope = self.envelope(by, command);
        self.sequencer.give(envelope).await.ok().map(|done| done.reply)
    }

    /// A thread of all agents.
    pub async fn open(&mut self, title: &str) -> ThreadId {
        let reply = self.tell("olga", create(title)).await;
        let Some(Reply::Thread(id)) = reply else { panic!("no thread: {reply:?}") };
        id
    }

    /// Words for these agents, for everybody when there are none; not said yet.
    ///
    /// # Panics
    /// Never.
    pub fn chat(thread: ThreadId, body: &str, to: &[&str]) -> PostMessage {
        let Command::PostMessage(post) = chat(thread, body, to) else { unreachable!() };
        post
    }

    /// A message to these agents, to everybody when there are none.
    pub async fn post(&mut self, thread: ThreadId, by: &str, body: &str, to: &[&str]) -> Option<Reply> {
        self.tell(by, chat(thread, body, to)).await
    }

    /// A message to everybody, not given yet.
    pub fn say(&mut self, thread: ThreadId, by: &str, body: &str) -> Envelope {
        self.envelope(by, chat(thread, body, &[]))
    }

    /// A message that answers the first of these, and follows from all of them.
    pub async fn reply(&mut self, thread: ThreadId, by: &str, to: &[MessageId]) -> Option<Reply> {
        let mut post = chat(thread, "about that", &[]);
        if let Command::PostMessage(post) = &mut post {
            post.in_reply_to = to.first().copied();
            post.terms.parents = to.to_vec();
        }
        self.tell(by, post).await
    }

    /// The leases handed out by one claim.
    pub async fn claim(&mut self, limit: u32) -> Vec<Lease> {
        let command = ClaimWakes {
            supervisor: "sup".into(),
            incarnation: "life-1".into(),
            limit,
            lane: Lane::Trigger,
            claimant: Claimant::default(),
            doors: Door::OF_EVERY_SUPERVISOR.to_vec(),
        };
        match self.tell("olga", Command::ClaimWakes(command)).await {
            Some(Reply::Claimed(claimed)) => claimed.into_iter().map(|(_, lease)| lease).collect(),
            _ => Vec::new(),
        }
    }

    /// What the holder of a lease says.
    pub async fn report(&mut self, lease: &Lease, report: Report) -> Option<Reply> {
        let command = ReportWake {
            wake_id: lease.wake_id,
            incarnation: lease.incarnation.clone(),
            fence: lease.fence,
            report,
        };
        self.tell("olga", Command::ReportWake(command)).await
    }

    /// Many messages that answer each other.
    pub async fn discuss(&mut self, thread: ThreadId) {
        let mut ids = Vec::new();
        for n in 0..24_usize {
            let to: Vec<_> = ids.iter().rev().take(n % 5).copied().collect();
            let said = self.reply(thread, AGENTS[n % 3], &to).await;
            let Some(Reply::Message(_, id, ..)) = said else { panic!("no message: {said:?}") };
            ids.push(id);
        }
    }

    /// One step out of three numbers.
    pub async fn step(&mut self, (what, who, which): (u8, u8, u8)) {
        let threads: Vec<ThreadId> = self.sequencer.mirror.threads.keys().copied().collect();
        let Some(thread) = threads.get(usize::from(which) % threads.len().max(1)).copied() else {
            self.open("Die erste Aufgabe: \u{1F980} \"quoted\" \\ and\nbroken").await;
            return;
        };
        let by = AGENTS[usize::from(who) % AGENTS.len()];
        let seq = self.sequencer.mirror.threads[&thread].seq;
        match what % 22 {
            0 if threads.len() < 4 => drop(self.open("another").await),
            1 | 2 => drop(self.post(thread, by, "to everybody", &[]).await),
            3 => {
                let to = AGENTS[usize::from(which) % AGENTS.len()];
                drop(self.post(thread, "olga", "to one \u{1}", &[to]).await);
            }
            4 => drop(self.tell(by, found(thread, u128::from(which % 3), who % 2)).await),
            5 => drop(self.tell(by, Command::AckRead(AckRead { thread_id: thread, seq })).await),
            6 => drop(self.tell("olga", become_(thread, Status::ALL[usize::from(who) % 4])).await),
            7 => drop(self.tell("olga", become_(thread, Status::Active)).await),
            8 => drop(self.claim(u32::from(which % 3)).await),
            9 | 10 => self.supervise(who, which).await,
            11 => self.take_back(thread, who).await,
            12 => {
                let agent = AgentName::parse(by).unwrap();
                let gone = RemoveParticipant { thread_id: thread, agent: agent.clone() };
                drop(self.tell("olga", Command::RemoveParticipant(gone)).await);
                let back = AddParticipant { thread_id: thread, agent, role: ThreadRole::Participant };
                drop(self.tell("olga", Command::AddParticipant(back)).await);
            }
            13 => drop(self.tell("olga", order(thread, by)).await),
            14 | 15 => self.answer(thread, by, which).await,
            16 => {
                let resume = Command::ResumeAgents { since: None };
                let command = if who.is_multiple_of(3) { Command::HaltAgents } else { resume };
                drop(self.tell("olga", command).await);
            }
            17 => self.work(who, which).await,
            18 => self.hook(who, which).await,
            19 => self.sight(thread, who, which).await,
            20 => drop(self.snap(&format!("stage-{}", which % 3)).await),
            _ => self.sequencer.wall = self.sequencer.wall.plus_ms(i64::from(which) * 500),
        }
    }

    /// A job is asked for, or taken and ended; now and then everything is old.
    pub(crate) async fn work(&mut self, who: u8, which: u8) {
        match who % 3 {
            0 => drop(self.enqueue(new_job("mail", which.is_multiple_of(2).then_some("name"), 2)).await),
            1 => {
                for job in self.take_jobs("worker", u32::from(which % 3) + 1).await.0 {
                    let done = if which.is_multiple_of(4) {
                        JobOutcome::Failed("no".into())
                    } else {
                        JobOutcome::Done
                    };
                    self.finish(&job, done).await.unwrap();
                }
            }
            _ => {
                let days = if which.is_multiple_of(8) { JOB_KEPT_MS } else { 0 };
                self.sequencer.wall = self.sequencer.wall.plus_ms(days);
                drop(self.take_jobs("silent", 1).await);
            }
        }
    }

    /// Some message of a thread is answered, and others are what that follows from.
    async fn answer(&mut self, thread_id: ThreadId, by: &str, which: u8) {
        let of_thread = self.sequencer.mirror.messages.range((thread_id, 0)..=(thread_id, u64::MAX));
        let ids: Vec<_> = of_thread.map(|(_, stored)| stored.message.head.message_id).collect();
        let Some(first) = ids.get(usize::from(which) % ids.len().max(1)) else { return };
        let mut post = chat(thread_id, "about that", &[]);
        if let Command::PostMessage(post) = &mut post {
            post.in_reply_to = (!which.is_multiple_of(3)).then_some(*first);
            post.terms.parents = ids.iter().rev().take(usize::from(which % 4)).copied().collect();
            post.extra.insert("mood \u{1F980}".into(), json!({"n": [which, null]}));
        }
        self.tell(by, post).await;
    }

    /// The last message of a thread is taken back.
    async fn take_back(&mut self, thread_id: ThreadId, who: u8) {
        let of_thread = self.sequencer.mirror.messages.range((thread_id, 0)..=(thread_id, u64::MAX));
        let Some(message_id) = of_thread.last().map(|(_, stored)| stored.message.head.message_id) else {
            return;
        };
        let mut post = chat(thread_id, "rather this", &[]);
        if let Command::PostMessage(post) = &mut post {
            post.terms.supersedes = Some(message_id);
        }
        let cancel = Command::CancelMessage(CancelMessage {
            thread_id,
            message_id,
            text: "not \u{1F980} that".into(),
        });
        self.tell("olga", if who.is_multiple_of(2) { cancel } else { post }).await;
    }

    async fn supervise(&mut self, who: u8, which: u8) {
        let leases: Vec<Lease> = self.sequencer.mirror.leases.values().cloned().collect();
        let Some(lease) = leases.get(usize::from(which) % leases.len().max(1)) else { return };
        let is_pending = self.sequencer.mirror.wakes[&lease.wake_id].state == WakeState::Pending;
        let report = match who % 3 {
            _ if is_pending => Report::Started { lane: Lane::Poll, door: None },
            0 => Report::Ended {
                outcome: Outcome::Exited { code: 0 },
                usage: None,
                is_session_total: false,
                last_message: None,
            },
            1 => Report::Ended {
                outcome: Outcome::Signalled { signal: 9 },
                usage: None,
                is_session_total: false,
                last_message: None,
            },
            _ => Report::Ended {
                outcome: Outcome::Halted,
                usage: None,
                is_session_total: false,
                last_message: None,
            },
        };
        self.report(lease, report).await;
    }
}

/// A launch description with everything that is hard to store.
fn launch(name: &str) -> Launch {
    Launch {
        command: vec!["/bin/agent".into(), format!("--name={name} \"quoted\""), "\u{1F980}\n".into()],
        directory: Some("/tmp/with space".into()),
        repository: None,
        environment: vec![
            LaunchVariable { name: "API_KEY".into(), value: None },
            LaunchVariable { name: "MODE".into(), value: Some("'; DROP TABLE agent; --".into()) },
        ],
        ..Launch::default()
    }
}

/// Open a thread of all agents; `bob` leads it.
pub(crate) fn create(title: &str) -> Command {
    let participants = AGENTS.map(|name| {
        let role = if name == "bob" { ThreadRole::Coordinator } else { ThreadRole::Participant };
        (AgentName::parse(name).unwrap(), role)
    });
    Command::CreateThread(CreateThread {
        title: title.into(),
        kind: ThreadKind::Workflow,
        participants: participants.to_vec(),
    })
}

/// Say something to these, to everybody when there are none.
pub(crate) fn chat(thread_id: ThreadId, body: &str, to: &[&str]) -> Command {
    Command::PostMessage(PostMessage {
        thread_id,
        kind: MessageKind::Chat,
        event_type: None,
        event_version: 1,
        schema_version: 1,
        body: body.into(),
        data: None,
        extra: Map::new(),
        to: to.iter().map(|name| AgentName::parse(name).unwrap()).collect(),
        to_role: None,
        in_reply_to: None,
        terms: Terms::default(),
    })
}

/// An urgent message that does not count for long.
fn order(thread_id: ThreadId, to: &str) -> Command {
    let mut order = chat(thread_id, "now", &[to]);
    if let Command::PostMessage(post) = &mut order {
        post.terms = Terms { is_urgent: true, expires_in_ms: Some(400), ..Terms::default() };
    }
    order
}

fn found(thread_id: ThreadId, id: u128, path: u8) -> Command {
    let mut data = Map::new();
    data.insert("finding_id".into(), json!(FindingId::from_u128(id)));
    data.insert("line".into(), json!(7));
    data.insert("path".into(), json!(format!("src/{path}-{id}.rs")));
    for field in ["rule", "severity", "message"] {
        data.insert(field.into(), json!("it's \u{1F980}"));
    }
    let Command::PostMessage(post) = chat(thread_id, "found", &[]) else { unreachable!() };
    Command::PostMessage(PostMessage {
        kind: MessageKind::Event,
        event_type: Some("finding_reported".into()),
        data: Some(data),
        ..post
    })
}

fn become_(thread_id: ThreadId, status: Status) -> Command {
    Command::ChangeStatus(ChangeStatus {
        thread_id,
        status,
        reason: Reason::ByRequest,
        text: "because".into(),
        owner: None,
    })
}
