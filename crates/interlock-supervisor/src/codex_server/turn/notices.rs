//! What the server tells by itself.

use serde_json::Value;

use super::{Act, OWNERS_MAX, Stage, Turn};
use crate::codex_server::item;
use crate::runtime::quota;
use crate::runtime::text::{cut, member};

impl Turn {
    pub(super) fn on_asked(&self, method: &str, params: &Value) -> Vec<Act> {
        if !self.is_here(params) {
            return Vec::new();
        }
        // Every client is asked; to answer is for a person at one of them.
        vec![Act::Log(format!("it asks a person: {}", cut(&self.wanted.hide, method)))]
    }

    pub(super) fn is_here(&self, params: &Value) -> bool {
        self.thread.is_some() && member(params, "/threadId") == self.thread_text()
    }

    pub(super) fn on_notice(&mut self, at_ms: u64, method: &str, params: &Value) -> Vec<Act> {
        if !self.is_here(params) {
            return self.on_notice_to_all(method, params);
        }
        let is_waiting = matches!(self.stage, Stage::Loading | Stage::Asking | Stage::Ready);
        match method {
            "turn/started" if is_waiting && self.ours.is_none() => {
                self.is_taken = true;
                Vec::new()
            }
            "item/started" if member(params, "/item/type") == "userMessage" => {
                self.note_owner(params);
                Vec::new()
            }
            "item/completed" if member(params, "/item/type") == "userMessage" => self.on_message(params),
            "item/completed" if self.is_our_turn(member(params, "/turnId")) => {
                let item = params.get("item").unwrap_or(&Value::Null);
                self.note_words(item);
                item::line(item, &self.wanted.hide).map(Act::Log).into_iter().collect()
            }
            "thread/tokenUsage/updated" => {
                self.heard.usage = item::usage(params).or(self.heard.usage);
                Vec::new()
            }
            "error" if self.is_our_turn(member(params, "/turnId")) => {
                let why = cut(&self.wanted.hide, member(params, "/error/message"));
                vec![Act::Log(format!("error: {why}"))]
            }
            "turn/completed" if self.is_our_turn(member(params, "/turn/id")) => {
                let (end, text) = self.judge(params.get("turn").unwrap_or(&Value::Null));
                let mut acts: Vec<_> = text.map(Act::Log).into_iter().collect();
                acts.extend(self.ended(at_ms, end));
                acts
            }
            _ => Vec::new(),
        }
    }

    /// What is told to all who listen there, whatever thread it is about.
    fn on_notice_to_all(&mut self, method: &str, params: &Value) -> Vec<Act> {
        if method == "account/rateLimits/updated" {
            let limits = params.get("rateLimits").unwrap_or(&Value::Null);
            self.heard.resets_at_s = quota::resets_at_s(limits, "usedPercent", "resetsAt");
        }
        Vec::new()
    }

    pub(super) fn is_our_turn(&self, turn: &str) -> bool {
        self.stage == Stage::Running && self.ours.as_deref() == Some(turn)
    }

    /// Whoever's message comes first in a turn, theirs it is.
    pub(super) fn note_owner(&mut self, params: &Value) {
        if matches!(self.stage, Stage::Starting | Stage::Running) && self.owners.len() < OWNERS_MAX {
            let is_ours = member(params, "/item/clientId") == self.wanted.client_id;
            self.owners.entry(member(params, "/turnId").to_owned()).or_insert(is_ours);
        }
    }

    /// What the agent said, where it did not say it to a person whose turn it is.
    pub(super) fn note_words(&mut self, item: &Value) {
        if member(item, "/type") == "agentMessage" && !self.is_a_persons() {
            self.heard.said(&self.wanted.hide, member(item, "/text"));
        }
    }

    pub(super) fn on_message(&mut self, params: &Value) -> Vec<Act> {
        self.note_owner(params);
        if member(params, "/item/clientId") == self.wanted.client_id {
            return self.began();
        }
        if let Some(acts) = self.on_taken_in(member(params, "/item/clientId")) {
            return acts;
        }
        if self.is_our_turn(member(params, "/turnId")) {
            return vec![Act::Log("somebody said something in this turn".into())];
        }
        Vec::new()
    }
}
