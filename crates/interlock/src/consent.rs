//! What people are shown before a coding agent's own program is started for them, with their account and in their folders.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::agent::{Launch, Runtime, Sandbox};

use crate::context::Context;
use crate::environment;
use crate::output::Output;
use crate::render::safe;

/// One agent that is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) runtime: Runtime,
    pub(crate) launch: Launch,
}

/// Show them, and ask whether they may be started; `yes` was said already with --yes.
///
/// # Errors
/// `CONSENT_MISSING` for a no, and where nobody can be asked.
pub(crate) fn ask(cx: &Context, asked: &[Asked], yes: bool) -> Result<(), Problem> {
    Output::note(&screen(asked));
    if yes {
        return Ok(());
    }
    let missing = |detail: &str| {
        Err(Problem::new(Reason::ConsentMissing, detail, "")
            .hint("read what is shown above, then repeat it with --yes"))
    };
    if cx.output.is_json() || !std::io::stdin().is_terminal() {
        return missing("nobody is there who could agree to this");
    }
    Output::note("Start them like this? [y/N]");
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match (read, line.trim().to_ascii_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => Ok(()),
        _ => missing("you did not agree"),
    }
}

/// Everything that matters about how they are started; names of variables, never their values.
fn screen(asked: &[Asked]) -> String {
    let mut text =
        String::from("Interlock will start these programs by itself, whenever a message wakes them:\n");
    let own = environment::all();
    for Asked { name, runtime, launch } in asked {
        let words = interlock_supervisor::describe(*runtime, launch, "http://127.0.0.1:PORT", &own);
        let line = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
        let variables: Vec<&str> = launch.environment.iter().map(|variable| variable.name.as_str()).collect();
        let folder = launch.directory.as_deref().unwrap_or("the supervisor's");
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "\n`{name}` ({runtime})\n  command    {}\n  folder     {}\n  sandbox    {}\n  login      {}\n  variables  {}\n",
            safe::line(&line),
            safe::line(folder),
            safe::line(&sandbox(*runtime, launch)),
            login(*runtime),
            if variables.is_empty() {
                "none besides the contract's".to_owned()
            } else {
                variables.join(", ")
            },
        );
        if *runtime == Runtime::Claude {
            text.push_str(
                "  settings   your own; hooks, servers and permissions that lie in the folder are left out\n",
            );
        }
        if launch.live {
            text.push_str(
                "  live       its sessions stay open in `codex app-server`, on a socket that only you can use\n",
            );
        }
        if launch.sandbox == Some(Sandbox::DangerFullAccess) {
            text.push_str("  WARNING    it may do anything on this machine that you may do\n");
        }
    }
    text.push_str(
        "\nNone of your configuration is changed: the MCP server and its token are given to each run alone.",
    );
    text
}

/// Who holds Claude Code back, and what may let it go.
const CLAUDE_REFUSES: &str =
    "is refused, unless your own settings allow it. Claude Code itself enforces this, not the system";

fn sandbox(runtime: Runtime, launch: &Launch) -> String {
    let sandbox = launch.sandbox.unwrap_or(Sandbox::WorkspaceWrite);
    let more =
        if launch.writable.is_empty() { String::new() } else { format!(", {}", launch.writable.join(", ")) };
    let git =
        if launch.repository.is_some() { " and in git's folder of the repository, for commits" } else { "" };
    match (sandbox, runtime) {
        (Sandbox::ReadOnly, Runtime::Claude) => format!(
            "read-only: reads, and runs what it knows to be only reading; anything else {CLAUDE_REFUSES}"
        ),
        (Sandbox::ReadOnly, _) => "read-only: the system lets it change no file".to_owned(),
        (Sandbox::WorkspaceWrite, Runtime::Claude) => format!(
            "workspace-write: edits files in its folder{more} without asking, by commands such as rm and cp too; runs other commands without asking: {}; anything else {CLAUDE_REFUSES}",
            if launch.allowed_tools.is_empty() { "none".to_owned() } else { launch.allowed_tools.join(" ") }
        ),
        (Sandbox::WorkspaceWrite, _) => {
            format!(
                "workspace-write: the system lets it write in its folder{git}{more} and in temporary folders; no network for what it runs"
            )
        }
        (Sandbox::DangerFullAccess, _) => "danger-full-access: nothing holds it back".to_owned(),
    }
}

const fn login(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Claude => "yours, from CLAUDE_CONFIG_DIR or ~/.claude",
        _ => "yours, from CODEX_HOME or ~/.codex",
    }
}

/// The program of this launch description, as the supervisor will find it.
///
/// # Errors
/// `SPAWN_FAILED` with how to get it.
pub(crate) fn find_program(launch: &Launch, path: &[PathBuf]) -> Result<PathBuf, Problem> {
    let word = launch.command.first().map_or("", String::as_str);
    let given = Path::new(word);
    let found = if given.components().count() > 1 {
        Some(given.to_owned()).filter(|file| file.is_file())
    } else {
        path.iter().map(|folder| folder.join(given)).find(|file| file.is_file())
    };
    found.ok_or_else(|| {
        let package = if word.contains("claude") { "@anthropic-ai/claude-code" } else { "@openai/codex" };
        Problem::new(Reason::SpawnFailed, &format!("there is no program `{word}`"), "")
            .hint(format!("install it (npm package {package}), or name it with --codex or --claude"))
    })
}
