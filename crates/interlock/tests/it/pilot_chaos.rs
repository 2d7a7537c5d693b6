//! `pilot --chaos`: what it says is looked at from outside, with the evidence that it leaves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::outcome::{column, outcome};
use crate::processes;
use crate::readme::{CHAOS, blocks, readme};
use crate::repository::git;
use crate::site::Site;
use crate::wait::until;
use crate::world::{Ran, finish};

#[test]
fn everything_happens_to_a_job_and_it_is_done_all_the_same() {
    let site = Site::new();
    let ran = finish(&mut site.command(&["pilot", "--chaos", "--json", "--seed", "11"]), b"").ok();
    let story = outcome(&ran);
    assert_eq!((&story["verdict"], &story["problem"]), (&"resolved".into(), &Value::Null), "{}", ran.err);
    assert_eq!(
        column(&story["chaos"], "step"),
        ["server_killed", "agent_killed", "agents_repeat", "ledger_changed", "job_done"]
    );
    assert!(story["chaos"].as_array().unwrap().iter().all(|step| step["ok"] == true), "{story}");
    let folder = only_the_result_is_left(&site, &story);
    let entries = entries(&folder.join("evidence/ledger.tar"));
    server_and_agent_were_killed(&story, &entries);
    the_repeating_thread_is_blocked(&story, &entries);
    the_changed_entry_is_named(&site, &folder, &story, &entries);
    the_branch_is_good(&site, &story);
    people_read_it_in_80_columns(&ran);
}

/// No process, no instance, no work tree: the repository with the branch, and the evidence.
fn only_the_result_is_left(site: &Site, story: &Value) -> PathBuf {
    assert_eq!(site.processes(), []);
    let [folder] = &site.pilot_folders()[..] else { panic!("{:?}", site.pilot_folders()) };
    assert_eq!(names(folder), ["evidence", "sample"]);
    assert_eq!(
        names(&folder.join("evidence")),
        ["changed.tar", "ledger.tar", "ledger.vkey", "untouched.tar"]
    );
    assert_eq!(story["repo"]["path"], folder.join("sample").to_str().unwrap());
    folder.clone()
}

fn names(folder: &Path) -> Vec<String> {
    let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    found.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The entries of an exported ledger, read without the product.
fn entries(file: &Path) -> Vec<Value> {
    let list = tar(&["-tf", file.to_str().unwrap()]);
    let list = String::from_utf8(list).unwrap();
    let bundles = list.lines().filter(|name| name.starts_with("tile/entries/"));
    let mut entries = Vec::new();
    for name in bundles {
        let bytes = tar(&["-xOf", file.to_str().unwrap(), name]);
        let mut rest = &bytes[..];
        while let [high, low, more @ ..] = rest {
            let (entry, after) = more.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            entries.push(serde_json::from_slice(entry).unwrap());
            rest = after;
        }
    }
    entries
}

fn tar(words: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new("tar").args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The proof of a step, and the number after a word in it.
fn proof<'a>(story: &'a Value, step: &str) -> &'a str {
    let steps = story["chaos"].as_array().unwrap();
    steps.iter().find(|found| found["step"] == step).unwrap()["proof"].as_str().unwrap()
}

fn number_after(text: &str, word: &str) -> u64 {
    let rest = text.split(word).nth(1).unwrap_or_else(|| panic!("`{word}` in {text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("a number after `{word}` in {text}"))
}

/// The events of an entry that have this kind.
fn events<'a>(entries: &'a [Value], index: u64, kind: &str) -> Vec<&'a Value> {
    let events = entries[usize::try_from(index).unwrap()]["events"].as_array().unwrap();
    events.iter().filter(|event| event["kind"] == kind).collect()
}

