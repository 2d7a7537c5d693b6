//! What people see of a run: a live timeline, then the result handed over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use interlock_agents::sample::Sample;
use interlock_api::v1::message::MessageView;
use interlock_api::v1::thread::TimelineItem;
use interlock_core::Timestamp;
use interlock_core::id::WakeId;
use serde_json::Value;

use super::cast::Cast;
use super::chaos::Step;
use super::follow::dollars;
use super::options::Params;
use super::outcome::{FindingPart, Outcome, Verdict};
use super::stage::Stage;
use crate::output::Output;
use crate::render::style::{Paint, Style};
use crate::render::{count, safe};

/// Columns of names.
const NAME_WIDTH: usize = 9;
/// Columns of event types.
const TYPE_WIDTH: usize = 19;
/// Columns of what was said.
const TEXT_WIDTH_MAX: usize = 110;
/// Columns of a whole line of a chaos run, which is read closely.
const LINE_WIDTH: usize = 80;
/// Columns of what was done, in the table at its end.
const DID_WIDTH: usize = 21;
/// Columns before what was said.
const MARGIN: usize = 8 + 2 + NAME_WIDTH + 1;

/// Writes as things happen: to standard output, or beside it when that is for machines.
pub(crate) struct Show {
    output: Output,
    style: Style,
    started_at: Timestamp,
    /// Whether nothing may be wider than [`LINE_WIDTH`].
    is_narrow: bool,
    wakes: RefCell<BTreeMap<WakeId, Asked>>,
}

/// What was asked for, until a process answers.
#[derive(Debug, Clone)]
struct Asked {
    at: Timestamp,
    cause: String,
    seq: u64,
    dispatched_at: Option<Timestamp>,
}

impl Show {
    pub(crate) fn new(output: Output, started_at: Timestamp, is_narrow: bool) -> Self {
        Self { output, style: output.style(), started_at, is_narrow, wakes: RefCell::default() }
    }

    /// Say something beside the story.
    pub(crate) fn note(text: &str) {
        Output::note(&format!("note: {text}"));
    }

    fn say(&self, text: &str) {
        if self.output.is_json() {
            Output::note(text);
        } else {
            // A reader that went away ends nothing: the job goes on to its end.
            let _closed = Output::text(&format!("{text}\n"));
        }
    }

    /// Columns of a line: of a chaos run what is read closely, else what the terminal has, where it is one.
    fn width(&self, otherwise: usize) -> usize {
        if self.is_narrow { LINE_WIDTH } else { self.style.columns().unwrap_or(otherwise) }
    }

    /// A paragraph beside the timeline.
    pub(crate) fn paragraph(&self, text: &str) {
        for line in wrapped(text, self.width(usize::MAX)) {
            self.say(&line);
        }
    }

    /// The heading of a part of the story.
    pub(crate) fn heading(&self, text: &str) {
        self.say(&format!("\n{}", self.style.bold(text)));
    }

    /// Something of the story that stands in no thread: what it is about, and what was seen.
    pub(crate) fn fact(&self, at: Timestamp, label: &str, paint: Paint, text: &str) {
        let clock = format!("{:>8}", seconds(at.ms_since(self.started_at)));
        let label = format!("{label:<NAME_WIDTH$}");
        for (n, line) in wrapped(text, LINE_WIDTH - MARGIN).iter().enumerate() {
            if n == 0 {
                self.say(&format!("{}  {} {line}", self.style.dim(&clock), self.style.paint(paint, &label)));
            } else {
                self.say(&format!("{:MARGIN$}{line}", ""));
            }
        }
    }

    /// The sample that was made.
    pub(crate) fn sample(&self, sample: &Sample, seed: u64) {
        self.paragraph(&format!(
            "made a small crate `{}` (seed {seed}): {} commits, a broken test, a warning and untidy formatting in it",
            sample.name, sample.commits
        ));
    }

    /// Who plays, where.
    pub(crate) fn opening(&self, stage: &Stage, cast: &Cast) {
        let style = self.style;
        let on = stage.branch.as_deref().map_or_else(String::new, |branch| format!(", branch {branch}"));
        let repository = stage.repository().display().to_string();
        self.say(&format!("repository {}{on}", style.paint(Paint::Bold, &repository)));
        let executor = cast.executor.as_ref().map_or_else(String::new, |name| format!("`{name}` and "));
        self.paragraph(&format!(
            "thread {} between {executor}`{}`, who leads it; nobody touches the keyboard from here on",
            cast.thread_id, cast.reviewer
        ));
        self.say("");
    }

    /// One thing that happened; steps that say nothing new are left out.
    pub(crate) fn item(&self, item: &TimelineItem) {
        let line = match &item.message {
            Some(message) => Some(self.said(message)),
            None => self.happened(item),
        };
        if let Some(line) = line {
            let clock = format!("{:>8}", seconds(item.at.ms_since(self.started_at)));
            self.say(&format!("{}  {line}", self.style.dim(&clock)));
        }
    }

