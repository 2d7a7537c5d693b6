//! Rules of posting a message: who may, to whom, and whom it wakes.

use std::collections::BTreeSet;

use super::event_data::{self, EventFacts};
use super::members::joined;
use super::withdraw::found;
use super::{
    FindingState, Member, MessageHead, MessageKind, MessageText, Priority, Thread, ThreadRole,
    event_type as et, may_lead, not_coordinator, supersede, visible, within,
};
use crate::actor::AgentName;
use crate::command::{Envelope, PostMessage, Terms};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts, Key, Keys};
use crate::id::MessageId;
use crate::limits::{
    ADDRESSEES_MAX, EVENT_TYPE_CHARS_MAX, EXPIRES_IN_MS_MAX, FINDINGS_MAX, MESSAGE_BODY_BYTES_MAX,
    MESSAGE_DATA_BYTES_MAX, PARENTS_MAX, PARTICIPANTS_MAX, SCHEMA_VERSION_MAX,
};
use crate::reason::{Reason, Refusal};
use crate::text::Salt;
use crate::time::{Now, Timestamp};
use crate::{guard, wake};

/// What a post needs to know.
pub(crate) fn post_keys(command: &PostMessage, keys: &mut Keys) {
    let id = command.thread_id;
    keys.extend([Key::Thread(id), Key::ThreadWakes(id)]);
    if let Some(message_id) = command.in_reply_to {
        keys.insert(Key::Message(id, message_id));
    }
    let terms = &command.terms;
    keys.extend(terms.parents.iter().chain(&terms.supersedes).map(|message| Key::Message(id, *message)));
    if command.event_type.as_deref().is_some_and(|name| name.starts_with("finding_")) {
        keys.insert(Key::Findings(id));
    }
}

/// A message takes the next `seq` of its thread and wakes the managed participants it is for.
pub(crate) fn post(
    facts: &Facts,
    env: &Envelope,
    command: &PostMessage,
    now: &Now,
) -> Result<Decision, Stop> {
    let thread = visible(facts, env, command.thread_id)?;
    if !thread.status.takes_messages() {
        return Err(Refusal::new(
            Reason::ThreadWrongStatus,
            format!("the thread is {}; messages are posted to active or blocked threads", thread.status),
        )
        .hint("set the thread back to active first, or open a new one")
        .into());
    }
    let known = check_shape(thread, command)?;
    check_addressees(thread, env, command)?;
    for id in command.in_reply_to.iter().chain(&command.terms.parents) {
        found(facts, thread, *id)?;
    }
    let expires_at = expiry(&command.terms, now)?;
    let cycles = finding_cycles(facts, command, &known)?;
    let is_verified_again = is_verified_again(facts, command, &known)?;

    let mut events = Vec::with_capacity(3);
    if !thread.members.contains_key(&env.actor.name) {
        events.push(join(facts, env, thread)?);
    }
    let finding_print = known.print;
    let chain = guard::chain(facts, env, thread, now)?;
    let said_print =
        (chain.is_some() && known.finding_id.is_none()).then(|| guard::print(command, &thread.title_salt));
    let (message, text) = compose(thread, env, command, known, now)?;
    let hops = chain.as_ref().map_or(0, |chain| chain.hops);
    let message = MessageHead { expires_at, hops, ..message };
    let asked: BTreeSet<&AgentName> = addressees(thread, &message).map(|(name, _)| name).collect();
    let ask = wake::Ask { seq: message.seq, expires_at, is_withdrawn: false };
    let is_urgent = message.priority == Priority::Urgent;
    let (thread_id, head) = (command.thread_id, message.clone());
    let posted =
        Event::MessagePosted { thread_id, message: head, finding_print, said_print, is_verified_again, text };
    events.push(posted);
    wake::on_post(facts, env, thread, (ask, is_urgent, chain.clone()), &asked, now, &mut events)?;
    let effects = match command.terms.supersedes {
        Some(old) => supersede(facts, env, thread, (old, message.message_id), now, &mut events)?,
        None => Vec::new(),
    };
    let posted = guard::Posted {
        message: &message,
        cycles,
        is_verified_again,
        print: said_print,
        chain: chain.as_ref(),
    };
    guard::on_post(facts, env, thread, &posted, now, &mut events)?;
    Ok(Decision { effects, ..Decision::of(events) })
}

/// The same for whoever leads the thread, and nobody else: what it asks for is asked with authority.
pub(crate) fn post_as_lead(
    facts: &Facts,
    env: &Envelope,
    command: &PostMessage,
    now: &Now,
) -> Result<Decision, Stop> {
    let thread = visible(facts, env, command.thread_id)?;
    if !may_lead(thread, env) {
        return Err(not_coordinator(env).into());
    }
    post(facts, env, command, now)
}

