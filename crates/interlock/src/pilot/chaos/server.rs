//! The first step: the server is killed when an agent has said something and is not done.

use std::time::Duration;

use interlock_api::Problem;
use interlock_api::operations as op;
use interlock_api::v1::ledger::GetCheckpointParams;
use interlock_api::v1::thread::TimelineItem;
use interlock_core::id::WakeId;
use interlock_core::thread::event_type as et;
use tokio::time::Instant;

use super::judge::{self, Head, Place};
use super::ledger::Copy;
use super::notes::Notes;
use super::step::{Kind, Step};
use super::{Chaos, is_step, processes, seconds, text};
use crate::pilot::outcome::{export, messages};
use crate::render::count;
use crate::render::style::Paint;

/// A turn of the executor, as far as it is known.
struct Turn {
    wake_id: WakeId,
    /// Its process.
    agent: u32,
    /// The ledger when it began.
    head: Head,
}

/// What was measured around the kill.
struct Cut {
    turn: Turn,
    /// The process that was killed.
    server: u32,
    /// How long anything of the agent outlived it.
    agent_ended: Option<Duration>,
    heard: Vec<Place>,
}

/// How the turn went on.
struct Rest {
    /// The entry that says that its process was lost.
    released_at: u64,
    /// The entry that says that it was started again.
    started_at: Option<u64>,
    agent: Option<u32>,
    result: String,
}

/// Kill the server in a turn of the executor, and again in the next one where that turn had just ended.
pub(super) async fn kill(chaos: &mut Chaos<'_, '_>) -> Result<Step, Problem> {
    let mut notes = Notes::open(&chaos.run.cast.client).await?;
    loop {
        notes.begin(chaos.run.cast.client.clone());
        let turn = middle_of_turn(chaos).await?;
        let cut = cut(chaos, &mut notes, turn).await?;
        if let Some(rest) = go_on(chaos, cut.turn.wake_id).await? {
            return conclude(chaos, &notes, &cut, &rest).await;
        }
        chaos.tell("missed", Paint::Yellow, "that turn had just ended by itself: once more, in the next one");
    }
}

/// Wait until the executor has pushed something and its turn is not over.
async fn middle_of_turn(chaos: &mut Chaos<'_, '_>) -> Result<Turn, Problem> {
    let mut turn = None;
    loop {
        let item = chaos.next().await?;
        if chaos.run.cast.executor.as_ref() != Some(&item.actor) {
            continue;
        }
        match item.kind.as_str() {
            "wake.accepted" => turn = begun(chaos, &item).await?,
            "wake.finished" => turn = None,
            et::FIX_PUSHED => {
                let is_over = |turn: &Turn| {
                    chaos.unread.iter().any(|item| is_step(item, "wake.finished", turn.wake_id))
                };
                if let Some(turn) = turn.take_if(|turn| !is_over(turn)) {
                    return Ok(turn);
                }
            }
            _ => {}
        }
    }
}

async fn begun(chaos: &Chaos<'_, '_>, item: &TimelineItem) -> Result<Option<Turn>, Problem> {
    let Some((wake_id, agent)) = item.wake_id.and_then(|id| Some((id, processes::agent(id)?))) else {
        return Ok(None);
    };
    let client = &chaos.run.cast.client;
    let head = client.call::<op::GetCheckpoint>(&GetCheckpointParams::default(), None).await?;
    Ok(Some(Turn { wake_id, agent, head: Head { size: head.size, root: head.root } }))
}

