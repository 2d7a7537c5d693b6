//! A sample repository with a linked working tree, as the pilot lays them out.

use std::path::{Path, PathBuf};
use std::process::Command;

use interlock_agents::check::{Bench, Finding, checks};
use interlock_agents::process::Limits;
use interlock_agents::repair::{Order, Wanted, Workshop};
use interlock_agents::sample::{Sample, generate};

pub(crate) const BRANCH: &str = "interlock/pilot-1";

/// A sample and the agents' working trees.
pub(crate) struct Place {
    pub(crate) sample: Sample,
    pub(crate) executor: PathBuf,
    pub(crate) reviewer: PathBuf,
    _dir: tempfile::TempDir,
}

impl Place {
    /// The sample of a seed, changed by `prepare` before the working trees are made.
    pub(crate) fn new(seed: u64, prepare: impl FnOnce(&Sample)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sample = generate(&dir.path().join("sample"), seed).unwrap();
        prepare(&sample);
        let (executor, reviewer) = (dir.path().join("executor"), dir.path().join("reviewer"));
        git(&sample.dir, &["worktree", "add", "-q", "-b", BRANCH, executor.to_str().unwrap()]);
        git(&sample.dir, &["worktree", "add", "-q", "--detach", reviewer.to_str().unwrap()]);
        Self { sample, executor, reviewer, _dir: dir }
    }

    pub(crate) fn workshop(&self, commands: Option<&[&str]>) -> Workshop {
        let checks = commands.map(|commands| commands.iter().map(|&command| command.to_owned()).collect());
        let order =
            Order { branch: Some(BRANCH.to_owned()), thread: "thr_1".to_owned(), checks, ..Order::default() };
        Workshop::open(&self.executor, order).unwrap()
    }

    /// Where git would lock this for the executor.
    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        git(&self.executor, &["rev-parse", "--path-format=absolute", "--git-path", name]).into()
    }

    /// Leave these locked, as a git that is killed does.
    pub(crate) fn leave_locked(&self, names: &[&str]) {
        for name in names {
            let lock = self.lock(name);
            std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
            std::fs::write(lock, "").unwrap();
        }
    }

    /// What the reviewer's checks say about a commit.
    pub(crate) fn findings(&self, commit: &str, commands: Option<&[&str]>) -> Vec<Finding> {
        interlock_agents::repair::look_at(&self.reviewer, commit).unwrap();
        let named: Option<Vec<String>> =
            commands.map(|commands| commands.iter().map(|&command| command.to_owned()).collect());
        let bench = Bench::open(&self.reviewer, None, Limits::default()).unwrap();
        let checks = checks(&bench.root, named.as_deref()).unwrap();
        let reports = bench.run_all(&checks).unwrap();
        reports.into_iter().flat_map(|report| report.findings).collect()
    }
}

/// Runs git and gives what it prints.
pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(dir).args(["-c", "user.name=Test", "-c", "user.email=test@example.com"]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The findings as something to mend.
pub(crate) fn wanted(findings: &[Finding]) -> Vec<Wanted> {
    let number = |(index, finding): (usize, &Finding)| Wanted {
        finding_id: format!("fnd_{index}"),
        finding: finding.clone(),
    };
    findings.iter().enumerate().map(number).collect()
}
