//! `interlock agent add|list`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use interlock_api::Problem;
use interlock_api::operations::{ListAgents, RegisterAgent};
use interlock_api::v1::agent::{ListAgentsParams, RegisterAgentParams};
use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Label, Launch, LaunchVariable, Runtime, Sandbox, check_launch};
use serde_json::Value;

use super::{KeyParams, PageParams, view};
use crate::attach;
use crate::consent::{self, Asked};
use crate::context::Context;
use crate::exit::{Answer, End, to_json};
use crate::{argument, render, usage};

/// What can be done with agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Register an agent with the command that runs it, or a person: a name without a command.
    Add(AddParams),
    /// List the registered agents.
    List(PageParams),
    /// Show what makes your own Codex or Claude Code a participant, and write it into its configuration when asked to.
    Install(super::install::Params),
}

/// What `agent add` takes.
#[derive(Debug, Args)]
pub(crate) struct AddParams {
    /// The name: unique in the workspace, never reused.
    name: AgentName,
    /// The access role that its tokens carry.
    #[arg(long, value_name = "ROLE", default_value = "participant", value_parser = argument::role())]
    role: Role,
    /// How it is run: `command` when a command is given, else `unmanaged`; `codex` and `claude` are the coding agents'
    /// own programs.
    #[arg(long, value_name = "RUNTIME", value_parser = argument::runtime())]
    runtime: Option<Runtime>,
    /// The working directory of its processes; for codex and claude the repository unless said otherwise.
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// The git repository that it works in.
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// A variable of its environment: NAME takes the supervisor's value, NAME=VALUE sets one.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = argument::variable)]
    environment: Vec<LaunchVariable>,
    /// What codex or claude may do; `workspace-write` unless said otherwise.
    #[arg(long, value_name = "SANDBOX", value_parser = argument::sandbox())]
    sandbox: Option<Sandbox>,
    /// Run it only on a supervisor with this label, such as the name of its machine; any that has what it needs unless said
    /// otherwise.
    #[arg(long, value_name = "LABEL")]
    on: Option<Label>,
    /// The model that codex or claude uses; what their own configuration says unless said otherwise.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Let claude use a tool without asking, by a rule in its own words, such as 'Bash(cargo test:*)'.
    #[arg(long = "allow-tool", value_name = "RULE")]
    allowed_tools: Vec<String>,
    /// A further folder that codex or claude may write in.
    #[arg(long, value_name = "DIR")]
    writable: Vec<PathBuf>,
    /// Keep the sessions of codex in a server of Codex that Interlock runs, and that you can attach to from a terminal.
    #[arg(long)]
    live: bool,
    /// Agree to how codex or claude is started, without being asked.
    #[arg(long)]
    yes: bool,
    /// The command that is run for each wake, without a shell. For codex and claude: the program and first arguments.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
    #[command(flatten)]
    key: KeyParams,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::Add(params) => add(cx, params).await,
        Verb::List(page) => list(cx, page).await,
        Verb::Install(params) => super::install::run(cx, &params).await,
    }
}

async fn add(cx: &Context, params: AddParams) -> End {
    let runtime = runtime_of(&params)?;
    let is_local = cx.remote().is_none();
    let folder = |dir: Option<PathBuf>| dir.map(|dir| absolute(&dir, is_local)).transpose();
    let repository = folder(params.repo)?;
    if let Some(repository) = repository.as_deref().filter(|_| is_local) {
        check_repository(Path::new(repository))?;
    }
    let writable =
        params.writable.into_iter().map(|dir| absolute(&dir, is_local)).collect::<Result<_, _>>()?;
    let directory = match folder(params.cwd)? {
        // A coding agent that is to work in a repository begins there.
        None if runtime.is_cli() => repository.clone(),
        given => given,
    };
    let launch = Launch {
        command: params.command,
        directory,
        repository,
        environment: params.environment,
        sandbox: params.sandbox,
        model: params.model,
        allowed_tools: params.allowed_tools,
        writable,
        live: params.live,
        ..Launch::default()
    };
    // Before anybody is asked to agree to it.
    check_launch(runtime, &launch).map_err(|refusal| Problem::of(&refusal, ""))?;
    if runtime.is_cli() {
        let asked = Asked { name: params.name.to_string(), runtime, launch: launch.clone() };
        consent::ask(cx, &[asked], params.yes)?;
    }
    let request =
        RegisterAgentParams { name: params.name, role: params.role, runtime, launch, on: params.on };
    let agent = cx.connect()?.change::<RegisterAgent>(&request, params.key.as_deref()).await?;
    let text = format!("registered {} ({}, {})\n", agent.name, agent.role, agent.runtime);
    Ok(Answer::new(&agent, text)?)
}

