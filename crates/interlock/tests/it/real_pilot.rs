//! The pilot with the real Codex and Claude Code, offline: they are woken, read their threads, work with their own tools,
//! commit, answer, and go back to sleep.

use std::path::PathBuf;

use interlock_testkit::real;
use serde_json::Value;

use crate::outcome::{column, outcome};
use crate::site::Site;
use crate::world::{Ran, finish};

fn pilot(site: &Site, seed: &str, executor: &str, reviewer: &str, programs: &[(&str, PathBuf)]) -> Ran {
    let mut words = vec!["pilot", "--json", "--seed", seed, "--scripted-model", "--executor", executor];
    words.extend(["--reviewer", reviewer]);
    let mut command = site.command(&words);
    for (option, program) in programs {
        command.arg(option).arg(program);
    }
    finish(&mut command, b"")
}

fn is_done(ran: &Ran, real: &[&str]) {
    let story = outcome(ran);
    assert_eq!(story["verdict"], "resolved", "{ran:?}");
    assert!(column(&story["findings"], "state").iter().all(|state| *state == "verified"), "{story}");
    assert!(story["findings"].as_array().unwrap().len() >= 2, "{story}");
    assert!(story["commits"].as_array().unwrap().len() >= 3, "formatting, a warning and a test: {story}");
    assert_eq!(story["ledger"]["verified"], true);
    assert!(story["usage"]["input_tokens"].as_u64().unwrap() > 1_000, "{story}");
    for wake in story["wakes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|wake| real.contains(&wake["agent"].as_str().unwrap()))
    {
        assert!(["triggered", "already_active"].contains(&wake["result"].as_str().unwrap()), "{wake}");
        assert!(wake["attempts"].as_u64().unwrap() <= 1, "{wake}");
    }
    // A later turn of an agent knows of the earlier ones: its session was resumed.
    let second = story["wakes"].as_array().unwrap().iter().filter(|wake| wake["agent"] == real[0]).count();
    assert!(second >= 2, "{story}");
    assert!(ran.err.contains("My turn 2 here"), "{}", ran.err);
    assert!(!ran.out.contains("Bearer") && !ran.err.contains("eyJ"), "no token is shown");
}

/// Nothing of the run is left but its result, and nothing of the user's was touched.
fn is_clean(site: &Site, story: &Value) {
    site.until_quiet();
    let folders = site.pilot_folders();
    assert_eq!(folders.len(), 1, "{folders:?}");
    let left: Vec<_> =
        std::fs::read_dir(&folders[0]).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "instance"), "{left:?} {story}");
}

#[test]
fn codex_mends_and_claude_reviews() {
    let (Some(codex), Some(claude)) = (real::codex("codex x claude"), real::claude("codex x claude")) else {
        return;
    };
    let site = Site::new();
    let ran = pilot(&site, "11", "codex", "claude", &[("--codex", codex), ("--claude", claude)]);
    is_done(&ran, &["executor", "reviewer"]);
    is_clean(&site, &outcome(&ran));
}

#[test]
fn claude_mends_and_codex_reviews() {
    let (Some(codex), Some(claude)) = (real::codex("claude x codex"), real::claude("claude x codex")) else {
        return;
    };
    let site = Site::new();
    let ran = pilot(&site, "12", "claude", "codex", &[("--codex", codex), ("--claude", claude)]);
    is_done(&ran, &["executor", "reviewer"]);
}

#[test]
fn codex_mends_and_the_built_in_reviewer_reviews() {
    let Some(codex) = real::codex("codex x builtin") else { return };
    let site = Site::new();
    // Another sample: in this one the compiler suggests to take a whole line out.
    let ran = pilot(&site, "3", "codex", "builtin", &[("--codex", codex)]);
    is_done(&ran, &["executor"]);
}