    fn said(&self, message: &MessageView) -> String {
        let to: Vec<&str> = message.to.iter().map(interlock_core::actor::AgentName::as_str).collect();
        let kind = message.event_type.as_deref().unwrap_or(if to.is_empty() { "message" } else { "task" });
        let paint = match kind {
            "thread_resolved" | "finding_verified" => Paint::Green,
            "thread_escalated" | "finding_unresolved" => Paint::Red,
            "finding_reported" | "finding_rejected" => Paint::Yellow,
            _ => Paint::Plain,
        };
        let before = MARGIN + TYPE_WIDTH + 1;
        let text_width = self.width(before + TEXT_WIDTH_MAX).saturating_sub(before).min(TEXT_WIDTH_MAX);
        format!(
            "{} {} {}",
            self.name(message.from.as_str()),
            self.style.paint(paint, &format!("{kind:<TYPE_WIDTH$}")),
            safe::summary(&message.body, text_width)
        )
    }

    fn name(&self, name: &str) -> String {
        self.style.paint(Paint::Cyan, &format!("{name:<NAME_WIDTH$}"))
    }

    fn happened(&self, item: &TimelineItem) -> Option<String> {
        let field = |name: &str| item.event.as_ref().and_then(|event| event.get(name));
        let text = |name: &str| field(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let wake_id = item.wake_id?;
        let mut wakes = self.wakes.borrow_mut();
        let said = match item.kind.as_str() {
            "wake.requested" => {
                let seq = field("seq").and_then(Value::as_u64).unwrap_or(0);
                let asked = Asked { at: item.at, cause: text("cause"), seq, dispatched_at: None };
                wakes.insert(wake_id, asked);
                return None;
            }
            "wake.dispatched" => {
                let asked = wakes.get_mut(&wake_id)?;
                asked.dispatched_at = Some(item.at);
                let waited = item.at.ms_since(asked.at);
                format!("woken for #{} by {}, {waited} ms after it", asked.seq, asked.cause)
            }
            "wake.finished" => {
                let started = wakes.get(&wake_id).and_then(|asked| asked.dispatched_at);
                let took = started
                    .map_or_else(String::new, |at| format!(" after {}", seconds(item.at.ms_since(at))));
                let reason = text("reason");
                let why = if reason.is_empty() { reason } else { format!(" ({reason})") };
                format!("asleep again{took}: {}{why}", text("result"))
            }
            "wake.attempt_failed" => format!("attempt failed: {}", text("reason")),
            "wake.released" => format!("lost its process: {}", text("reason")),
            "wake.declined" => format!("cannot be run here: no {}", text("lacks")),
            "wake.deferred" => format!("waits for its session: {}", text("reason")),
            "session.released" => format!("goes on in a fresh session: {}", text("reason")),
            _ => return None,
        };
        Some(format!("{} {}", self.name(item.actor.as_str()), self.style.dim(&said)))
    }

    /// The end: verdict, findings, and the result with how to look at it, merge or discard it.
    pub(crate) fn summary(&self, outcome: &Outcome, params: &Params) -> String {
        let mut lines = vec![String::new(), self.verdict(outcome)];
        if let Some(problem) = &outcome.problem {
            lines.push(format!("error: {}", safe::line(&problem.detail)));
            lines.extend(problem.hint.iter().map(|hint| format!("hint: {}", safe::line(hint))));
            lines.push(format!("reason: {0} (docs/errors/{0}.md)", safe::line(&problem.reason)));
        }
        lines.extend(outcome.findings.iter().map(|finding| self.finding(finding)));
        lines.extend(hand_over(outcome, params));
        let usage = &outcome.usage;
        if usage.input_tokens + usage.output_tokens > 0 {
            let cost =
                usage.cost_micro_usd.map_or_else(String::new, |cost| format!(", {} USD", dollars(cost)));
            lines.push(format!(
                "usage    {} tokens in, {} out{cost}",
                usage.input_tokens, usage.output_tokens
            ));
        }
        if outcome.ledger.verified {
            lines.push(format!("ledger   {} entries, verified from the exported bytes", outcome.ledger.size));
        }
        lines.extend(outcome.chaos.iter().flat_map(|steps| self.steps(steps, &outcome.repo.path)));
        lines.push(String::new());
        lines.join("\n")
    }

    fn verdict(&self, outcome: &Outcome) -> String {
        let (paint, word) = match outcome.verdict {
            Verdict::Resolved => (Paint::Green, "resolved"),
            Verdict::NotConverged => (Paint::Red, "not converged"),
            Verdict::Failed => (Paint::Red, "failed"),
            Verdict::LedgerInvalid => (Paint::Red, "the ledger does not verify"),
            Verdict::Interrupted => (Paint::Yellow, "interrupted"),
        };
        let mended = outcome.findings.iter().filter(|finding| finding.state == "verified").count();
        format!(
            "{} in {}: {mended} of {} mended, {}, {}",
            self.style.paint(paint, word),
            seconds(outcome.duration_ms),
            count(outcome.findings.len(), "finding"),
            count(outcome.commits.len(), "commit"),
            count(outcome.turns as usize, "turn"),
        )
    }

    /// What was done to the job, and what came of it: a column each, with the proof below.
    fn steps(&self, steps: &[Step], repository: &str) -> Vec<String> {
        let heading =
            format!("    {:<DID_WIDTH$}  {}", "WHAT WAS DONE TO IT", "WHAT CAME OF IT, AND THE PROOF");
        let mut lines = vec![String::new(), self.style.dim(&heading)];
        lines.extend(steps.iter().flat_map(|step| self.step(step)));
        let folder = Path::new(repository).parent().unwrap_or(Path::new("")).join("evidence");
        if steps.iter().any(|step| step.proof.starts_with("interlock ")) {
            lines.push(String::new());
            lines.push(format!("evidence {}", folder.display()));
            lines.push("         There the commands above run, and any entry shows itself with".into());
            lines.push("         interlock verify ledger.tar --key ledger.vkey --entry INDEX".into());
        }
        lines
    }

    fn step(&self, step: &Step) -> Vec<String> {
        let width = LINE_WIDTH - DID_WIDTH - 6;
        let said = |text: &str, paint| {
            let lines = wrapped(text, width).into_iter().filter(|line| !line.is_empty());
            lines.map(|line| self.style.paint(paint, &line)).collect::<Vec<_>>()
        };
        let right = [said(&step.happened, Paint::Plain), said(&step.proof, Paint::Dim)].concat();
        let did = wrapped(&step.did, DID_WIDTH);
        let rows = (0..did.len().max(right.len())).map(|row| {
            let mark = match (row, step.ok) {
                (0, true) => self.style.paint(Paint::Green, "ok"),
                (0, false) => self.style.paint(Paint::Red, "NO"),
                _ => "  ".to_owned(),
            };
            let did = did.get(row).map_or("", String::as_str);
            let right = right.get(row).map_or("", String::as_str);
            format!("{mark}  {did:<DID_WIDTH$}  {right}").trim_end().to_owned()
        });
        rows.collect()
    }

    fn finding(&self, finding: &FindingPart) -> String {
        let paint = if finding.state == "verified" { Paint::Green } else { Paint::Red };
        let state = format!("{:<10}", finding.state);
        let commit =
            finding.commit.as_deref().map_or_else(String::new, |commit| format!(" in {}", short(commit)));
        let place = if finding.path.is_empty() {
            String::new()
        } else {
            format!("{}:{}", finding.path, finding.line)
        };
        let text = format!("{} {}{commit}", safe::line(&finding.rule), safe::line(&place));
        let width = self.width(usize::MAX) - 13;
        format!("  {} {}", self.style.paint(paint, &state), safe::cut(&text, width))
    }
}

/// Where the result is, and what can be done with it.
fn hand_over(outcome: &Outcome, params: &Params) -> Vec<String> {
    let repo = &outcome.repo;
    if repo.branch.is_empty() || repo.head == repo.base {
        return Vec::new();
    }
    let path = shell_word(&repo.path);
    let discard = if params.chaos {
        // What proves it lies beside the repository, and goes with it.
        let root = Path::new(&repo.path).parent().unwrap_or_else(|| Path::new(&repo.path));
        format!("discard  rm -r {}", shell_word(&root.display().to_string()))
    } else if params.repo.is_some() {
        format!("discard  git -C {path} branch -D {}", repo.branch)
    } else {
        format!("discard  rm -r {path}")
    };
    vec![
        String::new(),
        format!("result   branch {} in {}", repo.branch, repo.path),
        format!("         {}", outcome.changes),
        format!("look     git -C {path} log --stat {}..{}", short(&repo.base), repo.branch),
        format!("merge    git -C {path} merge {}", repo.branch),
        discard,
    ]
}

/// The text on lines of so many columns at most.
fn wrapped(text: &str, width_max: usize) -> Vec<String> {
    safe::wrapped(&safe::line(text), width_max)
}

/// The path as a shell takes it for one word.
fn shell_word(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

fn short(sha: &str) -> String {
    sha.chars().take(9).collect()
}

fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1_000, (ms % 1_000) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_only() {
        assert_eq!(wrapped("", 9), [""]);
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", usize::MAX), ["one two three"]);
        assert_eq!(wrapped("a word-that-is-longer b", 6), ["a", "word-that-is-longer", "b"]);
        assert_eq!(wrapped("日本 語", 4), ["日本", "語"]);
    }
}
