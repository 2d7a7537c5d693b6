//! The one way to run the tests.
//!
//! Nothing is printed after the runner, so that its summary closes every log. There are no retries: a test that
//! passes at the second attempt has failed.

use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Result, anyhow};

use crate::{npm, shell};

/// Crates whose tests never start the program, so that a run of theirs need not build it.
const WITHOUT_PROGRAM: [&str; 8] = [
    "interlock-api",
    "interlock-core",
    "interlock-engine",
    "interlock-ledger",
    "interlock-store",
    "interlock-store-postgres",
    "interlock-store-sqlite",
    "xtask",
];

/// The crate whose tests can keep everything in either store, and the variable that says in which.
const ON_EITHER_STORE: &str = "interlock-server";
const STORE: &str = "INTERLOCK_TEST_STORE";

/// Crates with tests that run the coding agents' own programs.
const WITH_AGENTS: [&str; 2] = ["interlock", "interlock-scripted-model"];

/// Which tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Crates; none means all.
    crates: Vec<String>,
    /// Parts of test names; none means all.
    filters: Vec<String>,
    /// Whether everything is kept in PostgreSQL where a file would do.
    on_postgres: bool,
}

/// How strict to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// At a desk: stop at the first failure.
    Default,
    /// Continuous integration: run everything, and tell of every failure.
    Ci,
}

impl Profile {
    /// Strict when nothing may be skipped.
    pub(crate) fn from_environment() -> Self {
        if shell::is_strict() { Self::Ci } else { Self::Default }
    }
}

impl Selection {
    /// Reads `[-p CRATE]... [--store STORE] [-- FILTER...]`; the error says what is wrong with it.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut selection = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-p" | "--package" => {
                    let name = words.next().filter(|name| !name.starts_with('-'));
                    selection
                        .crates
                        .push(name.ok_or_else(|| format!("`{word}` needs a crate's name"))?.clone());
                }
                "--store" => match words.next().map(String::as_str) {
                    Some("sqlite") => {}
                    Some("postgres") => selection.on_postgres = true,
                    _ => return Err(format!("`{word}` needs `sqlite` or `postgres`")),
                },
                "--" => selection.filters = words.by_ref().cloned().collect(),
                _ => return Err(format!("`{word}` is no option of test; filters go after `--`")),
            }
        }
        if selection.on_postgres && selection.crates != [ON_EITHER_STORE] {
            return Err(format!(
                "`--store postgres` is for `-p {ON_EITHER_STORE}` alone: others name their store"
            ));
        }
        Ok(selection)
    }

    /// Everything that callers may rely on, once more with PostgreSQL below it.
    pub(crate) fn behaviour_on_postgres() -> Self {
        Self { crates: vec![ON_EITHER_STORE.to_owned()], on_postgres: true, ..Self::default() }
    }

    /// The packages, as cargo wants them said.
    fn packages(&self) -> Vec<&str> {
        match self.crates.as_slice() {
            [] => vec!["--workspace"],
            crates => crates.iter().flat_map(|name| ["-p", name]).collect(),
        }
    }

    /// What to build before the runner starts, if anything. With the whole workspace the tests are built along with
    /// the programs: on their own they would be built with fewer features, and their dependencies twice.
    fn build(&self) -> Option<Vec<&str>> {
        if self.crates.is_empty() {
            let programs = ["--bin", "interlock", "--bin", "interlock-conformance"];
            return Some([&["build", "--workspace", "--tests"], programs.as_slice()].concat());
        }
        // The server's tests start no program, whatever a selection of them is built with at a desk.
        let needs_program =
            !self.on_postgres && self.crates.iter().any(|name| !WITHOUT_PROGRAM.contains(&name.as_str()));
        needs_program.then(|| vec!["build", "-p", "interlock"])
    }

    /// Whether its tests may run the coding agents' own programs.
    fn needs_agents(&self) -> bool {
        self.crates.is_empty() || self.crates.iter().any(|name| WITH_AGENTS.contains(&name.as_str()))
    }

    fn runner(&self, profile: Profile, has_nextest: bool) -> Vec<&str> {
        let mut words = match (has_nextest, profile) {
            (true, Profile::Default) => vec!["nextest", "run"],
            (true, Profile::Ci) => vec!["nextest", "run", "--profile", "ci"],
            (false, Profile::Default) => vec!["test"],
            (false, Profile::Ci) => vec!["test", "--no-fail-fast"],
        };
        if self.on_postgres && has_nextest {
            // With the features of the whole workspace, so that nothing is built twice.
            words.extend(["--workspace", "-E", "package(interlock-server) & binary(it)"]);
        } else {
            words.extend(self.packages());
        }
        if !self.filters.is_empty() {
            words.push("--");
            words.extend(self.filters.iter().map(String::as_str));
        }
        words
    }
}

