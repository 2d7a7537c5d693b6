//! What whoever leads a thread asks for: work, reviews, and what became of them.

use std::collections::BTreeSet;

use interlock_api::operations as op;
use interlock_api::v1::message::{Data, PostMessageResponse};
use interlock_api::v1::review::{
    AssignTaskParams, CollectVerdictsParams, CollectVerdictsResponse, RequestReviewParams, Verdict,
    VerdictView,
};
use interlock_core::actor::{AgentName, Guarded};
use interlock_core::command::{Command, PostMessage, Terms};
use interlock_core::facts::Reply;
use interlock_core::id::{FindingId, MessageId, ThreadId};
use interlock_core::limits::{REASON_BYTES_MAX, SUMMARY_MESSAGES_MAX};
use interlock_core::thread::{
    Member, Message, MessageHead, MessageKind, MessageState, Thread, event_type as et, is_for,
};
use interlock_core::{Reason, Refusal, Timestamp};
use interlock_engine::Permit;
use serde_json::{Value, json};

use super::explain::after;
use super::message::one;
use crate::context::{Ctx, deadline};

pub(crate) async fn assign_task(
    cx: Ctx,
    permit: Permit<op::AssignTask>,
    p: AssignTaskParams,
) -> Result<PostMessageResponse, Refusal> {
    if p.task.trim().is_empty() {
        return Err(Refusal::new(Reason::ParameterInvalid, "the task is missing")
            .hint("say in `task` what is to be done"));
    }
    if p.task.len() > REASON_BYTES_MAX {
        let detail = format!("the task has {} bytes, at most {REASON_BYTES_MAX} are allowed", p.task.len());
        return Err(Refusal::new(Reason::LimitExceeded, detail).hint("say the rest in `body`"));
    }
    let mut data = object(&json!({"task": p.task}));
    if let Some(due_at) = p.due_at {
        data.insert("due_at".to_owned(), Value::from(due_at.to_string()));
    }
    let body = if p.body.is_empty() { p.task } else { p.body };
    let message = event(p.thread_id, (et::TASK_ASSIGNED, data), body, p.expires_in_ms);
    ask(&cx, &permit, PostMessage { to: vec![p.agent], ..message }).await
}

pub(crate) async fn request(
    cx: Ctx,
    permit: Permit<op::RequestReview>,
    p: RequestReviewParams,
) -> Result<PostMessageResponse, Refusal> {
    let data = object(&json!({"commit": p.commit}));
    let message = event(p.thread_id, (et::RE_REVIEW_REQUESTED, data), p.body, p.expires_in_ms);
    ask(&cx, &permit, PostMessage { to: p.to, to_role: p.to_role, ..message }).await
}

fn object(value: &Value) -> Data {
    value.as_object().cloned().unwrap_or_default()
}

fn event(
    thread_id: ThreadId,
    (event_type, data): (&str, Data),
    body: String,
    expires_in_ms: Option<u64>,
) -> PostMessage {
    PostMessage {
        thread_id,
        kind: MessageKind::Event,
        event_type: Some(event_type.to_owned()),
        event_version: 1,
        schema_version: 1,
        body,
        data: Some(data),
        extra: Data::new(),
        to: Vec::new(),
        to_role: None,
        in_reply_to: None,
        terms: Terms { expires_in_ms, ..Terms::default() },
    }
}

async fn ask<O: Guarded>(
    cx: &Ctx,
    permit: &Permit<O>,
    message: PostMessage,
) -> Result<PostMessageResponse, Refusal> {
    let outcome = cx.engine().execute(permit, &cx.request, Command::PostAsLead(message)).await?;
    match (outcome.reply, outcome.index) {
        (Reply::Message(thread_id, message_id, seq, posted_at), Some(ledger_index)) => {
            Ok(PostMessageResponse { message_id, thread_id, seq, posted_at, ledger_index })
        }
        other => Err(Refusal::new(Reason::Defect, format!("a post was answered with {other:?}"))),
    }
}

pub(crate) async fn verdicts(
    cx: Ctx,
    _permit: Permit<op::CollectVerdicts>,
    p: CollectVerdictsParams,
) -> Result<CollectVerdictsResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    loop {
        let answer = look(&cx, &p).await?;
        let is_complete = answer.verdicts.iter().all(|one| one.verdict != Verdict::Pending);
        let concerns = |note: &interlock_engine::Note| note.threads.contains(&p.thread_id);
        if is_complete || !cx.wait(&mut watch, until, concerns).await {
            return Ok(answer);
        }
    }
}

