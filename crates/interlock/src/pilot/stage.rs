//! The stage: a repository with work trees for the agents, and a folder for the throw-away instance.

use std::path::{Path, PathBuf};

use interlock_agents::sample;
use interlock_api::Problem;
use interlock_core::Reason;

use super::chaos;
use super::git::git;
use super::options::Params;
use super::outcome::RepoPart;
use super::show::Show;
use crate::instance::{Instance, make_private_folder, unwritable};
use crate::random::random;

/// Where a chaos run puts what proves it.
const EVIDENCE: &str = "evidence";

/// Everything on disk that a run uses.
pub(crate) struct Stage {
    /// The folder that holds all that is ours.
    root: PathBuf,
    /// The repository.
    repository: PathBuf,
    is_sample: bool,
    is_kept: bool,
    /// The branch the work is done on; none when nothing is mended.
    pub(crate) branch: Option<String>,
    /// The commit it starts from.
    pub(crate) base: String,
    /// Where the executor works.
    pub(crate) executor: PathBuf,
    /// Where the reviewer looks at commits.
    pub(crate) reviewer: PathBuf,
    /// The throw-away instance.
    pub(crate) instance: Instance,
}

impl Stage {
    /// Prepare everything; nothing of ours stays when it fails.
    ///
    /// # Errors
    /// `NOT_A_REPOSITORY`, `REPOSITORY_EMPTY`, `PATH_UNWRITABLE`, and what the sample or the instance refuse.
    pub(crate) fn prepare(params: &Params, show: &Show) -> Result<Self, Problem> {
        params.check()?;
        // Looked at before anything is written.
        let given = params.repo.as_deref().map(open_repository).transpose()?;
        let id = run_id()?;
        let root = std::env::temp_dir().join(format!("interlock-pilot-{id}"));
        make_private_folder(&root)?;
        let made = Self::fill(params, given, &root, &id, show);
        if made.is_err() {
            remove(&root);
        }
        made
    }

    fn fill(
        params: &Params,
        given: Option<PathBuf>,
        root: &Path,
        id: &str,
        show: &Show,
    ) -> Result<Self, Problem> {
        let is_sample = given.is_none();
        let repository = if let Some(repository) = given {
            repository
        } else {
            let chosen =
                params.seed.map_or_else(|| random::<4>().map(|b| u64::from(u32::from_be_bytes(b))), Ok)?;
            let dir = root.join("sample");
            let made = sample::generate(&dir, chosen).map_err(|error| work(&error))?;
            show.sample(&made, chosen);
            dir
        };
        let base = git(&repository, &["rev-parse", "--verify", "HEAD^{commit}"])?;
        let instance_dir = root.join("instance");
        make_private_folder(&instance_dir)?;
        let mut instance = Instance::create(&instance_dir)?;
        if params.chaos {
            instance.set_policy(chaos::POLICY)?;
            make_private_folder(&root.join(EVIDENCE))?;
        }
        let stage = Self {
            executor: instance.folder().join("worktrees").join("executor"),
            reviewer: instance.folder().join("worktrees").join("reviewer"),
            branch: (!params.review_only).then(|| format!("interlock/pilot-{id}")),
            root: root.to_owned(),
            repository,
            is_sample,
            is_kept: params.keep,
            base,
            instance,
        };
        stage.add_worktrees()?;
        Ok(stage)
    }

    fn add_worktrees(&self) -> Result<(), Problem> {
        let (executor, reviewer) = (text(&self.executor)?, text(&self.reviewer)?);
        if let Some(branch) = &self.branch {
            git(&self.repository, &["worktree", "add", "--quiet", "-b", branch, executor, &self.base])?;
        }
        git(&self.repository, &["worktree", "add", "--quiet", "--detach", reviewer, &self.base]).map(|_| ())
    }

    /// The folder that holds all that is ours.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a chaos run puts what proves it; a part of the result.
    pub(crate) fn evidence(&self) -> PathBuf {
        self.root.join(EVIDENCE)
    }

    /// The key that verifies the instance's ledger.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when its file cannot be read.
    pub(crate) fn vkey(&self) -> Result<String, Problem> {
        let text = std::fs::read_to_string(self.instance.ledger_vkey()).map_err(|error| {
            let detail = format!("the ledger's public key cannot be read: {error}");
            Problem::new(Reason::ConfigInvalid, &detail, "")
        })?;
        Ok(text.trim().to_owned())
    }

