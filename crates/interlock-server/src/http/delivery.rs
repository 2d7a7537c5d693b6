//! How far a message got with each addressee: it follows from cursors, wakes and first answers.

use interlock_api::operations as op;
use interlock_api::v1::delivery::{
    ActedView, AddresseeView, DeliveryView, DeliveryWake, GetDeliveryParams, SeenView, Standing,
};
use interlock_core::actor::AgentName;
use interlock_core::id::WakeId;
use interlock_core::limits::{LIVE_WAKES_MAX, PAGE_ROWS_MAX};
use interlock_core::thread::{Answer, Member, MessageHead, MessageState, SeenAt, Thread, is_for};
use interlock_core::wake::{Wake, WakeResult, WakeState};
use interlock_core::{Event, Reason, Refusal, Timestamp};
use interlock_engine::Permit;
use interlock_engine::read::{Page, StoredMessage, TimelineRow, WakeFilter};

use crate::context::{Ctx, deadline, failed};

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetDelivery>,
    p: GetDeliveryParams,
) -> Result<DeliveryView, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    loop {
        let (view, ends_at) = look(&cx, &p).await?;
        let is_there = view.addressees.iter().all(|addressee| addressee.is_past(p.until));
        let concerns = |note: &interlock_engine::Note| note.threads.contains(&p.thread_id);
        if is_there || !cx.wait_for_turn(&mut watch, until, ends_at, concerns).await {
            return Ok(view);
        }
    }
}

/// What there is to see now, and when the message is over by itself, while that is to come.
async fn look(cx: &Ctx, p: &GetDeliveryParams) -> Result<(DeliveryView, Option<Timestamp>), Refusal> {
    let thread = cx.visible(p.thread_id).await?;
    let found = cx.store().message(cx.workspace(), p.thread_id, p.message_id).await.map_err(failed)?;
    let stored = found.ok_or_else(|| {
        let detail = format!("there is no message `{}` in the thread", p.message_id);
        Refusal::new(Reason::MessageNotFound, detail)
    })?;
    let head = &stored.message.head;
    let state = stored.message.state(cx.engine().now());
    let names = thread.members.keys().cloned().collect();
    let answers =
        cx.store().answers(cx.workspace(), p.thread_id, p.message_id, names).await.map_err(failed)?;
    let wakes = wakes(cx, &thread, &stored).await?;
    let is_addressee =
        |(name, member): &(&AgentName, &Member)| is_for(&thread, head, name) && member.since_seq < head.seq;
    let addressees = thread.members.iter().filter(is_addressee);
    let addressees = addressees.map(|(name, member)| addressee(name, member, head, state, &wakes, &answers));
    let view = DeliveryView {
        message_id: p.message_id,
        thread_id: p.thread_id,
        seq: head.seq,
        state,
        stored_at: head.posted_at,
        ledger_index: stored.index,
        addressees: addressees.collect(),
    };
    Ok((view, head.expires_at.filter(|_| state == MessageState::Live)))
}

/// The wakes that this message asked for, those that took them in, and those that somebody asked for since and that
/// cover it. Which it asked for stands in its own entry, so that none is too old to be found.
async fn wakes(cx: &Ctx, thread: &Thread, stored: &StoredMessage) -> Result<Vec<Wake>, Refusal> {
    let head = &stored.message.head;
    let live = WakeFilter { thread: Some(thread.thread_id), is_live: true, ..WakeFilter::default() };
    let all = Page { after: None, limit: LIVE_WAKES_MAX };
    let mut found = cx.store().wakes(cx.workspace(), live, all).await.map_err(failed)?;
    found.retain(|wake| wake.is_standing && wake.seq >= head.seq);
    for wake_id in asked_for(cx, thread, stored).await? {
        let Some(wake) = cx.store().wake(cx.workspace(), wake_id).await.map_err(failed)? else { continue };
        let is_taken_in = wake.result == Some(WakeResult::Superseded) && wake.reason.is_none();
        if is_taken_in {
            found.extend(taker(cx, &wake, head).await?);
        }
        found.push(wake);
    }
    found.sort_by_key(|wake| wake.wake_id);
    found.dedup_by_key(|wake| wake.wake_id);
    Ok(found)
}

