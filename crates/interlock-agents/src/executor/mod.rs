//! The executor: mends what the reviewer finds.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write;

use interlock_core::actor::AgentName;
use interlock_core::thread::{Status, event_type as et};
use serde_json::json;

pub use plan::{Plan, plan};

use crate::conversation::Conversation;
use crate::env::AgentEnv;
use crate::error::WorkError;
use crate::git::short;
use crate::mailbox::{MailError, Mailbox, Post, Thread};
use crate::repair::{Order, Outcome, Wanted, Workshop};
use crate::server::ServerMailbox;
use crate::turn::{TurnError, count, exit, note};

/// Runs the executor for one wake and gives its exit code: 0 done, 75 try again, else failed.
///
/// Programs run while this waits: it belongs on a runtime of its own.
pub async fn run_executor(env: &AgentEnv, checks: Option<Vec<String>>, log: &mut dyn Write) -> u8 {
    note(log, &format!("executor: woken for {}", env.thread));
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
    checks: Option<Vec<String>>,
    log: &mut dyn Write,
) -> Result<(), TurnError> {
    let thread = mailbox.read().await?;
    let talk = Conversation::of(&thread, &env.agent);
    let Some(first) = plan(&talk).filter(|_| thread.status == Status::Active) else {
        note(log, "executor: nothing to do");
        return Ok(mailbox.ack(thread.last_seq()).await?);
    };
    let wish = talk.task.clone();
    let order = Order {
        branch: wish.as_ref().and_then(|wish| wish.branch.clone()),
        thread: env.thread.to_string(),
        target: env.target.clone(),
        checks: checks.or_else(|| wish.as_ref().and_then(|wish| wish.checks.clone())),
        limits: env.limits(),
    };
    let workshop = match Workshop::open(&env.worktree, order) {
        Err(WorkError::NoChecks { .. }) => return hand_over(mailbox, &thread, &talk, env, log).await,
        other => other?,
    };
    let mut work = Work { mailbox, env, workshop, talk, thread, mended: 0, unresolved: Vec::new() };
    work.announce(log).await?;
    if first.is_start
        && let Some(commit) = ready(work.workshop.format(None))?
    {
        note(log, &format!("executor: formatted, {}", short(&commit)));
        work.announce(log).await?;
    }
    work.mend_all(log).await?;
    work.ask_for_review(log).await
}

/// A check that cannot be started is the reviewer's to tell; the executor goes on without.
fn ready<T: Default>(result: Result<T, WorkError>) -> Result<T, WorkError> {
    match result {
        Err(WorkError::NotStarted { .. } | WorkError::NotWords { .. }) => Ok(T::default()),
        other => other,
    }
}

/// Without anything to check there is nothing to mend: the reviewer decides what that means.
async fn hand_over(
    mailbox: &impl Mailbox,
    thread: &Thread,
    talk: &Conversation,
    env: &AgentEnv,
    log: &mut dyn Write,
) -> Result<(), TurnError> {
    note(log, "executor: there is nothing to check here");
    let head = crate::git::Git::at(&env.worktree).head()?;
    let post = plan::review_request(thread, talk, &env.agent, &env.thread.to_string(), &head, "");
    mailbox.post(&post).await?;
    Ok(mailbox.ack(thread.last_seq()).await?)
}

/// A turn in progress.
struct Work<'a, M> {
    mailbox: &'a M,
    env: &'a AgentEnv,
    workshop: Workshop,
    talk: Conversation,
    thread: Thread,
    mended: usize,
    unresolved: Vec<(Wanted, String)>,
}

