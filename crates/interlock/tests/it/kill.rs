//! kill -9 at the steps of a job: of the server, of the supervisor, of the agents. The job is done all the same.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::job::Job;
use crate::processes;
use crate::site::Running;

/// A job of the sample has more steps than this.
const STEPS_MIN: usize = 25;

/// Follow a job to its end, and do something at each step as it appears, once for each: for what a wake comes to again
/// after a kill, nobody is killed again. Gives the timeline and how often something was done.
fn follow(tail: Running, mut at_step: impl FnMut(&Value) -> bool) -> (Vec<Value>, usize) {
    let (mut timeline, mut done) = (Vec::new(), BTreeSet::new());
    while let Some(line) = tail.line() {
        let item: Value = serde_json::from_str(&line).unwrap();
        assert!(item["type"].is_string(), "{item}");
        let step = format!("{} {} {}", item["type"], item["wake_id"], item["seq"]);
        // A released wake is what a kill leads to, not a step of the job.
        if item["type"] != "wake.released" && !done.contains(&step) && at_step(&item) {
            done.insert(step);
        }
        timeline.push(item);
    }
    let ran = tail.finish();
    // What blocked a job stands in its last steps, and its folder is gone when somebody reads this.
    let last = timeline.iter().skip(timeline.len().saturating_sub(12)).collect::<Vec<_>>();
    assert_eq!(ran.code, 0, "{last:#?}\n{}", ran.err);
    (timeline, done.len())
}

#[test]
fn a_job_nobody_disturbs_is_done() {
    let mut job = Job::new(21);
    let _server = job.up(&[]);
    let tail = job.begin();
    let (timeline, _) = follow(tail, |_| false);
    job.is_done(&timeline);
    let has =
        |actor: &str, kind: &str| timeline.iter().any(|item| item["actor"] == actor && item["type"] == kind);
    assert!(has("executor", "wake.dispatched") && has("executor", "fix_pushed"), "{timeline:#?}");
    assert!(has("reviewer", "wake.accepted") && has("reviewer", "thread_resolved"), "{timeline:#?}");
    assert!(!has("executor", "wake.released") && !has("executor", "wake.attempt_failed"), "{timeline:#?}");
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
    assert!(kills >= STEPS_MIN, "{kills} kills: {timeline:#?}");
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
    assert!(kills >= STEPS_MIN, "{kills} kills: {timeline:#?}");
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