    /// The repository.
    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    /// The repository as the outcome shows it; without a branch once that is gone.
    pub(crate) fn repo(&self) -> RepoPart {
        let head = self.branch.as_ref().and_then(|branch| git(&self.repository, &["rev-parse", branch]).ok());
        RepoPart {
            path: self.repository.display().to_string(),
            branch: head.as_ref().and(self.branch.clone()).unwrap_or_default(),
            base: self.base.clone(),
            head: head.unwrap_or_else(|| self.base.clone()),
        }
    }

    /// The commits of the branch since its base, newest first.
    ///
    /// # Errors
    /// `NOT_A_REPOSITORY` with git's own words.
    pub(crate) fn commits(&self) -> Result<Vec<String>, Problem> {
        let Some(branch) = &self.branch else { return Ok(Vec::new()) };
        let listed = git(&self.repository, &["rev-list", &format!("{}..{branch}", self.base)])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// What the branch changes, as git counts it.
    pub(crate) fn changes(&self) -> String {
        let range = |branch: &String| format!("{}..{branch}", self.base);
        let stat = |branch: &String| git(&self.repository, &["diff", "--shortstat", &range(branch)]).ok();
        self.branch.as_ref().and_then(stat).unwrap_or_default().trim().to_owned()
    }

    /// Remove what is throw-away: work trees and instance; of the user's repository only the work trees' entries.
    /// A run that was cut off before its first commit, or never begun, leaves no branch. A sample that was worked on stays, it is the
    /// result; the instance of a run that failed stays too, for a look at its logs.
    pub(crate) fn clear(&self, has_begun: bool, result: &Result<(), Problem>) {
        let is_interrupted = |problem: &Problem| problem.known_reason() == Some(Reason::Interrupted);
        let is_cut_off = !has_begun || result.as_ref().is_err_and(is_interrupted);
        if self.is_kept || (result.is_err() && !is_cut_off) {
            Show::note(&format!("kept: {}", self.root.display()));
            return;
        }
        self.remove_worktrees();
        let is_empty = is_cut_off && self.repo().head == self.base;
        if let Some(branch) = self.branch.as_ref().filter(|_| is_empty)
            && let Err(problem) = git(&self.repository, &["branch", "--quiet", "-D", branch])
        {
            Show::note(&format!("the empty branch {branch} was not removed: {problem}"));
        }
        let is_result = self.is_sample && !is_empty;
        remove(&if is_result { self.root.join("instance") } else { self.root.clone() });
    }

    fn remove_worktrees(&self) {
        for worktree in [&self.executor, &self.reviewer] {
            if worktree.exists()
                && let Err(problem) = text(worktree)
                    .and_then(|path| git(&self.repository, &["worktree", "remove", "--force", path]))
            {
                Show::note(&format!("a work tree was not removed: {problem}"));
            }
        }
    }
}

impl Drop for Stage {
    /// A run that failed leaves nothing in the user's repository but its branch.
    fn drop(&mut self) {
        if !self.is_kept && !self.is_sample {
            self.remove_worktrees();
        }
    }
}

/// Find the repository and say what of it is left alone.
fn open_repository(path: &Path) -> Result<PathBuf, Problem> {
    let wrong = |detail: String| {
        Problem::new(Reason::NotARepository, &detail, "").hint("name a folder with a git repository")
    };
    let folder = std::fs::canonicalize(path)
        .map_err(|error| wrong(format!("`{}`: {}", path.display(), crate::instance::cause(&error))))?;
    if !folder.is_dir() {
        return Err(wrong(format!("`{}` is not a folder", path.display())));
    }
    let top = git(&folder, &["rev-parse", "--show-toplevel"])
        .map_err(|_| wrong(format!("`{}` is no git repository with a work tree", path.display())))?;
    let top = PathBuf::from(top);
    git(&top, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).map_err(|_| {
        Problem::new(Reason::RepositoryEmpty, &format!("`{}` has no commit yet", path.display()), "")
            .hint("commit something first")
    })?;
    let status = git(&top, &["status", "--porcelain"])?;
    let changed = status.lines().count();
    if changed > 0 {
        Show::note(&format!("{changed} uncommitted changes are left alone; the agents work from HEAD"));
    }
    Ok(top)
}

fn run_id() -> Result<String, Problem> {
    Ok(random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn text(path: &Path) -> Result<&str, Problem> {
    path.to_str().ok_or_else(|| {
        unwritable(path, &std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is no UTF-8"))
    })
}

fn work(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Reason::CheckNotRunnable, &format!("the sample could not be made: {error}"), "")
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        Show::note(&format!("{} was not removed: {error}", folder.display()));
    }
}
