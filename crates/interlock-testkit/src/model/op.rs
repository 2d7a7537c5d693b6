//! What may be done, from plain numbers that shrink, and what each number stands for at the time.

use interlock_core::actor::AgentName;
use interlock_core::command::{
    AckRead, AddParticipant, CancelMessage, ChangeStatus, ClaimWakes, CreateThread, PostMessage,
    RemoveParticipant, Report, ReportWake, Terms, TriggerParticipant,
};
use interlock_core::id::MessageId;
use interlock_core::thread::{MessageKind, Status, ThreadKind, ThreadRole};
use interlock_core::wake::{Claimant, Door, Lane, Outcome};
use interlock_core::{Command, Reason};
use proptest::prelude::*;
use serde_json::Map;

use super::{Model, OLGA, PEOPLE};

/// Words that messages are made of, each a word to the index too.
pub(crate) const WORDS: [&str; 6] = ["parser", "broken", "mend", "ärger", "修", "x9"];
/// For how long messages count, where they do not for ever.
const TIMES: [i64; 3] = [1, 900, 5_000];

/// One step. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Open(usize),
    Say { thread: usize, by: usize, to: usize, words: usize, terms: usize, about: usize },
    Cancel { thread: usize, by: usize, back: usize },
    Ack { thread: usize, by: usize, back: usize },
    Become { thread: usize, by: usize, status: usize },
    Add { thread: usize, by: usize, who: usize, leads: bool },
    Remove { thread: usize, by: usize, who: usize },
    Trigger { thread: usize, by: usize, who: usize },
    Claim { life: usize, limit: usize },
    Start(usize),
    End(usize, How),
    Halt,
    Resume,
    Wait(i64),
    Again(usize),
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Well,
    Badly,
    GivenBack,
}

/// A claim: the wake's number, and what its holder must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) wake: usize,
    pub(crate) fence: u64,
    pub(crate) life: usize,
}

/// A message to be.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    pub(crate) thread: usize,
    pub(crate) by: usize,
    pub(crate) to: Vec<usize>,
    pub(crate) to_leads: Option<bool>,
    pub(crate) words: Vec<&'static str>,
    pub(crate) urgent: bool,
    pub(crate) expires_in: Option<i64>,
    pub(crate) instead_of: Option<u64>,
    pub(crate) reply: Option<u64>,
    pub(crate) parents: Vec<u64>,
}

/// What a step comes to.
#[derive(Debug, Clone)]
pub(crate) enum Do {
    Open { leads: usize, with: Vec<usize> },
    Say(Say),
    Cancel { thread: usize, by: usize, seq: u64 },
    Ack { thread: usize, by: usize, seq: u64 },
    Become { thread: usize, by: usize, status: Status },
    Add { thread: usize, by: usize, who: usize, leads: bool },
    Remove { thread: usize, by: usize, who: usize },
    Trigger { thread: usize, by: usize, who: usize },
    Claim { life: usize, limit: usize },
    Start(Claim),
    End(Claim, How),
    Halt,
    Resume,
}

/// Random steps, so many at most.
pub(crate) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let (t, p, n) = (0..3_usize, 0..5_usize, 0..6_usize);
    let how = prop_oneof![3 => Just(How::Well), 2 => Just(How::Badly), 1 => Just(How::GivenBack)];
    let times = prop_oneof![Just(1_i64), Just(900), Just(2_000), Just(4_000), Just(59_999), Just(60_000)];
    let op = prop_oneof![
        1 => (0..8_usize).prop_map(Op::Open),
        12 => (t.clone(), p.clone(), 0..10_usize, 0..36_usize, 0..16_usize, 0..8_usize)
            .prop_map(|(thread, by, to, words, terms, about)| Op::Say { thread, by, to, words, terms, about }),
        2 => (t.clone(), p.clone(), n.clone()).prop_map(|(thread, by, back)| Op::Cancel { thread, by, back }),
        5 => (t.clone(), p.clone(), 0..4_usize).prop_map(|(thread, by, back)| Op::Ack { thread, by, back }),
        3 => (t.clone(), p.clone(), 0..7_usize).prop_map(|(thread, by, status)| Op::Become { thread, by, status }),
        2 => (t.clone(), p.clone(), 0..4_usize, any::<bool>())
            .prop_map(|(thread, by, who, leads)| Op::Add { thread, by, who, leads }),
        2 => (t.clone(), p.clone(), p.clone()).prop_map(|(thread, by, who)| Op::Remove { thread, by, who }),
        2 => (t, p.clone(), p).prop_map(|(thread, by, who)| Op::Trigger { thread, by, who }),
        6 => (0..3_usize, 0..4_usize).prop_map(|(life, limit)| Op::Claim { life: life / 2, limit }),
        6 => n.clone().prop_map(Op::Start),
        6 => (n.clone(), how).prop_map(|(claim, how)| Op::End(claim, how)),
        1 => Just(Op::Halt),
        2 => Just(Op::Resume),
        4 => times.prop_map(Op::Wait),
        2 => n.prop_map(Op::Again),
    ];
    proptest::collection::vec(op, 1..most)
}

