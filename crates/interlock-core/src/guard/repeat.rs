//! What an agent says again and again.

use crate::command::PostMessage;
use crate::text::{Digest, Salt, digest};
use crate::thread::Member;

/// What a participant said last. No text: a digest that tells nobody who lacks the thread's salt anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Said {
    /// Of what it said.
    pub print: Digest,
    /// How often in a row, without progress or a person's word in between.
    pub times: u32,
}

impl Said {
    /// What it has said last, now that it says this.
    pub(super) fn then(before: Option<Self>, print: Digest) -> Self {
        let times = before.filter(|said| said.print == print).map_or(0, |said| said.times);
        Self { print, times: times.saturating_add(1) }
    }
}

/// The print of a message: letter case and white space of its text do not matter. Findings are counted by their own.
pub(crate) fn print(command: &PostMessage, salt: &Salt) -> Digest {
    let words: Vec<String> = command.body.split_whitespace().map(str::to_lowercase).collect();
    let words = words.join(" ");
    let data = command.data.as_ref().map(|data| serde_json::Value::from(data.clone()).to_string());
    let (event_type, data) = (command.event_type.as_deref().unwrap_or_default(), data.unwrap_or_default());
    let parts = [b"said".as_slice(), words.as_bytes(), event_type.as_bytes(), data.as_bytes()];
    digest(salt, &parts)
}

/// How often this participant has now said it in a row.
pub(super) fn times(member: Option<&Member>, print: Digest) -> u32 {
    Said::then(member.and_then(|member| member.said), print).times
}
