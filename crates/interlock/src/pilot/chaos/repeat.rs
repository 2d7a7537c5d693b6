//! The third step: two agents that answer each other for ever, each a process of its own, until a guard ends it.

use interlock_api::Problem;
use interlock_api::operations as op;
use interlock_api::v1::message::PostMessageParams;
use interlock_api::v1::thread::{
    CreateThreadParams, GetThreadParams, ParticipantParams, ReadTimelineParams, ThreadView, TimelineItem,
};
use interlock_api::v1::wake::{ListWakesParams, WakeView};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::id::ThreadId;
use interlock_core::thread::{Status, ThreadKind, ThreadRole, event_type as et};
use interlock_core::wake::WakeState;
use tokio::time::Instant;

use super::judge;
use super::step::{Kind, Step};
use super::{Chaos, WAIT_MS, processes, seconds, text};
use crate::environment;
use crate::pilot::cast::{Cast, name, register};
use crate::pilot::outcome::messages;
use crate::render::count;
use crate::render::style::Paint;

/// The agent that speaks first, and the other.
pub(crate) const FIRST: &str = "alphonse";
pub(crate) const SECOND: &str = "gaston";
/// What they say.
const WORDS: [(&str, &str); 2] =
    [(FIRST, "After you, my dear Gaston!"), (SECOND, "No, you first, my dear Alphonse!")];
/// Messages of theirs that are shown one by one; the rest is counted.
const SHOWN_MAX: u64 = 4;

/// Their thread as it was when it had been blocked and everybody was told something more.
pub(super) struct Silence {
    thread_id: ThreadId,
    /// Wakes that were started until then.
    started: usize,
}

/// Let them talk until they are stopped.
pub(super) async fn repeat(chaos: &mut Chaos<'_, '_>) -> Result<Step, Problem> {
    let since = Instant::now();
    let thread_id = begin(chaos).await?;
    let blocked_at = listen(chaos, thread_id).await?;
    let took = since.elapsed();
    let thread = blocked(chaos, thread_id).await?;
    let words = why(chaos.run.cast, thread_id).await?;
    let reason = thread.reason.map(|reason| reason.to_string()).unwrap_or_default();
    let said = format!(
        "{reason} after {} in {}: \"{words}\" The thread is blocked, {} has to look at it",
        count_turns(&thread),
        seconds(took),
        shown_owner(&thread)
    );
    chaos.tell("guard", Paint::Red, &said);
    let held = knock(chaos, thread_id).await?;
    let owner = thread.owner.as_ref().map(ToString::to_string);
    let facts = judge::Repeat {
        status: thread.status.to_string(),
        reason,
        words,
        owner,
        person: chaos.run.cast.me.to_string(),
        turns: thread.turns,
        held: (held.len(), WORDS.len()),
        alive: alive(chaos.run.cast, thread_id).await?,
    };
    let happened = format!(
        "a guard blocked their thread: {} after {}; {} is asked to look, and nobody is woken there",
        facts.reason,
        count_turns(&thread),
        facts.person
    );
    let wakes: Vec<String> = held.iter().map(|wake| wake.wake_id.to_string()).collect();
    let proof = format!("thread {thread_id}: entry {blocked_at} blocked it; held: {}", wakes.join(" and "));
    Ok(Step::judged(Kind::AgentsRepeat, &facts.faults(), happened, proof))
}

fn shown_owner(thread: &ThreadView) -> &str {
    thread.owner.as_ref().map_or("nobody", |owner| owner.as_str())
}

fn count_turns(thread: &ThreadView) -> String {
    count(usize::try_from(thread.turns).unwrap_or(usize::MAX), "turn")
}

/// Register the two, open their thread, and say the first word.
async fn begin(chaos: &mut Chaos<'_, '_>) -> Result<ThreadId, Problem> {
    let (cast, stage) = (&*chaos.run.cast, chaos.run.stage);
    let program = environment::program()?.display().to_string();
    let mut participants = Vec::new();
    for (agent, words) in WORDS {
        let command = vec![program.clone(), "__agent".into(), "echo".into(), words.into()];
        let directory = Some(stage.root().display().to_string());
        let agent = name(agent)?;
        register(
            &cast.client,
            &agent,
            (Runtime::Command, Launch { command, directory, ..Launch::default() }),
        )
        .await?;
        participants.push(ParticipantParams { agent, role: ThreadRole::Participant });
    }
    let request = CreateThreadParams { title: "After you".into(), kind: ThreadKind::Workflow, participants };
    let thread_id = cast.client.call::<op::CreateThread>(&request, Some("chaos-repeat")).await?.thread_id;
    let request = PostMessageParams {
        body: "Who goes first?".into(),
        to: vec![name(FIRST)?],
        ..PostMessageParams::to_all(thread_id)
    };
    cast.client.call::<op::PostMessage>(&request, Some("chaos-first-word")).await?;
    chaos.catch_up().await?;
    let said =
        format!("thread {thread_id}: {FIRST} and {SECOND} answer each other, each time as a fresh process");
    chaos.tell("begun", Paint::Bold, &said);
    Ok(thread_id)
}

