//! Repositories of users.

use std::path::Path;
use std::process::Command;

/// Run git in a folder, without anybody's settings, and give what it prints.
#[track_caller]
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=Test", "-c", "user.email=test@example.com"]);
    command.args(["-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A repository without a commit.
pub(crate) fn empty(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "--quiet"]);
}

/// Write a file and commit everything.
pub(crate) fn commit(folder: &Path, file: &str, text: &str) -> String {
    std::fs::write(folder.join(file), text).unwrap();
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "-m", &format!("Change {file}")]);
    git(folder, &["rev-parse", "HEAD"])
}

/// A repository whose file `LIMITS` said `max 10` until its last commit but one.
pub(crate) fn with_raised_limit(folder: &Path) {
    empty(folder);
    commit(folder, "README", "limits\n");
    commit(folder, "LIMITS", "max 10\n");
    commit(folder, "README", "limits of everything\n");
    commit(folder, "LIMITS", "max 99\n");
    commit(folder, "README", "limits of everything, raised\n");
}

/// The check that such a repository fails.
pub(crate) const LIMIT_CHECK: &str = "grep -q 'max 10' LIMITS";
