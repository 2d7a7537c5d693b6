//! `interlock doctor`: one look at everything that must be right, each with what to do about it.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::context::Context;
use crate::database::DatabaseParams;
use crate::exit::{Answer, End};
use crate::render::style::Paint;
use crate::render::table::{Cell, table};

mod approval;
mod database;
mod doors;
mod folder;
mod hooks;
mod leftovers;
mod machine;
mod runtimes;
mod server;

/// What `doctor` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// What to look at; the instance, its server and this machine unless said otherwise.
    #[arg(value_enum)]
    what: Option<What>,
    #[command(flatten)]
    database: DatabaseParams,
}

/// What else can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Codex and Claude Code: versions, approval, sessions in use, and whether they reach the server.
    Runtimes,
}

/// How a check went; the worst one is the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, detail: detail.into(), hint: None }
    }

    fn warn(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn fail(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn failed(name: &'static str, problem: &interlock_api::Problem) -> Self {
        Self {
            name,
            verdict: Verdict::Fail,
            detail: format!("{} [{}]", problem.detail, problem.reason),
            hint: problem.hint.clone(),
        }
    }
}

/// Look at everything; exit code 1 when something fails.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    if params.what == Some(What::Runtimes) {
        return report(cx, &runtimes::all(cx).await);
    }
    let mut checks = Vec::new();
    if let Some(url) = cx.remote() {
        checks.push(server::remote(cx, &url).await);
    } else {
        match cx.instance() {
            Ok(instance) => {
                checks.extend(folder::all(&instance));
                checks.push(database::check(params.database.of(cx, &instance), &instance).await);
                checks.extend(server::local(cx, &instance).await);
                checks.push(machine::disk(instance.folder()));
                checks.push(machine::clock(&instance));
            }
            Err(problem) => {
                let name = if problem.reason == "CONFIG_INVALID" { "config" } else { "instance" };
                checks.push(Check::failed(name, &problem));
            }
        }
    }
    checks.extend(machine::programs(&cx.environment.path));
    report(cx, &checks)
}

fn report(cx: &Context, checks: &[Check]) -> End {
    let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
    let json = serde_json::json!({ "schema": "doctor/1", "verdict": verdict, "checks": checks });
    let mut answer = Answer::new(&json, text(cx, checks))?;
    answer.code = u8::from(verdict == Verdict::Fail);
    Ok(answer)
}

fn text(cx: &Context, checks: &[Check]) -> String {
    let rows: Vec<[Cell; 4]> = checks
        .iter()
        .map(|check| {
            let (word, paint) = match check.verdict {
                Verdict::Ok => ("ok", Paint::Green),
                Verdict::Warn => ("warn", Paint::Yellow),
                Verdict::Fail => ("fail", Paint::Red),
            };
            let hint = check.hint.as_deref().unwrap_or_default();
            [Cell::new(word, paint), check.name.into(), Cell::from(&check.detail), hint.into()]
        })
        .collect();
    table(cx.output.style(), ["", "CHECK", "FOUND", "WHAT TO DO"], &rows)
}