/// When the message no longer counts: a time to come, named or so far away.
fn expiry(terms: &Terms, now: &Now) -> Result<Option<Timestamp>, Refusal> {
    if terms.parents.len() > PARENTS_MAX {
        let detail = format!("the message names {} parents, at most {PARENTS_MAX}", terms.parents.len());
        return Err(Refusal::new(Reason::LimitExceeded, detail));
    }
    let wrong = |detail: &str| Err(Refusal::new(Reason::ParameterInvalid, detail));
    match (terms.expires_at, terms.expires_in_ms) {
        (Some(_), Some(_)) => wrong("a message has `expires_at` or `expires_in_ms`, not both"),
        (Some(at), None) if at <= now.wall => wrong("`expires_at` lies in the past"),
        (Some(at), None) => Ok(Some(at)),
        (None, Some(0)) => wrong("`expires_in_ms` is 0: the message would never count"),
        (None, Some(ms)) if ms > EXPIRES_IN_MS_MAX => Err(Refusal::new(
            Reason::LimitExceeded,
            format!("`expires_in_ms` is {ms}, at most {EXPIRES_IN_MS_MAX}"),
        )),
        (None, Some(ms)) => Ok(Some(now.wall.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)))),
        (None, None) => Ok(None),
    }
}

/// Whoever may see every thread joins by speaking: a person takes part like anybody else.
fn join(facts: &Facts, env: &Envelope, thread: &Thread) -> Result<Event, Stop> {
    if thread.members.len() >= PARTICIPANTS_MAX {
        return Err(Refusal::new(
            Reason::LimitExceeded,
            format!("the thread has {PARTICIPANTS_MAX} participants, the most it may have"),
        )
        .hint("open a new thread for whoever has to talk to them")
        .into());
    }
    let agent = env.actor.name.clone();
    let participant = joined(agent, ThreadRole::Participant, facts)?;
    Ok(Event::ParticipantAdded { thread_id: thread.thread_id, participant })
}

/// Whom a message is for: the named, those of the role, or everybody but its sender.
pub(crate) fn addressees<'t>(
    thread: &'t Thread,
    message: &MessageHead,
) -> impl Iterator<Item = (&'t AgentName, &'t Member)> {
    thread.members.iter().filter(|(name, _)| is_for(thread, message, name))
}

/// Whether a message is for this participant (S002-91).
pub fn is_for(thread: &Thread, message: &MessageHead, name: &AgentName) -> bool {
    is_addressed(message, name, thread.members.get(name).map(|member| member.role))
}

/// The same for a participant with this part in the thread.
pub(crate) fn is_addressed(message: &MessageHead, name: &AgentName, role: Option<ThreadRole>) -> bool {
    let by_name = message.to.contains(name);
    let by_role = message.to_role.is_some() && message.to_role == role;
    let is_broadcast = message.to.is_empty() && message.to_role.is_none();
    *name != message.from && (by_name || by_role || is_broadcast)
}

fn check_shape(thread: &Thread, command: &PostMessage) -> Result<EventFacts, Refusal> {
    within("the body", &command.body, MESSAGE_BODY_BYTES_MAX)?;
    if command.schema_version == 0 || command.schema_version > SCHEMA_VERSION_MAX {
        return Err(Refusal::new(
            Reason::SchemaVersionUnsupported,
            format!(
                "schema_version {} is not supported, only 1 to {SCHEMA_VERSION_MAX}",
                command.schema_version
            ),
        ));
    }
    let wrong = |detail: &str| Err(Refusal::new(Reason::ParameterInvalid, detail));
    match (command.kind, command.event_type.as_deref()) {
        (MessageKind::System, _) => wrong("system messages are written by Interlock alone"),
        (MessageKind::Chat, Some(_)) => wrong("a chat message has no event_type"),
        (MessageKind::Chat, None) if command.body.trim().is_empty() => wrong("a chat message needs a body"),
        (MessageKind::Chat, None) => Ok(EventFacts::default()),
        (MessageKind::Event, None) => wrong("an event needs an event_type"),
        (MessageKind::Event, Some(_)) if command.event_version == 0 => wrong("event_version begins at 1"),
        (MessageKind::Event, Some(name)) => {
            if et::RESERVED.contains(&name) {
                return Err(Refusal::new(
                    Reason::EventTypeReserved,
                    format!("`{name}` is said by Interlock alone; nobody may post it"),
                )
                .hint(
                    "change what it tells of, such as the thread's status: the message follows by itself",
                ));
            }
            check_event_type(name)?;
            event_data::read(name, command.data.as_ref(), &thread.title_salt)
        }
    }
}

/// Whether this can be the name of an event type.
///
/// # Errors
/// `PARAMETER_INVALID` when it cannot.
pub fn check_event_type(event_type: &str) -> Result<(), Refusal> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    if (1..=EVENT_TYPE_CHARS_MAX).contains(&event_type.len()) && event_type.bytes().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(Reason::ParameterInvalid, "an event_type is 1 to 64 of a-z 0-9 `_` `.`"))
}

