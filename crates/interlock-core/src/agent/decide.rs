//! Rules of registering agents.

use super::{Launch, Runtime};
use crate::actor::Role;
use crate::command::{Envelope, RegisterAgent};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::id::AgentId;
use crate::limits::{COMMAND_WORDS_MAX, LAUNCH_BYTES_MAX};
use crate::reason::{Reason, Refusal};
use crate::text::Salt;
use crate::time::Now;

/// An agent is made known under a name that nobody had before.
pub(crate) fn register(
    facts: &Facts,
    env: &Envelope,
    command: &RegisterAgent,
    now: &Now,
) -> Result<Decision, Stop> {
    let name = &command.name;
    if facts.agent(name)?.is_some() {
        return Err(Refusal::new(Reason::AgentExists, format!("an agent `{name}` exists already"))
            .hint("choose another name; names are never reused")
            .into());
    }
    if command.role == Role::Supervisor {
        return Err(
            Refusal::new(Reason::ParameterInvalid, "an agent cannot have the role `supervisor`").into()
        );
    }
    let text = launch_text(command)?;
    let launch_salt = Salt::derive(&env.entropy, 0);
    Ok(Decision::of(vec![Event::AgentRegistered {
        agent_id: AgentId::derive(now.wall, &env.entropy, 0),
        name: name.clone(),
        role: command.role,
        runtime: command.runtime,
        launch_digest: crate::text::digest(&launch_salt, &[text.as_bytes()]),
        launch: command.launch.clone(),
        launch_salt,
    }]))
}

fn launch_text(command: &RegisterAgent) -> Result<String, Refusal> {
    let Launch { command: words, .. } = &command.launch;
    let wrong = |detail: String| Refusal::new(Reason::ParameterInvalid, detail);
    match command.runtime {
        Runtime::Unmanaged if command.launch != Launch::default() => {
            return Err(wrong("an unmanaged agent takes no command line".into()));
        }
        Runtime::Command if words.first().is_none_or(String::is_empty) => {
            return Err(wrong("a command agent needs a command line".into()));
        }
        Runtime::Command if command.launch.is_for_cli() => {
            let detail = "sandbox, model, allowed tools and writable folders are for `codex` and `claude`";
            return Err(wrong(detail.into()));
        }
        Runtime::Codex | Runtime::Claude if words.first().is_some_and(String::is_empty) => {
            return Err(wrong("the program's name is empty".into()));
        }
        Runtime::Codex if !command.launch.allowed_tools.is_empty() => {
            return Err(wrong("allowed tools are for `claude`; `codex` goes by its sandbox".into()));
        }
        _ => {}
    }
    if let Some(folder) = command.launch.writable.iter().find(|folder| !folder.starts_with('/')) {
        return Err(wrong(format!("the writable folder `{folder}` is not absolute")));
    }
    if words.len() > COMMAND_WORDS_MAX {
        return Err(Refusal::new(
            Reason::LimitExceeded,
            format!("the command line has {} words, at most {COMMAND_WORDS_MAX} are allowed", words.len()),
        ));
    }
    if let Some(bad) = command.launch.environment.iter().find(|v| !is_variable_name(&v.name)) {
        return Err(wrong(format!("`{}` is no name of an environment variable", bad.name)));
    }
    let Launch { directory, repository, model, allowed_tools, writable, .. } = &command.launch;
    let all =
        words.iter().chain(directory).chain(repository).chain(model).chain(allowed_tools).chain(writable);
    if all.chain(command.launch.environment.iter().filter_map(|v| v.value.as_ref())).any(|t| t.contains('\0'))
    {
        return Err(wrong("a NUL character cannot be handed to a process".into()));
    }
    let text = serde_json::to_string(&command.launch).map_err(|error| wrong(error.to_string()))?;
    if text.len() > LAUNCH_BYTES_MAX {
        return Err(Refusal::new(
            Reason::LimitExceeded,
            format!(
                "the launch description has {} bytes, at most {LAUNCH_BYTES_MAX} are allowed",
                text.len()
            ),
        ));
    }
    Ok(text)
}

/// Names of ours are set by us alone.
fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("INTERLOCK_")
}
