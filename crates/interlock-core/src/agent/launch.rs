//! Which launch descriptions are taken: what a runtime does not understand is refused, never ignored.

use super::{Launch, Runtime, Sandbox};
use crate::limits::{COMMAND_WORDS_MAX, LAUNCH_BYTES_MAX};
use crate::reason::{Reason, Refusal};

/// Whether an agent of this runtime can be registered like this.
///
/// # Errors
/// `PARAMETER_INVALID` and `LIMIT_EXCEEDED`, as `register_agent` answers.
pub fn check_launch(runtime: Runtime, launch: &Launch) -> Result<(), Refusal> {
    text(runtime, launch).map(drop)
}

/// The description as the text that its digest is taken of.
pub(super) fn text(runtime: Runtime, launch: &Launch) -> Result<String, Refusal> {
    fits(runtime, launch).map_err(wrong)?;
    folders(launch)?;
    words(launch)?;
    let text = serde_json::to_string(launch).map_err(|error| wrong(error.to_string()))?;
    if text.len() > LAUNCH_BYTES_MAX {
        let detail = format!(
            "the launch description has {} bytes, at most {LAUNCH_BYTES_MAX} are allowed",
            text.len()
        );
        return Err(Refusal::new(Reason::LimitExceeded, detail));
    }
    Ok(text)
}

fn wrong(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::ParameterInvalid, detail)
}

/// What each runtime needs, and what it knows nothing of.
fn fits(runtime: Runtime, launch: &Launch) -> Result<(), &'static str> {
    let first = launch.command.first();
    match runtime {
        Runtime::Unmanaged if *launch != Launch::default() => Err("an unmanaged agent takes no command line"),
        Runtime::Command if first.is_none_or(String::is_empty) => Err("a command agent needs a command line"),
        Runtime::Command if launch.is_for_cli() => {
            Err("sandbox, model, allowed tools and writable folders are for `codex` and `claude`")
        }
        Runtime::Codex | Runtime::Claude if first.is_some_and(String::is_empty) => {
            Err("the program's name is empty")
        }
        Runtime::Command | Runtime::Claude if launch.live => {
            Err("only `codex` has a server that its sessions can be kept in")
        }
        Runtime::Codex if !launch.allowed_tools.is_empty() => {
            Err("allowed tools are for `claude`; `codex` goes by its sandbox")
        }
        _ => Ok(()),
    }
}

fn folders(launch: &Launch) -> Result<(), Refusal> {
    if let Some(folder) = launch.writable.iter().find(|folder| !folder.starts_with('/')) {
        return Err(wrong(format!("the writable folder `{folder}` is not absolute")));
    }
    match launch.sandbox {
        Some(sandbox @ (Sandbox::ReadOnly | Sandbox::DangerFullAccess)) if !launch.writable.is_empty() => {
            let detail = format!("writable folders mean nothing with the sandbox `{sandbox}`");
            Err(wrong(detail).hint("leave them out, or take the sandbox `workspace-write`"))
        }
        _ => Ok(()),
    }
}

fn words(launch: &Launch) -> Result<(), Refusal> {
    let Launch { command, directory, repository, model, allowed_tools, writable, environment, .. } = launch;
    if command.len() > COMMAND_WORDS_MAX {
        let count = command.len();
        let detail = format!("the command line has {count} words, at most {COMMAND_WORDS_MAX} are allowed");
        return Err(Refusal::new(Reason::LimitExceeded, detail));
    }
    if let Some(bad) = environment.iter().find(|variable| !is_variable_name(&variable.name)) {
        return Err(wrong(format!("`{}` is no name of an environment variable", bad.name)));
    }
    let lists = command.iter().chain(allowed_tools).chain(writable);
    let all = lists.chain(directory).chain(repository).chain(model);
    let values = environment.iter().filter_map(|variable| variable.value.as_ref());
    if all.chain(values).any(|text| text.contains('\0')) {
        return Err(wrong("a NUL character cannot be handed to a process"));
    }
    Ok(())
}

/// Names of ours are set by us alone.
fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("INTERLOCK_")
}
