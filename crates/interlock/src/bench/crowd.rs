//! Many agents at once: registered, talked to, and looked at until all of them have been woken.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::agent::RegisterAgentParams;
use interlock_api::v1::message::{PostMessageParams, ReadMessagesParams};
use interlock_api::v1::thread::{CreateThreadParams, ParticipantParams};
use interlock_api::v1::wake::{ListWakesParams, WakeView};
use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::id::ThreadId;
use interlock_core::limits::PAGE_ROWS_MAX;
use interlock_core::thread::{ThreadKind, ThreadRole};
use interlock_core::wake::{WakeResult, WakeState};
use rustix::fs::{CWD, FileType, Mode};
use tokio::time::Instant;

use super::stage::{Stage, defect};
use super::wakes;
use crate::environment;
use crate::instance::unwritable;

/// Agents of one thread: fewer than the turns without progress after which a guard blocks it.
const OF_A_THREAD: usize = 16;
/// How long nothing may change in a crowd until the measurement is given up. What gets on is waited for, however slowly: a
/// busy machine or a debug build needs longer, and loses nobody.
const STILL_MAX: Duration = Duration::from_mins(1);
/// The first pause between two looks at a crowd; doubles up to [`LOOK_MAX`].
const LOOK: Duration = Duration::from_millis(50);
/// The longest one: seldom, so that looking is no load.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// An agent's command that acknowledges and ends.
///
/// # Errors
/// `INTERNAL` when this program cannot find itself.
pub(crate) fn acknowledging() -> Result<Vec<String>, Problem> {
    let program = environment::program()?.display().to_string();
    Ok(["sh", "-c", wakes::AGENT, &program].map(str::to_owned).to_vec())
}

/// What agents wait before, without using the processor: a pipe that nobody writes to yet.
pub(crate) struct Gate(PathBuf);

impl Gate {
    /// A closed one.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`.
    pub(crate) fn make(path: &Path) -> Result<Self, Problem> {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .map_err(|error| unwritable(path, &error.into()))?;
        Ok(Self(path.to_owned()))
    }

    /// An agent's command that says that it lives, waits, acknowledges and ends.
    ///
    /// # Errors
    /// `INTERNAL` when this program cannot find itself.
    pub(crate) fn agent(&self) -> Result<Vec<String>, Problem> {
        let script = format!("echo here; : <\"$1\"; {}", wakes::AGENT);
        let program = environment::program()?.display().to_string();
        Ok(["sh", "-c", &script, &program, &self.0.display().to_string()].map(str::to_owned).to_vec())
    }

    /// Let all of them go on, as long as what this gives is open: they find a writer.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`.
    pub(crate) fn open(&self) -> Result<File, Problem> {
        let writer = OpenOptions::new().read(true).write(true).open(&self.0);
        writer.map_err(|error| unwritable(&self.0, &error))
    }
}

/// Agents in threads of their own.
pub(crate) struct Crowd {
    title: String,
    threads: Vec<ThreadId>,
    count: usize,
}

/// What became of a crowd.
pub(crate) struct Over {
    /// Agents that were woken, and once.
    pub(crate) once: u32,
    /// Milliseconds from commit to process, of each wake.
    pub(crate) dispatched_ms: Vec<f64>,
    /// Seconds from the first commit to the end of the last process.
    pub(crate) took_s: f64,
}

