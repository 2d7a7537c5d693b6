//! What both agents' turns have in common: how they end.

use std::io::Write;

use crate::error::WorkError;
use crate::mailbox::MailError;

/// The work is done.
pub(crate) const DONE: u8 = 0;
/// The run failed.
pub(crate) const FAILED: u8 = 1;
/// The run may succeed later (`EX_TEMPFAIL`).
pub(crate) const AGAIN: u8 = 75;

/// Why a turn came to no end of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// The exit code of a turn; says on the log what went wrong.
pub(crate) fn exit(result: Result<(), TurnError>, log: &mut dyn Write) -> u8 {
    let Err(error) = result else { return DONE };
    let (code, reason) = match &error {
        TurnError::Mail(MailError::Away(problem)) => (AGAIN, problem.reason.clone()),
        TurnError::Mail(MailError::Refused(problem)) => (FAILED, problem.reason.clone()),
        TurnError::Work(work @ WorkError::OutOfTime { .. }) => (AGAIN, work.reason().to_owned()),
        TurnError::Work(work) => (FAILED, work.reason().to_owned()),
    };
    note(log, &format!("{error} [{reason}]"));
    code
}

/// Writes a line of progress; a log that cannot be written stops nobody.
pub(crate) fn note(log: &mut dyn Write, line: &str) {
    let _ = writeln!(log, "{line}");
    let _ = log.flush();
}

/// `1 finding`, `2 findings`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
