//! What there is to type. One variant per noun or verb; what each takes stands in its file in `command/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use interlock_core::actor::AgentName;

use crate::command::{
    agent, builtin, denial, doctor, events, hook, init, job, ledger, log, mcp, migrate, operate, policy,
    resume, snapshot, status, stop, supervise, thread, token, up, verify, wake, webhook,
};

/// What help ends with, for whoever sees it for the first time.
const FIRST_STEPS: &str = "\
First steps:
  interlock pilot   see two agents do a job, with nothing to set up
  interlock init    make an instance in this folder
  interlock up      start its server
  interlock status  see what goes on, and what needs you";

/// The control plane for a team of AI coding agents.
#[derive(Debug, Parser)]
#[command(name = "interlock", version, about, max_term_width = 100, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Write JSON to standard output; its last line is one object, also on failure.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The folder with the instance; INTERLOCK_INSTANCE, or found upwards from the working directory, unless said
    /// otherwise.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) instance: Option<PathBuf>,
    /// A server by its address, with the token in INTERLOCK_TOKEN.
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["instance", "acting"])]
    pub(crate) server: Option<String>,
    /// Who you are; INTERLOCK_AGENT or your login name unless said otherwise.
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(crate) acting: Option<AgentName>,
}

/// The commands, in the order of help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch two agents finish a job on their own: on a sample, or on your repository.
    Pilot(crate::pilot::Params),
    /// Make an instance here: the folder `.interlock` with its configuration and keys.
    Init(init::Params),
    /// Start the server of this instance, with its supervisor.
    Up(up::Params),
    /// Halt every agent at once and stop the server; `interlock up` lets them go on.
    Stop(stop::Params),
    /// Let agents go on that were halted: on every server of the workspace.
    Resume(resume::Params),
    /// See the whole workspace at one look: threads, agents, wakes, and what needs a person.
    Status(status::Params),
    /// Register agents and people, and list them.
    #[command(subcommand)]
    Agent(agent::Verb),
    /// Open threads, talk in them, and watch them.
    #[command(subcommand)]
    Thread(thread::Verb),
    /// See who was woken, why, and what came of it; ask again, or end it.
    #[command(subcommand)]
    Wake(wake::Verb),
    /// For operators: see a thread with its participants, messages and wakes, and why nobody is woken.
    InspectThread(operate::InspectParams),
    /// For operators: block a thread, so that nobody is woken in it but whoever must act.
    EscalateThread(operate::EscalateParams),
    /// For operators: let a blocked thread go on.
    UnblockThread(operate::ActionParams),
    /// For operators: close a thread over everything that is open in it; the reason begins with `human_override:`.
    OverrideCloseThread(operate::ActionParams),
    /// See the server's own work, and let what is dead try again.
    #[command(subcommand)]
    Job(job::Verb),
    /// Count what the workspace has done by a moment that you name, and compare two of them.
    #[command(subcommand)]
    Snapshot(snapshot::Verb),
    /// See what callers were not allowed.
    #[command(subcommand)]
    Denial(denial::Verb),
    /// Tell other programs of events over HTTP.
    #[command(subcommand)]
    Webhook(webhook::Verb),
    /// See the numbers by which agents are woken and guarded, and jobs tried again.
    #[command(subcommand)]
    Policy(policy::Verb),
    /// Follow what happens in the workspace, event by event.
    Events(events::Params),
    /// Read what a wake's process printed.
    Log(log::Params),
    /// Offer the running server's MCP tools on standard input and output, as the participant named by --as.
    Mcp(mcp::Params),
    /// Run by the hooks of your own Codex or Claude Code: tells the server what happens there, and the program what waits.
    Hook(hook::Params),
    /// Read and export the ledger.
    #[command(subcommand)]
    Ledger(ledger::Verb),
    /// Verify an exported ledger, offline.
    Verify(verify::Params),
    /// Issue access tokens.
    #[command(subcommand)]
    Token(token::Verb),
    /// Move the instance to PostgreSQL, or back into its file, with nothing lost.
    Migrate(migrate::Params),
    /// Check the instance, its server and this machine.
    Doctor(doctor::Params),
    /// Run agents for a server elsewhere: the supervisor alone.
    Supervise(supervise::Params),
    /// Measure this machine: what is reached, beside what the disk allows at the same time.
    #[command(subcommand)]
    Bench(crate::bench::Which),
    /// A built-in agent; started by a supervisor.
    #[command(name = "__agent", hide = true, subcommand)]
    Builtin(builtin::Which),
}
