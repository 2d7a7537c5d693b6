//! What the commands do: one file per noun or verb, with its parameters.

pub(crate) mod agent;
pub(crate) mod builtin;
pub(crate) mod denial;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod install;
pub(crate) mod job;
mod lead;
pub(crate) mod ledger;
pub(crate) mod log;
pub(crate) mod mcp;
mod message_ref;
pub(crate) mod migrate;
pub(crate) mod operate;
mod owner;
pub(crate) mod policy;
mod reconnect;
pub(crate) mod resume;
pub(crate) mod runner;
pub(crate) mod search;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod summary;
pub(crate) mod supervise;
pub(crate) mod tail;
pub(crate) mod thread;
pub(crate) mod token;
pub(crate) mod trigger;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod wake;
pub(crate) mod webhook;

use std::future::Future;

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::environment::Environment;
use crate::exit::{End, Failure};
use crate::output::Output;
use crate::render::View;

/// Do what the command line says.
pub(crate) fn run(cli: Cli, environment: Environment, output: Output) -> End {
    let cx = Context { global: cli.global, environment, output };
    match cli.command {
        Command::Init(params) => interruptible(init::run(&cx, &params)),
        Command::Pilot(params) => blocking(crate::pilot::run(&cx, &params)),
        Command::Up(params) => up::run(&cx, &params),
        Command::Stop(params) => interruptible(stop::run(&cx, &params)),
        Command::Resume(params) => interruptible(resume::run(&cx, &params)),
        Command::Supervise(params) => blocking(supervise::run(&cx, &params)),
        Command::Bench(which) => blocking(crate::bench::run(&cx, which)),
        Command::Builtin(which) => blocking(builtin::run(which)),
        Command::Status(params) => interruptible(status::run(&cx, &params)),
        Command::Agent(verb) => interruptible(agent::run(&cx, verb)),
        Command::Thread(verb) => interruptible(thread::run(&cx, verb)),
        Command::InspectThread(params) => interruptible(operate::inspect(&cx, &params)),
        Command::EscalateThread(params) => interruptible(operate::escalate(&cx, params)),
        Command::UnblockThread(params) => interruptible(operate::unblock(&cx, params)),
        Command::OverrideCloseThread(params) => interruptible(operate::override_close(&cx, params)),
        Command::Policy(verb) => interruptible(policy::run(&cx, verb)),
        Command::Wake(verb) => interruptible(wake::run(&cx, verb)),
        Command::Webhook(verb) => interruptible(webhook::run(&cx, verb)),
        Command::Denial(verb) => interruptible(denial::run(&cx, verb)),
        Command::Job(verb) => interruptible(job::run(&cx, verb)),
        Command::Events(params) => interruptible(events::run(&cx, params)),
        Command::Hook(params) => interruptible(hook::run(&cx, &params)),
        Command::Mcp(params) => blocking(mcp::run(&cx, &params)),
        Command::Log(params) => log::run(&cx, &params),
        Command::Ledger(verb) => interruptible(ledger::run(&cx, verb)),
        Command::Verify(params) => verify::run(&cx, &params),
        Command::Token(verb) => token::run(&cx, &verb),
        Command::Migrate(params) => interruptible(migrate::run(&cx, &params)),
        Command::Doctor(params) => interruptible(doctor::run(&cx, &params)),
    }
}

/// Run a command that deals with signals itself, or not at all.
fn blocking(command: impl Future<Output = End>) -> End {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Problem::new(Reason::Defect, &format!("the asynchronous runtime cannot start: {error}"), "")
    })?;
    let end = runtime.block_on(command);
    // A blocked read of standard input must not keep the process.
    runtime.shutdown_background();
    end
}

/// Run a command that talks to a server, until its end or Ctrl-C.
fn interruptible(command: impl Future<Output = End>) -> End {
    blocking(async {
        tokio::select! {
            // The command goes first, so that Ctrl-C has its plain meaning while standard input is read.
            biased;
            end = command => end,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    })
}

/// The key that makes a mutation repeatable.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct KeyParams {
    /// Idempotency key: the same key with the same words is done once; a fresh one unless said otherwise.
    #[arg(long, value_name = "KEY", value_parser = crate::argument::key)]
    key: Option<String>,
}

impl KeyParams {
    fn as_deref(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct PageParams {
    /// Rows at most.
    #[arg(long, value_name = "ROWS", default_value = "50", value_parser = crate::argument::limit())]
    limit: u32,
    /// The next page, as the former one named it.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// What results are rendered with.
fn view(cx: &Context) -> View {
    View { style: cx.output.style(), now: Context::now() }
}
