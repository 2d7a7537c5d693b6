//! Each judge takes what a good run measures, and refuses it as soon as one measurement is not what it should be.

use super::*;

/// What breaks a good run, and what is said of it.
type Broken<T> = (fn(&mut T), &'static str);

#[track_caller]
fn check<T: Clone>(good: &T, faults: impl Fn(&T) -> Vec<String>, broken: &[Broken<T>]) {
    assert_eq!(faults(good), [""; 0]);
    for (spoil, fault) in broken {
        let mut bad = good.clone();
        spoil(&mut bad);
        assert_eq!(faults(&bad), [*fault]);
    }
}

fn places(seqs: std::ops::RangeInclusive<u64>) -> Vec<Place> {
    seqs.map(|seq| (seq, format!("msg_{seq}"))).collect()
}

fn commits() -> Commits {
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    Commits { made: names(["b", "a"]), told: names(["a", "b"]) }
}

fn head() -> Head {
    Head { size: 9, root: "root".into() }
}

#[test]
fn a_killed_server_loses_nothing_and_does_nothing_twice() {
    let good = Server {
        acknowledged: places(1..=4),
        there: places(1..=4),
        heard: places(1..=2),
        job: places(1..=3),
        before: head(),
        root_then: Some("root".into()),
        has_agent_ended: true,
        is_started_again: true,
        result: "triggered".into(),
        commits: commits(),
    };
    let broken: &[Broken<Server>] = &[
        (|s| s.there[1].1 = "msg_other".into(), "1 acknowledged notes are not there"),
        (|s| s.there.push((5, "msg_5".into())), "5 notes are there, 4 were posted"),
        (|s| s.job.push((5, "msg_5".into())), "a sequence has a gap"),
        (|s| s.job[0].1 = "msg_other".into(), "1 messages of the job are not there"),
        (|s| s.root_then = Some("other".into()), "the first 9 entries are not those that were signed before"),
        (|s| s.root_then = None, "the first 9 entries are not those that were signed before"),
        (|s| s.has_agent_ended = false, "the agent outlived its server"),
        (|s| s.is_started_again = false, "the turn was not started again"),
        (|s| s.result = "failed".into(), "the turn ended with `failed`"),
        (|s| s.commits.told.push("a".into()), "a commit was announced twice"),
        (|s| s.commits.made.push("c".into()), "the branch has 3 commits, 2 were announced"),
    ];
    check(&good, Server::faults, broken);
}

#[test]
fn a_killed_agent_is_started_again_once() {
    let good = Agent {
        reason: "KILLED_BY_SIGNAL".into(),
        attempts: 2,
        result: "triggered".into(),
        processes: (7, Some(8)),
    };
    let broken: &[Broken<Agent>] = &[
        (|s| s.reason = "NOT_ACKED".into(), "the attempt failed with `NOT_ACKED`"),
        (|s| s.attempts = 3, "there were 3 attempts"),
        (|s| s.result = "failed".into(), "the turn ended with `failed`"),
        (|s| s.processes.1 = Some(7), "it is the same process"),
    ];
    check(&good, Agent::faults, broken);
}

#[test]
fn agents_that_repeat_themselves_are_stopped_by_a_guard() {
    let good = Repeat {
        status: "blocked".into(),
        reason: "NO_PROGRESS".into(),
        words: "20 turns brought no progress".into(),
        owner: Some("anna".into()),
        person: "anna".into(),
        turns: 20,
        held: (2, 2),
        alive: 0,
    };
    let broken: &[Broken<Repeat>] = &[
        (|s| s.status = "resolved".into(), "the thread is resolved"),
        (|s| s.reason = "PAUSED".into(), "no guard blocked it, but `PAUSED`"),
        (|s| s.reason = "WAKE_FAILED".into(), "no guard blocked it, but `WAKE_FAILED`"),
        (|s| s.reason = String::new(), "no guard blocked it, but ``"),
        (|s| s.words = String::new(), "nobody says why"),
        (|s| s.turns = 1, "they took 1 turns"),
        (|s| s.owner = None, "nobody is asked to look at it"),
        (|s| s.held = (1, 2), "of 2 wakes asked for afterwards 1 are held"),
        (|s| s.alive = 1, "1 of the two still run"),
    ];
    check(&good, Repeat::faults, broken);
    // Whatever guard it was.
    check(&Repeat { reason: "CAUSAL_LOOP".into(), ..good }, Repeat::faults, &[]);
}

#[test]
fn a_changed_byte_is_named_by_its_entry() {
    let good = Ledger {
        changed: 7,
        named: Ok((7, "ENTRY_HASH_MISMATCH".into())),
        untouched: Ok(head()),
        different: 1,
    };
    let broken: &[Broken<Ledger>] = &[
        (|s| s.named = Ok((8, "ENTRY_HASH_MISMATCH".into())), "entry 7 was changed, verification names 8"),
        (|s| s.named = Err("it verifies".into()), "verification names no entry: it verifies"),
        (|s| s.untouched = Err("entry 3".into()), "the untouched copy does not verify: entry 3"),
        (|s| s.different = 2, "2 bytes differ"),
    ];
    check(&good, Ledger::faults, broken);
}

#[test]
fn the_job_is_done_all_the_same() {
    let good = Job {
        is_resolved: true,
        tests: (12, 0),
        commits: commits(),
        ledger: Ok(head()),
        before: Some((head(), Some("root".into()))),
    };
    let broken: &[Broken<Job>] = &[
        (|s| s.is_resolved = false, "the thread is not resolved"),
        (|s| s.tests = (11, 1), "11 tests pass and 1 fail"),
        (|s| s.tests = (0, 0), "0 tests pass and 0 fail"),
        (|s| s.commits = Commits::default(), "nothing was committed"),
        (|s| s.ledger = Err("entry 3".into()), "the ledger does not verify: entry 3"),
        (|s| s.before = Some((head(), None)), "the ledger does not begin as it was exported before"),
    ];
    check(&good, Job::faults, broken);
}