fn check_addressees(thread: &Thread, env: &Envelope, command: &PostMessage) -> Result<(), Refusal> {
    if command.to.len() > ADDRESSEES_MAX {
        return Err(Refusal::new(
            Reason::LimitExceeded,
            format!(
                "the message names {} addressees, at most {ADDRESSEES_MAX} are allowed",
                command.to.len()
            ),
        ));
    }
    let is_here = |name: &&AgentName| !thread.members.contains_key(*name) && **name != env.actor.name;
    match command.to.iter().find(is_here) {
        Some(name) => {
            Err(Refusal::new(Reason::ParticipantMissing, format!("`{name}` is no participant of the thread"))
                .hint("address participants only; get_thread lists them"))
        }
        None => Ok(()),
    }
}

/// How often the finding this message is about has now come back; 0 when it is about none.
fn finding_cycles(facts: &Facts, command: &PostMessage, known: &EventFacts) -> Result<u32, Stop> {
    let Some(id) = known.finding_id else { return Ok(0) };
    let findings = facts.findings(command.thread_id)?;
    let own = findings.iter().find(|finding| finding.finding_id == id);
    match command.event_type.as_deref() {
        Some(et::FINDING_REPORTED) => {
            if own.is_some_and(|finding| Some(finding.print) != known.print) {
                return Err(Refusal::new(
                    Reason::EventDataInvalid,
                    format!("`{id}` was reported for something else"),
                )
                .hint("mint a new finding_id for a new finding")
                .into());
            }
            if own.is_none() && findings.len() >= FINDINGS_MAX {
                return Err(Refusal::new(
                    Reason::LimitExceeded,
                    format!("the thread has {FINDINGS_MAX} findings, the most it may hold"),
                )
                .into());
            }
            let same =
                findings.iter().filter(|f| Some(f.print) == known.print && f.state != FindingState::Verified);
            Ok(same.map(|finding| finding.cycles).max().unwrap_or(0) + 1)
        }
        event_type => match own {
            Some(finding) if event_type == Some(et::FINDING_REJECTED) => Ok(finding.cycles + 1),
            Some(_) => Ok(0),
            None => {
                Err(Refusal::new(Reason::FindingUnknown, format!("`{id}` was not reported in this thread"))
                    .hint("report it first with finding_reported")
                    .into())
            }
        },
    }
}

/// Whether it verifies what is verified already, or what was verified at this very commit before, under whatever id.
fn is_verified_again(facts: &Facts, command: &PostMessage, known: &EventFacts) -> Result<bool, Stop> {
    let Some(id) = known.finding_id.filter(|_| command.event_type.as_deref() == Some(et::FINDING_VERIFIED))
    else {
        return Ok(false);
    };
    let findings = facts.findings(command.thread_id)?;
    let Some(own) = findings.iter().find(|finding| finding.finding_id == id) else { return Ok(false) };
    let same = findings.iter().filter(|finding| finding.print == own.print);
    let is_at_this = |commit: &Option<String>| commit.is_some() && *commit == known.commit;
    Ok(own.state == FindingState::Verified || same.map(|finding| &finding.commit).any(is_at_this))
}

fn compose(
    thread: &Thread,
    env: &Envelope,
    command: &PostMessage,
    known: EventFacts,
    now: &Now,
) -> Result<(MessageHead, MessageText), Refusal> {
    let data = match &command.data {
        Some(data) if !data.is_empty() => serde_json::to_string(data)
            .map_err(|error| Refusal::new(Reason::BodyMalformed, error.to_string()))?,
        _ => String::new(),
    };
    within("the data", &data, MESSAGE_DATA_BYTES_MAX)?;
    let extra = if command.extra.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&command.extra)
            .map_err(|error| Refusal::new(Reason::BodyMalformed, error.to_string()))?
    };
    within("what else the message holds", &extra, MESSAGE_DATA_BYTES_MAX)?;
    let salt = Salt::derive(&env.entropy, 0);
    let text = MessageText { body: command.body.clone(), data, extra, salt };
    let head = MessageHead {
        message_id: MessageId::derive(now.wall, &env.entropy, 0),
        seq: thread.seq + 1,
        kind: command.kind,
        event_type: command.event_type.clone(),
        event_version: command.event_version,
        schema_version: command.schema_version,
        from: env.actor.name.clone(),
        to: command.to.clone(),
        to_role: command.to_role,
        in_reply_to: command.in_reply_to,
        priority: if command.terms.is_urgent { Priority::Urgent } else { Priority::Normal },
        expires_at: None,
        supersedes: command.terms.supersedes,
        parents: command.terms.parents.clone(),
        finding_id: known.finding_id,
        commit: known.commit,
        wake_id: env.actor.wake_id,
        hops: 0,
        posted_at: now.wall,
        text_digest: text.digest(),
    };
    Ok((head, text))
}
