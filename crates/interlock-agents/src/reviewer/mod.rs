//! The reviewer: runs the checks and says what it finds.

mod judge;
mod plan;
#[cfg(test)]
mod tests;

use std::io::Write;

use interlock_core::thread::Status;

pub use judge::{Judgement, judge};
pub use plan::{Review, plan};

use crate::check::{Bench, Report, checks};
use crate::conversation::Conversation;
use crate::env::AgentEnv;
use crate::error::WorkError;
use crate::git::{Git, short};
use crate::mailbox::Mailbox;
use crate::repair::look_at;
use crate::server::ServerMailbox;
use crate::turn::{TurnError, count, exit, note};

/// Runs the reviewer for one wake and gives its exit code: 0 done, 75 try again, else failed.
///
/// Programs run while this waits: it belongs on a runtime of its own.
pub async fn run_reviewer(env: &AgentEnv, checks: Option<Vec<String>>, log: &mut dyn Write) -> u8 {
    note(log, &format!("reviewer: woken for {}", env.thread));
    let result = match ServerMailbox::open(env) {
        Ok(mailbox) => turn(&mailbox, env, checks, log).await,
        Err(error) => Err(error.into()),
    };
    exit(result, log)
}

/// One turn against any mailbox.
pub(crate) async fn turn(
    mailbox: &impl Mailbox,
    env: &AgentEnv,
    named: Option<Vec<String>>,
    log: &mut dyn Write,
) -> Result<(), TurnError> {
    let thread = mailbox.read().await?;
    let talk = Conversation::of(&thread, &env.agent);
    let Some(mut review) =
        plan(&talk, thread.acked_seq, env.thread).filter(|_| thread.status == Status::Active)
    else {
        note(log, "reviewer: nothing to do");
        return Ok(mailbox.ack(thread.last_seq()).await?);
    };
    if review.author.as_ref().is_some_and(|author| thread.peer(author).is_none()) {
        review.author = None;
    }
    let named = named.or_else(|| talk.task.as_ref().and_then(|task| task.checks.clone()));
    let judgement = match look(env, &mut review, named.as_deref(), log) {
        Ok(reports) => judge(&talk, &review, &reports),
        // Waiting would change nothing: somebody has to say what to check, or make it possible.
        Err(
            error @ (WorkError::NotStarted { .. } | WorkError::NotWords { .. } | WorkError::NoChecks { .. }),
        ) => judge::impossible(&review, &error),
        Err(error) => return Err(error.into()),
    };
    for post in &judgement.posts {
        note(log, &format!("reviewer: {}", post.body));
        mailbox.post(post).await?;
    }
    if let Some(close) = &judgement.close {
        let now = mailbox.read().await?;
        let news = Conversation::of(&now, &env.agent).calls.iter().any(|call| call.seq > thread.last_seq());
        if news {
            // The next wake hears it; nothing is closed over somebody's head.
            note(log, "reviewer: somebody spoke meanwhile");
        } else {
            note(log, &format!("reviewer: {}", close.text));
            mailbox.close(close).await?;
        }
    }
    // Last, for until then a killed run has to be repeated.
    Ok(mailbox.ack(thread.last_seq()).await?)
}

/// Checks the commit out and runs the checks.
fn look(
    env: &AgentEnv,
    review: &mut Review,
    named: Option<&[String]>,
    log: &mut dyn Write,
) -> Result<Vec<Report>, WorkError> {
    if review.commit.is_empty() {
        review.commit = Git::at(&env.worktree).head()?;
    } else if let Some(commit) = Git::at(&env.worktree).commit(&review.commit)? {
        review.commit = commit;
    }
    look_at(&env.worktree, &review.commit)?;
    let bench = Bench::open(&env.worktree, env.target.clone(), env.limits())?;
    let mut reports = Vec::new();
    for check in checks(&bench.root, named)? {
        let report = bench.run(&check)?;
        let said = match (&report.note, report.findings.len()) {
            (Some(text), 0) => text.clone(),
            (_, 0) => format!("`{}` is clean at {}", check.command, short(&review.commit)),
            (_, many) => format!("`{}`: {}", check.command, count(many, "finding", "findings")),
        };
        note(log, &format!("reviewer: {said}"));
        reports.push(report);
    }
    Ok(reports)
}
