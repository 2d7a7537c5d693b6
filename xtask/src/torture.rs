//! kill -9 of the shipped program, thousands of times: the loop that the tests run a few hundred times.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell;

/// Kills unless another number is asked for.
const CYCLES: u64 = 10_000;
/// The stores, each with the test that is the loop on it.
const STORES: [(&str, &str); 2] = [
    ("sqlite", "torture::a_server_killed_at_any_moment_keeps_what_it_acknowledged"),
    ("postgres", "torture::a_server_on_postgresql_killed_at_any_moment_keeps_what_it_acknowledged"),
];

/// What to do to which store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torture {
    cycles: u64,
    test: &'static str,
}

/// How many kills on which store; the error says what is wrong with the words.
pub(crate) fn parse(words: &[String]) -> Result<Torture, String> {
    let mut torture = Torture { cycles: CYCLES, test: STORES[0].1 };
    for pair in words.chunks(2) {
        match pair {
            [name, number] if name == "--cycles" => {
                let cycles = number.parse().ok().filter(|cycles| *cycles > 0);
                torture.cycles = cycles.ok_or_else(|| format!("`{number}` is no number of cycles"))?;
            }
            [name, store] if name == "--store" => {
                let found = STORES.iter().find(|(known, _)| known == store);
                torture.test = found.ok_or_else(|| format!("`{store}` is no store: sqlite or postgres"))?.1;
            }
            _ => {
                return Err(
                    "torture takes `--cycles N`, `--store sqlite|postgres` and nothing else".to_owned()
                );
            }
        }
    }
    Ok(torture)
}

/// Run it without the time limit of the tests, and tell how far it is. A store that is not there is no success.
pub(crate) fn run(torture: &Torture) -> Result<ExitCode> {
    let words = ["test", "-p", "interlock", "--test", "it", "--", "--exact", torture.test, "--nocapture"];
    let mut command = shell::cargo(words);
    command.env("INTERLOCK_TORTURE_CYCLES", torture.cycles.to_string()).env("INTERLOCK_REQUIRE_ALL", "1");
    let status = shell::status(&mut command)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::{STORES, Torture, parse};
    use crate::shell;

    fn words(line: &str) -> Result<Torture, String> {
        parse(&line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_number_of_kills_and_the_store_are_read() {
        let [sqlite, postgres] = STORES.map(|(_, test)| test);
        assert_eq!(words(""), Ok(Torture { cycles: 10_000, test: sqlite }));
        assert_eq!(words("--cycles 25"), Ok(Torture { cycles: 25, test: sqlite }));
        assert_eq!(words("--store postgres --cycles 25"), Ok(Torture { cycles: 25, test: postgres }));
        for wrong in
            ["25", "--cycles", "--cycles 0", "--cycles -1", "--cycles 1 2", "--store mysql", "--store"]
        {
            assert!(words(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_loops_are_there() {
        let text = shell::root().join("crates/interlock/tests/it/torture.rs");
        let text = std::fs::read_to_string(text).unwrap();
        for (_, test) in STORES {
            let name = test.strip_prefix("torture::").unwrap();
            assert!(text.contains(&format!("fn {name}()")), "{name}");
        }
    }
}
