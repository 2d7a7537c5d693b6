//! What the reviewer says about what the checks found. Pure.

use interlock_core::Reason;
use interlock_core::id::FindingId;
use interlock_core::thread::{Status, event_type as et};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::plan::Review;
use crate::check::{Finding, Report};
use crate::conversation::{Conversation, Known, State};
use crate::error::WorkError;
use crate::git::short;
use crate::mailbox::{Close, Post};
use crate::turn::{count, listed};

/// Findings that the reason of a blocked thread names.
const STUCK_SHOWN_MAX: usize = 3;

/// What is to be said, and whether the thread ends with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The messages, in order.
    pub posts: Vec<Post>,
    /// The change of the thread's status.
    pub close: Option<Close>,
}

/// Compares what was found with what the thread knows.
pub fn judge(talk: &Conversation, review: &Review, reports: &[Report]) -> Judgement {
    let found = distinct(reports);
    let standing: Vec<&Known> = talk.findings.iter().filter(|known| known.state != State::Verified).collect();
    let mut posts = Vec::new();
    let (mut open, mut unresolved, mut gone) = (0, Vec::new(), 0);
    for known in &standing {
        match found.iter().find(|finding| is_about(&known.finding, finding)) {
            None => {
                gone += 1;
                posts.push(verified(known, review));
            }
            Some(_) if known.state == State::Unresolved => unresolved.push(*known),
            Some(finding) => {
                open += 1;
                // What was said in answer to this very request is not said again.
                if known.seq < review.seq {
                    posts.push(rejected(known, finding, review));
                }
            }
        }
    }
    for finding in &found {
        if !standing.iter().any(|known| is_about(&known.finding, finding)) {
            open += 1;
            posts.push(reported(finding, review));
        }
    }
    let verified = talk.findings.len() - standing.len() + gone;
    let close = match (open, unresolved.as_slice()) {
        (0, []) => Some(resolve(review, reports, verified)),
        (0, stuck) => Some(block(review, stuck)),
        (open, _) if review.review_only => Some(hand_back(review, open)),
        _ => None,
    };
    Judgement { posts, close }
}

/// The checks cannot run: said to whoever wants the work, and the thread waits for them.
pub(super) fn impossible(review: &Review, error: &WorkError) -> Judgement {
    Judgement {
        posts: Vec::new(),
        close: Some(close(
            review,
            Status::Blocked,
            Reason::ByRequest,
            format!("I cannot check {}: {error} [{}].", short(&review.commit), error.reason()),
        )),
    }
}

fn distinct(reports: &[Report]) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for finding in reports.iter().flat_map(|report| &report.findings) {
        if !found.iter().any(|other| other.is_same(finding)) {
            found.push(finding.clone());
        }
    }
    found
}

/// Whether what is found now is what was reported. A test or a command is the same however it words its failure:
/// saying that it is mended because the message changed would be wrong.
fn is_about(known: &Finding, found: &Finding) -> bool {
    let is_run = known.rule.starts_with("test:") || known.rule.starts_with("check:");
    known.is_same(found) || (is_run && known.rule == found.rule && known.path == found.path)
}

/// The id of a finding: the same for the same request, however often the reviewer is killed and woken.
fn mint(finding: &Finding, review: &Review) -> FindingId {
    let mut hash = Sha256::new();
    for part in [
        review.thread.to_string().as_str(),
        &finding.path,
        &finding.rule,
        &finding.message,
        &review.commit,
        &review.seq.to_string(),
    ] {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    FindingId::derive(review.at, &hash.finalize().into(), 0)
}

fn event(key: String, event_type: &'static str, review: &Review, body: String, data: &Value) -> Post {
    let to = match (event_type, &review.author) {
        // Good news wakes nobody who has to work on it.
        (et::FINDING_VERIFIED, Some(author)) => vec![author.clone()],
        _ => vec![review.addressee.clone()],
    };
    Post { key, event_type: Some(event_type), to, body, data: data.as_object().cloned().unwrap_or_default() }
}

fn reported(finding: &Finding, review: &Review) -> Post {
    let id = mint(finding, review);
    let body = format!("{}: {} ({}).", place(finding), said(&finding.message), finding.rule);
    event(
        format!("finding:{id}"),
        et::FINDING_REPORTED,
        review,
        body,
        &json!({
            "finding_id": id,
            "path": finding.path,
            "line": finding.line,
            "rule": finding.rule,
            "severity": finding.severity.as_str(),
            "message": finding.message,
        }),
    )
}

fn verified(known: &Known, review: &Review) -> Post {
    event(
        format!("verified:{}:{}", known.id, review.commit),
        et::FINDING_VERIFIED,
        review,
        format!(
            "`{}` in {} is mended at {}.",
            known.finding.rule,
            place(&known.finding),
            short(&review.commit)
        ),
        &json!({"finding_id": known.id, "commit": review.commit}),
    )
}

fn rejected(known: &Known, finding: &Finding, review: &Review) -> Post {
    let commit = short(&review.commit);
    event(
        format!("rejected:{}:{}:{}", known.id, review.commit, review.seq),
        et::FINDING_REJECTED,
        review,
        format!(
            "{}: still there at {commit}: {} ({}).",
            place(finding),
            said(&finding.message),
            finding.rule
        ),
        &json!({"finding_id": known.id, "commit": review.commit, "message": finding.message}),
    )
}

fn close(review: &Review, status: Status, reason: Reason, text: String) -> Close {
    let owner = if status == Status::Blocked { review.author.clone() } else { None };
    Close {
        key: format!("status:{}:{status}:{}", review.thread, review.trigger),
        status,
        reason,
        text,
        owner,
    }
}

fn resolve(review: &Review, reports: &[Report], verified: usize) -> Close {
    let clean = reports.iter().filter(|report| report.note.is_none());
    let names: Vec<String> = clean.map(|report| format!("`{}`", report.command)).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let mut parts = vec![format!("{} {verb} clean at {}", listed(&names), short(&review.commit))];
    match reports.iter().map(|report| report.passed.len()).sum() {
        0 => {}
        tests => parts.push(count(tests, "test passes", "tests pass")),
    }
    if verified > 0 {
        parts.push(count(verified, "finding verified", "findings verified"));
    }
    parts.extend(reports.iter().filter_map(|report| report.note.clone()));
    close(review, Status::Resolved, Reason::ByRequest, parts.join("; ") + ".")
}

fn block(review: &Review, stuck: &[&Known]) -> Close {
    let one = |known: &&Known| {
        format!("{} `{}` in {}: {}", known.id, known.finding.rule, place(&known.finding), known.remark)
    };
    let mut shown: Vec<String> = stuck.iter().take(STUCK_SHOWN_MAX).map(one).collect();
    if stuck.len() > shown.len() {
        shown.push(format!("and {} more", stuck.len() - shown.len()));
    }
    let many = count(stuck.len(), "finding", "findings");
    let text = format!("{many} left for a person: {}.", shown.join("; "));
    close(review, Status::Blocked, Reason::FindingUnresolved, text)
}

fn hand_back(review: &Review, open: usize) -> Close {
    let many = count(open, "open finding", "open findings");
    let text = format!("{many} at {}; nothing was changed.", short(&review.commit));
    close(review, Status::Blocked, Reason::OpenFindings, text)
}

fn place(finding: &Finding) -> String {
    match (finding.path.as_str(), finding.line) {
        ("", _) => "the repository".to_owned(),
        (path, 0) => path.to_owned(),
        (path, line) => format!("{path}:{line}"),
    }
}

/// A message without its full stop, for the middle of a sentence.
fn said(message: &str) -> &str {
    message.trim_end_matches('.')
}
