//! What cannot wait until the turn is over: said into it, as a person would.
//!
//! Only into a turn of ours that runs, by its id: one that has ended, or is somebody else's, refuses it. Then, and whenever
//! anything else is the matter, nothing is lost: the wake that cannot wait comes when the turn is over.

use interlock_core::id::WakeId;
use serde_json::json;

use super::{Act, Stage, Turn};
use crate::attempt::Input;
use crate::codex_server::message::{Refused, request};
use crate::runtime::text::cut;

/// What a turn is being told.
#[derive(Debug)]
pub(super) struct Telling {
    /// The request.
    id: u64,
    /// Names the message in the thread's history.
    client_id: String,
    wake_id: WakeId,
    seq: u64,
}

impl Turn {
    /// Say it, once for each message.
    pub(super) fn tell(&mut self, wake_id: WakeId, seq: u64, text: &str) -> Vec<Act> {
        let is_known = self.urgent.get(&wake_id).is_some_and(|told| *told >= seq);
        let is_ready = self.stage == Stage::Running && self.has_begun && !self.is_stopping;
        if is_known || !is_ready || self.telling.is_some() || self.is_a_persons() {
            return Vec::new();
        }
        let client_id = format!("{wake_id}.told.{seq}");
        let params = json!({
            "threadId": self.thread_text(), "expectedTurnId": self.ours, "clientUserMessageId": client_id,
            "input": [{"type": "text", "text": text, "text_elements": []}],
        });
        let id = self.next_id;
        self.next_id += 1;
        self.urgent.insert(wake_id, seq);
        self.telling = Some(Telling { id, client_id, wake_id, seq });
        vec![Act::Send(request(id, "turn/steer", &params))]
    }

    /// The answer to what was said. That it was not refused proves nothing yet.
    pub(super) fn on_told(&mut self, id: u64, refused: Option<&Refused>) -> Vec<Act> {
        let told = self.telling.take_if(|telling| telling.id == id && refused.is_some());
        let (Some(told), Some(refused)) = (told, refused) else { return Vec::new() };
        let why = cut(&self.wanted.hide, &refused.message);
        vec![Act::Log(format!("its turn was not told of {}, which waits for its end: {why}", told.wake_id))]
    }

    /// A message stands in the turn: the proof, when it is the one that was said.
    pub(super) fn on_taken_in(&mut self, client_id: &str) -> Option<Vec<Act>> {
        let told = self.telling.take_if(|telling| telling.client_id == client_id)?;
        let Telling { wake_id, seq, .. } = told;
        let line = format!("its turn was told of {wake_id}, which cannot wait");
        Some(vec![Act::Log(line), Act::Say(Input::Told { wake_id, seq })])
    }

    /// Whether a person's words came first in the turn.
    pub(super) fn is_a_persons(&self) -> bool {
        self.ours.as_ref().and_then(|turn| self.owners.get(turn)) == Some(&false)
    }
}
