//! The `interlock` binary: the command line, and the one place that reads arguments, environment and configuration.
//!
//! The way in: [`cli`] says what there is to type, `command/<noun>.rs` does it, [`output`] is the only module that
//! prints, [`exit`] turns an end into an exit code. To add a command: a variant in `cli.rs`, a file in `command/`,
//! an arm in `command/mod.rs`.
//! Deliberately absent: rules, storage and prompts. Nothing here ever waits for an answer from a terminal.

mod argument;
mod cli;
mod command;
mod connection;
mod context;
mod environment;
mod exit;
mod identity;
mod instance;
mod output;
mod panic;
mod random;
mod render;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = environment::Environment::read();
    let arguments: Vec<_> = std::env::args_os().collect();
    let output = output::Output::new(usage::wants_json(&arguments), environment.no_color);
    panic::install(output);
    let end = match usage::parse(&arguments) {
        Ok(cli) => command::run(cli, environment, output),
        Err(end) => end,
    };
    ExitCode::from(output.finish(&end))
}