fn runtime_of(params: &AddParams) -> Result<Runtime, Problem> {
    let is_for_cli = params.sandbox.is_some()
        || params.model.is_some()
        || !params.allowed_tools.is_empty()
        || !params.writable.is_empty()
        || params.live;
    if is_for_cli && !params.runtime.is_some_and(Runtime::is_cli) {
        let detail =
            "--sandbox, --model, --allow-tool, --writable and --live are for --runtime codex or claude";
        return Err(usage::invalid(detail));
    }
    let has_launch = params.cwd.is_some() || params.repo.is_some() || !params.environment.is_empty();
    match (params.runtime, params.command.is_empty()) {
        (Some(runtime @ (Runtime::Codex | Runtime::Claude)), _) => Ok(runtime),
        (Some(Runtime::Command), true) => {
            Err(usage::invalid("runtime `command` needs a command").hint("put it at the end, after --"))
        }
        (Some(Runtime::Unmanaged), false) => {
            Err(usage::invalid("runtime `unmanaged` takes no command")
                .hint("leave out --runtime or the command"))
        }
        (None | Some(Runtime::Unmanaged), true) if has_launch => {
            let detail = "--cwd, --repo and --env are for agents with a command";
            Err(usage::invalid(detail).hint("put the command at the end, after --"))
        }
        (None | Some(Runtime::Unmanaged), true) => Ok(Runtime::Unmanaged),
        (None | Some(Runtime::Command), false) => Ok(Runtime::Command),
    }
}

/// The folder as the supervisor will see it: on this machine it must exist, elsewhere it must be absolute.
fn absolute(dir: &Path, is_local: bool) -> Result<String, Problem> {
    let wrong = |cause: &str| {
        let detail = format!("`{}` {cause}", dir.display());
        Problem::new(Reason::ParameterInvalid, &detail, "").hint("name an existing folder by its full path")
    };
    let full = if is_local {
        std::fs::canonicalize(dir).map_err(|error| wrong(&crate::instance::cause(&error)))?
    } else if dir.is_absolute() {
        return dir.to_str().map(str::to_owned).ok_or_else(|| wrong("is no UTF-8"));
    } else {
        return Err(wrong("must be absolute: it is a folder on the supervisor's machine"));
    };
    if !full.is_dir() {
        return Err(wrong("is not a folder"));
    }
    full.to_str().map(str::to_owned).ok_or_else(|| wrong("is no UTF-8"))
}

/// A work tree has `.git`, a bare repository has its parts.
fn check_repository(dir: &Path) -> Result<(), Problem> {
    if dir.join(".git").exists() || (dir.join("HEAD").is_file() && dir.join("objects").is_dir()) {
        return Ok(());
    }
    let detail = format!("`{}` is no git repository", dir.display());
    Err(Problem::new(Reason::NotARepository, &detail, "").hint("name the folder that holds `.git`"))
}

async fn list(cx: &Context, page: PageParams) -> End {
    let request = ListAgentsParams { cursor: page.cursor, limit: page.limit, wait_ms: 0 };
    let answer = cx.connect()?.read::<ListAgents>(&request).await?;
    let mut text = render::agent::list(view(cx), &answer);
    let mut json = to_json(&answer)?;
    for (n, agent) in answer.agents.iter().enumerate() {
        let Some(command) = attach::to_agent(cx, agent).await else { continue };
        text.extend(["sit down in front of ", agent.name.as_str(), ": ", &command, "\n"]);
        if let Some(agent) = json.pointer_mut(&format!("/agents/{n}")).and_then(Value::as_object_mut) {
            agent.insert("attach".into(), command.into());
        }
    }
    Ok(Answer::new(&json, text)?)
}
