//! `pilot --repo`: on repositories of users, who find everything as they left it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use interlock_agents::sample::{Sample, generate};
use serde_json::Value;

use crate::outcome::{column, conversation, outcome};
use crate::repository::{self, LIMIT_CHECK, git};
use crate::site::{Site, files};
use crate::world::Ran;

/// Run on the repository `repo` of the place.
fn pilot(site: &Site, more: &[&str]) -> Ran {
    let repo = site.path("repo");
    site.run(&[&["pilot", "--json", "--repo", repo.to_str().unwrap()], more].concat())
}

/// What a user has in front of them.
fn desk(repo: &Path) -> (BTreeMap<PathBuf, Vec<u8>>, [String; 4]) {
    let asked = [
        &["status", "--porcelain=v2", "--branch"][..],
        &["diff"],
        &["diff", "--cached"],
        &["worktree", "list"],
    ];
    (files(repo), asked.map(|arguments| git(repo, arguments)))
}

#[test]
fn what_is_checked_out_and_uncommitted_stays_as_it_is() {
    let site = Site::new();
    let repo = site.path("repo");
    repository::with_raised_limit(&repo);
    std::fs::write(repo.join("README"), "half a sentence").unwrap();
    std::fs::write(repo.join("staged"), "staged").unwrap();
    git(&repo, &["add", "staged"]);
    std::fs::write(repo.join("untracked"), "untracked").unwrap();
    let before = desk(&repo);
    let ran = pilot(&site, &["--check", LIMIT_CHECK, "--check", "test -f README"]).ok();
    assert_eq!(desk(&repo), before);
    assert!(ran.err.contains("note: 3 uncommitted changes are left alone"), "{}", ran.err);
    let story = outcome(&ran);
    let branch = story["repo"]["branch"].as_str().unwrap();
    assert!(branch.starts_with("interlock/pilot-"), "{story}");
    assert_eq!(git(&repo, &["rev-parse", branch]), story["repo"]["head"]);
    assert_eq!(git(&repo, &["show", &format!("{branch}:LIMITS")]), "max 10");
    assert_eq!(column(&story["commits"], "agent"), ["executor"]);
    assert_eq!(site.pilot_folders(), [] as [PathBuf; 0]);
    assert_eq!(site.ours(), []);
    assert!(ran.err.contains(&format!("branch -D {branch}")), "{}", ran.err);
}

#[test]
fn a_review_changes_nothing_and_says_what_it_found() {
    let site = Site::new();
    let repo = site.path("repo");
    repository::with_raised_limit(&repo);
    let before = desk(&repo);
    let clean = outcome(&pilot(&site, &["--review-only", "--check", "test -f LIMITS"]).ok());
    assert_eq!((&clean["verdict"], &clean["thread"]["status"]), (&"resolved".into(), &"resolved".into()));
    let ran = pilot(&site, &["--review-only", "--check", LIMIT_CHECK]).failed(1, "OPEN_FINDINGS");
    let story = outcome(&ran);
    assert_eq!((&story["verdict"], &story["thread"]["status"]), (&"not_converged".into(), &"blocked".into()));
    assert_eq!(
        (&story["problem"]["reason"], &story["problem"]["code"]),
        (&"OPEN_FINDINGS".into(), &"CONFLICT".into())
    );
    assert_eq!(column(&story["findings"], "state"), ["open"]);
    assert_eq!(story["commits"], Value::Array(vec![]));
    assert_eq!(story["repo"]["head"], story["repo"]["base"]);
    assert_eq!(desk(&repo), before);
    assert_eq!(git(&repo, &["branch", "--list"]), "* main");
    assert_eq!(site.pilot_folders(), [] as [PathBuf; 0]);
}

#[test]
fn what_never_worked_is_handed_to_a_person() {
    let site = Site::new();
    let repo = site.path("repo");
    repository::with_raised_limit(&repo);
    let ran = pilot(&site, &["--check", "grep -q 'max 7' LIMITS"]).failed(1, "FINDING_UNRESOLVED");
    let story = outcome(&ran);
    assert_eq!((&story["verdict"], &story["thread"]["status"]), (&"not_converged".into(), &"blocked".into()));
    assert!(column(&story["timeline"], "type").contains(&"finding_unresolved"), "{story}");
    assert_eq!(column(&story["findings"], "state"), ["unresolved"]);
    assert!(story["problem"]["hint"].is_string(), "{story}");
    assert_eq!(story["ledger"]["verified"], true);
}

#[test]
fn the_leash_ends_a_run() {
    let site = Site::new();
    repository::with_raised_limit(&site.path("repo"));
    let ran = pilot(&site, &["--check", LIMIT_CHECK, "--max-turns", "1"]).failed(1, "LEASH_REACHED");
    let story = outcome(&ran);
    assert_eq!((&story["verdict"], &story["thread"]["status"]), (&"not_converged".into(), &"blocked".into()));
    assert_eq!(site.ours(), []);
    assert_eq!(git(&site.path("repo"), &["worktree", "list"]).lines().count(), 1);
}

/// The choices of these tests: the same for a seed.
fn choice(seed: u64, among: usize) -> usize {
    let mixed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from((mixed >> 33) % u64::try_from(among).unwrap()).unwrap()
}

/// A sample in which one more function is broken, by a commit that does not say so; the rule its test will offend.
fn with_a_broken_function(repo: &Path, seed: u64) -> String {
    let Sample { functions, culprit, .. } = generate(repo, seed).unwrap();
    let mut sound: Vec<_> = functions.iter().filter(|one| one.sound != one.broken).collect();
    sound.retain(|one| one.name != culprit.function);
    let one = sound[choice(seed, sound.len())];
    let text = std::fs::read_to_string(repo.join(&one.path)).unwrap();
    assert!(text.contains(&one.sound), "seed {seed}: {one:?}");
    repository::commit(repo, &one.path, &text.replacen(&one.sound, &one.broken, 1));
    git(repo, &["commit", "--quiet", "--allow-empty", "-m", "Trigger the build"]);
    format!("test:{}", one.test)
}

#[test]
fn a_random_function_broken_in_a_random_file_is_mended() {
    let runs = std::thread::scope(|scope| {
        let run = |seed| scope.spawn(move || a_broken_function_is_mended(seed));
        [41, 42].map(run).map(|run| run.join().unwrap())
    });
    assert_ne!(runs[0], runs[1], "other seeds, other conversations");
}

fn a_broken_function_is_mended(seed: u64) -> Vec<String> {
    let site = Site::new();
    let rule = with_a_broken_function(&site.path("repo"), seed);
    let before = desk(&site.path("repo"));
    let ran = pilot(&site, &["--check", "cargo test"]).ok();
    let story = outcome(&ran);
    assert_eq!(story["verdict"], "resolved", "seed {seed}: {story}");
    assert!(column(&story["findings"], "rule").contains(&rule.as_str()), "seed {seed}, {rule}: {story}");
    assert!(
        column(&story["findings"], "state").iter().all(|state| *state == "verified"),
        "seed {seed}: {story}"
    );
    assert_eq!(desk(&site.path("repo")), before, "seed {seed}");
    conversation(&ran)
}