fn server_and_agent_were_killed(story: &Value, entries: &[Value]) {
    let said = proof(story, "server_killed");
    for killed in ["server ", "agent "] {
        assert!(!processes::is_alive(i32::try_from(number_after(said, killed)).unwrap()), "{said}");
    }
    let (released, started) = (number_after(said, ": entry "), number_after(said, "it, entry "));
    let wake = &events(entries, released, "wake.released/1")[0]["wake_id"];
    assert!(released < started && said.contains(wake.as_str().unwrap()), "{said}");
    assert_eq!(events(entries, started, "wake.dispatched/1")[0]["wake_id"], *wake);
    // The notes that were acknowledged while it was killed are all there: as many as the notes' thread has messages.
    let happened = story["chaos"][0]["happened"].as_str().unwrap();
    let posted = number_after(happened, "lost: ");
    assert_eq!(number_after(happened, &format!("{posted} of ")), posted, "{happened}");
    assert!(posted > 1, "{happened}");
    let said = proof(story, "agent_killed");
    let failed = events(entries, number_after(said, ": entry "), "wake.attempt_failed/1")[0];
    assert_eq!(failed["reason"], "KILLED_BY_SIGNAL");
    assert!(said.contains(failed["wake_id"].as_str().unwrap()), "{said}");
    let wakes = story["wakes"].as_array().unwrap();
    let wake = wakes.iter().find(|wake| wake["id"] == failed["wake_id"]).unwrap();
    assert_eq!((&wake["attempts"], &wake["result"]), (&2.into(), &"triggered".into()));
}

/// A guard blocked it, and what was asked for afterwards was never started.
fn the_repeating_thread_is_blocked(story: &Value, entries: &[Value]) {
    let said = proof(story, "agents_repeat");
    let blocked = number_after(said, ": entry ");
    let change = events(entries, blocked, "thread.status_changed/1")[0];
    assert_eq!(change["to"], "blocked", "{change}");
    let reason = change["reason"].as_str().unwrap();
    assert!(story["chaos"][2]["happened"].as_str().unwrap().contains(reason), "{story}");
    assert!(said.contains(change["thread_id"].as_str().unwrap()), "{said}");
    let held: Vec<&str> = said.split("held: ").nth(1).unwrap().split(" and ").collect();
    assert_eq!(held.len(), 2, "{said}");
    let all = entries.iter().flat_map(|entry| entry["events"].as_array().unwrap());
    let of = |wake: &str, kind: &str| {
        all.clone().filter(|event| event["kind"] == kind && event["wake_id"] == *wake).count()
    };
    for wake in held {
        assert_eq!((of(wake, "wake.requested/1"), of(wake, "wake.dispatched/1")), (1, 0), "{wake}");
    }
}

fn the_changed_entry_is_named(site: &Site, folder: &Path, story: &Value, entries: &[Value]) {
    let file = |name: &str| folder.join("evidence").join(name).to_str().unwrap().to_owned();
    let verify = |name: &str| site.run(&["verify", &file(name), "--key", &file("ledger.vkey"), "--json"]);
    let killed = number_after(proof(story, "agent_killed"), ": entry ");
    let detail = verify("changed.tar").failed(5, "LEDGER_INVALID").only_json()["detail"].to_string();
    assert!(
        detail.contains(&format!(": entry {killed}: ")) && detail.contains("ENTRY_HASH_MISMATCH"),
        "{detail}"
    );
    let untouched = verify("untouched.tar").ok().only_json();
    let whole = verify("ledger.tar").ok().only_json();
    assert_eq!((&untouched["key"], &whole["key"]), (&"given".into(), &"given".into()));
    assert_eq!(whole["size"], entries.len());
    assert!(untouched["size"].as_u64() < whole["size"].as_u64(), "the job went on after that");
    let show = |index: u64| {
        let (file, key) = (file("ledger.tar"), file("ledger.vkey"));
        site.run(&["verify", &file, "--key", &key, "--entry", &index.to_string(), "--json"])
    };
    assert_eq!(show(killed).ok().only_json()["entry"], entries[usize::try_from(killed).unwrap()]);
    show(entries.len() as u64).failed(2, "PARAMETER_INVALID");
}

