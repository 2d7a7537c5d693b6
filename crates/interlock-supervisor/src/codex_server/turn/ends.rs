//! What ends a turn: its connection, its deadlines, an order.

use interlock_core::wake::TurnFault;
use serde_json::{Value, json};

use super::{Act, INTERRUPT_MS_MAX, KILLED, REJOIN_MS_MAX, RESTORE_MS_MAX, Stage, Turn};
use crate::attempt::Input;
use crate::codex_server::item;
use crate::runtime::Fault;
use crate::runtime::text::{cut, member, reset_in_ms};

impl Turn {
    pub(super) fn over(&mut self, end: Input) -> Vec<Act> {
        (self.stage, self.until_ms, self.awaited) = (Stage::Over, None, None);
        self.may_go_on = match end {
            Input::Unknown => true,
            Input::NotStarted | Input::SessionBusy => self.is_sent,
            _ => false,
        };
        vec![Act::Say(end)]
    }

    /// What the runtime has told goes before how it ended.
    pub(super) fn over_with_word(&mut self, end: Input) -> Vec<Act> {
        let mut acts = vec![Act::Say(Input::Heard(self.heard.clone()))];
        acts.extend(self.over(end));
        acts
    }

    /// Nothing was sent: another door may do it. What an earlier life may have sent is not done by another door: it is
    /// looked for again.
    pub(super) fn unavailable(&mut self, why: &str) -> Vec<Act> {
        let mut acts = vec![Act::Log(format!("not through Codex's server: {why}"))];
        let is_open = self.is_told || self.is_sent;
        acts.extend(self.over(if is_open { Input::NotStarted } else { Input::DoorUnavailable }));
        acts
    }

    /// The turn was sent, and nobody can tell what became of it.
    pub(super) fn unknown(&mut self, why: &str) -> Vec<Act> {
        let mut acts = vec![Act::Log(format!("nobody can tell what became of the turn: {why}"))];
        acts.extend(self.over_with_word(Input::Unknown));
        acts
    }

    /// What an earlier life may have sent does not run.
    pub(super) fn not_running(&mut self, why: &str) -> Vec<Act> {
        let mut acts = vec![Act::Log(format!("nothing of an earlier attempt runs: {why}"))];
        acts.extend(self.over(Input::NotRunning));
        acts
    }

    /// The turn was sent, and does not run any more.
    pub(super) fn lost(&mut self, why: &str) -> Vec<Act> {
        let mut acts = vec![Act::Log(format!("the turn is lost: {why}"))];
        acts.extend(self.over_with_word(Input::Signalled { signal: KILLED }));
        acts
    }

    /// The turn is over: a person's settings are put back first.
    pub(super) fn ended(&mut self, at_ms: u64, end: Input) -> Vec<Act> {
        let Some(before) = self.before.take() else { return self.over_with_word(end) };
        self.end = Some(end);
        self.send(Stage::Restoring, Some(at_ms + RESTORE_MS_MAX), "thread/settings/update", &before)
    }

    pub(super) fn restored(&mut self) -> Vec<Act> {
        let end = self.end.take().unwrap_or(Input::NotStarted);
        self.over_with_word(end)
    }

    /// How a turn of ours ended, as the server tells.
    pub(super) fn judge(&mut self, turn: &Value) -> (Input, Option<String>) {
        let items = turn.get("items").and_then(Value::as_array);
        items.into_iter().flatten().for_each(|item| self.note_words(item));
        let error = turn.get("error").unwrap_or(&Value::Null);
        match member(turn, "/status") {
            "completed" => {
                self.heard.is_done = true;
                (Input::Exited { code: 0 }, None)
            }
            "failed" => {
                self.heard.fault = Some(Fault::Turn(item::fault(error)));
                let text = member(error, "/message");
                self.heard.reset_in_ms = reset_in_ms(text);
                let why = cut(&self.wanted.hide, text);
                (Input::Exited { code: 1 }, Some(format!("the turn failed: {why}")))
            }
            _ => {
                self.heard.fault = Some(Fault::Turn(TurnFault::TurnIncomplete));
                (Input::Exited { code: 1 }, Some("the turn was interrupted".into()))
            }
        }
    }

    pub(super) fn on_unreachable(&mut self, at_ms: u64, is_gone: bool) -> Vec<Act> {
        if !self.is_told {
            // What ran there is gone with its server.
            self.is_sent &= !is_gone;
            return self.unavailable("nobody answers on its socket");
        }
        match self.rejoin_until_ms {
            Some(until) if at_ms < until && !(is_gone && self.is_stopping) => vec![Act::Connect],
            // What ran there is gone with it.
            _ if is_gone => self.lost("its server is gone"),
            _ => self.unknown("its server cannot be reached"),
        }
    }

    pub(super) fn on_gone(&mut self, at_ms: u64) -> Vec<Act> {
        if self.stage == Stage::Restoring {
            return self.restored();
        }
        if !self.is_told || !self.is_sent {
            return self.unavailable("the connection broke");
        }
        // Whether it heard what cannot wait nobody knows: it comes as a wake of its own.
        self.telling = None;
        let is_first = self.rejoin_until_ms.is_none();
        let until = *self.rejoin_until_ms.get_or_insert(at_ms + REJOIN_MS_MAX);
        if at_ms >= until {
            return self.unknown("its server does not say");
        }
        (self.stage, self.awaited, self.pages, self.until_ms) = (Stage::Away, None, 0, Some(until));
        let line = is_first.then(|| Act::Log("it is looked for in Codex's server what became of it".into()));
        line.into_iter().chain([Act::Connect]).collect()
    }

    pub(super) fn on_late(&mut self, at_ms: u64) -> Vec<Act> {
        match self.stage {
            Stage::Restoring => self.restored(),
            Stage::Running => self.unknown("it does not say that it was interrupted"),
            Stage::Away if self.is_told => self.unknown("its server cannot be reached"),
            _ if self.is_told && self.is_sent => self.on_gone(at_ms),
            _ => self.unavailable("it does not answer in time"),
        }
    }

    pub(super) fn stop(&mut self, at_ms: u64) -> Vec<Act> {
        if self.is_stopping {
            return Vec::new();
        }
        self.is_stopping = true;
        match self.stage {
            // Its answer says what to interrupt.
            Stage::Starting => {
                self.until_ms = Some(at_ms + INTERRUPT_MS_MAX);
                Vec::new()
            }
            Stage::Running => self.interrupt(at_ms),
            // An earlier life began it, and it is ours to end.
            Stage::Ready if self.ours.is_some() => self.begun(at_ms),
            Stage::Restoring => Vec::new(),
            // It is told once it is found, or found again.
            _ if self.is_sent && self.end.is_none() => Vec::new(),
            _ => self.over(Input::NotStarted),
        }
    }

    pub(super) fn interrupt(&mut self, at_ms: u64) -> Vec<Act> {
        if self.is_a_persons() {
            let mut acts = vec![Act::Log("the turn is a person's and goes on".into())];
            acts.extend(self.ended(at_ms, Input::Signalled { signal: KILLED }));
            return acts;
        }
        let params = json!({"threadId": self.thread_text(), "turnId": self.ours});
        let mut acts = vec![Act::Cut];
        acts.extend(self.send(Stage::Running, Some(at_ms + INTERRUPT_MS_MAX), "turn/interrupt", &params));
        acts
    }
}
