//! A program that talks to a real server over HTTP, and remembers what it was told.

use interlock_api::client::Client;
use interlock_api::v1::message::ReadMessagesResponse;
use interlock_api::{Op, Problem, operations as op};
use serde_json::{Value, json};

use crate::site::Site;

/// Somebody with a token and a thread.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    client: Client,
    pub(crate) name: String,
    pub(crate) thread: String,
}

impl Caller {
    /// An operator of this name, in this thread of the server at `url`.
    pub(crate) fn new(site: &Site, url: &str, name: &str, thread: &str) -> Self {
        let issued = site.ask(&["token", "issue", "--name", name, "--role", "operator"]);
        let token = issued["token"].as_str().unwrap().to_owned();
        let client = Client::new(url, Some(token)).unwrap();
        Self { client, name: name.to_owned(), thread: thread.to_owned() }
    }

    /// Post a message whose text is its key; gives its `seq`.
    pub(crate) async fn post(&self, key: &str) -> Result<u64, Problem> {
        let posted = self.call::<op::PostMessage>(json!({"body": key}), Some(key)).await?;
        Ok(posted.seq)
    }

    /// Kinds of changes.
    pub(crate) const KINDS: u32 = 5;

    /// The `n`th change of this kind; gives what is the same whenever it is asked for again.
    pub(crate) async fn changes(&self, kind: u32, n: i32, seq: u64) -> Result<Value, Problem> {
        let words = format!("{kind}-{n}");
        let key = Some(words.as_str());
        Ok(match kind {
            0 => json!(self.call::<op::PostMessage>(json!({"body": words}), key).await?),
            1 => json!(self.call::<op::AckRead>(json!({"seq": seq}), key).await?.acked_seq >= seq),
            2 => json!(self.call::<op::CreateThread>(json!({"title": words}), key).await?.thread_id),
            3 => json!(self.call::<op::RegisterAgent>(json!({"name": format!("agent-{words}")}), key).await?),
            // Back and forth: the same status again would be no change, and leave nothing to fail at.
            _ => {
                let change = json!({"status": if n % 2 == 1 { "blocked" } else { "active" }});
                self.call::<op::UpdateThreadStatus>(change, key).await.map(|_| Value::Null)?
            }
        })
    }

    /// Acknowledge everything up to here; gives the cursor.
    pub(crate) async fn ack(&self, seq: u64, key: &str) -> Result<u64, Problem> {
        Ok(self.call::<op::AckRead>(json!({"seq": seq}), Some(key)).await?.acked_seq)
    }

    /// The cursor of everybody in the thread.
    pub(crate) async fn cursors(&self) -> Vec<(String, u64)> {
        let thread = self.call::<op::GetThread>(json!({}), None).await.unwrap();
        let cursor = |participant: interlock_api::v1::thread::ParticipantView| {
            (participant.agent.to_string(), participant.acked_seq)
        };
        thread.participants.into_iter().map(cursor).collect()
    }

    /// Every message after this one, as it is read page by page: `seq` and text.
    pub(crate) async fn read_after(&self, after: u64) -> Vec<(u64, String)> {
        self.try_read_after(after).await.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The same, or why not.
    pub(crate) async fn try_read_after(&self, mut after: u64) -> Result<Vec<(u64, String)>, Problem> {
        let mut all = Vec::new();
        loop {
            let page: ReadMessagesResponse =
                self.call::<op::ReadMessages>(json!({"after_seq": after, "limit": 200}), None).await?;
            let Some(last) = page.messages.last() else { return Ok(all) };
            after = last.seq;
            all.extend(page.messages.into_iter().map(|message| (message.seq, message.body)));
        }
    }

    async fn call<O: Op>(&self, mut params: Value, key: Option<&str>) -> Result<O::Response, Problem> {
        params["thread_id"] = self.thread.clone().into();
        self.client.call::<O>(&serde_json::from_value(params).unwrap(), key).await
    }
}

/// A thread that everybody may join by speaking.
pub(crate) fn open_thread(site: &Site) -> String {
    site.ask(&["thread", "create", "Talk"])["thread_id"].as_str().unwrap().to_owned()
}

/// The numbers are 1, 2, 3 and so on, after this one.
pub(crate) fn is_gap_free(messages: &[(u64, String)], after: u64) {
    for (expected, (seq, body)) in (after + 1..).zip(messages) {
        assert_eq!(*seq, expected, "`{body}` is out of its place");
    }
}