/// Builds what the tests need before their runner starts.
pub(crate) fn build(selection: &Selection) -> Result<()> {
    selection.build().map_or(Ok(()), |words| shell::succeed(&mut shell::cargo(words)))
}

/// Builds, runs, and passes on the runner's exit code.
pub(crate) fn run(selection: &Selection, profile: Profile) -> Result<ExitCode> {
    build(selection)?;
    let mut runner = shell::cargo(selection.runner(profile, has_nextest()));
    if selection.needs_agents() {
        runner.envs(agents()?);
    }
    if shell::is_strict() {
        runner.env("INTERLOCK_REQUIRE_ALL", "1");
    }
    if selection.on_postgres {
        runner.env(STORE, "postgres");
    }
    let code = shell::status(&mut runner)?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Where the coding agents' own programs are; nothing, with a word on why, where they cannot be had. In continuous
/// integration they must be.
fn agents() -> Result<Vec<(&'static str, OsString)>> {
    let installed =
        if npm::is_there() { npm::install(npm::Packages::Agents) } else { Err(anyhow!("there is no npm")) };
    match installed {
        Ok(folder) => Ok(npm::agent_variables(&folder)),
        Err(error) if shell::is_strict() => Err(error.context("the tests need the agents' own programs")),
        Err(error) => {
            println!("SKIP the tests with the agents' own programs: {error:#}");
            Ok(Vec::new())
        }
    }
}

fn has_nextest() -> bool {
    let mut ask: Command = shell::cargo(["nextest", "--version"]);
    ask.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{Profile, Selection};

    fn parse(line: &str) -> Result<Selection, String> {
        Selection::parse(&line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_selection_becomes_the_runners_words() {
        let selection = parse("-p interlock-core --package xtask -- slug words").unwrap();
        let words = selection.runner(Profile::Ci, true).join(" ");
        assert_eq!(words, "nextest run --profile ci -p interlock-core -p xtask -- slug words");
        let words = parse("").unwrap().runner(Profile::Ci, false).join(" ");
        assert_eq!(words, "test --no-fail-fast --workspace");
    }

    #[test]
    fn what_callers_rely_on_is_tested_on_either_store() {
        let behaviour = Selection::behaviour_on_postgres();
        assert_eq!(parse("-p interlock-server --store postgres").unwrap(), behaviour);
        let words = behaviour.runner(Profile::Ci, true).join(" ");
        let expected = "nextest run --profile ci --workspace -E package(interlock-server) & binary(it)";
        assert_eq!(words, expected);
        assert_eq!(behaviour.runner(Profile::Default, false).join(" "), "test -p interlock-server");
        assert_eq!(parse("-p interlock-core --store sqlite").unwrap(), parse("-p interlock-core").unwrap());
        for wrong in ["--store", "--store mysql", "-p interlock-core --store postgres", "--store postgres"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_program_is_built_for_tests_that_start_it() {
        assert_eq!(parse("-p interlock-core -p xtask").unwrap().build(), None);
        assert_eq!(
            parse("-p interlock-core -p interlock-server").unwrap().build().unwrap().join(" "),
            "build -p interlock"
        );
        assert!(parse("").unwrap().build().unwrap().contains(&"--workspace"));
    }

    #[test]
    fn what_is_no_selection_is_named() {
        assert_eq!(parse("core").unwrap_err(), "`core` is no option of test; filters go after `--`");
        assert_eq!(parse("-p").unwrap_err(), "`-p` needs a crate's name");
        assert_eq!(parse("-p -- x").unwrap_err(), "`-p` needs a crate's name");
    }
}
