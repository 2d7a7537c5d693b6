//! A message as people name it: by its id, or by the number that stands before it in its thread.

use std::str::FromStr;

use interlock_api::Problem;
use interlock_api::operations::ReadMessages;
use interlock_api::v1::message::ReadMessagesParams;
use interlock_core::Reason;
use interlock_core::id::{MessageId, ThreadId};

use crate::connection::Connection;

/// `msg_…`, or `7` or `#7` for the seventh message of the thread that the command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageRef {
    /// By its id.
    Id(MessageId),
    /// By its place in the thread, from 1 on.
    Seq(u64),
}

impl FromStr for MessageRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix('#').unwrap_or(text);
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            let seq = number.parse().ok().filter(|seq| *seq > 0);
            return seq.map(Self::Seq).ok_or_else(|| format!("`{text}` is the number of no message"));
        }
        let wrong = || format!("`{text}` is neither a message's id (`msg_…`) nor its number in the thread");
        text.parse().map(Self::Id).map_err(|_| wrong())
    }
}

impl MessageRef {
    /// Its id; the server is asked only when it is named by its number.
    ///
    /// # Errors
    /// `MESSAGE_NOT_FOUND` when the thread has no such number, and what the server refuses.
    pub(super) async fn id(self, connection: &Connection, thread_id: ThreadId) -> Result<MessageId, Problem> {
        let seq = match self {
            Self::Id(id) => return Ok(id),
            Self::Seq(seq) => seq,
        };
        let request = ReadMessagesParams { thread_id, after_seq: seq - 1, limit: 1, wait_ms: 0 };
        let page = connection.read::<ReadMessages>(&request).await?;
        let found = page.messages.iter().find(|message| message.seq == seq);
        found.map(|message| message.message_id).ok_or_else(|| {
            Problem::new(Reason::MessageNotFound, &format!("there is no message #{seq} in {thread_id}"), "")
                .hint("see which there are: interlock thread read")
        })
    }
}

/// The ids of several.
///
/// # Errors
/// As [`MessageRef::id`].
pub(super) async fn ids(
    refs: impl IntoIterator<Item = MessageRef>,
    connection: &Connection,
    thread_id: ThreadId,
) -> Result<Vec<MessageId>, Problem> {
    let mut ids = Vec::new();
    for message in refs {
        ids.push(message.id(connection, thread_id).await?);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_its_id_or_its_number() {
        let id = "msg_00000000000000000000000003";
        assert_eq!(id.parse(), Ok(MessageRef::Id(id.parse().unwrap())));
        assert_eq!("7".parse(), Ok(MessageRef::Seq(7)));
        assert_eq!("#7".parse(), Ok(MessageRef::Seq(7)));
        for wrong in
            ["", "#", "0", "#0", "-1", "7th", "18446744073709551616", "thr_00000000000000000000000003"]
        {
            assert!(wrong.parse::<MessageRef>().is_err(), "{wrong}");
        }
    }
}
