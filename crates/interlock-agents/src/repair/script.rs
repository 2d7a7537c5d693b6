//! The question that bisection asks of every commit, as a shell script: 0 = works, 1 = broken, 125 = cannot say.

use std::path::{Path, PathBuf};

use crate::check::Check;
use crate::error::WorkError;

/// A question to a commit.
pub(super) struct Script {
    text: String,
}

/// Whatever the question changes in tracked files (a lock file, say) would stand in the way of the next commit.
const HEAD: &str = "#!/bin/sh\ntrap 'git reset -q --hard; git clean -q -d -f' EXIT\n";

impl Script {
    /// Does this test pass? A commit without the test cannot say.
    pub(super) fn test(check: &Check, test: &str) -> Self {
        let own = own(check);
        let (run, name) = (line(&own), quote(test));
        Self {
            text: format!(
                "{HEAD}{run} --no-run >/dev/null 2>&1 || exit 125\n\
                 name={name}\n\
                 said=$({run} --no-fail-fast -- --exact \"$name\" 2>&1)\n\
                 case \"$said\" in\n\
                 *\"test $name ... FAILED\"* | *\"test $name - should panic ... FAILED\"*) exit 1 ;;\n\
                 *\"test $name ... ok\"* | *\"test $name - should panic ... ok\"*) exit 0 ;;\n\
                 esac\n\
                 exit 125\n"
            ),
        }
    }

    /// Does it compile?
    pub(super) fn build(check: &Check) -> Self {
        let extra = if check.kind == crate::check::Kind::Test { " --no-run" } else { "" };
        Self { text: format!("{HEAD}{}{extra} >/dev/null 2>&1 && exit 0\nexit 1\n", line(&own(check))) }
    }

    /// Does this command succeed? With `builds`, a commit that does not compile cannot say.
    pub(super) fn custom(check: &Check, builds: bool) -> Self {
        let first = if builds { "cargo check --all-targets >/dev/null 2>&1 || exit 125\n" } else { "" };
        let run = line(&check.words);
        Self {
            text: format!(
                "{HEAD}{first}{run} >/dev/null 2>&1\ncode=$?\n\
                 test $code -eq 0 && exit 0\n\
                 # The command itself may be younger than the commit.\n\
                 test $code -ge 126 && exit 125\nexit 1\n"
            ),
        }
    }

    /// Writes it where git keeps its own things of this working tree.
    pub(super) fn write(&self, private: &Path) -> Result<PathBuf, WorkError> {
        let path = private.join("interlock-bisect.sh");
        std::fs::write(&path, &self.text).map_err(|error| WorkError::file(&path, "written", &error))?;
        Ok(path)
    }
}

/// A check's words without what is passed on to the program it runs.
fn own(check: &Check) -> Vec<String> {
    check.words.iter().take_while(|word| *word != "--").cloned().collect()
}

fn line(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it back.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