/// What this step comes to now; nothing where there is nothing to do it to. `claims` are all that were ever made.
pub(crate) fn resolved(model: &Model, claims: &[Claim], op: &Op) -> Option<Do> {
    let place = |thread: usize| (!model.threads.is_empty()).then(|| thread % model.threads.len());
    let back =
        |thread: usize, back: usize| model.threads[thread].last().checked_sub(back as u64).filter(|n| *n > 0);
    let claim = |number: usize| claims.iter().rev().nth(number % claims.len().max(1)).cloned();
    Some(match *op {
        Op::Open(kind) => (model.threads.len() < 3)
            .then(|| Do::Open { leads: kind % 4, with: (0..4).filter(|n| kind / 4 + 1 != *n).collect() })?,
        Op::Say { thread, by, to, words, terms, about } => {
            say(model, place(thread)?, by, (to, words, terms, about))
        }
        Op::Cancel { thread, by, back: b } => {
            Do::Cancel { thread: place(thread)?, by, seq: back(place(thread)?, b)? }
        }
        Op::Ack { thread, by, back: b } => {
            let thread = place(thread)?;
            // One beyond the last now and then.
            Do::Ack { thread, by, seq: (model.threads[thread].last() + 1).saturating_sub(b as u64) }
        }
        Op::Become { thread, by, status } => {
            // To active as often as to all others, or everything would soon be over.
            let status = Status::ALL.get(status).copied().unwrap_or(Status::Active);
            Do::Become { thread: place(thread)?, by, status }
        }
        Op::Add { thread, by, who, leads } => Do::Add { thread: place(thread)?, by, who, leads },
        Op::Remove { thread, by, who } => Do::Remove { thread: place(thread)?, by, who },
        Op::Trigger { thread, by, who } => Do::Trigger { thread: place(thread)?, by, who },
        Op::Claim { life, limit } => Do::Claim { life, limit },
        Op::Start(number) => Do::Start(claim(number)?),
        Op::End(number, how) => Do::End(claim(number)?, how),
        Op::Halt => Do::Halt,
        Op::Resume => Do::Resume,
        Op::Wait(_) | Op::Again(_) => return None,
    })
}

fn say(
    model: &Model,
    thread: usize,
    by: usize,
    (to, words, terms, about): (usize, usize, usize, usize),
) -> Do {
    let known = model.threads[thread].said.iter().filter(|said| said.id.is_some()).count() as u64;
    let back = |n: usize| known.checked_sub(n as u64).filter(|seq| *seq > 0);
    let (to, to_leads) = match to {
        0..5 => (vec![to], None),
        5 => (Vec::new(), Some(true)),
        6 => (vec![0], Some(false)),
        7 => (vec![1, 2], None),
        _ => (Vec::new(), None),
    };
    Do::Say(Say {
        thread,
        by,
        to,
        to_leads,
        words: vec![WORDS[words % 6], WORDS[words / 6]],
        urgent: terms % 4 == 1,
        expires_in: (terms % 4 > 1).then(|| TIMES[terms % 3]),
        instead_of: if terms > 11 { back(terms - 12) } else { None },
        reply: if about % 2 == 1 { back(about / 2) } else { None },
        parents: if about > 4 { (0..about - 4).filter_map(back).collect() } else { Vec::new() },
    })
}

fn name(who: usize) -> AgentName {
    AgentName::parse(PEOPLE[who]).unwrap()
}

const fn role(leads: bool) -> ThreadRole {
    if leads { ThreadRole::Coordinator } else { ThreadRole::Participant }
}

impl Do {
    /// Whether it is alone in its batch: what a claim looks at is what the batch found.
    pub(crate) const fn is_supervision(&self) -> bool {
        matches!(self, Self::Claim { .. } | Self::Start(_) | Self::End(..) | Self::Halt | Self::Resume)
    }