/// Follow them until their thread's status changes, and the job beside; gives the entry that changed it.
async fn listen(chaos: &mut Chaos<'_, '_>, thread_id: ThreadId) -> Result<u64, Problem> {
    let (mut after, mut heard) = (None, 0);
    loop {
        let request = ReadTimelineParams { thread_id, after: after.clone(), limit: 200, wait_ms: WAIT_MS };
        let page = chaos.run.cast.read::<op::ReadTimeline>(&request).await?;
        after = page.next;
        let mut changed = None;
        for item in &page.items {
            let is_theirs =
                item.message.is_some() && WORDS.iter().any(|(name, _)| *name == item.actor.as_str());
            heard += u64::from(is_theirs);
            if is_theirs && heard <= SHOWN_MAX {
                quote(chaos, item);
            }
            if item.kind == "thread.status_changed" && text(item, "to") != Status::Active.as_str() {
                changed = Some(item.index);
            }
        }
        chaos.catch_up().await?;
        if let Some(index) = changed {
            if let Some(more) = heard.checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
                chaos.tell("and so on", Paint::Dim, &format!("{more} more like these"));
            }
            return Ok(index);
        }
    }
}

fn quote(chaos: &Chaos<'_, '_>, item: &TimelineItem) {
    let body = item.message.as_ref().map_or("", |message| message.body.as_str());
    chaos.run.show.fact(item.at, item.actor.as_str(), Paint::Cyan, &crate::render::safe::summary(body, 60));
}

/// The thread, when whoever was still at work in it has ended.
async fn blocked(chaos: &mut Chaos<'_, '_>, thread_id: ThreadId) -> Result<ThreadView, Problem> {
    while wakes(chaos.run.cast, thread_id).await?.iter().any(|wake| wake.state == WakeState::Running) {
        chaos.read(100).await?;
    }
    chaos.run.cast.read::<op::GetThread>(&GetThreadParams::now(thread_id)).await
}

/// Why it is blocked, in the words of what blocked it.
async fn why(cast: &Cast, thread_id: ThreadId) -> Result<String, Problem> {
    let all = messages(&cast.client, thread_id).await?;
    let escalated = all.into_iter().rev().find(|m| m.event_type.as_deref() == Some(et::THREAD_ESCALATED));
    Ok(escalated.map(|message| message.body).unwrap_or_default())
}

/// Say something more to both: what is asked for by it, and held.
async fn knock(chaos: &mut Chaos<'_, '_>, thread_id: ThreadId) -> Result<Vec<WakeView>, Problem> {
    let cast = &*chaos.run.cast;
    let request =
        PostMessageParams { body: "Are you still there?".into(), ..PostMessageParams::to_all(thread_id) };
    cast.client.call::<op::PostMessage>(&request, Some("chaos-knock")).await?;
    let all = wakes(cast, thread_id).await?;
    let started = all.iter().filter(|wake| is_started(wake)).count();
    let held: Vec<WakeView> =
        all.into_iter().filter(|wake| wake.state == WakeState::Pending && wake.held).collect();
    let ids: Vec<String> = held.iter().map(|wake| wake.wake_id.to_string()).collect();
    let said = format!(
        "{} says \"{}\" to both: {} held, {}; no process is started",
        cast.me,
        request.body,
        count(held.len(), "wake"),
        ids.join(" and ")
    );
    chaos.tell("then", Paint::Bold, &said);
    chaos.silence = Some(Silence { thread_id, started });
    Ok(held)
}

fn is_started(wake: &WakeView) -> bool {
    wake.dispatched_at.is_some()
}

async fn wakes(cast: &Cast, thread_id: ThreadId) -> Result<Vec<WakeView>, Problem> {
    let request = ListWakesParams { thread_id: Some(thread_id), limit: 200, ..ListWakesParams::default() };
    Ok(cast.read::<op::ListWakes>(&request).await?.wakes)
}

/// Processes of the two.
async fn alive(cast: &Cast, thread_id: ThreadId) -> Result<usize, Problem> {
    let all = wakes(cast, thread_id).await?;
    Ok(all.iter().filter(|wake| processes::agent(wake.wake_id).is_some()).count())
}

/// What has become of the silence since, when it was broken.
pub(super) async fn broken(chaos: &Chaos<'_, '_>) -> Result<Option<String>, Problem> {
    let Some(silence) = &chaos.silence else { return Ok(None) };
    let all = wakes(chaos.run.cast, silence.thread_id).await?;
    let started = all.iter().filter(|wake| is_started(wake)).count();
    Ok((started != silence.started).then(|| {
        format!("{} more were woken although the thread is blocked", started.abs_diff(silence.started))
    }))
}
