//! How each player is started.

use std::path::Path;

use interlock_api::Problem;
use interlock_core::agent::{Launch, Runtime, Sandbox};
use interlock_scripted_model::ScriptedModel;

use super::model;
use super::options::{Params, Player};
use super::stage::Stage;
use crate::consent::{self, Asked};
use crate::context::Context;
use crate::environment;

/// The two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Executor,
    Reviewer,
}

impl Part {
    /// The name it plays under.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Executor => "executor",
            Self::Reviewer => "reviewer",
        }
    }

    fn player(self, params: &Params) -> &Player {
        match self {
            Self::Executor => &params.executor,
            Self::Reviewer => &params.reviewer,
        }
    }

    fn directory(self, stage: &Stage) -> &Path {
        match self {
            Self::Executor => &stage.executor,
            Self::Reviewer => &stage.reviewer,
        }
    }
}

/// How this part is run, and started.
///
/// # Errors
/// `PATH_UNWRITABLE`; `INTERNAL` when this program cannot find itself.
pub(crate) fn launch(
    params: &Params,
    part: Part,
    stage: &Stage,
    model: Option<&ScriptedModel>,
) -> Result<(Runtime, Launch), Problem> {
    let mut launch = Launch {
        directory: Some(part.directory(stage).display().to_string()),
        repository: Some(stage.repository().display().to_string()),
        ..Launch::default()
    };
    let runtime = match part.player(params) {
        Player::Builtin => {
            let program = environment::program()?.display().to_string();
            launch.command = vec![program, "__agent".into(), part.name().into()];
            Runtime::Command
        }
        Player::Command(words) => {
            launch.command.clone_from(words);
            Runtime::Command
        }
        Player::Codex => {
            launch.command = vec![params.codex.display().to_string()];
            launch.sandbox = Some(Sandbox::WorkspaceWrite);
            Runtime::Codex
        }
        Player::Claude => {
            launch.command = vec![params.claude.display().to_string()];
            launch.sandbox = Some(Sandbox::WorkspaceWrite);
            launch.allowed_tools = rules(params);
            Runtime::Claude
        }
    };
    if let Some(model) = model.filter(|_| runtime.is_cli()) {
        model::point(&mut launch, runtime, model, stage.root())?;
    }
    Ok((runtime, launch))
}

/// What Claude Code may run without asking: git, cargo, and the programs of the checks that were named.
fn rules(params: &Params) -> Vec<String> {
    let mut programs = vec!["git".to_owned(), "cargo".to_owned(), "sed".to_owned()];
    programs.extend(params.checks.iter().filter_map(|line| shlex::split(line)?.into_iter().next()));
    programs.sort();
    programs.dedup();
    programs.into_iter().map(|program| format!("Bash({program}:*)")).collect()
}

/// Show what codex and claude would be started with, and ask. With a scripted model and our own sample nothing of the
/// user's is used: no account, no model, no setting, no folder; then nobody is asked.
///
/// # Errors
/// `CONSENT_MISSING`; `SPAWN_FAILED` for a program that is not there.
pub(crate) fn agree(
    cx: &Context,
    params: &Params,
    stage: &Stage,
    model: Option<&ScriptedModel>,
) -> Result<(), Problem> {
    let parts: &[Part] =
        if params.review_only { &[Part::Reviewer] } else { &[Part::Executor, Part::Reviewer] };
    let mut asked = Vec::new();
    for part in parts {
        let (runtime, launch) = launch(params, *part, stage, model)?;
        if runtime.is_cli() {
            consent::find_program(&launch, &cx.environment.path)?;
            asked.push(Asked { name: part.name().to_owned(), runtime, launch });
        }
    }
    if asked.is_empty() || (model.is_some() && params.repo.is_none()) {
        return Ok(());
    }
    consent::ask(cx, &asked, params.yes)
}
