//! Git, called as a program and read through its plumbing only.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::WorkError;
use crate::process::{Job, Limits, PRIVATE_VARIABLES, run};

/// Variables that would point git at another repository.
const MISLEADING: &[&str] =
    &["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX"];

/// Settings that keep git from asking anybody or running anything of the user's.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "core.editor=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "core.quotePath=false",
    "rerere.enabled=false",
];

/// What a git command said.
pub(crate) struct Said {
    /// Whether it exited with 0.
    pub(crate) ok: bool,
    /// Its standard output without the last line break.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

/// Git in one directory.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    dir: PathBuf,
    settings: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Git {
    /// Git in a working tree, with the configuration of its owner.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), settings: Vec::new(), variables: Vec::new() }
    }

    /// Git that reads no configuration but the repository's.
    pub(crate) fn isolated(dir: &Path) -> Self {
        Self::at(dir).with("GIT_CONFIG_GLOBAL", "/dev/null").with("GIT_CONFIG_NOSYSTEM", "1")
    }

    /// The same with one more variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with one more setting.
    pub(crate) fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// The directory it works in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn words(&self, arguments: &[&str]) -> Vec<String> {
        let settings = SETTINGS.iter().copied().chain(self.settings.iter().map(String::as_str));
        let mut words: Vec<String> = settings.flat_map(|s| ["-c".to_owned(), s.to_owned()]).collect();
        words.extend(arguments.iter().map(|&argument| argument.to_owned()));
        words
    }

    /// Runs a short command.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<Said, WorkError> {
        let mut command = Command::new("git");
        command.current_dir(&self.dir).args(self.words(arguments)).stdin(Stdio::null());
        for name in MISLEADING.iter().chain(PRIVATE_VARIABLES) {
            command.env_remove(name);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", "true").env("LC_ALL", "C");
        command.envs(self.variables.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value))));
        let output = command.output().map_err(|error| WorkError::NotStarted {
            command: format!("git {}", arguments.join(" ")),
            detail: error.to_string(),
        })?;
        Ok(Said {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).trim_end().to_owned(),
            err: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        })
    }

    /// Runs a short command that has to succeed.
    pub(crate) fn text(&self, arguments: &[&str]) -> Result<String, WorkError> {
        let said = self.ask(arguments)?;
        if said.ok {
            return Ok(said.out);
        }
        let detail = if said.err.is_empty() { said.out } else { said.err };
        let detail = detail.lines().last().unwrap_or_default().to_owned();
        Err(WorkError::Git { arguments: arguments.join(" "), detail })
    }

    /// Runs a command that may take long and starts programs itself.
    pub(crate) fn labour(
        &self,
        arguments: &[&str],
        environment: &[(String, String)],
        limits: Limits,
    ) -> Result<Said, WorkError> {
        let mut variables = self.variables.clone();
        variables.extend(environment.iter().cloned());
        variables.push(("LC_ALL".to_owned(), "C".to_owned()));
        let arguments = self.words(arguments);
        let job = Job {
            program: "git",
            arguments: &arguments,
            dir: &self.dir,
            environment: &variables,
            limits,
            keep: None,
        };
        let ended = run(&job)?;
        Ok(Said { ok: ended.code == Some(0), out: ended.stdout, err: ended.stderr })
    }

    /// The full id of a commit, or none when there is no such commit.
    pub(crate) fn commit(&self, name: &str) -> Result<Option<String>, WorkError> {
        let said = self.ask(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])?;
        Ok((said.ok && !said.out.is_empty()).then_some(said.out))
    }

    /// The commit that is checked out.
    pub(crate) fn head(&self) -> Result<String, WorkError> {
        self.text(&["rev-parse", "--verify", "HEAD^{commit}"])
    }

    /// The first line of a commit's message.
    pub(crate) fn subject(&self, commit: &str) -> Result<String, WorkError> {
        self.text(&["show", "-s", "--format=%s", commit])
    }

    /// Git's own directory of this working tree.
    pub(crate) fn private_dir(&self) -> Result<PathBuf, WorkError> {
        Ok(PathBuf::from(self.text(&["rev-parse", "--absolute-git-dir"])?))
    }

    /// Whether tracked files differ from the checked-out commit.
    pub(crate) fn is_changed(&self) -> Result<bool, WorkError> {
        Ok(!self.text(&["status", "--porcelain", "--untracked-files=no"])?.is_empty())
    }
}

/// The first characters of a commit id, as people write it.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}