/// The limit of a run is a limit of what its models use.
#[test]
fn a_run_ends_when_its_tokens_are_used_up() {
    let Some(codex) = real::codex("max tokens") else { return };
    let site = Site::new();
    let mut command =
        site.command(&["pilot", "--json", "--seed", "11", "--scripted-model", "--executor", "codex"]);
    command.args(["--max-tokens", "1000", "--codex"]).arg(codex);
    let ran = finish(&mut command, b"");
    let story = outcome(&ran);
    assert_eq!((ran.code, &story["verdict"]), (1, &"not_converged".into()), "{ran:?}");
    assert_eq!(story["problem"]["reason"], "LEASH_REACHED");
    assert!(story["problem"]["detail"].as_str().unwrap().contains("tokens"), "{story}");
}

/// And of what they cost: a run well below its limit is not ended by turns that are counted again and again.
#[test]
fn a_run_ends_when_its_money_is_used_up_and_not_before() {
    let Some(claude) = real::claude("max cost") else { return };
    let run = |limit: &str| {
        let site = Site::new();
        let words = ["pilot", "--json", "--seed", "11", "--scripted-model", "--executor", "claude"];
        let mut command = site.command(&words);
        command.args(["--max-cost", limit, "--claude"]).arg(&claude);
        finish(&mut command, b"")
    };
    let within = run("1000");
    let story = outcome(&within);
    assert_eq!(story["verdict"], "resolved", "{within:?}");
    let cost = story["usage"]["cost_micro_usd"].as_u64().unwrap();
    let dollars = |micro: u64| format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    // All turns together, and a little more.
    let limit = dollars(cost + cost / 4);
    let again = run(&limit);
    assert_eq!(outcome(&again)["verdict"], "resolved", "{limit} {again:?}");
    let beyond = run(&dollars(cost / 10));
    let story = outcome(&beyond);
    assert_eq!((beyond.code, &story["verdict"]), (1, &"not_converged".into()), "{beyond:?}");
    assert_eq!(story["problem"]["reason"], "LEASH_REACHED");
    assert!(story["problem"]["detail"].as_str().unwrap().contains(" USD"), "{story}");
}

/// With somebody's own account nothing is started before they have seen how.
#[test]
fn without_consent_nothing_is_started() {
    let site = Site::new();
    let program = site.write("codex", "#!/bin/sh\ntouch started\n");
    let program = program.to_str().unwrap();
    let ran = site.run(&["pilot", "--json", "--seed", "11", "--executor", "codex", "--codex", program]);
    assert_eq!((ran.code, &outcome(&ran)["problem"]["reason"]), (1, &"CONSENT_MISSING".into()), "{ran:?}");
    for shown in
        ["sandbox    workspace-write", "mcp_servers.interlock_wake.bearer_token_env_var", "login      yours"]
    {
        assert!(ran.err.contains(shown), "{shown}: {}", ran.err);
    }
    assert!(!ran.err.contains("dangerously") && !site.path("started").exists());
    // Neither in a repository of theirs, whatever the model.
    let repository = site.path("theirs");
    crate::repository::empty(&repository);
    crate::repository::commit(&repository, "README", "theirs\n");
    let words = ["pilot", "--json", "--scripted-model", "--executor", "codex", "--codex", program, "--repo"];
    let mut command = site.command(&words);
    let ran = finish(command.arg(&repository), b"");
    assert_eq!((ran.code, &outcome(&ran)["problem"]["reason"]), (1, &"CONSENT_MISSING".into()), "{ran:?}");
    assert!(!site.path("started").exists());
    let ran = site.run(&["pilot", "--json", "--executor", "codex", "--codex", "/nowhere/codex", "--yes"]);
    let problem = &outcome(&ran)["problem"];
    assert_eq!(problem["reason"], "SPAWN_FAILED");
    assert!(problem["hint"].as_str().unwrap().contains("@openai/codex"), "{problem}");
    // Of what was never begun nothing stays, neither here nor in their repository.
    assert_eq!(site.pilot_folders(), Vec::<std::path::PathBuf>::new());
    assert_eq!(crate::repository::git(&repository, &["branch", "--list", "interlock/*"]), "");
    assert_eq!(crate::repository::git(&repository, &["worktree", "list"]).lines().count(), 1);
}
