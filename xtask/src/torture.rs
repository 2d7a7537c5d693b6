//! kill -9 of the shipped program, thousands of times: the loop that the tests run a few hundred times.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell;

/// Kills unless another number is asked for.
const CYCLES: u64 = 10_000;
/// The test that is the loop.
const TEST: &str = "torture::a_server_killed_at_any_moment_keeps_what_it_acknowledged";

/// How many kills; the error says what is wrong with the words.
pub(crate) fn parse(words: &[String]) -> Result<u64, String> {
    match words {
        [] => Ok(CYCLES),
        [name, number] if name == "--cycles" => number
            .parse()
            .ok()
            .filter(|cycles| *cycles > 0)
            .ok_or_else(|| format!("`{number}` is no number of cycles")),
        _ => Err("torture takes `--cycles N` and nothing else".to_owned()),
    }
}

/// Run it without the time limit of the tests, and tell how far it is.
pub(crate) fn run(cycles: u64) -> Result<ExitCode> {
    let words = ["test", "-p", "interlock", "--test", "it", "--", "--exact", TEST, "--nocapture"];
    let status = shell::status(shell::cargo(words).env("INTERLOCK_TORTURE_CYCLES", cycles.to_string()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::{TEST, parse};
    use crate::shell;

    fn words(line: &str) -> Result<u64, String> {
        parse(&line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_number_of_kills_is_read() {
        assert_eq!(words(""), Ok(10_000));
        assert_eq!(words("--cycles 25"), Ok(25));
        for wrong in ["25", "--cycles", "--cycles 0", "--cycles -1", "--cycles 1 2"] {
            assert!(words(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_loop_is_there() {
        let file = shell::root().join("crates/interlock/tests/it/torture.rs");
        let name = TEST.strip_prefix("torture::").unwrap();
        assert!(std::fs::read_to_string(file).unwrap().contains(&format!("fn {name}()")));
    }
}
