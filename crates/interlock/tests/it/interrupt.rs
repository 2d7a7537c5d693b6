//! Ctrl-C on a pilot, and its sudden death.

use std::process::Command;

use rustix::process::Signal;

use crate::outcome::outcome;
use crate::repository::{self, git};
use crate::site::{Running, Site};
use crate::wait::until;

/// An executor that will not end for a kind word, nor what it has started.
const STUBBORN: &str = "trap '' INT TERM HUP\necho awake\nsetsid sh -c 'sleep 600; sleep 600' &\necho >\"$0.begun\"\n\
                        while :; do sleep 600; done\n";

/// A pilot whose executor is at work.
fn at_work(site: &Site) -> Running {
    repository::with_raised_limit(&site.path("repo"));
    std::fs::write(site.path("repo/README"), "half a sentence").unwrap();
    let file = site.write("stubborn.sh", STUBBORN);
    let executor = format!("cmd:sh {}", file.display());
    let pilot = site.start(&["pilot", "--json", "--repo", "repo", "--executor", &executor]);
    until("the executor to be at work", || site.path("stubborn.sh.begun").exists().then_some(()));
    pilot
}

#[test]
fn ctrl_c_stops_every_agent_and_leaves_a_clean_state() {
    let site = Site::new();
    let pilot = at_work(&site);
    pilot.signal(Signal::INT);
    let ran = pilot.finish().failed(130, "INTERRUPTED");
    assert_eq!(site.processes(), []);
    let story = outcome(&ran);
    assert_eq!(
        (&story["verdict"], &story["problem"]["reason"]),
        (&"interrupted".into(), &"INTERRUPTED".into())
    );
    assert_eq!(story["wakes"][0]["agent"], "executor", "what happened until then is told: {story}");
    let repo = site.path("repo");
    assert_eq!(git(&repo, &["worktree", "list"]).lines().count(), 1);
    assert_eq!(git(&repo, &["branch", "--list"]), "* main");
    assert_eq!(git(&repo, &["status", "--porcelain"]), " M README");
    assert_eq!(site.pilot_folders(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn ctrl_c_while_everything_is_being_prepared_leaves_nothing() {
    let site = Site::new();
    let pilot = site.start(&["pilot", "--json", "--seed", "5"]);
    until("the first folder", || (!site.pilot_folders().is_empty()).then_some(()));
    pilot.signal(Signal::INT);
    let ran = pilot.finish().failed(130, "INTERRUPTED");
    assert_eq!(outcome(&ran)["verdict"], "interrupted");
    assert_eq!(site.processes(), []);
    assert_eq!(site.pilot_folders(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_killed_pilot_takes_server_and_agents_with_it() {
    let site = Site::new();
    let mut pilot = at_work(&site);
    assert!(site.processes().len() > 3, "{:?}", site.processes());
    pilot.kill();
    site.until_quiet();
    // What it left in the repository is cleared by git's own means.
    let mut prune = Command::new("git");
    let folder = site.pilot_folders().remove(0);
    std::fs::remove_dir_all(folder).unwrap();
    assert!(prune.args(["worktree", "prune"]).current_dir(site.path("repo")).status().unwrap().success());
    assert_eq!(git(&site.path("repo"), &["worktree", "list"]).lines().count(), 1);
}
