//! A thread in short.

use std::collections::BTreeMap;

use interlock_api::operations as op;
use interlock_api::v1::summary::{
    Decided, LastWord, OpenFinding, ParticipantSummary, SummarizeThreadParams, ThreadSummary,
};
use interlock_core::actor::AgentName;
use interlock_core::id::FindingId;
use interlock_core::limits::{PAGE_ROWS_MAX, SUMMARY_MESSAGES_MAX};
use interlock_core::thread::{
    Finding, FindingState, Message, MessageState, Thread, event_type as et, is_for,
};
use interlock_core::{Reason, Refusal, Timestamp};
use interlock_engine::Permit;
use serde_json::{Map, Value};

use crate::context::{Ctx, deadline, failed};

/// Decisions shown.
const DECISIONS_MAX: usize = 50;
/// Characters shown of a text.
const TEXT_CHARS_MAX: usize = 300;
/// Characters shown of the first message.
const TASK_CHARS_MAX: usize = 2_000;
/// What counts as a decision.
const DECISIONS: [&str; 6] = [
    et::FINDING_VERIFIED,
    et::FINDING_REJECTED,
    et::FINDING_UNRESOLVED,
    et::THREAD_RESOLVED,
    et::THREAD_ESCALATED,
    et::THREAD_STATUS_CHANGED,
];

pub(crate) async fn summarize(
    cx: Ctx,
    _permit: Permit<op::SummarizeThread>,
    p: SummarizeThreadParams,
) -> Result<ThreadSummary, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut thread = cx.visible(p.thread_id).await?;
    let concerns = |note: &interlock_engine::Note| note.threads.contains(&p.thread_id);
    while p.wait_ms > 0 && p.after_seq.is_none_or(|seq| thread.seq <= seq) {
        let is_changed = cx.wait(&mut watch, until, concerns).await;
        thread = cx.visible(p.thread_id).await?;
        if !is_changed || p.after_seq.is_none() {
            break;
        }
    }
    let findings = cx.store().findings(cx.workspace(), p.thread_id).await.map_err(failed)?;
    let first = cx.store().messages(cx.workspace(), p.thread_id, 0, 1).await.map_err(failed)?;
    let messages = last(&cx, &thread).await?;
    let reports = reports(&cx, &findings, &messages).await?;
    let task = first.first().map(|stored| cut(&stored.message.text.body, TASK_CHARS_MAX)).unwrap_or_default();
    let now = cx.engine().now();
    Ok(ThreadSummary {
        thread_id: thread.thread_id,
        status: thread.status,
        reason: thread.reason,
        owner: thread.owner.clone(),
        last_seq: thread.seq,
        task,
        open_findings: reports.iter().map(|(finding, report)| view(finding, report)).collect(),
        decisions: decisions(&messages),
        participants: participants(&thread, &messages, now),
        from_seq: messages.first().map_or(thread.seq, |message| message.head.seq),
        title: thread.title,
    })
}

/// The last messages, so many at most, in order.
async fn last(cx: &Ctx, thread: &Thread) -> Result<Vec<Message>, Refusal> {
    let mut after = thread.seq.saturating_sub(u64::from(SUMMARY_MESSAGES_MAX));
    let mut all = Vec::new();
    while after < thread.seq {
        let found = cx.store().messages(cx.workspace(), thread.thread_id, after, PAGE_ROWS_MAX);
        let page = found.await.map_err(failed)?;
        let Some(newest) = page.last() else { break };
        after = newest.message.head.seq;
        all.extend(page.into_iter().map(|stored| stored.message));
    }
    Ok(all)
}

/// The findings that are not verified, each with its last report, or with its first where the last messages have none.
async fn reports<'f>(
    cx: &Ctx,
    findings: &'f [Finding],
    messages: &[Message],
) -> Result<Vec<(&'f Finding, Message)>, Refusal> {
    let mut known: BTreeMap<FindingId, &Message> = BTreeMap::new();
    for message in messages {
        if message.head.event_type.as_deref() == Some(et::FINDING_REPORTED)
            && let Some(id) = message.head.finding_id
        {
            known.insert(id, message);
        }
    }
    let mut found = Vec::new();
    for finding in findings.iter().filter(|finding| finding.state != FindingState::Verified) {
        let report = match known.get(&finding.finding_id) {
            Some(report) => (*report).clone(),
            None => first_report(cx, finding).await?,
        };
        found.push((finding, report));
    }
    Ok(found)
}

async fn first_report(cx: &Ctx, finding: &Finding) -> Result<Message, Refusal> {
    let (thread, seq) = (finding.thread_id, finding.reported_seq);
    let found =
        cx.store().messages(cx.workspace(), thread, seq.saturating_sub(1), 1).await.map_err(failed)?;
    let report = found.into_iter().map(|stored| stored.message).find(|message| message.head.seq == seq);
    report.ok_or_else(|| {
        Refusal::new(Reason::StateCorrupt, format!("`{}` was reported by no message", finding.finding_id))
    })
}

fn view(finding: &Finding, report: &Message) -> OpenFinding {
    // Written by us from an object.
    let data: Map<String, Value> = serde_json::from_str(&report.text.data).unwrap_or_default();
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    OpenFinding {
        finding_id: finding.finding_id,
        reported_by: report.head.from.clone(),
        seq: report.head.seq,
        path: text("path"),
        line: data.get("line").and_then(Value::as_u64).unwrap_or(0),
        rule: text("rule"),
        severity: text("severity"),
        message: text("message"),
        cycles: finding.cycles,
        is_unresolved: finding.state == FindingState::Unresolved,
    }
}

fn decisions(messages: &[Message]) -> Vec<Decided> {
    let is_decision =
        |message: &&Message| message.head.event_type.as_deref().is_some_and(|kind| DECISIONS.contains(&kind));
    let mut found: Vec<Decided> =
        messages.iter().rev().filter(is_decision).take(DECISIONS_MAX).map(decided).collect();
    found.reverse();
    found
}

fn decided(message: &Message) -> Decided {
    Decided {
        seq: message.head.seq,
        at: message.head.posted_at,
        by: message.head.from.clone(),
        kind: message.head.event_type.clone().unwrap_or_default(),
        finding_id: message.head.finding_id,
        text: cut(&message.text.body, TEXT_CHARS_MAX),
    }
}

fn participants(thread: &Thread, messages: &[Message], now: Timestamp) -> Vec<ParticipantSummary> {
    let looked_after = messages.first().map_or(thread.seq, |first| first.head.seq.saturating_sub(1));
    let one = |(agent, member): (&AgentName, &interlock_core::thread::Member)| {
        let is_unread = |message: &&Message| {
            message.head.seq > member.cursor
                && is_for(thread, &message.head, agent)
                && message.state(now) == MessageState::Live
        };
        let last = messages.iter().rev().find(|message| message.head.from == *agent);
        ParticipantSummary {
            agent: agent.clone(),
            role: member.role,
            acked_seq: member.cursor,
            unread: u32::try_from(messages.iter().filter(is_unread).count()).unwrap_or(u32::MAX),
            unread_is_minimum: member.cursor < looked_after,
            last_word: last.map(|message| LastWord {
                seq: message.head.seq,
                at: message.head.posted_at,
                kind: message.head.event_type.clone(),
                text: cut(&message.text.body, TEXT_CHARS_MAX),
            }),
        }
    };
    thread.members.iter().map(one).collect()
}

/// So many characters at most; what was cut is marked.
fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
