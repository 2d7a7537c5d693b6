//! What became of a run, in the shape of `pilot/1`.

use std::collections::BTreeMap;

use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::ledger::ExportLedgerParams;
use interlock_api::v1::message::{MessageView, ReadMessagesParams};
use interlock_api::v1::thread::{GetThreadParams, TimelineItem};
use interlock_api::v1::wake::{ListWakesParams, WakeView};
use interlock_core::id::ThreadId;
use interlock_core::thread::{Status, event_type as et};
use interlock_core::wake::{Usage, WakeResult};
use interlock_core::{Code, Reason, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::cast::Cast;
use super::chaos::Step;
use super::stage::Stage;

/// What to do about a blocked thread; its page says more.
const HINT: &str =
    "the page of the reason says what to do; --keep leaves instance and work trees to look into";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The thread is resolved.
    Resolved,
    /// The agents ended otherwise.
    NotConverged,
    /// The run itself failed.
    Failed,
    /// The exported ledger does not verify.
    LedgerInvalid,
    /// A person stopped it.
    Interrupted,
}

/// The thread.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ThreadPart {
    pub(crate) id: String,
    pub(crate) status: String,
}

/// One thing that happened.
#[derive(Debug, Serialize)]
pub(crate) struct TimelinePart {
    ms: i64,
    actor: String,
    #[serde(rename = "type")]
    kind: String,
    seq: Option<u64>,
    index: u64,
}

/// One wake with its steps.
#[derive(Debug, Serialize)]
pub(crate) struct WakePart {
    pub(crate) id: String,
    pub(crate) agent: String,
    lane: Option<&'static str>,
    pub(crate) result: Option<&'static str>,
    attempts: u32,
    committed_ms: i64,
    dispatched_ms: Option<i64>,
    accepted_ms: Option<i64>,
    seen_ms: Option<i64>,
    acted_ms: Option<i64>,
}

/// One finding.
#[derive(Debug, Serialize)]
pub(crate) struct FindingPart {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) line: u64,
    pub(crate) rule: String,
    pub(crate) state: String,
    pub(crate) commit: Option<String>,
}

/// One commit.
#[derive(Debug, Serialize)]
pub(crate) struct CommitPart {
    pub(crate) sha: String,
    pub(crate) agent: String,
}

/// The repository.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RepoPart {
    pub(crate) path: String,
    pub(crate) branch: String,
    pub(crate) base: String,
    pub(crate) head: String,
}

/// What models were used up, as far as the agents' programs tell; the built-in agents use none.
#[derive(Debug, Default, Serialize)]
pub(crate) struct UsagePart {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// Millionths of a US dollar; null = nobody told a price.
    pub(crate) cost_micro_usd: Option<u64>,
}

/// The ledger as it was exported and verified.
#[derive(Debug, Default, Serialize)]
pub(crate) struct LedgerPart {
    origin: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) verified: bool,
}

/// The whole.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    schema: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) problem: Option<Problem>,
    pub(crate) thread: ThreadPart,
    pub(crate) turns: u32,
    pub(crate) duration_ms: i64,
    timeline: Vec<TimelinePart>,
    pub(crate) wakes: Vec<WakePart>,
    pub(crate) findings: Vec<FindingPart>,
    pub(crate) commits: Vec<CommitPart>,
    pub(crate) repo: RepoPart,
    pub(crate) usage: UsagePart,
    pub(crate) ledger: LedgerPart,
    /// What was done to the job on purpose, and what came of it; only with `--chaos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chaos: Option<Vec<Step>>,
    #[serde(skip)]
    started_at: Timestamp,
    /// What the branch changes, in git's words.
    #[serde(skip)]
    pub(crate) changes: String,
    /// Why the thread is blocked, in the words of whoever blocked it.
    #[serde(skip)]
    pub(crate) last_word: String,
}

impl Outcome {
    /// Nothing has happened yet.
    pub(crate) fn begin(started_at: Timestamp) -> Self {
        Self {
            schema: "pilot/1",
            verdict: Verdict::Failed,
            problem: None,
            thread: ThreadPart::default(),
            turns: 0,
            duration_ms: 0,
            timeline: Vec::new(),
            wakes: Vec::new(),
            findings: Vec::new(),
            commits: Vec::new(),
            repo: RepoPart::default(),
            usage: UsagePart::default(),
            ledger: LedgerPart::default(),
            chaos: None,
            started_at,
            changes: String::new(),
            last_word: String::new(),
        }
    }

    /// When it began.
    pub(crate) const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Note one thing that happened.
    pub(crate) fn note(&mut self, item: &TimelineItem) {
        self.timeline.push(TimelinePart {
            ms: item.at.ms_since(self.started_at),
            actor: item.actor.to_string(),
            kind: item.kind.clone(),
            seq: item.seq,
            index: item.index,
        });
        let result = item.event.as_ref().and_then(|event| event.get("result")).and_then(Value::as_str);
        if result.and_then(WakeResult::parse).is_some_and(WakeResult::is_turn) {
            self.turns += 1;
        }
        if item.kind == "wake.used" {
            self.count_usage(item.event.as_ref());
        }
    }

    fn count_usage(&mut self, event: Option<&Value>) {
        let usage = event.and_then(|event| serde_json::from_value::<Usage>(event.get("usage")?.clone()).ok());
        let Some(usage) = usage else { return };
        let sum = Usage {
            input_tokens: self.usage.input_tokens,
            output_tokens: self.usage.output_tokens,
            cost_micro_usd: self.usage.cost_micro_usd,
            ..Usage::default()
        }
        .plus(usage);
        self.usage = UsagePart {
            input_tokens: sum.input_tokens,
            output_tokens: sum.output_tokens,
            cost_micro_usd: sum.cost_micro_usd,
        };
    }

