//! Finds the commit since which something is broken.

use std::path::Path;

use super::Workshop;
use super::script::Script;
use crate::error::WorkError;
use crate::git::short;
use crate::process::{Job, run};

/// How far back along the first parents a good commit is looked for.
const PAST_COMMITS_MAX: usize = 512;

/// Runs of the question that one bisection may take, in units of one check's time.
const BISECT_RUNS_MAX: u32 = 3;

/// What the history says.
pub(super) enum History {
    /// The first commit that is broken.
    Culprit(String),
    /// It cannot say, in words.
    Silent(String),
}

/// What a commit answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Works,
    Broken,
    Unknown,
}

impl Workshop {
    /// Finds the first broken commit; the current one is known to be broken.
    pub(super) fn blame(&self, script: &Script) -> Result<History, WorkError> {
        let path = script.write(&self.git.private_dir()?)?;
        let (good, bad) = match self.walk_back(&path)? {
            Past::Found { good, bad } => (good, bad),
            Past::Nothing { looked_at } => {
                let why = match looked_at {
                    0 => "there is no earlier commit to compare with".to_owned(),
                    1 => "it fails in the one earlier commit as well".to_owned(),
                    many => format!("it passed in none of the {many} earlier commits looked at"),
                };
                return Ok(History::Silent(why));
            }
        };
        self.bisect(&path, &good, &bad)
    }

    /// Finds a commit that works: in growing steps back (1, 2, 4, 8 … and the oldest within reach), and when every
    /// step landed on a broken commit or on one that cannot say (it may be older than the test), by halving the gap
    /// between the two.
    fn walk_back(&self, script: &Path) -> Result<Past, WorkError> {
        let max = format!("--max-count={}", PAST_COMMITS_MAX + 1);
        let list = self.git.text(&["rev-list", "--first-parent", &max, "HEAD"])?;
        let commits: Vec<&str> = list.lines().collect();
        let oldest = commits.len().saturating_sub(1);
        let mut past = Walk { bad: 0, silent: None, looked_at: 0 };
        let mut step = 1;
        while step <= oldest {
            if let Some(found) = self.look(script, &commits, step, &mut past)? {
                return Ok(found);
            }
            step = if step < oldest { (step * 2).min(oldest) } else { oldest + 1 };
        }
        while let Some(middle) = past.gap() {
            if let Some(found) = self.look(script, &commits, middle, &mut past)? {
                return Ok(found);
            }
        }
        Ok(Past::Nothing { looked_at: past.looked_at })
    }

    /// Asks one commit; gives the bounds of the bisection once it works.
    fn look(
        &self,
        script: &Path,
        commits: &[&str],
        place: usize,
        walk: &mut Walk,
    ) -> Result<Option<Past>, WorkError> {
        let Some(commit) = commits.get(place) else { return Ok(None) };
        self.git.text(&["checkout", "--quiet", "--force", "--detach", commit])?;
        walk.looked_at += 1;
        match self.ask_commit(script)? {
            Answer::Works => {
                let bad = commits.get(walk.bad).copied().unwrap_or("HEAD").to_owned();
                return Ok(Some(Past::Found { good: (*commit).to_owned(), bad }));
            }
            Answer::Broken => {
                walk.bad = place;
                walk.silent = walk.silent.filter(|silent| *silent > place);
            }
            Answer::Unknown => walk.silent = Some(walk.silent.map_or(place, |silent| silent.min(place))),
        }
        Ok(None)
    }

    fn ask_commit(&self, script: &Path) -> Result<Answer, WorkError> {
        let ended = run(&Job {
            program: "/bin/sh",
            arguments: &[script.display().to_string()],
            dir: &self.bench.root,
            environment: &self.bench.environment(),
            limits: self.bench.limits,
            keep: None,
        })?;
        Ok(match ended.code {
            Some(0) => Answer::Works,
            Some(1) => Answer::Broken,
            _ => Answer::Unknown,
        })
    }

    fn bisect(&self, script: &Path, good: &str, bad: &str) -> Result<History, WorkError> {
        self.git.text(&["bisect", "start", bad, good])?;
        let script = script.display().to_string();
        let limits = self.bench.limits.times(BISECT_RUNS_MAX);
        let said =
            self.git.labour(&["bisect", "run", "/bin/sh", &script], &self.bench.environment(), limits)?;
        let culprit = if said.ok { self.git.commit("refs/bisect/bad")? } else { None };
        self.git.ask(&["bisect", "reset"])?;
        Ok(match culprit {
            Some(culprit) => History::Culprit(culprit),
            None => History::Silent(format!(
                "it broke between {} and {}, and the commits in between cannot be told apart",
                short(good),
                short(bad)
            )),
        })
    }
}

/// How far walking back came; places count back from the newest commit.
struct Walk {
    /// The oldest commit known to be broken.
    bad: usize,
    /// The newest commit beyond it that cannot say.
    silent: Option<usize>,
    looked_at: usize,
}

impl Walk {
    /// The commit in the middle between broken and silent, when there is one.
    fn gap(&self) -> Option<usize> {
        let middle = usize::midpoint(self.bad, self.silent?);
        (middle > self.bad).then_some(middle)
    }
}

/// What walking back found.
enum Past {
    Found { good: String, bad: String },
    Nothing { looked_at: usize },
}
