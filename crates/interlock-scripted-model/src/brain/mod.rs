//! What is said next, and why: a pure function of the conversation.
//!
//! A turn is written down as a program that calls tools one after the other (`executor`, `reviewer`). For each request
//! it is run anew from the beginning of the turn: calls that were made already give their results from the conversation,
//! and the first one that was not is what the model says next ([`hand`]). So every decision follows from results that
//! really came, and a resumed conversation goes on where it stands.

mod checks;
mod executor;
mod hand;
mod mend;
mod reviewer;
mod thread;

use crate::conversation::{Conversation, Reply};
use hand::{Hand, Pause, Turn};

/// What the model says next.
pub fn next(conversation: &Conversation) -> Reply {
    let mut hand = Hand::new(conversation);
    let ended = match hand::Wake::read(conversation.prompt()) {
        Some(wake) if conversation.tool("read_messages").is_some() => woken(&mut hand, &wake),
        Some(_) => Err(Pause::GiveUp("I was woken, but have no tools to read my thread with.".into())),
        None => chat(&mut hand),
    };
    match ended {
        Ok(text) | Err(Pause::GiveUp(text)) => Reply::Say(text),
        Err(Pause::Call(why, call)) => Reply::Call(why, call),
    }
}

/// A part in a thread: whoever leads it reviews, everybody else mends.
fn woken(hand: &mut Hand<'_>, wake: &hand::Wake) -> Turn<String> {
    if hand.talk.prompt().contains("summarize_thread") && hand.talk.tool("summarize_thread").is_some() {
        let thread = serde_json::json!({"thread_id": wake.thread});
        hand.ask("I am new here: what was decided so far?", "summarize_thread", thread)?;
    }
    let thread = thread::Thread::read(hand, wake)?;
    if thread.status != "active" {
        hand.ack(wake, thread.last_seq)?;
        return Ok(format!("The thread is {}; there is nothing to do for me.", thread.status));
    }
    if !thread.is_job() {
        return talk(hand, wake, &thread);
    }
    if thread.is_lead(&wake.agent) {
        reviewer::turn(hand, wake, &thread)
    } else {
        executor::turn(hand, wake, &thread)
    }
}

/// A thread without a job in it: what was said is read and answered, in words that show what is remembered.
fn talk(hand: &mut Hand<'_>, wake: &hand::Wake, thread: &thread::Thread) -> Turn<String> {
    let turn = hand.talk.asked.len();
    let body = format!("I have read everything up to #{}. (My turn {turn} here.)", thread.last_seq);
    let to = thread.last_speaker(&wake.agent);
    let message = serde_json::json!({"thread_id": wake.thread, "body": body, "to": [to]});
    hand.change("I answer.", wake, "post_message", message)?;
    hand.ack(wake, thread.last_seq)?;
    Ok(body)
}

/// Talk that is no wake: a line `$ COMMAND` is run, anything else is answered with what was said and how often we spoke.
fn chat(hand: &mut Hand<'_>) -> Turn<String> {
    let prompt = hand.talk.prompt().to_owned();
    let turn = hand.talk.asked.len();
    if let Some(command) = prompt.lines().find_map(|line| line.trim().strip_prefix("$ ")) {
        let ran = hand.shell("You asked me to run something.", command)?;
        return Ok(format!("It ended with {}: {}", ran.code, ran.text.trim()));
    }
    let said: String = prompt.chars().take(200).collect();
    Ok(format!("This is turn {turn} of our conversation. You said: {said}"))
}

#[cfg(test)]
mod tests;
