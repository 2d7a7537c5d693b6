//! What `pilot` takes.

use std::path::PathBuf;

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;

/// Two agents finish a job on their own, without an account or a model.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Work on this repository, on a new branch in a work tree of its own; a sample is made unless said otherwise.
    #[arg(long, value_name = "PATH")]
    pub(crate) repo: Option<PathBuf>,
    /// A command that must pass, without a shell; may be given several times. Found by itself for Rust repositories.
    #[arg(long = "check", value_name = "CMD")]
    pub(crate) checks: Vec<String>,
    /// Only look: the reviewer reports what it finds, nothing is mended.
    #[arg(long)]
    pub(crate) review_only: bool,
    /// The task in words, for agents that read them.
    #[arg(long, value_name = "TEXT")]
    pub(crate) task: Option<String>,
    /// Who mends: `builtin`, or `cmd:` and a command line.
    #[arg(long, value_name = "AGENT", default_value = "builtin", value_parser = player)]
    pub(crate) executor: Player,
    /// Who reviews: `builtin`, or `cmd:` and a command line.
    #[arg(long, value_name = "AGENT", default_value = "builtin", value_parser = player)]
    pub(crate) reviewer: Player,
    /// Finished wakes at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) max_turns: u32,
    /// Minutes at most.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub(crate) max_minutes: u32,
    /// Keep the instance and the work trees, to look into them afterwards.
    #[arg(long)]
    pub(crate) keep: bool,
    /// The sample that is made; another seed makes another one.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// Who plays a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Player {
    /// The one that comes with Interlock.
    Builtin,
    /// A command agent: the words of its command line.
    Command(Vec<String>),
}

fn player(text: &str) -> Result<Player, String> {
    if text == "builtin" {
        return Ok(Player::Builtin);
    }
    let line = text.strip_prefix("cmd:").ok_or("give `builtin`, or `cmd:` and a command line")?;
    match shlex::split(line) {
        Some(words) if !words.is_empty() => Ok(Player::Command(words)),
        Some(_) => Err("the command line is empty".into()),
        None => Err("the command line has a quote that is not closed".into()),
    }
}

impl Params {
    /// Refuse what makes no sense together.
    ///
    /// # Errors
    /// `USAGE_INVALID`.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let wrong = |detail: &str| Err(Problem::new(Reason::UsageInvalid, detail, ""));
        if self.repo.is_some() && self.seed.is_some() {
            return wrong("--seed is for the sample; --repo names a repository");
        }
        if self.review_only && self.executor != Player::Builtin {
            return wrong("with --review-only there is no executor");
        }
        for line in &self.checks {
            if shlex::split(line).is_none_or(|words| words.is_empty()) {
                return wrong(&format!("the check `{line}` is no command line"));
            }
        }
        Ok(())
    }
}
