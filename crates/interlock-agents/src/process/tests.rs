use std::path::Path;
use std::time::{Duration, Instant};

use super::{Ended, Job, Limits, OUTPUT_BYTES_MAX, run};
use crate::error::WorkError;

fn shell(script: &str, limit: Duration) -> Ended {
    let arguments = ["-c".to_owned(), script.to_owned()];
    let limits = Limits { run_max: limit, until: None };
    let dir = Path::new("/");
    run(&Job { program: "/bin/sh", arguments: &arguments, dir, environment: &[], limits, keep: None })
        .unwrap()
}

#[test]
fn what_a_program_says_and_how_it_ends_is_told() {
    let ended = shell("echo out; echo err >&2; exit 3", Duration::from_mins(1));
    assert_eq!((ended.code, ended.timed_out), (Some(3), false));
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn only_the_end_of_much_output_is_kept() {
    let ended = shell(
        "i=0; while [ $i -lt 40000 ]; do echo line number $i; i=$((i+1)); done",
        Duration::from_mins(1),
    );
    assert!(ended.stdout.len() <= OUTPUT_BYTES_MAX, "{}", ended.stdout.len());
    assert!(ended.stdout.starts_with("line number ") && ended.stdout.ends_with("line number 39999\n"));
}

#[test]
fn a_program_that_does_not_end_is_ended_with_everything_it_started() {
    let started = Instant::now();
    let ended = shell("sleep 300 & sleep 300", Duration::from_millis(200));
    assert_eq!((ended.code, ended.timed_out), (None, true));
    // The pipes are closed, so the one in the background is gone too.
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[test]
fn what_is_left_in_the_background_is_ended_with_the_program() {
    let started = Instant::now();
    let ended = shell("sleep 300 & echo done", Duration::from_mins(2));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "done\n"));
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_program_that_is_not_there_is_an_error_with_a_reason() {
    let limits = Limits::default();
    let dir = Path::new("/");
    let job = Job { program: "no-such-program", arguments: &[], dir, environment: &[], limits, keep: None };
    let error = run(&job).unwrap_err();
    assert!(matches!(error, WorkError::NotStarted { .. }));
    assert_eq!(error.reason(), "CHECK_NOT_STARTED");
}
