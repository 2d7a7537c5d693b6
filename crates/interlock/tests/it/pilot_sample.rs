//! `pilot` on the sample it makes itself.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::outcome::{column, conversation, outcome};
use crate::repository::git;
use crate::site::Site;
use crate::world::{Ran, finish};

#[test]
fn two_seeds_are_two_jobs_done() {
    let sites = [Site::new(), Site::new()];
    let [first, second] = std::thread::scope(|scope| {
        let runs = [("11", &sites[0]), ("12", &sites[1])];
        runs.map(|(seed, site)| scope.spawn(move || pilot(site, seed))).map(|run| run.join().unwrap())
    });
    for (ran, site) in [(&first, &sites[0]), (&second, &sites[1])] {
        let story = outcome(ran);
        a_job_is_done(&story);
        the_wakes_are_complete(&story);
        only_the_result_is_left(site, &story);
        people_see_it_live(ran, &story);
    }
    let [one, other] = [&first, &second].map(conversation);
    assert_ne!(one, other);
    the_branch_is_good(&sites[0], &outcome(&first));
}

fn pilot(site: &Site, seed: &str) -> Ran {
    finish(&mut site.command(&["pilot", "--json", "--seed", seed]), b"")
}

fn a_job_is_done(story: &Value) {
    assert_eq!(story["verdict"], "resolved", "{story}");
    assert_eq!(story["problem"], Value::Null);
    assert_eq!(story["thread"]["status"], "resolved");
    assert_eq!(story["ledger"]["verified"], true);
    assert!(story["ledger"]["size"].as_u64() > Some(20), "{story}");
    assert_eq!(story["turns"], story["wakes"].as_array().unwrap().len());
    assert!(column(&story["findings"], "rule").iter().any(|rule| rule.starts_with("test:")), "{story}");
    assert!(column(&story["findings"], "state").iter().all(|state| *state == "verified"), "{story}");
    let kinds = column(&story["timeline"], "type");
    for kind in ["message", "fix_pushed", "re_review_requested", "finding_reported", "finding_verified"] {
        assert!(kinds.contains(&kind), "{kind}: {story}");
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == "thread_resolved").count(), 1);
    let repo = Path::new(story["repo"]["path"].as_str().unwrap());
    for sha in column(&story["commits"], "sha") {
        git(repo, &["merge-base", "--is-ancestor", sha, story["repo"]["head"].as_str().unwrap()]);
    }
    assert!(column(&story["commits"], "agent").iter().all(|agent| *agent == "executor"));
    let finding = column(&story["findings"], "commit");
    assert!(finding.iter().all(|sha| column(&story["commits"], "sha").contains(sha)), "{story}");
}

/// Every step was taken, in order, without a poll.
fn the_wakes_are_complete(story: &Value) {
    for wake in story["wakes"].as_array().unwrap() {
        assert_eq!((&wake["lane"], &wake["result"]), (&"trigger".into(), &"triggered".into()), "{wake}");
        assert_eq!(wake["attempts"], 1, "{wake}");
        let at = |name: &str| wake[name].as_i64().unwrap_or_else(|| panic!("{name}: {wake}"));
        let (dispatched, accepted) = (at("dispatched_ms"), at("accepted_ms"));
        assert!(
            0 <= at("committed_ms") && at("committed_ms") <= dispatched && dispatched <= accepted,
            "{wake}"
        );
        assert!(accepted <= at("seen_ms") && accepted <= at("acted_ms"), "{wake}");
        assert!(at("seen_ms") <= story["duration_ms"].as_i64().unwrap(), "{wake}");
    }
    let timeline = story["timeline"].as_array().unwrap();
    let place = |item: &Value| (item["index"].as_u64().unwrap(), item["ms"].as_i64().unwrap());
    assert!(timeline.windows(2).all(|pair| place(&pair[0]) <= place(&pair[1])), "{story}");
    let seqs: Vec<u64> = timeline.iter().filter_map(|item| item["seq"].as_u64()).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
}

/// No process, no instance, no work tree: the repository with the branch.
fn only_the_result_is_left(site: &Site, story: &Value) {
    assert_eq!(site.ours(), []);
    site.until_quiet();
    let [folder] = &site.pilot_folders()[..] else { panic!("{:?}", site.pilot_folders()) };
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [folder.join("sample")]);
    assert_eq!(story["repo"]["path"], left[0].to_str().unwrap());
    assert_eq!(git(&left[0], &["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    assert_eq!(git(&left[0], &["status", "--porcelain"]), "");
}

fn people_see_it_live(ran: &Ran, story: &Value) {
    let said = conversation(ran);
    for words in ["executor  woken for #1 by anna", "fix_pushed", "finding_reported", "asleep again after"] {
        assert!(said.iter().any(|line| line.contains(words)), "{words}: {}", ran.err);
    }
    for words in ["\nresolved in ", "\nlook     git -C ", "\nmerge    git -C ", "\ndiscard  rm -r "] {
        assert!(ran.err.contains(words), "{words:?}: {}", ran.err);
    }
    assert!(ran.err.contains(story["repo"]["branch"].as_str().unwrap()), "{}", ran.err);
}

/// The branch merges cleanly into the user's, and the checks pass there.
fn the_branch_is_good(site: &Site, story: &Value) {
    let repo = Path::new(story["repo"]["path"].as_str().unwrap());
    git(repo, &["checkout", "--quiet", "main"]);
    git(repo, &["merge", "--quiet", "--no-edit", story["repo"]["branch"].as_str().unwrap()]);
    for words in [&["fmt", "--check"][..], &["check", "--all-targets"], &["test"]] {
        let mut cargo = Command::new("cargo");
        let folder = site.path("target");
        cargo.args(words).current_dir(repo).env("CARGO_TARGET_DIR", folder).env("RUSTFLAGS", "-Dwarnings");
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_kept_instance_can_be_looked_into_and_nobody_needs_standard_input() {
    let site = Site::new();
    let mut command = site.command(&[]);
    // Really closed, as under some schedulers; the shell is the only one who can.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" <&-"]).arg(command.get_program());
    shell.args(["pilot", "--keep", "--json", "--review-only", "--check", "true"]);
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap()).stdin(std::process::Stdio::null());
    let ran = finish(&mut shell, b"").ok();
    assert_eq!(outcome(&ran)["verdict"], "resolved");
    let kept = ran.err.lines().find_map(|line| line.strip_prefix("note: kept: ")).expect("it says where");
    assert_eq!(site.ours(), []);
    command
        .args(["up", "--json", "--until-stdin-closes", "--instance"])
        .arg(Path::new(kept).join("instance"));
    let mut server = crate::site::Running::new(&mut command);
    assert_eq!(server.json()["event"], "ready");
    // Its standard input is closed already.
    assert!(server.wait().success());
}
