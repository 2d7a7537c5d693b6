//! The mailbox that is a server.

use std::time::Duration;

use interlock_api::client::Client;
use interlock_api::operations::{AckRead, GetThread, PostMessage, ReadMessages, UpdateThreadStatus};
use interlock_api::v1::message::{AckReadParams, PostMessageParams, ReadMessagesParams};
use interlock_api::v1::thread::{GetThreadParams, UpdateThreadStatusParams};
use interlock_api::{Op, Problem};
use interlock_core::limits::PAGE_ROWS_MAX;
use interlock_core::thread::MessageKind;
use interlock_core::{Code, Reason};

use crate::env::AgentEnv;
use crate::mailbox::{Close, MailError, Mailbox, Peer, Post, Thread};

/// Time kept back so that giving up is still said before the supervisor ends the process.
const GIVE_UP_MS: u64 = 1_000;

/// One thread on one server.
pub(crate) struct ServerMailbox<'a> {
    client: Client,
    env: &'a AgentEnv,
}

impl<'a> ServerMailbox<'a> {
    pub(crate) fn open(env: &'a AgentEnv) -> Result<Self, MailError> {
        let client = Client::new(&env.url, Some(env.token.clone())).map_err(MailError::Refused)?;
        Ok(Self { client, env })
    }

    async fn call<O: Op>(&self, params: &O::Params, key: Option<&str>) -> Result<O::Response, MailError> {
        let patience = self.env.left().saturating_sub(Duration::from_millis(GIVE_UP_MS));
        self.client.call_until::<O>(params, key, patience).await.map_err(sort)
    }
}

fn sort(problem: Problem) -> MailError {
    if problem.retryable { MailError::Away(problem) } else { MailError::Refused(problem) }
}

impl Mailbox for ServerMailbox<'_> {
    async fn read(&self) -> Result<Thread, MailError> {
        let thread_id = self.env.thread;
        let view = self.call::<GetThread>(&GetThreadParams::now(thread_id), None).await?;
        let peers = view.participants.into_iter();
        let mut thread = Thread {
            status: view.status,
            peers: peers
                .map(|peer| Peer { name: peer.agent, role: peer.role, managed: peer.managed })
                .collect(),
            messages: Vec::new(),
            acked_seq: 0,
        };
        let mut after_seq = 0;
        loop {
            let params = ReadMessagesParams { thread_id, after_seq, limit: PAGE_ROWS_MAX, wait_ms: 0 };
            let page = self.call::<ReadMessages>(&params, None).await?;
            thread.acked_seq = page.acked_seq;
            let is_moving = page.next_seq > after_seq;
            after_seq = page.next_seq;
            thread.messages.extend(page.messages);
            if !page.has_more || !is_moving {
                return Ok(thread);
            }
        }
    }

    async fn post(&self, post: &Post) -> Result<(), MailError> {
        let params = PostMessageParams {
            kind: if post.event_type.is_some() { MessageKind::Event } else { MessageKind::Chat },
            event_type: post.event_type.map(str::to_owned),
            body: post.body.clone(),
            data: (!post.data.is_empty()).then(|| post.data.clone()),
            to: post.to.clone(),
            ..PostMessageParams::to_all(self.env.thread)
        };
        match self.call::<PostMessage>(&params, Some(&post.key)).await {
            // A killed predecessor's request arrived after all, in other words: said is said.
            Err(MailError::Refused(problem)) if problem.code == Code::IdempotencyConflict => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn ack(&self, seq: u64) -> Result<(), MailError> {
        let params = AckReadParams { thread_id: self.env.thread, seq };
        let key = format!("ack:{}:{seq}", self.env.thread);
        self.call::<AckRead>(&params, Some(&key)).await.map(|_| ())
    }

    async fn close(&self, close: &Close) -> Result<(), MailError> {
        let params = UpdateThreadStatusParams {
            thread_id: self.env.thread,
            status: close.status,
            reason: close.reason,
            text: close.text.clone(),
            owner: close.owner.clone(),
        };
        match self.call::<UpdateThreadStatus>(&params, Some(&close.key)).await {
            Err(MailError::Refused(problem)) if is_settled(&problem) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Somebody else changed the status first, or this very change was made before.
fn is_settled(problem: &Problem) -> bool {
    problem.code == Code::IdempotencyConflict || problem.known_reason() == Some(Reason::TransitionInvalid)
}
