//! The first step: the server is killed when an agent has said something and is not done.

use std::time::Duration;

use interlock_api::Problem;
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
}

/// What was measured around the kill.
struct Cut {
    turn: Turn,
    /// The process that was killed.
    server: u32,
    /// How long anything of the agent outlived it.
    agent_ended: Option<Duration>,
    /// The head of the ledger that was signed last before it, as far as was seen.
    head: Head,
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
            "wake.accepted" => turn = begun(&item),
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

fn begun(item: &TimelineItem) -> Option<Turn> {
    let wake_id = item.wake_id?;
    Some(Turn { wake_id, agent: processes::agent(wake_id)? })
}

/// Kill the server, start it again, and look what is there.
async fn cut(chaos: &mut Chaos<'_, '_>, notes: &mut Notes, turn: Turn) -> Result<Cut, Problem> {
    let server = chaos.run.child.pid;
    let heard = chaos.heard.clone();
    chaos.run.child.kill().await?;
    let agent_ended = processes::agents_end(&chaos.run.stage.instance).await;
    let open = notes.cut().await?;
    let said = format!(
        "executor is at work: wake {}, process {}. Acknowledged: {} of the job, and {} that the pilot posts meanwhile, \
         one after the other. The ledger is signed up to entry {}",
        turn.wake_id,
        turn.agent,
        count(heard.len(), "message"),
        count(notes.acknowledged.len(), "note"),
        notes.head.size.saturating_sub(1)
    );
    chaos.tell("before", Paint::Bold, &said);
    let with = agent_ended.map_or_else(
        || format!("the agent, process {}, does NOT end", turn.agent),
        |after| format!("the agent, process {}, ended with it, {} ms later", turn.agent, after.as_millis()),
    );
    let said = format!("the server, process {server}, is gone; {with}; note {open} got no answer");
    chaos.tell("SIGKILL", Paint::Red, &said);
    let since = Instant::now();
    chaos.restart().await?;
    let ready =
        format!("the server is process {}, ready after {}", chaos.run.child.pid, seconds(since.elapsed()));
    chaos.tell("again", Paint::Green, &ready);
    look(chaos, notes, open).await?;
    Ok(Cut { turn, server, agent_ended, heard, head: notes.head.clone() })
}

/// Look at the notes, and repeat the one that got no answer.
async fn look(chaos: &Chaos<'_, '_>, notes: &mut Notes, open: usize) -> Result<(), Problem> {
    let client = &chaos.run.cast.client;
    let there = notes.there(client).await?;
    let kept = notes.acknowledged.iter().filter(|place| there.contains(place)).count();
    let acknowledged = notes.acknowledged.len();
    notes.repeat(client, open).await?;
    let more = notes.there(client).await?.len().saturating_sub(acknowledged);
    let fate = if there.len() >= open { "had been written down" } else { "had not been written down" };
    let said = format!(
        "{kept} of {acknowledged} acknowledged notes are there. Note {open} {fate}; posted again with its key it is there \
         {}",
        if more == 1 { "once".to_owned() } else { format!("{more} times") }
    );
    chaos.tell("after", Paint::Bold, &said);
    Ok(())
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
        before: cut.head.clone(),
        root_then: copy.root_of(cut.head.size),
        has_agent_ended: cut.agent_ended.is_some(),
        is_started_again: rest.started_at.is_some(),
        result: rest.result.clone(),
        commits: chaos.commits().await?,
    };
    let process = rest.agent.map_or_else(String::new, |id| format!(" as process {id}"));
    let said = format!(
        "the turn ran again{process}; the branch has {}, {} announced. The ledger begins with the {} entries that were signed \
         before",
        count(facts.commits.made.len(), "commit"),
        facts.commits.told.len(),
        facts.before.size,
    );
    chaos.tell("after", Paint::Bold, &said);
    let happened = format!(
        "nothing acknowledged was lost: {} of {} posts are there; the turn ran again by itself, and did nothing twice",
        facts.there.len() + facts.heard.len(),
        facts.acknowledged.len() + facts.heard.len(),
    );
    let proof = format!(
        "server {}, agent {}; wake {}: entry {} released it, entry {} started it again",
        cut.server,
        cut.turn.agent,
        cut.turn.wake_id,
        rest.released_at,
        rest.started_at.unwrap_or_default()
    );
    Ok(Step::judged(Kind::ServerKilled, &facts.faults(), happened, proof))
}
