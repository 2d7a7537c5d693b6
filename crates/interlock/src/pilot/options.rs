//! What `pilot` takes.

use std::path::PathBuf;

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;

use crate::environment::Secret;

/// Two agents finish a job on their own, without an account or a model.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
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
    /// While the built-in agents do the sample's job: kill the server, kill an agent, let two agents repeat themselves,
    /// change a byte of an exported ledger, and show with evidence what becomes of it.
    #[arg(long)]
    pub(crate) chaos: bool,
    /// The task in words, for agents that read them.
    #[arg(long, value_name = "TEXT")]
    pub(crate) task: Option<String>,
    /// Who mends: `builtin`, `codex`, `claude`, or `cmd:` and a command line.
    #[arg(long, value_name = "AGENT", default_value = "builtin", value_parser = player)]
    pub(crate) executor: Player,
    /// Who reviews: `builtin`, `codex`, `claude`, or `cmd:` and a command line.
    #[arg(long, value_name = "AGENT", default_value = "builtin", value_parser = player)]
    pub(crate) reviewer: Player,
    /// Finished wakes at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) max_turns: u32,
    /// Minutes at most.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub(crate) max_minutes: u32,
    /// Tokens at most, sent and written, as far as the agents' programs tell.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// US dollars at most, as far as the agents' programs tell; Codex tells none.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<u64>,
    /// Let codex and claude talk to a model server of our own on this machine: no account, nothing leaves it.
    #[arg(long)]
    pub(crate) scripted_model: bool,
    /// The program that `codex` stands for; looked for on PATH unless said otherwise.
    #[arg(long, value_name = "PATH", default_value = "codex")]
    pub(crate) codex: PathBuf,
    /// The program that `claude` stands for; looked for on PATH unless said otherwise.
    #[arg(long, value_name = "PATH", default_value = "claude")]
    pub(crate) claude: PathBuf,
    /// Start codex and claude without asking first.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Keep the instance and the work trees, to look into them afterwards.
    #[arg(long)]
    pub(crate) keep: bool,
    /// The sample that is made; another seed makes another one.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The PostgreSQL database to keep the run in, as a workspace of its own that stays there; INTERLOCK_DATABASE_URL, or
    /// a throw-away file unless said otherwise.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<Secret>,
}

/// Who plays a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Player {
    /// The one that comes with Interlock.
    Builtin,
    /// Codex CLI.
    Codex,
    /// Claude Code.
    Claude,
    /// A command agent: the words of its command line.
    Command(Vec<String>),
}

fn player(text: &str) -> Result<Player, String> {
    match text {
        "builtin" => return Ok(Player::Builtin),
        "codex" => return Ok(Player::Codex),
        "claude" => return Ok(Player::Claude),
        _ => {}
    }
    let wrong = "give `builtin`, `codex`, `claude`, or `cmd:` and a command line";
    let line = text.strip_prefix("cmd:").ok_or(wrong)?;
    match shlex::split(line) {
        Some(words) if !words.is_empty() => Ok(Player::Command(words)),
        Some(_) => Err("the command line is empty".into()),
        None => Err("the command line has a quote that is not closed".into()),
    }
}

/// US dollars as millionths.
fn dollars(text: &str) -> Result<u64, String> {
    let wrong = || "give an amount such as 2 or 0.50".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 6 || !(whole.to_owned() + part).bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let micro = whole.checked_mul(1_000_000).and_then(|micro| micro.checked_add(part));
    micro.filter(|micro| *micro > 0).ok_or_else(wrong)
}

impl Player {
    /// Whether it is a coding agent's own program.
    pub(crate) const fn is_cli(&self) -> bool {
        matches!(self, Self::Codex | Self::Claude)
    }
}

impl Params {
    /// Those who play.
    pub(crate) fn players(&self) -> Vec<&Player> {
        let executor = (!self.review_only).then_some(&self.executor);
        executor.into_iter().chain([&self.reviewer]).collect()
    }

    /// Refuse what makes no sense together.
    ///
    /// # Errors
    /// `USAGE_INVALID`.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let wrong = |detail: &str| Err(Problem::new(Reason::UsageInvalid, detail, ""));
        if self.repo.is_some() && self.seed.is_some() {
            return wrong("--seed is for the sample; --repo names a repository");
        }
        let is_plain = [&self.executor, &self.reviewer].iter().all(|player| **player == Player::Builtin)
            && self.repo.is_none()
            && self.checks.is_empty()
            && !self.review_only;
        if self.chaos && !is_plain {
            return wrong(
                "--chaos is for the sample and the agents that come with Interlock; name no others",
            );
        }
        if self.review_only && self.executor != Player::Builtin {
            return wrong("with --review-only there is no executor");
        }
        if self.scripted_model && !self.players().iter().any(|player| player.is_cli()) {
            return wrong("--scripted-model is for codex and claude; name one with --executor or --reviewer");
        }
        for line in &self.checks {
            if shlex::split(line).is_none_or(|words| words.is_empty()) {
                return wrong(&format!("the check `{line}` is no command line"));
            }
        }
        Ok(())
    }
}