async fn look(cx: &Ctx, p: &CollectVerdictsParams) -> Result<CollectVerdictsResponse, Refusal> {
    let thread = cx.visible(p.thread_id).await?;
    let request = match p.message_id {
        Some(id) => one(cx, p.thread_id, id).await?.head,
        None => last_request(cx, &thread).await?,
    };
    let (messages, is_partial) = after(cx, &thread, request.seq).await?;
    let now = cx.engine().now();
    let is_asked = |(name, member): &(&AgentName, &Member)| {
        is_for(&thread, &request, name) && member.since_seq < request.seq
    };
    let asked = thread.members.iter().filter(is_asked);
    let verdicts: Vec<_> = asked.map(|(name, _)| of(name, &request, &messages, now)).collect();
    Ok(CollectVerdictsResponse {
        thread_id: p.thread_id,
        message_id: request.message_id,
        seq: request.seq,
        commit: request.commit,
        verdict: overall(&verdicts),
        verdicts,
        is_partial,
    })
}

fn overall(verdicts: &[VerdictView]) -> Verdict {
    let says = |verdict| move |one: &VerdictView| one.verdict == verdict;
    if verdicts.iter().any(says(Verdict::Rejected)) {
        Verdict::Rejected
    } else if !verdicts.is_empty() && verdicts.iter().all(says(Verdict::Accepted)) {
        Verdict::Accepted
    } else {
        Verdict::Pending
    }
}

/// The last message that asks for a review and counts, among the thread's last ones.
async fn last_request(cx: &Ctx, thread: &Thread) -> Result<MessageHead, Refusal> {
    let from = thread.seq.saturating_sub(u64::from(SUMMARY_MESSAGES_MAX));
    let (messages, _) = after(cx, thread, from).await?;
    let now = cx.engine().now();
    let asks = |message: &&Message| {
        message.head.event_type.as_deref() == Some(et::RE_REVIEW_REQUESTED)
            && message.state(now) == MessageState::Live
    };
    let found = messages.iter().rev().find(asks).map(|message| message.head.clone());
    found.ok_or_else(|| {
        Refusal::new(Reason::MessageNotFound, "nobody has asked for a review in the thread lately")
            .hint("ask with request_review, or name the message that asks")
    })
}

/// What somebody who was asked has said since. In so many words, in the data of an answer, counts first; else its
/// findings do: one that it has reported or rejected and that is open rejects, one verified and none open accepts.
fn of(name: &AgentName, request: &MessageHead, messages: &[Message], now: Timestamp) -> VerdictView {
    let mut open: BTreeSet<FindingId> = BTreeSet::new();
    let (mut said, mut found, mut answered) = (None, None, None);
    for message in messages.iter().filter(|message| message.state(now) == MessageState::Live) {
        let head = &message.head;
        let is_own = head.from == *name;
        match (head.event_type.as_deref(), head.finding_id) {
            (Some(et::FINDING_VERIFIED), Some(id)) => {
                open.remove(&id);
                found = if is_own { Some(head) } else { found };
            }
            (Some(et::FINDING_REPORTED | et::FINDING_REJECTED | et::FINDING_UNRESOLVED), Some(id))
                if is_own =>
            {
                open.insert(id);
                found = Some(head);
            }
            _ => {}
        }
        if is_own && answers(head, request.message_id) {
            said = verdict_of(message).map(|verdict| (verdict, head)).or(said);
            answered = Some(head);
        }
    }
    let by_findings = if open.is_empty() { Verdict::Accepted } else { Verdict::Rejected };
    let (verdict, head) = match (said, found) {
        (Some((verdict, head)), _) => (verdict, Some(head)),
        (None, Some(head)) => (by_findings, Some(head)),
        (None, None) => (Verdict::Pending, answered),
    };
    VerdictView {
        agent: name.clone(),
        verdict,
        message_id: head.map(|head| head.message_id),
        seq: head.map(|head| head.seq),
        at: head.map(|head| head.posted_at),
        open_findings: u32::try_from(open.len()).unwrap_or(u32::MAX),
    }
}

fn answers(head: &MessageHead, request: MessageId) -> bool {
    head.in_reply_to == Some(request) || head.parents.contains(&request)
}

/// The `verdict` of a message's data.
fn verdict_of(message: &Message) -> Option<Verdict> {
    let data: Data = serde_json::from_str(&message.text.data).unwrap_or_default();
    match data.get("verdict").and_then(Value::as_str) {
        Some("accepted") => Some(Verdict::Accepted),
        Some("rejected") => Some(Verdict::Rejected),
        _ => None,
    }
}