fn the_branch_is_good(site: &Site, story: &Value) {
    let repo = Path::new(story["repo"]["path"].as_str().unwrap());
    let branch = story["repo"]["branch"].as_str().unwrap();
    let range = format!("{}..{branch}", story["repo"]["base"].as_str().unwrap());
    let made: BTreeSet<String> = git(repo, &["rev-list", &range]).lines().map(str::to_owned).collect();
    let told = column(&story["commits"], "sha");
    assert_eq!(told.iter().map(|sha| (*sha).to_owned()).collect::<BTreeSet<_>>(), made);
    assert_eq!(told.len(), made.len(), "each is announced once: {told:?}");
    git(repo, &["checkout", "--quiet", branch]);
    let mut cargo = std::process::Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--offline"])
        .current_dir(repo)
        .env("CARGO_TARGET_DIR", site.path("target"));
    let tested = cargo.output().unwrap();
    assert!(tested.status.success(), "{tested:?}");
}

/// But for ids, paths and commands, which are not broken.
fn people_read_it_in_80_columns(ran: &Ran) {
    let wide = ran.err.lines().filter(|line| line.chars().count() > 80);
    let wide: Vec<&str> = wide.filter(|line| !line.contains("/interlock-pilot-")).collect();
    assert_eq!(wide, [""; 0]);
    for words in ["1. The server is killed", "SIGKILL", "WHAT WAS DONE TO IT", "`retry_backoff_ms` is 200"] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
}

#[test]
fn the_command_of_the_readme_ends_with_its_table() {
    let site = Site::new();
    let readme = readme();
    let [block] = blocks(&readme, CHAOS)[..] else { panic!("the README lost its chaos run") };
    let program = Path::new(env!("CARGO_BIN_EXE_interlock")).parent().unwrap();
    // What the program would be given, given to a shell that finds it on its path.
    let given = site.command(&[]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("set -eu\n{block}")]).current_dir(site.path("person")).env_clear();
    shell.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = shell.env("PATH", path).stdin(std::process::Stdio::null()).output().unwrap();
    let ran = Ran::of(&output).ok();
    let rows = |text: &str| {
        let table = text.split("WHAT WAS DONE TO IT").nth(1).unwrap_or_else(|| panic!("no table: {text}"));
        let rows = table.lines().filter(|line| line.starts_with("ok  ") || line.starts_with("NO  "));
        // The left column: what was done.
        rows.map(|row| row.chars().take(24).collect::<String>().trim_end().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&ran.out).len(), 5, "{}", ran.out);
    assert_eq!(rows(&ran.out), rows(readme.split(CHAOS).nth(1).unwrap()));
}

#[test]
fn other_players_and_repositories_are_refused() {
    let site = Site::new();
    for words in [&["--repo", "."][..], &["--review-only"], &["--executor", "cmd:true"], &["--check", "true"]]
    {
        let ran = site.run(&[&["pilot", "--chaos", "--json"], words].concat()).failed(2, "USAGE_INVALID");
        assert_eq!(outcome(&ran)["verdict"], "failed");
    }
    assert_eq!(site.pilot_folders(), [] as [PathBuf; 0]);
}

/// Ctrl-C when these words are said leaves no process behind, and what was shown until then is told.
fn interrupted_at(words: &str, steps: usize) {
    let site = Site::new();
    let mut command = site.command(&["pilot", "--chaos", "--json", "--seed", "5"]);
    let log = site.path("story");
    let story = std::fs::File::create(&log).unwrap();
    let mut pilot = command.stderr(story).spawn().unwrap();
    until(words, || std::fs::read_to_string(&log).unwrap().contains(words).then_some(()));
    processes::signal(i32::try_from(pilot.id()).unwrap(), Signal::INT);
    let ended = until("the end of the pilot", || pilot.try_wait().unwrap());
    assert_eq!(site.processes(), []);
    let mut out = String::new();
    std::io::Read::read_to_string(&mut pilot.stdout.take().unwrap(), &mut out).unwrap();
    let ran = Ran { code: ended.code().unwrap(), out, err: std::fs::read_to_string(&log).unwrap() };
    let ran = ran.failed(130, "INTERRUPTED");
    let story = outcome(&ran);
    assert_eq!(story["verdict"], "interrupted");
    assert!(story["chaos"].as_array().unwrap().len() >= steps, "{story}");
}

#[test]
fn ctrl_c_while_the_server_is_gone_leaves_nothing() {
    interrupted_at("SIGKILL   the server", 0);
}

#[test]
fn ctrl_c_while_agents_repeat_themselves_leaves_nothing() {
    interrupted_at("begun", 2);
}
