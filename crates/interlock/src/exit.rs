//! How a command ends, and the exit code that says so.

use interlock_api::Problem;
use serde_json::Value;

/// The exit code after Ctrl-C, as shells count it.
pub(crate) const INTERRUPTED: u8 = 130;

/// What a command has to say at its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For machines: the last line of `--json`. `None` when every line was written already.
    pub(crate) json: Option<Value>,
    /// For people: the result, with its line ends. May be empty.
    pub(crate) text: String,
    /// The exit code: 0, unless the answer itself is that something is not well.
    pub(crate) code: u8,
}

impl Answer {
    /// A result as machines and people read it.
    ///
    /// # Errors
    /// The `INTERNAL` problem, for a value that is no JSON.
    pub(crate) fn new(json: &impl serde::Serialize, text: impl Into<String>) -> Result<Self, Problem> {
        Ok(Self { json: Some(to_json(json)?), text: text.into(), code: 0 })
    }

    /// The end of a command that wrote its results as they came.
    pub(crate) fn written() -> Self {
        Self { json: None, text: String::new(), code: 0 }
    }
}

/// A value as JSON.
///
/// # Errors
/// The `INTERNAL` problem, for a value that is no JSON.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|error| {
        let detail = format!("an answer cannot be written as JSON: {error}");
        Problem::new(interlock_core::Reason::Defect, &detail, "")
    })
}

/// Why a command did not come to an answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Refused, or not achieved.
    Problem(Box<Problem>),
    /// A person pressed Ctrl-C.
    Interrupted,
    /// Nobody reads standard output any more, so there is nobody to tell.
    Closed,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// How a command ends.
pub(crate) type End = Result<Answer, Failure>;

/// The exit code of an end.
pub(crate) fn code(end: &End) -> u8 {
    match end {
        Ok(answer) => answer.code,
        Err(Failure::Problem(problem)) => problem.code.exit_code(),
        Err(Failure::Interrupted) => INTERRUPTED,
        Err(Failure::Closed) => 0,
    }
}