/// Kill the server, start it again, and look what is there.
async fn cut(chaos: &mut Chaos<'_, '_>, notes: &mut Notes, turn: Turn) -> Result<Cut, Problem> {
    let server = chaos.run.child.pid;
    let heard = chaos.heard.clone();
    chaos.run.child.kill().await?;
    let agent_ended = processes::agents_end(&chaos.run.stage.instance).await;
    let open = notes.cut().await?;
    chaos.tell(
        "before",
        Paint::Bold,
        &format!(
            "executor is at work on wake {} as process {}; acknowledged: {} of the job, {} that this process posts \
             all the time; the ledger has {} entries, signed",
            turn.wake_id,
            turn.agent,
            count(heard.len(), "message"),
            count(notes.acknowledged.len(), "note"),
            turn.head.size
        ),
    );
    let with = agent_ended.map_or_else(
        || "its agent's does NOT end".to_owned(),
        |after| format!("the agent's ended with it, {} ms later", after.as_millis()),
    );
    chaos.tell(
        "SIGKILL",
        Paint::Red,
        &format!("the server, process {server}, is gone; {with}; note {open} got no answer"),
    );
    let since = Instant::now();
    chaos.restart().await?;
    let ready =
        format!("the server is process {}, ready after {}", chaos.run.child.pid, seconds(since.elapsed()));
    chaos.tell("again", Paint::Green, &ready);
    let client = chaos.run.cast.client.clone();
    let (there, acknowledged) = (notes.there(&client).await?, notes.acknowledged.clone());
    notes.repeat(&client, open).await?;
    let fate =
        if there.len() >= open { "had been written down all the same" } else { "had not been written down" };
    let said = format!(
        "{} of {} acknowledged notes are there; note {open} {fate}, is posted again with its key, and is there once",
        acknowledged.iter().filter(|place| there.contains(place)).count(),
        acknowledged.len(),
    );
    chaos.tell("after", Paint::Bold, &said);
    Ok(Cut { turn, server, agent_ended, heard })
}

/// Follow the turn to its end; nothing when it had ended before the kill.
async fn go_on(chaos: &mut Chaos<'_, '_>, wake_id: WakeId) -> Result<Option<Rest>, Problem> {
    let mut rest: Option<Rest> = None;
    loop {
        let item = chaos.next().await?;
        if is_step(&item, "wake.released", wake_id) {
            let fresh =
                Rest { released_at: item.index, started_at: None, agent: None, result: String::new() };
            rest = Some(fresh);
        } else if is_step(&item, "wake.dispatched", wake_id) {
            if let Some(rest) = &mut rest {
                rest.started_at = Some(item.index);
            }
        } else if is_step(&item, "wake.accepted", wake_id) {
            if let Some(rest) = &mut rest {
                rest.agent = processes::agent(wake_id);
            }
        } else if is_step(&item, "wake.finished", wake_id) {
            if let Some(rest) = &mut rest {
                rest.result = text(&item, "result");
            }
            return Ok(rest);
        }
    }
}

async fn conclude(chaos: &Chaos<'_, '_>, notes: &Notes, cut: &Cut, rest: &Rest) -> Result<Step, Problem> {
    let client = &chaos.run.cast.client;
    let all = messages(client, chaos.run.cast.thread_id).await?;
    let copy = Copy::of(export(client).await?);
    let facts = judge::Server {
        acknowledged: notes.acknowledged.clone(),
        there: notes.there(client).await?,
        heard: cut.heard.clone(),
        job: all.iter().map(|message| (message.seq, message.message_id.to_string())).collect(),
        before: cut.turn.head.clone(),
        root_then: copy.root_of(cut.turn.head.size),
        has_agent_ended: cut.agent_ended.is_some(),
        is_started_again: rest.started_at.is_some(),
        result: rest.result.clone(),
        commits: chaos.commits().await?,
    };
    let process = rest.agent.map_or_else(String::new, |id| format!(" as process {id}"));
    let happened = format!(
        "nothing acknowledged is lost: {} of {} notes and {} of the job, without a gap; the first {} entries of the \
         ledger are the signed ones; the turn ran again{process}, and each of its commits is announced once",
        facts.there.len(),
        facts.acknowledged.len(),
        count(facts.heard.len(), "message"),
        facts.before.size,
    );
    let proof = format!(
        "server {}, agent {} killed; wake {}: entry {} released it, entry {} started it again",
        cut.server,
        cut.turn.agent,
        cut.turn.wake_id,
        rest.released_at,
        rest.started_at.unwrap_or_default()
    );
    Ok(Step::judged(Kind::ServerKilled, &facts.faults(), happened, proof))
}