/// The wakes of the message's own entry.
async fn asked_for(cx: &Ctx, thread: &Thread, stored: &StoredMessage) -> Result<Vec<WakeId>, Refusal> {
    let after = Some((stored.index, stored.n));
    let rows = cx.store().timeline(cx.workspace(), thread.thread_id, after, PAGE_ROWS_MAX).await;
    let rows = rows.map_err(failed)?.into_iter().take_while(|row| row.position().0 == stored.index);
    let asked = rows.filter_map(|row| match row {
        TimelineRow::Event(
            _,
            Event::WakeRequested { wake_id, seq, .. } | Event::WakeJoined { wake_id, seq, .. },
        ) if seq == stored.message.head.seq => Some(wake_id),
        _ => None,
    });
    Ok(asked.collect())
}

/// The earlier wake of the agent that took a later one in, and with it what asked for that.
async fn taker(cx: &Ctx, taken: &Wake, head: &MessageHead) -> Result<Option<Wake>, Refusal> {
    let filter = WakeFilter {
        thread: Some(taken.thread_id),
        agent: Some(taken.agent.clone()),
        ..WakeFilter::default()
    };
    let mut page = Page { after: Some(taken.wake_id), limit: PAGE_ROWS_MAX };
    loop {
        let found = cx.store().wakes(cx.workspace(), filter.clone(), page.clone()).await.map_err(failed)?;
        let Some(last) = found.last() else { return Ok(None) };
        page.after = Some(last.wake_id);
        if let Some(wake) = found.into_iter().find(|wake| covers(wake, head)) {
            return Ok(Some(wake));
        }
    }
}

/// Whether a wake was asked for by this message, or somebody asked for everything up to it.
fn covers(wake: &Wake, head: &MessageHead) -> bool {
    wake.asks.iter().any(|ask| ask.seq == head.seq)
        || wake.forgotten.is_some_and(|gone| gone.has(head.seq))
        || (wake.is_standing && wake.seq >= head.seq)
}

fn addressee(
    name: &AgentName,
    member: &Member,
    head: &MessageHead,
    state: MessageState,
    wakes: &[Wake],
    answers: &[Answer],
) -> AddresseeView {
    // One that took in another's messages ends last, and is the one that counts.
    let mine: Vec<&Wake> = wakes.iter().filter(|wake| wake.agent == *name).collect();
    let real = mine.iter().find(|wake| wake.result != Some(WakeResult::Superseded));
    let wake = real.or(mine.last()).copied();
    let seen = member.seen(head.seq).map(|seen| match seen {
        SeenAt::At(at) => SeenView { at: Some(at), no_later_than: None, acked_seq: member.cursor },
        SeenAt::NoLaterThan(at) => SeenView { at: None, no_later_than: Some(at), acked_seq: member.cursor },
    });
    let acted = answers.iter().find(|answer| answer.agent == *name).map(|answer| ActedView {
        at: answer.at,
        message_id: answer.message_id,
        seq: answer.seq,
    });
    AddresseeView {
        agent: name.clone(),
        standing: standing(state, wake, seen.is_some(), acted.is_some()),
        wake: wake.map(shown),
        seen,
        acted,
    }
}

fn standing(state: MessageState, wake: Option<&Wake>, is_seen: bool, is_acted: bool) -> Standing {
    match (state, wake) {
        _ if is_acted => Standing::Acted,
        _ if is_seen => Standing::Seen,
        (_, Some(wake)) if wake.state == WakeState::Running => match wake.ladder.accepted_at {
            Some(_) => Standing::Accepted,
            None => Standing::Unknown,
        },
        (MessageState::Expired, _) => Standing::Expired,
        (MessageState::Superseded | MessageState::Cancelled, _) => Standing::Superseded,
        (MessageState::Live, None) => Standing::Stored,
        (MessageState::Live, Some(wake)) => match wake.result {
            None => Standing::WakeRequested,
            Some(WakeResult::Failed) => Standing::Dead,
            Some(WakeResult::Expired) => Standing::Expired,
            Some(WakeResult::Superseded) => Standing::Superseded,
            Some(_) => Standing::Accepted,
        },
    }
}

fn shown(wake: &Wake) -> DeliveryWake {
    DeliveryWake {
        wake_id: wake.wake_id,
        requested_at: wake.requested_at,
        dispatched_at: wake.ladder.dispatched_at,
        accepted_at: wake.ladder.accepted_at,
        evidence: wake.ladder.evidence,
        reason: wake.reason,
    }
}
