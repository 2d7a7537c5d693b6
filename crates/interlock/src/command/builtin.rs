//! `interlock __agent reviewer|executor|echo`: the built-in command agents, started by a supervisor.

use clap::{Args, Subcommand};
use interlock_agents::{AgentEnv, run_echo, run_executor, run_reviewer};
use interlock_api::Problem;
use interlock_core::Reason;

use crate::environment;
use crate::exit::{Answer, End};

/// Which built-in agent.
#[derive(Debug, Subcommand)]
pub(crate) enum Which {
    /// Runs checks and turns their output into findings.
    Reviewer(Params),
    /// Mends findings and commits.
    Executor(Params),
    /// Answers whatever is said, with the same words.
    Echo(EchoParams),
}

/// What the echo takes.
#[derive(Debug, Args)]
pub(crate) struct EchoParams {
    /// What it answers.
    #[arg(value_name = "WORDS")]
    words: String,
}

/// What both others take.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// A check command; the task's checks unless said otherwise.
    #[arg(long = "check", value_name = "CMD")]
    checks: Vec<String>,
}

/// One turn of the agent.
pub(crate) async fn run(which: Which) -> End {
    let here = std::env::current_dir().map_err(|error| {
        Problem::new(Reason::PathUnwritable, &format!("the working directory is gone: {error}"), "")
    })?;
    let env = AgentEnv::parse(environment::text, here).map_err(|error| {
        Problem::new(Reason::UsageInvalid, &error.to_string(), "")
            .hint("this is started by a supervisor, which sets the environment")
    })?;
    let checks = |params: Params| if params.checks.is_empty() { None } else { Some(params.checks) };
    let mut log = std::io::stderr();
    let code = match which {
        Which::Reviewer(params) => run_reviewer(&env, checks(params), &mut log).await,
        Which::Executor(params) => run_executor(&env, checks(params), &mut log).await,
        Which::Echo(params) => run_echo(&env, &params.words, &mut log).await,
    };
    Ok(Answer { code, ..Answer::written() })
}