impl<M: Mailbox> Work<'_, M> {
    /// Tells the thread of every commit it has not heard of.
    async fn announce(&mut self, log: &mut dyn Write) -> Result<(), TurnError> {
        let base = self.talk.task.as_ref().and_then(|task| task.base.clone());
        for commit in self.workshop.unannounced(base.as_deref(), &self.talk.announced)? {
            let body = self.workshop.announcement(&commit)?;
            note(log, &format!("executor: {body}"));
            let data = json!({"commit": commit, "branch": self.workshop.branch()});
            self.post(format!("fix_pushed:{commit}"), et::FIX_PUSHED, body, data).await?;
            self.talk.announced.insert(commit);
            self.mended += 1;
        }
        Ok(())
    }

    /// Mends every open finding, those that arrive meanwhile included.
    async fn mend_all(&mut self, log: &mut dyn Write) -> Result<(), TurnError> {
        let mut tried: BTreeSet<String> = BTreeSet::new();
        loop {
            let open = plan::wanted(&self.talk);
            let next: Vec<Wanted> =
                open.iter().filter(|one| !tried.contains(&one.finding_id)).cloned().collect();
            for one in &next {
                tried.insert(one.finding_id.clone());
                match plan::hopeless(&self.talk, &one.finding_id) {
                    Some(why) => self.unresolved.push((one.clone(), why)),
                    None => self.mend(one, &open, log).await?,
                }
            }
            self.thread = self.mailbox.read().await?;
            self.talk = Conversation::of(&self.thread, &self.env.agent);
            if plan::wanted(&self.talk).iter().all(|one| tried.contains(&one.finding_id)) {
                break;
            }
        }
        self.second_look(log).await
    }

    async fn mend(&mut self, one: &Wanted, open: &[Wanted], log: &mut dyn Write) -> Result<(), TurnError> {
        let finding = &one.finding;
        note(log, &format!("executor: {} {}:{}", finding.rule, finding.path, finding.line));
        match self.workshop.mend(one, open) {
            Ok(Outcome::Mended { .. }) => self.announce(log).await?,
            Ok(Outcome::Gone) => note(log, "executor: it is not there any more"),
            Ok(Outcome::Unresolved(why)) => self.unresolved.push((one.clone(), why)),
            Err(error @ (WorkError::NotStarted { .. } | WorkError::NotWords { .. })) => {
                self.unresolved.push((one.clone(), error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What could not be mended at first may have gone with something that was mended later.
    async fn second_look(&mut self, log: &mut dyn Write) -> Result<(), TurnError> {
        let mut rest = std::mem::take(&mut self.unresolved);
        if self.mended > 0 {
            for (one, _) in std::mem::take(&mut rest) {
                match plan::hopeless(&self.talk, &one.finding_id) {
                    Some(why) => self.unresolved.push((one, why)),
                    None => self.mend(&one, &[], log).await?,
                }
            }
            rest = std::mem::take(&mut self.unresolved);
        }
        let round = self.talk.own_requests.len() + 1;
        for (one, why) in &rest {
            let finding = &one.finding;
            let body = format!("I cannot mend `{}` in {}: {why}.", finding.rule, plan::place(finding));
            note(log, &format!("executor: {body}"));
            let data = json!({"finding_id": one.finding_id, "message": why});
            let key = format!("unresolved:{}:{round}", one.finding_id);
            self.post(key, et::FINDING_UNRESOLVED, body, data).await?;
        }
        self.unresolved = rest;
        Ok(())
    }

    async fn ask_for_review(&mut self, log: &mut dyn Write) -> Result<(), TurnError> {
        let head = self.workshop.head()?;
        let mut said = Vec::new();
        if self.mended > 0 {
            said.push(count(self.mended, "fix", "fixes"));
        }
        if !self.unresolved.is_empty() {
            said.push(format!("{} I cannot mend", count(self.unresolved.len(), "finding", "findings")));
        }
        let thread_id = self.env.thread.to_string();
        let post = plan::review_request(
            &self.thread,
            &self.talk,
            &self.env.agent,
            &thread_id,
            &head,
            &said.join(", "),
        );
        note(log, &format!("executor: {}", post.body));
        self.mailbox.post(&post).await?;
        Ok(self.mailbox.ack(self.thread.last_seq()).await?)
    }

    async fn post(
        &self,
        key: String,
        event_type: &'static str,
        body: String,
        data: serde_json::Value,
    ) -> Result<(), MailError> {
        let to: Vec<AgentName> =
            plan::listener(&self.thread, &self.talk, &self.env.agent).into_iter().collect();
        let data = data.as_object().cloned().unwrap_or_default();
        self.mailbox.post(&Post { key, event_type: Some(event_type), to, body, data }).await
    }
}
