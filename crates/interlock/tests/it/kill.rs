//! kill -9 at the steps of a job: of the server, of the supervisor, of the agents. The job is done all the same.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::Value;

use crate::job::Job;
use crate::processes;
use crate::site::Running;

/// How often something is killed at one kind of step of one agent.
const KILLS_PER_STEP_MAX: usize = 1;

/// Follow a job to its end, and do something at each step as it appears, a few times for each kind.
fn follow(tail: Running, mut at_step: impl FnMut(&Value) -> bool) -> (Vec<Value>, BTreeMap<String, usize>) {
    let (mut timeline, mut done) = (Vec::new(), BTreeMap::new());
    while let Some(line) = tail.line() {
        let item: Value = serde_json::from_str(&line).unwrap();
        let step = format!("{} {}", item["actor"].as_str().unwrap(), item["type"].as_str().unwrap());
        let count = done.entry(step).or_insert(0);
        if *count < KILLS_PER_STEP_MAX && at_step(&item) {
            *count += 1;
        }
        timeline.push(item);
    }
    tail.finish().ok();
    (timeline, done)
}

#[test]
fn a_job_nobody_disturbs_is_done() {
    let mut job = Job::new(21);
    let _server = job.up(&[]);
    let tail = job.begin();
    let (timeline, steps) = follow(tail, |_| false);
    job.is_done(&timeline);
    for step in [
        "executor wake.dispatched",
        "reviewer wake.accepted",
        "executor fix_pushed",
        "reviewer thread_resolved",
    ] {
        assert!(steps.contains_key(step), "{step}: {steps:?}");
    }
}

#[test]
fn a_server_killed_at_every_step_loses_nothing() {
    the_server_is_killed(22);
}

#[test]
fn a_server_killed_at_every_step_of_another_job_loses_nothing() {
    the_server_is_killed(23);
}

fn the_server_is_killed(seed: u64) {
    let mut job = Job::new(seed);
    let mut server = job.up(&[]);
    let tail = job.begin();
    let (timeline, kills) = follow(tail, |_| {
        server.running.kill();
        server = job.up(&[]);
        true
    });
    assert!(kills.len() > 15, "{kills:?}");
    job.is_done(&timeline);
}

#[test]
fn a_supervisor_killed_at_every_step_loses_nothing() {
    let mut job = Job::new(24);
    let server = job.up(&["--server-only"]);
    let issued = job.site.ask(&["token", "issue", "--name", "runner", "--role", "supervisor"]);
    let token = issued["token"].as_str().unwrap().to_owned();
    let supervise = |job: &Job| {
        let words = ["supervise", "--json", "--server", &server.url, "--folder", "supervisor"];
        let running = Running::new(job.site.command(&words).env("INTERLOCK_TOKEN", &token));
        assert_eq!(running.json()["event"], "ready");
        running
    };
    let mut supervisor = supervise(&job);
    let tail = job.begin();
    let (timeline, kills) = follow(tail, |_| {
        supervisor.kill();
        supervisor = supervise(&job);
        true
    });
    assert!(kills.len() > 15, "{kills:?}");
    job.is_done_with(&timeline, &mut supervisor);
}

#[test]
fn agents_killed_at_their_steps_are_tried_again() {
    let mut job = Job::new(25);
    let _server = job.up(&[]);
    let tail = job.begin();
    let mut killed = 0;
    let (timeline, _) = follow(tail, |item| {
        let is_step =
            ["wake.dispatched", "wake.accepted", "wake.acted"].contains(&item["type"].as_str().unwrap());
        let Some(id) = job.agent(item["actor"].as_str().unwrap()).filter(|_| is_step) else { return false };
        processes::signal(id, Signal::KILL);
        killed += 1;
        true
    });
    assert!(killed >= 4, "only {killed} were there to be killed");
    let failed: Vec<&Value> = timeline.iter().filter(|item| item["type"] == "wake.attempt_failed").collect();
    assert!(failed.iter().all(|item| item["event"]["reason"] == "KILLED_BY_SIGNAL"), "{failed:?}");
    assert!(!failed.is_empty() && failed.len() <= killed, "{killed} kills, {failed:?}");
    job.is_done(&timeline);
}
