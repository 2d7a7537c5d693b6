//! The `interlock` binary: the command line, and the one place that reads arguments, environment and configuration.
//!
//! The way in: [`cli`] says what there is to type, `command/<noun>.rs` does it, [`output`] is the only module that
//! prints, [`exit`] turns an end into an exit code. To add a command: a variant in `cli.rs`, a file in `command/`,
//! an arm in `command/mod.rs`.
//! Deliberately absent: rules, rules and storage. Only [`consent`] asks a person, and only at a terminal.

mod argument;
mod attach;
mod bench;
mod bridge;
mod child;
mod cli;
mod command;
mod connection;
mod consent;
mod context;
mod database;
mod environment;
mod exit;
mod identity;
mod instance;
mod jobs;
mod node;
mod output;
mod panic;
mod pilot;
mod random;
mod render;
mod serverlog;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = environment::Environment::read();
    let arguments: Vec<_> = std::env::args_os().collect();
    // Before anything else: a shim must be small, and an agent's own words are no options of ours.
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some("__shim") => return ExitCode::from(interlock_supervisor::shim_main()),
        Some("__exec") => {
            return ExitCode::from(interlock_supervisor::exec_main(arguments.into_iter().skip(2)));
        }
        _ => {}
    }
    let output = output::Output::new(usage::wants_json(&arguments), environment.no_color);
    panic::install(output);
    let end = match usage::parse(&arguments) {
        Ok(cli) => command::run(cli, environment, output),
        Err(end) => end,
    };
    ExitCode::from(output.finish(&end))
}