    /// Collect the end state and verify the ledger from its exported bytes.
    ///
    /// # Errors
    /// The server's problems; `LEDGER_INVALID`.
    pub(crate) async fn collect(&mut self, cast: &Cast, stage: &Stage) -> Result<(), Problem> {
        let thread = cast.read::<op::GetThread>(&GetThreadParams::now(cast.thread_id)).await?;
        self.thread.status = thread.status.to_string();
        let request =
            ListWakesParams { thread_id: Some(cast.thread_id), limit: 200, ..ListWakesParams::default() };
        let mut wakes = cast.read::<op::ListWakes>(&request).await?.wakes;
        wakes.reverse();
        self.wakes = wakes.iter().map(|wake| self.wake(wake)).collect();
        self.read_messages(&messages(&cast.client, cast.thread_id).await?);
        if thread.status == Status::Blocked {
            let reason = thread.reason.unwrap_or(Reason::NotConverged);
            self.problem = Some(Problem::new(reason, &self.last_word, "").hint(HINT));
        }
        self.verify(cast, stage).await
    }

    fn wake(&self, wake: &WakeView) -> WakePart {
        let ms = |at: Option<Timestamp>| at.map(|at| at.ms_since(self.started_at));
        WakePart {
            id: wake.wake_id.to_string(),
            agent: wake.agent.to_string(),
            lane: wake.lane.map(interlock_core::wake::Lane::as_str),
            result: wake.result.map(WakeResult::as_str),
            attempts: wake.attempts,
            committed_ms: wake.requested_at.ms_since(self.started_at),
            dispatched_ms: ms(wake.dispatched_at),
            accepted_ms: ms(wake.accepted_at),
            seen_ms: ms(wake.seen_at),
            acted_ms: ms(wake.acted_at),
        }
    }

    /// Findings and commits, as the messages tell them.
    fn read_messages(&mut self, messages: &[MessageView]) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for message in messages {
            let text =
                |name: &str| message.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let id = text("finding_id");
            let known = places.get(&id).copied();
            match message.event_type.as_deref() {
                Some(et::FIX_PUSHED) => {
                    self.commits.push(CommitPart { sha: text("commit"), agent: message.from.to_string() });
                }
                Some(et::FINDING_REPORTED) if known.is_none() => {
                    places.insert(id.clone(), self.findings.len());
                    self.findings.push(FindingPart {
                        id,
                        path: text("path"),
                        line: message.data.get("line").and_then(Value::as_u64).unwrap_or(0),
                        rule: text("rule"),
                        state: "open".into(),
                        commit: None,
                    });
                }
                Some(kind) => {
                    if let Some(finding) = known.and_then(|place| self.findings.get_mut(place)) {
                        settle(finding, kind, text("commit"));
                    }
                }
                None => {}
            }
            if matches!(message.event_type.as_deref(), Some(et::THREAD_ESCALATED | et::THREAD_RESOLVED)) {
                self.last_word.clone_from(&message.body);
            }
        }
    }

    async fn verify(&mut self, cast: &Cast, stage: &Stage) -> Result<(), Problem> {
        let bytes = export(&cast.client).await?;
        let report = interlock_ledger::verify_export(bytes.as_slice(), Some(&stage.vkey()?))
            .map_err(|error| Problem::new(Reason::LedgerInvalid, &error.to_string(), ""))?;
        self.ledger = LedgerPart {
            origin: report.origin,
            size: report.size,
            root: report.root.to_string(),
            verified: true,
        };
        Ok(())
    }

    /// The end, good or bad.
    pub(crate) fn end(&mut self, result: Result<(), Problem>, now: Timestamp) {
        self.duration_ms = now.ms_since(self.started_at);
        if let Err(problem) = result {
            self.verdict = match problem.known_reason() {
                Some(Reason::Interrupted) => Verdict::Interrupted,
                Some(Reason::LedgerInvalid) => Verdict::LedgerInvalid,
                _ => Verdict::Failed,
            };
            self.problem = Some(problem);
        }
    }

    /// The exit code that goes with the verdict.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Resolved => 0,
            Verdict::NotConverged => 1,
            Verdict::LedgerInvalid => 5,
            Verdict::Interrupted => 130,
            Verdict::Failed => {
                self.problem.as_ref().map_or(Code::Internal, |problem| problem.code).exit_code()
            }
        }
    }
}

fn settle(finding: &mut FindingPart, kind: &str, commit: String) {
    match kind {
        et::FINDING_VERIFIED => {
            "verified".clone_into(&mut finding.state);
            finding.commit = Some(commit);
        }
        et::FINDING_UNRESOLVED => "unresolved".clone_into(&mut finding.state),
        et::FINDING_REPORTED | et::FINDING_REJECTED => "open".clone_into(&mut finding.state),
        _ => {}
    }
}

/// The bytes of the exported ledger.
///
/// # Errors
/// The server's problems.
pub(crate) async fn export(client: &Client) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let take = |chunk: &[u8]| {
        bytes.extend_from_slice(chunk);
        Ok(())
    };
    client.stream::<op::ExportLedger>(&ExportLedgerParams::default(), take).await?;
    Ok(bytes)
}

/// Everything that was said in a thread.
///
/// # Errors
/// The server's problems.
pub(crate) async fn messages(client: &Client, thread_id: ThreadId) -> Result<Vec<MessageView>, Problem> {
    let mut all = Vec::new();
    let mut after_seq = 0;
    loop {
        let request = ReadMessagesParams { thread_id, after_seq, limit: 200, wait_ms: 0 };
        let page = client.call::<op::ReadMessages>(&request, None).await?;
        after_seq = page.next_seq;
        all.extend(page.messages);
        if !page.has_more {
            return Ok(all);
        }
    }
}
