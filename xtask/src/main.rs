//! Repository automation: `cargo xtask <command>`.
//!
//! One place for what a developer and continuous integration both run, so that "it passed here" means the same on
//! every machine. It is no part of the product: none of our crates depends on it, and it depends on none of them.
#![expect(clippy::print_stdout, reason = "a command line program talks on standard output")]

mod cache;
mod ci;
mod contract;
mod external;
mod npm;
mod pip;
mod postgres;
mod shell;
mod test_run;
mod tidy;
mod torture;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
Repository automation.

Usage: cargo xtask <COMMAND>

Commands:
  test [-p CRATE]... [--store S] [-- FILTER...]
                                      build what the tests need and run them; the runner's summary comes last
  verify-external                     the program and its contract against testers from outside: spectral, oasdiff,
                                      schemathesis, MCP conformance suite, inspector
  freeze                              freeze the contract as it is now, when all that was frozen before still holds
  torture [--cycles N] [--store S]    kill -9 of the server, 10,000 times unless said otherwise, under callers;
                                      on `sqlite`, or on `postgres`
  tidy                                the rules no compiler checks: layers, sizes, documents, licences, words, layout
  ci                                  format, tidy, clippy, release build, pilot and chaos run from a clean clone, outside testers,
                                      tests; those of the server once more on PostgreSQL
  help                                this text

Options of test:
  -p, --package CRATE   only the tests of this crate; may be repeated
  --store STORE         with `-p interlock-server`: everything is kept in `sqlite`, or in `postgres`
  FILTER                only tests whose name contains one of these

Environment:
  CI=true   tests that cannot run here fail instead of being skipped (sets INTERLOCK_REQUIRE_ALL=1), and one failing
            test does not hide the others

Exit codes: 0 all is well; 1 a check failed; 2 the command line is wrong; tests pass on their runner's own code.
";

/// Exit code for a command line that makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else { return Ok(usage("a command is missing")) };
    if rest.iter().take_while(|word| *word != "--").any(|word| word == "-h" || word == "--help") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    match (command.as_str(), rest) {
        ("help" | "-h" | "--help", _) => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        ("test", _) => match test_run::Selection::parse(rest) {
            Ok(selection) => test_run::run(&selection, test_run::Profile::from_environment()),
            Err(wrong) => Ok(usage(&wrong)),
        },
        ("tidy", []) => Ok(if tidy::run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        ("verify-external", []) => external::run(),
        ("freeze", []) => contract::freeze(),
        ("torture", _) => match torture::parse(rest) {
            Ok(torture) => torture::run(&torture),
            Err(wrong) => Ok(usage(&wrong)),
        },
        ("ci", []) => ci::run(),
        ("tidy" | "verify-external" | "freeze" | "ci", _) => {
            Ok(usage(&format!("`{command}` takes no arguments")))
        }
        _ => Ok(usage(&format!("there is no command `{command}`"))),
    }
}

fn usage(wrong: &str) -> ExitCode {
    eprintln!("error: {wrong}\nhint: see `cargo xtask --help`");
    ExitCode::from(USAGE)
}