impl Crowd {
    /// So many agents of this name with a number.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) async fn register(
        stage: &Stage,
        title: &str,
        count: u32,
        command: &[String],
    ) -> Result<Self, Problem> {
        let client = stage.operator()?;
        let mut names = Vec::new();
        for number in 0..count {
            let name = named(&format!("{title}-{number}"))?;
            let launch = Launch { command: command.to_vec(), ..Launch::default() };
            agent(&client, &name, Runtime::Command, launch).await?;
            names.push(name);
        }
        let mut threads = Vec::new();
        for (number, names) in names.chunks(OF_A_THREAD).enumerate() {
            threads.push(thread(&client, &format!("{title}-{number}"), names).await?);
        }
        Ok(Self { title: title.to_owned(), threads, count: names.len() })
    }

    /// One message for each of them.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) async fn post(&self, stage: &Stage) -> Result<(), Problem> {
        let client = stage.operator()?;
        for (number, thread) in self.threads.iter().enumerate() {
            post(&client, *thread, &format!("{}-message-{number}", self.title)).await?;
        }
        Ok(())
    }

    /// Wait until a process runs for each; gives how long each took.
    ///
    /// # Errors
    /// `WAKE_FAILED` when that does not come about in time.
    pub(crate) async fn until_running(&self, stage: &Stage) -> Result<Vec<f64>, Problem> {
        let is_running = |wake: &WakeView| wake.state == WakeState::Running;
        let wakes = self.until(stage, |wakes| wakes.iter().filter(|wake| is_running(wake)).count()).await?;
        wakes.iter().map(wakes::dispatched_ms).collect()
    }

    /// Wait until every wake is over.
    ///
    /// # Errors
    /// `WAKE_FAILED` when that does not come about in time.
    pub(crate) async fn until_over(&self, stage: &Stage) -> Result<Over, Problem> {
        let is_over = |wake: &WakeView| wake.state == WakeState::Finished;
        let wakes = self.until(stage, |wakes| wakes.iter().filter(|wake| is_over(wake)).count()).await?;
        let mut of: BTreeMap<&AgentName, Vec<&WakeView>> = BTreeMap::new();
        for wake in &wakes {
            of.entry(&wake.agent).or_default().push(wake);
        }
        let is_once = |wakes: &[&WakeView]| matches!(wakes, [wake] if wake.result == Some(WakeResult::Triggered) && wake.attempts == 1);
        let once = of.values().filter(|wakes| is_once(wakes)).count();
        let first = wakes.iter().map(|wake| wake.requested_at).min();
        let last = wakes.iter().filter_map(|wake| wake.finished_at).max();
        let took_ms = first.zip(last).map_or(0, |(first, last)| last.ms_since(first));
        let dispatched = wakes.iter().filter(|wake| wake.dispatched_at.is_some());
        Ok(Over {
            once: u32::try_from(once).unwrap_or(u32::MAX),
            dispatched_ms: dispatched.map(wakes::dispatched_ms).collect::<Result<_, _>>()?,
            took_s: f64::from(u32::try_from(took_ms).unwrap_or(u32::MAX)) / 1_000.0,
        })
    }

    async fn until(
        &self,
        stage: &Stage,
        done: impl Fn(&[WakeView]) -> usize,
    ) -> Result<Vec<WakeView>, Problem> {
        let client = stage.operator()?;
        let (mut most, mut since, mut pause) = (0, Instant::now(), LOOK);
        loop {
            let wakes = self.wakes(&client).await?;
            let count = done(&wakes);
            if count >= self.count {
                return Ok(wakes);
            }
            if count > most {
                (most, since) = (count, Instant::now());
            }
            if since.elapsed() > STILL_MAX {
                let held = wakes.iter().filter(|wake| wake.held).count();
                let detail = format!(
                    "{count} of {} were woken, and no further one in {STILL_MAX:?}; {held} are held back",
                    self.count
                );
                return Err(Problem::new(Reason::WakeFailed, &detail, ""));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
    }

    async fn wakes(&self, client: &Client) -> Result<Vec<WakeView>, Problem> {
        let mut all = Vec::new();
        for thread in &self.threads {
            // One page holds all agents of a thread, and as many that would be too many.
            let request = ListWakesParams {
                thread_id: Some(*thread),
                limit: PAGE_ROWS_MAX,
                ..ListWakesParams::default()
            };
            all.extend(client.call::<op::ListWakes>(&request, None).await?.wakes);
        }
        Ok(all)
    }
}

/// How long posts took in many threads with many participants.
pub(crate) struct Seen {
    /// Until another participant had read them.
    pub(crate) visible_ms: Vec<f64>,
    /// Until they had woken an agent.
    pub(crate) wake_ms: Vec<f64>,
}

/// So many threads with so many participants each: people, and an agent of its own that is woken.
///
/// # Errors
/// What the server refuses; `WAKE_FAILED` when an agent is not woken in time.
pub(crate) async fn threads(stage: &Stage, threads: u32, participants: u32) -> Result<Seen, Problem> {
    let client = stage.operator()?;
    let mut people = Vec::new();
    for number in 1..participants {
        let name = named(&format!("person-{number}"))?;
        agent(&client, &name, Runtime::Unmanaged, Launch::default()).await?;
        people.push(name);
    }
    let command = acknowledging()?;
    let mut opened = Vec::new();
    for number in 0..threads {
        let name = named(&format!("worker-{number}"))?;
        let launch = Launch { command: command.clone(), ..Launch::default() };
        agent(&client, &name, Runtime::Command, launch).await?;
        let everybody: Vec<AgentName> = people.iter().cloned().chain([name]).collect();
        opened.push(thread(&client, &format!("many-{number}"), &everybody).await?);
    }
    let mut visible_ms = Vec::new();
    for (number, thread) in opened.iter().enumerate() {
        let start = Instant::now();
        post(&client, *thread, &format!("many-message-{number}")).await?;
        let request = ReadMessagesParams { thread_id: *thread, after_seq: 0, limit: 1, wait_ms: 0 };
        let read = client.call::<op::ReadMessages>(&request, None).await?;
        if read.messages.is_empty() {
            return Err(defect(&"a message that was posted is not there"));
        }
        visible_ms.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    let crowd = Crowd { title: "many".into(), count: opened.len(), threads: opened };
    Ok(Seen { visible_ms, wake_ms: crowd.until_over(stage).await?.dispatched_ms })
}

fn named(text: &str) -> Result<AgentName, Problem> {
    AgentName::parse(text).map_err(|error| defect(&error))
}

async fn agent(client: &Client, name: &AgentName, runtime: Runtime, launch: Launch) -> Result<(), Problem> {
    let request =
        RegisterAgentParams { name: name.clone(), role: Role::Participant, runtime, launch, on: None };
    client.call::<op::RegisterAgent>(&request, Some(name.as_str())).await.map(drop)
}

async fn thread(client: &Client, title: &str, names: &[AgentName]) -> Result<ThreadId, Problem> {
    let part = |agent: &AgentName| ParticipantParams { agent: agent.clone(), role: ThreadRole::Participant };
    let participants = names.iter().map(part).collect();
    let request = CreateThreadParams { title: title.into(), kind: ThreadKind::Workflow, participants };
    Ok(client.call::<op::CreateThread>(&request, Some(title)).await?.thread_id)
}

async fn post(client: &Client, thread: ThreadId, key: &str) -> Result<(), Problem> {
    let request = PostMessageParams { body: "measured".into(), ..PostMessageParams::to_all(thread) };
    client.call::<op::PostMessage>(&request, Some(key)).await.map(drop)
}
