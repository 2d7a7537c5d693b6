//! The only module that writes to standard output and standard error.
//!
//! With `--json` standard output carries JSON objects, one a line, and nothing else; people read standard error.
//! Without it, results go to standard output, and notes and errors to standard error.

use std::io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout};

use interlock_api::Problem;
use interlock_core::Reason;
use serde_json::Value;

use crate::exit::{self, End, Failure};
use crate::render::safe;
use crate::render::style::Style;

/// Where a command's words go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    /// Colours and width of standard output.
    style: Style,
}

impl Output {
    /// The output of this process.
    pub(crate) fn new(json: bool, no_color: bool) -> Self {
        let style = Style::new(!json && !no_color && stdout().is_terminal());
        let columns = rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_col));
        // A terminal that does not say how wide it is breaks lines itself.
        Self { json, style: if json || columns == 0 { style } else { style.within(columns) } }
    }

    /// Whether machines read standard output.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal() -> bool {
        stdout().is_terminal()
    }

    /// The colours for results.
    pub(crate) const fn style(self) -> Style {
        self.style
    }

    /// Write one JSON line of a stream.
    ///
    /// # Errors
    /// [`Failure::Closed`] when nobody reads any more; a problem when it cannot be written.
    pub(crate) fn line(value: &Value) -> Result<(), Failure> {
        Self::text(&format!("{value}\n"))
    }

    /// Write a part of a result for people, with its line ends.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn text(text: &str) -> Result<(), Failure> {
        Self::bytes(text.as_bytes())
    }

    /// Write bytes that are no text.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
        let mut out = stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Closed),
            Err(error) => {
                let detail = format!("standard output cannot be written: {error}");
                Err(Problem::new(Reason::PathUnwritable, &detail, "").into())
            }
        }
    }

    /// Say something beside the result. Nobody listening is no failure.
    pub(crate) fn note(text: &str) {
        say(&format!("{}\n", safe::lines(text)));
    }

    /// Write the end of a command and give its exit code.
    pub(crate) fn finish(self, end: &End) -> u8 {
        let written = match end {
            Ok(answer) => self.answer(answer.json.as_ref(), &answer.text),
            Err(Failure::Problem(problem)) => {
                self.problem(problem);
                Ok(())
            }
            Err(Failure::Interrupted) => {
                self.problem(&Problem::new(Reason::Interrupted, "interrupted", ""));
                Ok(())
            }
            Err(Failure::Closed) => Ok(()),
        };
        match written {
            Ok(()) => exit::code(end),
            Err(failure) => {
                if let Failure::Problem(problem) = &failure {
                    say(&problem_text(problem));
                }
                exit::code(&Err(failure))
            }
        }
    }

    fn answer(self, json: Option<&Value>, text: &str) -> Result<(), Failure> {
        match json {
            Some(json) if self.json => Self::line(json),
            _ if self.json || text.is_empty() => Ok(()),
            _ => Self::text(text),
        }
    }

    /// Tell people on standard error, and machines on standard output, what went wrong.
    pub(crate) fn problem(self, problem: &Problem) {
        say(&problem_text(problem));
        if self.json {
            // Where the object cannot be written the exit code still says it.
            let _unread = serde_json::to_value(problem).map(|value| Self::line(&value));
        }
    }
}

/// What people read of a problem.
fn problem_text(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!("hint: {}\n", safe::line(hint)));
    let reason = safe::line(&problem.reason);
    format!("error: {}\n{hint}reason: {reason} (docs/errors/{reason}.md)\n", safe::line(&problem.detail))
}

/// Write to standard error; when that is closed there is nobody left to tell.
fn say(text: &str) {
    let _nobody = stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_three_lines_without_control_characters() {
        let problem =
            Problem::new(Reason::ThreadNotFound, "no thread `\u{1b}[2J`", "").hint("list them:\nthread list");
        assert_eq!(
            problem_text(&problem),
            "error: no thread `\\x1b[2J`\nhint: list them:\\nthread list\n\
             reason: THREAD_NOT_FOUND (docs/errors/THREAD_NOT_FOUND.md)\n"
        );
    }
}
