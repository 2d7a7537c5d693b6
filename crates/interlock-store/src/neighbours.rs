//! Servers that share a database tell each other what they committed.

use std::collections::BTreeSet;

use async_trait::async_trait;
use interlock_core::id::{ThreadId, WorkspaceId};

use crate::StoreError;

/// Threads named by one word; PostgreSQL takes 8,000 bytes.
pub const WORD_THREADS_MAX: usize = 200;

/// What a server tells the others of one workspace, after a commit and never before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Whose word: servers hear their own too, and pass over them.
    pub from: u64,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// How many entries its ledger had then; 0 for a word that is about none.
    pub size: u64,
    /// The threads that changed; `None` when they are too many to name.
    pub threads: Option<BTreeSet<ThreadId>>,
    /// Whether a supervisor may have something to do.
    pub supervisors: bool,
    /// Whether a worker may have something to do.
    pub workers: bool,
    /// What it asks for besides looking.
    pub order: Order,
}

/// What a word asks for besides looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    None,
    /// Stop all agents of the workspace.
    Halt,
    /// They may go on.
    Resume,
}

/// What a server hears of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// This.
    Word(Word),
    /// Anything may have changed: a connection was made anew, or a ledger grew without a word.
    Anything,
}

/// The way to the other servers of the same database. Words may be lost: whoever waits looks again from time to time.
#[async_trait]
pub trait Neighbours: Send + Sync + 'static {
    /// Tell them; costs no caller anything, for it is never part of a commit.
    async fn tell(&self, word: &Word) -> Result<(), StoreError>;

    /// What is heard next; one listener at a time. After an error the next call tries to listen anew.
    async fn hear(&self) -> Result<Heard, StoreError>;
}
