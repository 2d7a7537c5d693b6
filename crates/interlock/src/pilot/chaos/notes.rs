//! Notes: messages that this process posts as fast as they are acknowledged, so that a kill of the server hits one of them.

use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::ledger::GetCheckpointParams;
use interlock_api::v1::message::PostMessageParams;
use interlock_api::v1::thread::CreateThreadParams;
use interlock_core::Reason;
use interlock_core::id::ThreadId;
use interlock_core::thread::ThreadKind;
use tokio::task::JoinHandle;

use super::judge::{Head, Place};
use crate::pilot::outcome::messages;

/// The thread of the notes, and what was acknowledged of them.
pub(super) struct Notes {
    pub(super) thread_id: ThreadId,
    /// Where each acknowledged note is, in their order.
    pub(super) acknowledged: Vec<Place>,
    /// The newest head of the ledger that was seen meanwhile.
    pub(super) head: Head,
    posting: Option<Posting>,
}

/// A task that posts until a post fails. It ends with this.
struct Posting(JoinHandle<(Vec<Place>, Head)>);

impl Drop for Posting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Notes {
    /// Open their thread.
    ///
    /// # Errors
    /// The server's problems.
    pub(super) async fn open(client: &Client) -> Result<Self, Problem> {
        let title = "Notes while the server is killed".into();
        let request = CreateThreadParams { title, kind: ThreadKind::Workflow, participants: Vec::new() };
        let thread = client.call::<op::CreateThread>(&request, Some("chaos-notes")).await?;
        let head = head(client).await?;
        Ok(Self { thread_id: thread.thread_id, acknowledged: Vec::new(), head, posting: None })
    }

    /// Begin to post, after what was acknowledged before.
    pub(super) fn begin(&mut self, client: Client) {
        let (thread_id, number) = (self.thread_id, self.acknowledged.len());
        let mut newest = self.head.clone();
        self.posting = Some(Posting(tokio::spawn(async move {
            let mut places = Vec::new();
            while let Ok(place) = post(&client, thread_id, number + places.len() + 1).await {
                places.push(place);
                // When this gets no answer, the next note gets none either.
                newest = head(&client).await.unwrap_or(newest);
            }
            (places, newest)
        })));
    }

    /// Wait until a post fails, which it does when the server is gone; gives the number of the note that got no answer.
    ///
    /// # Errors
    /// `INTERNAL` when the task broke.
    pub(super) async fn cut(&mut self) -> Result<usize, Problem> {
        if let Some(mut posting) = self.posting.take() {
            let posted = (&mut posting.0).await;
            let (places, head) =
                posted.map_err(|error| Problem::new(Reason::Defect, &error.to_string(), ""))?;
            self.acknowledged.extend(places);
            self.head = head;
        }
        Ok(self.acknowledged.len() + 1)
    }

    /// Post the note that got no answer again, as a caller does; it counts as acknowledged then.
    ///
    /// # Errors
    /// The server's problems.
    pub(super) async fn repeat(&mut self, client: &Client, number: usize) -> Result<(), Problem> {
        self.acknowledged.push(post(client, self.thread_id, number).await?);
        Ok(())
    }

    /// What is there now.
    ///
    /// # Errors
    /// The server's problems.
    pub(super) async fn there(&self, client: &Client) -> Result<Vec<Place>, Problem> {
        let all = messages(client, self.thread_id).await?;
        Ok(all.into_iter().map(|message| (message.seq, message.message_id.to_string())).collect())
    }
}

/// The signed head of the ledger.
async fn head(client: &Client) -> Result<Head, Problem> {
    let head = client.call::<op::GetCheckpoint>(&GetCheckpointParams::default(), None).await?;
    Ok(Head { size: head.size, root: head.root })
}

/// Post a note, once however often it is tried: the key is the number's.
async fn post(client: &Client, thread_id: ThreadId, number: usize) -> Result<Place, Problem> {
    let request =
        PostMessageParams { body: format!("note {number}"), ..PostMessageParams::to_all(thread_id) };
    let posted = client.call::<op::PostMessage>(&request, Some(&format!("chaos-note-{number}"))).await?;
    Ok((posted.seq, posted.message_id.to_string()))
}
