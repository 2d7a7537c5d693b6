//! A thread as it was read: the task, what was found, and where each finding stands.

use serde_json::{Value, json};

use super::hand::{Hand, Pause, Turn, Wake};

/// Pages read of a thread.
const PAGES_MAX: usize = 10;

/// A thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Thread {
    pub(super) status: String,
    pub(super) messages: Vec<Value>,
    pub(super) last_seq: u64,
    pub(super) acked_seq: u64,
    participants: Vec<Value>,
}

/// A finding and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) rule: String,
    pub(super) message: String,
    pub(super) state: State,
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Verified,
    /// Whoever was to mend it says that it cannot.
    Unresolved,
}

/// A member that is a text.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

impl Thread {
    /// Read all of it.
    pub(super) fn read(hand: &mut Hand<'_>, wake: &Wake) -> Turn<Self> {
        let whole = hand.ask("Who takes part?", "get_thread", json!({"thread_id": wake.thread}))?;
        let participants = whole.get("participants").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut thread = Self { status: text(&whole, "/status").to_owned(), participants, ..Self::default() };
        for _ in 0..PAGES_MAX {
            let arguments = json!({"thread_id": wake.thread, "after_seq": thread.last_seq, "limit": 200});
            let page = hand.ask("What was said?", "read_messages", arguments)?;
            let messages = page.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
            thread.messages.extend(messages);
            thread.acked_seq = number(&page, "/acked_seq");
            thread.last_seq = thread.messages.last().map_or(0, |message| number(message, "/seq"));
            if page.get("has_more") != Some(&Value::Bool(true)) {
                break;
            }
        }
        if thread.messages.is_empty() {
            return Err(Pause::GiveUp("The thread is empty; I do not know what to do.".into()));
        }
        Ok(thread)
    }

    /// What the work is about: the first message.
    pub(super) fn task(&self) -> &Value {
        self.messages.first().unwrap_or(&Value::Null)
    }

    /// Whether there is something to mend or to review: a commit to begin with, or a finding.
    pub(super) fn is_job(&self) -> bool {
        let task = self.task();
        ["branch", "base", "commit", "checks"]
            .iter()
            .any(|name| task.pointer(&format!("/data/{name}")).is_some())
            || self.asked_commit().is_some()
            || !self.findings().is_empty()
    }

    /// Whoever spoke last, this participant apart.
    pub(super) fn last_speaker(&self, agent: &str) -> String {
        let others =
            self.messages.iter().rev().map(|message| text(message, "/from")).find(|from| *from != agent);
        others.map_or_else(|| self.author(), str::to_owned)
    }

    /// Whether this participant leads.
    pub(super) fn is_lead(&self, agent: &str) -> bool {
        self.participants
            .iter()
            .any(|one| text(one, "/agent") == agent && text(one, "/role") == "coordinator" && is_managed(one))
    }

    /// Whoever leads and is run by a program: the reviewer.
    pub(super) fn lead(&self) -> Option<String> {
        let leads =
            self.participants.iter().find(|one| text(one, "/role") == "coordinator" && is_managed(one));
        leads.map(|one| text(one, "/agent").to_owned())
    }

    /// Whoever mends: a program that does not lead.
    pub(super) fn mender(&self) -> Option<String> {
        let others =
            self.participants.iter().find(|one| text(one, "/role") != "coordinator" && is_managed(one));
        others.map(|one| text(one, "/agent").to_owned())
    }

    /// Whoever gave the task: news go there, and wake nobody.
    pub(super) fn author(&self) -> String {
        text(self.task(), "/from").to_owned()
    }

    /// Whether this participant has said anything yet.
    pub(super) fn has_spoken(&self, agent: &str) -> bool {
        self.messages.iter().any(|message| text(message, "/from") == agent)
    }

    /// The commit that was last asked to be looked at.
    pub(super) fn asked_commit(&self) -> Option<String> {
        let asks = self
            .messages
            .iter()
            .rev()
            .filter(|message| text(message, "/event_type") == "re_review_requested");
        asks.map(|message| text(message, "/data/commit").to_owned()).find(|commit| !commit.is_empty())
    }

    /// All findings, each as its last message leaves it.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut all: Vec<Finding> = Vec::new();
        for message in &self.messages {
            let id = text(message, "/data/finding_id").to_owned();
            let known = all.iter_mut().find(|finding| finding.id == id);
            let state = match text(message, "/event_type") {
                "finding_reported" | "finding_rejected" => State::Open,
                "finding_verified" => State::Verified,
                "finding_unresolved" => State::Unresolved,
                _ => continue,
            };
            match known {
                Some(finding) => finding.state = state,
                None => all.push(Finding {
                    id,
                    path: text(message, "/data/path").to_owned(),
                    line: number(message, "/data/line"),
                    rule: text(message, "/data/rule").to_owned(),
                    message: text(message, "/data/message").to_owned(),
                    state,
                }),
            }
        }
        all
    }
}

fn is_managed(participant: &Value) -> bool {
    participant.get("managed") == Some(&Value::Bool(true))
}
