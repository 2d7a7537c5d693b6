//! Why somebody was woken in a thread, or was not.

use interlock_api::operations as op;
use interlock_api::v1::explain::{BecauseView, ExplainWakesParams, ExplainWakesResponse, ExplainedView};
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::limits::{LIVE_WAKES_MAX, PAGE_ROWS_MAX, SUMMARY_MESSAGES_MAX};
use interlock_core::thread::{Member, Message, MessageKind, MessageState, Thread, is_for};
use interlock_core::wake::{Because, Halt, Subject, Supervisor, Wake, WakeState, explain};
use interlock_core::{Reason, Refusal, Timestamp};
use interlock_engine::Permit;
use interlock_engine::read::{Page, WakeFilter};

use crate::context::{Ctx, deadline, failed};

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::ExplainWakes>,
    p: ExplainWakesParams,
) -> Result<ExplainWakesResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    cx.visible(p.thread_id).await?;
    if p.wait_ms > 0 {
        cx.wait(&mut watch, until, |note| note.threads.contains(&p.thread_id)).await;
    }
    let thread = cx.visible(p.thread_id).await?;
    if let Some(name) = p.agent.as_ref().filter(|name| !thread.members.contains_key(*name)) {
        let detail = format!("`{name}` takes no part in the thread");
        return Err(Refusal::new(Reason::ParticipantMissing, detail));
    }
    let asked = |name: &AgentName| p.agent.as_ref().is_none_or(|agent| agent == name);
    let shown: Vec<(&AgentName, &Member)> = thread.members.iter().filter(|(name, _)| asked(name)).collect();
    let scene = Scene::load(&cx, &thread, &shown).await?;
    let mut participants = Vec::with_capacity(shown.len());
    for (name, member) in shown {
        participants.push(scene.explained(&cx, name, member).await?);
    }
    Ok(ExplainWakesResponse { thread_id: thread.thread_id, status: thread.status, participants })
}

/// What is the same for all participants.
struct Scene<'a> {
    thread: &'a Thread,
    /// Messages after the first that somebody has not acknowledged.
    messages: Vec<Message>,
    /// Whether there are more.
    is_partial: bool,
    /// Wakes of the thread that are not over.
    live: Vec<Wake>,
    halt: Option<Halt>,
    supervisors: Vec<Supervisor>,
    now: Timestamp,
}

impl<'a> Scene<'a> {
    async fn load(cx: &Ctx, thread: &'a Thread, shown: &[(&AgentName, &Member)]) -> Result<Self, Refusal> {
        let first = shown.iter().map(|(_, member)| member.cursor).min().unwrap_or(thread.seq);
        let (messages, is_partial) = after(cx, thread, first).await?;
        let filter = WakeFilter { thread: Some(thread.thread_id), is_live: true, ..WakeFilter::default() };
        let page = Page { after: None, limit: LIVE_WAKES_MAX };
        let live = cx.store().wakes(cx.workspace(), filter, page).await.map_err(failed)?;
        let halt = cx.store().halt(cx.workspace()).await.map_err(failed)?;
        let supervisors = cx.store().supervisors(cx.workspace()).await.map_err(failed)?;
        Ok(Self { thread, messages, is_partial, live, halt, supervisors, now: cx.engine().now() })
    }

    async fn explained(&self, cx: &Ctx, name: &AgentName, member: &Member) -> Result<ExplainedView, Refusal> {
        let counts = |message: &&Message| {
            message.head.seq > member.cursor
                && message.head.kind != MessageKind::System
                && is_for(self.thread, &message.head, name)
                && message.state(self.now) == MessageState::Live
        };
        let unread = self.messages.iter().filter(counts).count();
        let live: Vec<Wake> = self.live.iter().filter(|wake| wake.agent == *name).cloned().collect();
        let last = last_over(cx, self.thread.thread_id, name).await?;
        let subject = Subject {
            thread: self.thread,
            name,
            member,
            unread: u64::try_from(unread).unwrap_or(u64::MAX),
            live: &live,
            last: last.as_ref(),
            halt: self.halt.as_ref(),
            supervisors: (&self.supervisors, cx.engine().policy()),
        };
        Ok(ExplainedView {
            agent: name.clone(),
            role: member.role,
            managed: member.managed,
            acked_seq: member.cursor,
            unread: u32::try_from(unread).unwrap_or(u32::MAX),
            unread_is_minimum: self.is_partial,
            because: explain(&subject, self.now).into_iter().map(view).collect(),
        })
    }
}

/// The messages after this `seq`, as far as they are looked at, and whether there are more.
pub(super) async fn after(cx: &Ctx, thread: &Thread, seq: u64) -> Result<(Vec<Message>, bool), Refusal> {
    let (mut all, mut seq) = (Vec::new(), seq);
    while seq < thread.seq && all.len() < SUMMARY_MESSAGES_MAX as usize {
        let page = cx.store().messages(cx.workspace(), thread.thread_id, seq, PAGE_ROWS_MAX).await;
        let page = page.map_err(failed)?;
        let Some(last) = page.last() else { break };
        seq = last.message.head.seq;
        all.extend(page.into_iter().map(|stored| stored.message));
    }
    Ok((all, seq < thread.seq))
}

async fn last_over(cx: &Ctx, thread: ThreadId, name: &AgentName) -> Result<Option<Wake>, Refusal> {
    let filter = WakeFilter {
        thread: Some(thread),
        agent: Some(name.clone()),
        state: Some(WakeState::Finished),
        ..WakeFilter::default()
    };
    let found = cx.store().wakes(cx.workspace(), filter, Page { after: None, limit: 1 }).await;
    Ok(found.map_err(failed)?.into_iter().next())
}

fn view(because: Because) -> BecauseView {
    let Because { why, detail, wake_id, reason, since, until, hops } = because;
    BecauseView { why, detail, reason, wake_id, since, until, hops }
}
