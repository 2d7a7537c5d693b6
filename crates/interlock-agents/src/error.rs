//! What can keep an agent from doing its work.

use std::path::Path;

/// Why a piece of work could not be done at all.
///
/// Not for what is wrong with the repository (that is a finding), nor for what the executor cannot mend
/// (that is an outcome with a reason).
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// A program could not be started.
    #[error("`{command}` cannot be started: {detail}")]
    NotStarted {
        /// The command line.
        command: String,
        /// What the system said.
        detail: String,
    },
    /// A command line is not made of shell words.
    #[error("`{command}` cannot be split into words: {detail}")]
    NotWords {
        /// The command line.
        command: String,
        /// What is wrong with it.
        detail: String,
    },
    /// There is nothing to run.
    #[error("there is nothing to check: `{place}` has no Cargo.toml and no check command was named")]
    NoChecks {
        /// The directory looked at.
        place: String,
    },
    /// A git command failed that should not.
    #[error("`git {arguments}` failed: {detail}")]
    Git {
        /// Its arguments.
        arguments: String,
        /// The last line it wrote.
        detail: String,
    },
    /// A file could not be read or written.
    #[error("`{place}` cannot be {action}: {detail}")]
    File {
        /// The path.
        place: String,
        /// Past participle of what was attempted.
        action: &'static str,
        /// What the system said.
        detail: String,
    },
    /// The time for this run is over.
    #[error("the time of this run was over before `{command}` ended")]
    OutOfTime {
        /// What was running.
        command: String,
    },
    /// Something that cannot be, was.
    #[error("this is a bug: {what}")]
    Bug {
        /// What was met.
        what: &'static str,
    },
    /// The agent was started without something it needs.
    #[error("the environment names no usable `{name}`")]
    Environment {
        /// The variable.
        name: &'static str,
    },
}

impl WorkError {
    /// The stable word to look up.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotStarted { .. } => "CHECK_NOT_STARTED",
            Self::NotWords { .. } => "CHECK_MALFORMED",
            Self::NoChecks { .. } => "NO_CHECKS",
            Self::Git { .. } => "GIT_FAILED",
            Self::File { .. } => "FILE_FAILED",
            Self::OutOfTime { .. } => "RUN_OUT_OF_TIME",
            Self::Bug { .. } => "INTERNAL",
            Self::Environment { .. } => "AGENT_ENVIRONMENT_INCOMPLETE",
        }
    }

    pub(crate) fn file(place: &Path, action: &'static str, error: &std::io::Error) -> Self {
        Self::File { place: place.display().to_string(), action, detail: error.to_string() }
    }
}