    /// Who does it.
    pub(crate) fn by(&self) -> &'static str {
        match self {
            Self::Say(Say { by, .. })
            | Self::Cancel { by, .. }
            | Self::Ack { by, .. }
            | Self::Become { by, .. }
            | Self::Add { by, .. }
            | Self::Remove { by, .. }
            | Self::Trigger { by, .. } => PEOPLE[*by],
            _ => PEOPLE[OLGA],
        }
    }

    /// The command that it is; `None` where something it names is not there yet.
    pub(crate) fn command(&self, model: &Model) -> Option<Command> {
        let id = |thread: &usize| model.threads.get(*thread)?.id;
        Some(match self {
            Self::Open { leads, with } => Command::CreateThread(CreateThread {
                title: "work".into(),
                kind: ThreadKind::Workflow,
                participants: with.iter().map(|who| (name(*who), role(who == leads))).collect(),
            }),
            Self::Say(say) => Command::PostMessage(post(model, say)?),
            Self::Cancel { thread, seq, .. } => Command::CancelMessage(CancelMessage {
                thread_id: id(thread)?,
                message_id: message(model, *thread, *seq)?,
                text: "not that".into(),
            }),
            Self::Ack { thread, seq, .. } => Command::AckRead(AckRead { thread_id: id(thread)?, seq: *seq }),
            Self::Become { thread, status, .. } => Command::ChangeStatus(ChangeStatus {
                thread_id: id(thread)?,
                status: *status,
                reason: Reason::ByRequest,
                text: "because".into(),
                owner: None,
            }),
            Self::Add { thread, who, leads, .. } => Command::AddParticipant(AddParticipant {
                thread_id: id(thread)?,
                agent: name(*who),
                role: role(*leads),
            }),
            Self::Remove { thread, who, .. } => {
                Command::RemoveParticipant(RemoveParticipant { thread_id: id(thread)?, agent: name(*who) })
            }
            Self::Trigger { thread, who, .. } => Command::TriggerParticipant(TriggerParticipant {
                thread_id: id(thread)?,
                agent: name(*who),
                override_reason: None,
            }),
            Self::Claim { .. } | Self::Start(_) | Self::End(..) => return self.supervision(model),
            Self::Halt => Command::HaltAgents,
            Self::Resume => Command::ResumeAgents { since: None },
        })
    }

    /// What a supervisor asks and says.
    fn supervision(&self, model: &Model) -> Option<Command> {
        Some(match self {
            Self::Claim { life, limit } => Command::ClaimWakes(ClaimWakes {
                supervisor: "sup".into(),
                incarnation: format!("life-{life}"),
                limit: u32::try_from(*limit).unwrap(),
                lane: Lane::Trigger,
                claimant: Claimant::default(),
                doors: Door::OF_EVERY_SUPERVISOR.to_vec(),
            }),
            Self::Start(claim) => report(model, claim, Report::Started { lane: Lane::Trigger, door: None })?,
            Self::End(claim, how) => {
                let outcome = match how {
                    How::Well => Outcome::Exited { code: 0 },
                    How::Badly => Outcome::Signalled { signal: 9 },
                    How::GivenBack => Outcome::Halted,
                };
                report(
                    model,
                    claim,
                    Report::Ended { outcome, usage: None, is_session_total: false, last_message: None },
                )?
            }
            _ => return None,
        })
    }
}

/// The id of a message, when it is known.
fn message(model: &Model, thread: usize, seq: u64) -> Option<MessageId> {
    model.threads.get(thread)?.said.get(usize::try_from(seq - 1).ok()?)?.id
}

fn post(model: &Model, say: &Say) -> Option<PostMessage> {
    let of = |seq: &u64| message(model, say.thread, *seq);
    let named = |seq: Option<u64>| seq.map(|seq| of(&seq).ok_or(())).transpose().ok();
    Some(PostMessage {
        thread_id: model.threads.get(say.thread)?.id?,
        kind: MessageKind::Chat,
        event_type: None,
        event_version: 1,
        schema_version: 1,
        body: say.words.join(" "),
        data: None,
        extra: Map::new(),
        to: say.to.iter().map(|who| name(*who)).collect(),
        to_role: say.to_leads.map(role),
        in_reply_to: named(say.reply)?,
        terms: Terms {
            is_urgent: say.urgent,
            expires_at: None,
            expires_in_ms: say.expires_in.map(|ms| u64::try_from(ms).unwrap()),
            supersedes: named(say.instead_of)?,
            parents: say.parents.iter().map(of).collect::<Option<_>>()?,
        },
    })
}

fn report(model: &Model, claim: &Claim, report: Report) -> Option<Command> {
    Some(Command::ReportWake(ReportWake {
        wake_id: model.wakes.get(claim.wake)?.id?,
        incarnation: format!("life-{}", claim.life),
        fence: claim.fence,
        report,
    }))
}
