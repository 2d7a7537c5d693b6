//! The echo: answers whatever is said with the same words. Two of them never come to an end by themselves, which is
//! what guards are for.

#[cfg(test)]
mod tests;

use std::io::Write;

use interlock_api::v1::message::Data;
use interlock_core::actor::AgentName;
use interlock_core::thread::Status;

use crate::env::AgentEnv;
use crate::mailbox::{Mailbox, Post, Thread};
use crate::server::ServerMailbox;
use crate::turn::{TurnError, exit, note};

/// Runs the echo for one wake and gives its exit code: 0 done, 75 try again, else failed.
pub async fn run_echo(env: &AgentEnv, words: &str, log: &mut dyn Write) -> u8 {
    note(log, &format!("echo: woken for {}", env.thread));
    let result = match ServerMailbox::open(env) {
        Ok(mailbox) => turn(&mailbox, &env.agent, words).await,
        Err(error) => Err(error.into()),
    };
    exit(result, log)
}

/// One turn against any mailbox: an answer to all, when anybody said something since the last one.
pub(crate) async fn turn(mailbox: &impl Mailbox, me: &AgentName, words: &str) -> Result<(), TurnError> {
    let thread = mailbox.read().await?;
    if let Some(seq) = heard(&thread, me).filter(|_| thread.status == Status::Active) {
        let post = Post {
            key: format!("echo:{seq}"),
            event_type: None,
            to: Vec::new(),
            body: words.to_owned(),
            data: Data::new(),
        };
        mailbox.post(&post).await?;
    }
    Ok(mailbox.ack(thread.last_seq()).await?)
}

/// The last message to this agent that it has not acknowledged.
fn heard(thread: &Thread, me: &AgentName) -> Option<u64> {
    let unread =
        thread.messages.iter().filter(|message| message.seq > thread.acked_seq && message.from != *me);
    unread
        .filter(|message| message.to.is_empty() || message.to.contains(me))
        .map(|message| message.seq)
        .next_back()
}
