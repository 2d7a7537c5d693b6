//! The coding agents' own programs: which version, whether they reach the server, and what holds their sessions.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use interlock_core::agent::Runtime;
use interlock_core::id::SessionId;
use tokio::process::Command;

use super::{Check, approval, hooks, leftovers};
use crate::context::Context;
use crate::environment;

/// How long a program may take to say its version.
const VERSION_MAX: Duration = Duration::from_secs(10);
/// How long the server may take to shake hands.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// One program and what is known of it.
struct Known {
    runtime: Runtime,
    program: &'static str,
    package: &'static str,
    /// The version that everything was measured with.
    measured: &'static str,
    home_variable: &'static str,
    home_folder: &'static str,
    /// What its person's own settings say about approval.
    approval: fn(&'static str, &Path) -> Check,
    /// Where it keeps a file for each session that a process has.
    sessions: &'static str,
    /// The names of its checks beside the one of the program itself.
    checks: Names,
}

/// Names of checks; each is there once.
struct Names {
    approval: &'static str,
    login: &'static str,
    sessions: &'static str,
    leftovers: &'static str,
}

const ALL: [Known; 2] = [
    Known {
        runtime: Runtime::Codex,
        program: "codex",
        package: "@openai/codex",
        measured: "0.169.0",
        home_variable: "CODEX_HOME",
        home_folder: ".codex",
        approval: approval::codex,
        sessions: "thread-writer-locks",
        checks: Names {
            approval: "codex approval",
            login: "codex login",
            sessions: "codex sessions",
            leftovers: "codex leftovers",
        },
    },
    Known {
        runtime: Runtime::Claude,
        program: "claude",
        package: "@anthropic-ai/claude-code",
        measured: "2.1.329",
        home_variable: "CLAUDE_CONFIG_DIR",
        home_folder: ".claude",
        approval: approval::claude,
        sessions: "sessions",
        checks: Names {
            approval: "claude approval",
            login: "claude login",
            sessions: "claude sessions",
            leftovers: "claude leftovers",
        },
    },
];

/// Everything about them.
pub(super) async fn all(cx: &Context) -> Vec<Check> {
    let mut checks = Vec::new();
    for known in &ALL {
        checks.extend(one(cx, known).await);
    }
    if let Ok(instance) = cx.instance() {
        checks.extend(leftovers::of_agents(&instance));
    }
    checks.push(mcp(cx).await);
    checks.extend(super::doors::check(cx).await);
    checks
}

async fn one(cx: &Context, known: &Known) -> Vec<Check> {
    let name = known.program;
    let found = cx.environment.path.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    let Some(program) = found else {
        let hint = format!(
            "install it if you want agents of runtime `{}`: npm package {}",
            known.runtime, known.package
        );
        return vec![Check::warn(name, "not found in PATH", hint)];
    };
    let mut checks = vec![version(known, &program).await];
    let home = environment::text(known.home_variable).map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(environment::text("HOME")?).join(known.home_folder)));
    match home.filter(|home| home.is_dir()) {
        Some(home) => {
            checks.push((known.approval)(known.checks.approval, &home));
            checks.extend(match known.runtime {
                Runtime::Codex => hooks::codex(&program, &home).await,
                _ => hooks::claude(&home),
            });
            checks.extend(locks(known, &home));
        }
        None => checks.push(Check::warn(
            known.checks.login,
            format!("{name} has no folder of its own yet"),
            format!("start `{name}` once and log in"),
        )),
    }
    checks
}

async fn version(known: &Known, program: &Path) -> Check {
    let name = known.program;
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let said = match tokio::time::timeout(VERSION_MAX, asked).await {
        Ok(Ok(output)) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        Ok(Ok(output)) => {
            return Check::fail(name, format!("`--version` ends with {}", output.status), "install it anew");
        }
        Ok(Err(error)) => {
            return Check::fail(name, format!("it cannot be started: {error}"), "install it anew");
        }
        Err(_) => return Check::fail(name, "it says nothing for 10 s", "see whether it waits for something"),
    };
    let number = said
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    let detail = format!("{} {number}", program.display());
    if number == known.measured {
        return Check::ok(name, detail);
    }
    let hint =
        format!("measured with {}; with another version look at the first wakes closely", known.measured);
    Check::warn(name, detail, hint)
}

/// Sessions that a process has open now, and marks that killed ones left behind.
fn locks(known: &Known, home: &Path) -> [Check; 2] {
    let name = known.checks.sessions;
    let folder = home.join(known.sessions);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_open = |file: &PathBuf| interlock_supervisor::is_open(known.runtime, file);
    let (open, gone): (Vec<_>, Vec<_>) = files.filter(|file| is_session(file)).partition(is_open);
    let (held, stale) = (open.len(), gone.len());
    let daemon = home.join("app-server-control/app-server-control.sock");
    let server = if daemon.exists() {
        "; its background server has a socket, and may hold sessions after a terminal was closed"
    } else {
        ""
    };
    let detail = format!("{held} open now, {stale} left behind by processes that are gone{server}");
    let sessions = if held == 0 {
        Check::ok(name, detail)
    } else {
        let hint = "a wake waits for a session that is open elsewhere, and then goes on in a fresh one";
        Check::warn(name, detail, hint)
    };
    [sessions, leftovers::of_program(known.checks.leftovers, &gone, Some(daemon.as_path()))]
}

/// Whether a file stands for a session: named by its id or its process. What else lies there, such as the lock by which
/// Codex takes the others, comes with no session.
fn is_session(file: &Path) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    SessionId::from_uuid_text(name).is_some() || name.parse::<u32>().is_ok()
}

/// Whether the server shakes hands as these programs do it.
async fn mcp(cx: &Context) -> Check {
    let target = match crate::bridge::Target::operator(cx) {
        Ok(target) => target,
        Err(problem) => {
            return Check::warn(
                "mcp",
                problem.detail,
                problem.hint.unwrap_or_else(|| "start it with: interlock up".into()),
            );
        }
    };
    let (url, token) = target;
    let there = crate::bridge::Target::Remote { url: url.clone(), token };
    let shaken = crate::bridge::shakes_hands(there, "interlock doctor");
    match tokio::time::timeout(HANDSHAKE_MAX, shaken).await {
        Ok(Ok(())) => Check::ok("mcp", format!("{url}/mcp shakes hands")),
        Ok(Err(problem)) => {
            let hint = problem.hint.unwrap_or_else(|| "look at the server's log".into());
            Check::fail("mcp", format!("{url}/mcp: {}", problem.detail), hint)
        }
        Err(_) => Check::fail("mcp", format!("{url}/mcp says nothing for 5 s"), "look at the server's log"),
    }
}
