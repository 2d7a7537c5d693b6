//! What becomes the agent: ties its life to the shim's, then executes the command.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::protocol::Failure;

/// The exit code when the command could not be executed; the shim knows it from the failure, not from this.
const NOT_EXECUTED: u8 = 127;
/// The first file number that is not a standard stream.
const FIRST_FREE: i32 = 3;

/// Run with `--parent PID [--directory DIRECTORY] [--input FILE] -- COMMAND...`; standard input is where failures are written to.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    // A copy that execution closes: its end tells the shim that the command runs.
    let Ok(status) = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), FIRST_FREE) else {
        return NOT_EXECUTED;
    };
    let failure = become_command(args.into_iter());
    // Standard error is the wake's log already.
    eprintln!("{}\nhint: {}", failure.detail, failure.hint);
    if let Ok(text) = serde_json::to_vec(&failure) {
        // Nobody is left to be told when the shim is gone.
        let _told: io::Result<()> = std::fs::File::from(status).write_all(&text);
    }
    NOT_EXECUTED
}

fn become_command(mut args: impl Iterator<Item = OsString>) -> Failure {
    let misuse = || Failure { detail: "misused".into(), hint: "this subcommand is for the shim only".into() };
    let mut parent = None;
    let mut input = Stdio::null();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--parent") => parent = args.next().and_then(|pid| pid.to_str()?.parse::<i32>().ok()),
            Some("--directory") => {
                let directory = args.next().unwrap_or_default();
                if let Err(error) = std::env::set_current_dir(&directory) {
                    return Failure {
                        detail: format!(
                            "the working directory `{}` cannot be used: {error}",
                            directory.display()
                        ),
                        hint: "make the directory, or give the agent another one".into(),
                    };
                }
            }
            Some("--input") => {
                let path = args.next().unwrap_or_default();
                match std::fs::File::open(&path) {
                    Ok(file) => input = file.into(),
                    Err(error) => {
                        return Failure {
                            detail: format!("the agent's input `{}` cannot be read: {error}", path.display()),
                            hint: "keep the supervisor's state folder in its place".into(),
                        };
                    }
                }
            }
            Some("--") => break,
            _ => return misuse(),
        }
    }
    let Some(parent) = parent else { return misuse() };
    let Some(program) = args.next() else {
        return Failure { detail: "the agent has no command".into(), hint: "register it with one".into() };
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return Failure {
            detail: format!("the process cannot be tied to its shim: {error}"),
            hint: String::new(),
        };
    }
    // A shim that died before the line above sends no signal any more.
    if getppid().is_none_or(|pid| pid.as_raw_nonzero().get() != parent) {
        return Failure { detail: "the shim is gone".into(), hint: String::new() };
    }
    let error = Command::new(&program).args(args).stdin(input).exec();
    Failure {
        detail: format!("`{}` cannot be executed: {error}", program.display()),
        hint: hint(Path::new(&program), &error),
    }
}

fn hint(program: &Path, error: &io::Error) -> String {
    let has_path = program.components().count() > 1;
    match error.kind() {
        io::ErrorKind::NotFound if has_path && program.exists() => {
            "the interpreter named in its first line is missing"
        }
        io::ErrorKind::NotFound if has_path => {
            "there is no such file; a relative path counts from the agent's directory"
        }
        io::ErrorKind::NotFound => "it is not on the supervisor's PATH; install it or give its absolute path",
        io::ErrorKind::PermissionDenied if program.is_dir() => "it is a directory",
        io::ErrorKind::PermissionDenied => "make it executable: chmod +x",
        io::ErrorKind::ArgumentListTooLong => "shorten the command line or the environment",
        io::ErrorKind::InvalidInput => "the command line holds a NUL character",
        _ => "check that it is a program for this machine",
    }
    .into()
}
