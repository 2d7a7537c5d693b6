//! What the reviewer looks at next. Pure.

use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::time::Timestamp;

use crate::conversation::Conversation;

/// A commit to look at, for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The thread.
    pub thread: ThreadId,
    /// The commit; empty = what is checked out.
    pub commit: String,
    /// The message that asks for it.
    pub seq: u64,
    /// The newest message that asks for anything.
    pub trigger: u64,
    /// When the request was posted.
    pub at: Timestamp,
    /// Who hears of findings.
    pub addressee: AgentName,
    /// Who wants the work done, and has to act when it cannot be.
    pub author: Option<AgentName>,
    /// Whether findings are only reported.
    pub review_only: bool,
}

/// What is to be looked at, if anybody asked since `acked_seq`.
pub fn plan(talk: &Conversation, acked_seq: u64, thread: ThreadId) -> Option<Review> {
    let trigger = talk.calls.last().map(|call| call.seq).filter(|seq| *seq > acked_seq)?;
    let wish = talk.task.as_ref();
    let author = wish.map(|wish| wish.author.clone());
    if let Some(request) = &talk.request {
        return Some(Review {
            thread,
            commit: request.commit.clone(),
            seq: request.seq,
            trigger,
            at: request.at,
            addressee: request.from.clone(),
            author,
            review_only: false,
        });
    }
    let wish = wish.filter(|wish| wish.review_only)?;
    Some(Review {
        thread,
        commit: wish.commit.clone().or_else(|| wish.branch.clone()).unwrap_or_default(),
        seq: wish.seq,
        trigger,
        at: wish.at,
        addressee: wish.author.clone(),
        author,
        review_only: true,
    })
}
