//! Every way an attempt can go, on a virtual clock.

use interlock_api::v1::wake::{ClaimedWake, ReportParams};
use interlock_core::id::{SessionId, WakeId};
use interlock_core::wake::{Door, Evidence, Lane, Outcome, TurnFault, Usage};
use serde_json::json;

use super::{Attempt, Input, Output};
use crate::runtime::{Fault, Heard};

const STARTED: Output = Output::Report(ReportParams::Started { lane: Lane::Trigger, door: None });
const ACCEPTED: Output =
    Output::Report(ReportParams::Accepted { evidence: Evidence::Output, session_id: None });

const fn ended(outcome: Outcome) -> Output {
    Output::Report(ReportParams::Ended { outcome, usage: None, is_session_total: false, last_message: None })
}

const fn renewed(asked_ms: u64, is_accepted: bool) -> Input {
    Input::Renewed { asked_ms, is_accepted }
}

/// Accepts within 8 s, runs 900 s at most, holds its lease for 60 s.
fn claimed() -> ClaimedWake {
    let id = "00000000000000000000000001";
    serde_json::from_value(json!({
        "workspace_id": format!("ws_{id}"),
        "wake": {
            "wake_id": format!("wak_{id}"), "agent": "executor", "thread_id": format!("thr_{id}"), "seq": 1,
            "cause": "reviewer", "state": "pending", "held": false, "attempts": 0,
            "requested_at": "2026-01-02T03:04:05.678Z", "due_at": "2026-01-02T03:04:05.678Z",
        },
        "fence": 1, "lane": "trigger", "session_id": format!("ses_{id}"), "token": "secret-token",
        "deadline": "2026-01-02T03:19:05.678Z", "prompt": "", "launch": {"command": ["true"]},
        "accept_timeout_ms": 8_000, "run_ms_max": 900_000, "lease_ms": 60_000,
    }))
    .unwrap()
}

/// Each line: at this time, this happened, and this was to be done.
fn check(lines: &[(u64, Input, &[Output])]) -> Attempt {
    let mut attempt = Attempt::new(&claimed(), 0);
    for (n, (at_ms, input, want)) in lines.iter().enumerate() {
        assert_eq!(attempt.on(*at_ms, input.clone()), *want, "line {n}: {input:?} at {at_ms} ms");
    }
    attempt
}

#[test]
fn an_attempt_that_goes_well_is_told_in_order() {
    let attempt = check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::StartDelivered, &[]),
        (50, Input::Printed, &[ACCEPTED]),
        (8_006, Input::Timer, &[]),
        (20_000, renewed(20_000, true), &[]),
        (30_000, Input::Exited { code: 0 }, &[ended(Outcome::Exited { code: 0 })]),
    ]);
    assert!(attempt.is_over());
    assert_eq!(attempt.timer_ms(), None);
}

#[test]
fn an_attempt_that_ends_before_its_start_is_delivered_is_told_all_the_same() {
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::Signalled { signal: 11 }, &[ended(Outcome::Signalled { signal: 11 })]),
        (7, Input::StartDelivered, &[]),
        (8, Input::Lost, &[Output::Forget]),
    ]);
}

#[test]
fn a_command_that_cannot_be_started_is_told_and_one_that_was_in_the_way_is_given_back() {
    check(&[(5, Input::SpawnFailed, &[ended(Outcome::SpawnFailed)])]);
    check(&[(5, Input::NotStarted, &[ended(Outcome::NotStarted)])]);
}

#[test]
fn silence_is_asked_about_before_it_is_punished() {
    let start: [(u64, Input, &[Output]); 4] = [
        (5, Input::Spawned, &[STARTED]),
        (10, Input::StartDelivered, &[]),
        // Eight seconds, and not a millisecond less.
        (8_009, Input::Timer, &[]),
        (8_010, Input::Timer, &[Output::AskAcceptance]),
    ];
    let with = |rest: &[(u64, Input, &[Output])]| {
        let lines: Vec<_> = start.iter().chain(rest).cloned().collect();
        check(&lines)
    };
    // The server saw a call: it lives on.
    with(&[(8_020, renewed(8_011, true), &[]), (8_021, Input::Printed, &[])]);
    // The server saw none.
    with(&[
        (8_020, renewed(8_011, false), &[Output::Kill]),
        (8_030, Input::Signalled { signal: 9 }, &[ended(Outcome::NotAccepted)]),
    ]);
    // An answer to a question from before the time was up does not count.
    with(&[(8_020, renewed(8_009, false), &[])]);
    // It printed while the server was asked.
    with(&[(8_015, Input::Printed, &[ACCEPTED]), (8_020, renewed(8_011, false), &[])]);
    // It ended by itself while it was killed.
    with(&[
        (8_020, renewed(8_011, false), &[Output::Kill]),
        (8_030, Input::Exited { code: 0 }, &[ended(Outcome::Exited { code: 0 })]),
    ]);
}

#[test]
fn the_time_to_accept_begins_when_the_server_knows_of_the_start() {
    let attempt = check(&[
        (5, Input::Spawned, &[STARTED]),
        (9_000, Input::Timer, &[]),
        (9_500, renewed(9_400, false), &[]),
        (10_000, Input::StartDelivered, &[]),
    ]);
    assert_eq!(attempt.timer_ms(), Some(18_000));
}

#[test]
fn an_attempt_that_runs_too_long_is_stopped() {
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::Printed, &[ACCEPTED]),
        (890_000, renewed(890_000, true), &[]),
        (899_999, Input::Timer, &[]),
        (900_000, Input::Timer, &[Output::Stop]),
        (900_001, Input::Timer, &[]),
        (902_000, Input::Exited { code: 130 }, &[ended(Outcome::RunTimeExceeded)]),
    ]);
}

#[test]
fn a_lost_lease_ends_the_process_and_every_report() {
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::Lost, &[Output::Forget, Output::Kill]),
        (7, Input::Lost, &[]),
        (8, Input::Signalled { signal: 9 }, &[]),
    ]);
}

#[test]
fn a_lease_that_could_not_be_renewed_ends_the_process() {
    let attempt = check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::Printed, &[ACCEPTED]),
        (20_000, renewed(19_000, true), &[]),
        (78_999, Input::Timer, &[]),
    ]);
    assert_eq!(attempt.timer_ms(), Some(79_000));
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (60_000, Input::Timer, &[Output::Forget, Output::Kill]),
        (60_001, Input::Signalled { signal: 9 }, &[]),
    ]);
    // Also one that waits for its agent's former process.
    check(&[(60_000, Input::Timer, &[Output::Forget, Output::Kill]), (60_001, Input::NotStarted, &[])]);
}

#[test]
fn a_halt_stops_the_process_and_gives_the_wake_back() {
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::Halt, &[Output::Stop]),
        (7, Input::Halt, &[]),
        (8, Input::Exited { code: 0 }, &[ended(Outcome::Halted)]),
    ]);
    check(&[(6, Input::Halt, &[Output::Stop]), (7, Input::NotStarted, &[ended(Outcome::Halted)])]);
    // A lease that is lost while the process is stopped leaves it no more time.
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::Halt, &[Output::Stop]),
        (7, Input::Lost, &[Output::Forget, Output::Kill]),
        (8, Input::Signalled { signal: 9 }, &[]),
    ]);
}

/// An attempt of a program that speaks in events, told to go on in this session.
fn talking(resume: Option<u128>) -> Attempt {
    let mut claimed = claimed();
    claimed.runtime = interlock_core::agent::Runtime::Codex;
    claimed.resume = resume.map(SessionId::from_u128);
    let mut attempt = Attempt::new(&claimed, 0);
    assert_eq!(attempt.on(1, Input::Spawned), [STARTED]);
    assert_eq!(attempt.on(2, Input::StartDelivered), []);
    assert_eq!(attempt.on(3, Input::Printed), [], "that it prints proves nothing");
    attempt
}

const fn began(session: u128) -> Input {
    Input::Began { session_id: SessionId::from_u128(session) }
}

fn accepted_in(session: u128) -> Output {
    let session_id = Some(SessionId::from_u128(session));
    Output::Report(ReportParams::Accepted { evidence: Evidence::Event, session_id })
}

#[test]
fn the_runtimes_own_events_are_the_proof() {
    let mut attempt = talking(None);
    assert_eq!(attempt.on(50, began(7)), [accepted_in(7)]);
    assert_eq!(attempt.on(60, began(7)), [], "told once");
    let usage = Usage { input_tokens: 9, ..Usage::default() };
    let said = Some("all is done".to_owned());
    let heard = Heard {
        usage: Some(usage),
        is_session_total: true,
        is_done: true,
        last_message: said.clone(),
        ..Heard::default()
    };
    assert_eq!(attempt.on(70, Input::Heard(heard)), []);
    let outcome = Outcome::Exited { code: 0 };
    let told =
        ReportParams::Ended { outcome, usage: Some(usage), is_session_total: true, last_message: said };
    assert_eq!(attempt.on(80, Input::Exited { code: 0 }), [Output::Report(told)]);
}

#[test]
fn a_session_is_told_also_when_a_call_was_quicker() {
    let mut attempt = talking(Some(7));
    assert_eq!(attempt.on(40, renewed(40, true)), []);
    assert_eq!(attempt.on(50, began(7)), [accepted_in(7)]);
}

#[test]
fn another_session_than_it_was_told_is_the_end_of_it() {
    let mut attempt = talking(Some(7));
    assert_eq!(attempt.on(50, began(8)), [Output::Kill]);
    let fault = TurnFault::WrongSession;
    assert_eq!(
        attempt.on(60, Input::Signalled { signal: 9 }),
        [ended(Outcome::TurnFailed { fault, reset_in_ms: None })]
    );
}

#[test]
fn without_tools_a_turn_is_ended_at_once() {
    let mut attempt = talking(None);
    let fault = TurnFault::ToolsUnavailable;
    assert_eq!(attempt.on(50, Input::Hopeless { fault }), [Output::Kill]);
    assert_eq!(attempt.on(55, Input::Hopeless { fault }), []);
    assert_eq!(
        attempt.on(60, Input::Exited { code: 0 }),
        [ended(Outcome::TurnFailed { fault, reset_in_ms: None })]
    );
}

#[test]
fn what_was_heard_says_more_than_an_exit_code() {
    let heard = |is_done, fault| Heard { is_done, fault, ..Heard::default() };
    let turn = |fault| Some(Fault::Turn(fault));
    let failed = |fault| Outcome::TurnFailed { fault, reset_in_ms: None };
    let exit = |code| Outcome::Exited { code };
    for (heard, code, outcome) in [
        (heard(true, None), 0, exit(0)),
        (heard(false, None), 0, failed(TurnFault::TurnIncomplete)),
        (heard(false, None), 1, exit(1)),
        (heard(false, turn(TurnFault::ModelRateLimited)), 1, failed(TurnFault::ModelRateLimited)),
        (heard(true, turn(TurnFault::ModelUnavailable)), 0, exit(0)),
        (heard(false, Some(Fault::SessionGone)), 1, Outcome::SessionGone),
        (heard(false, Some(Fault::SessionBusy)), 1, Outcome::SessionBusy),
    ] {
        let mut attempt = talking(None);
        attempt.on(50, Input::Heard(heard.clone()));
        assert_eq!(attempt.on(60, Input::Exited { code }), [ended(outcome)], "{heard:?} {code}");
    }
}

/// Too late to accept, and killed for it: what it had said by then of why is what counts.
#[test]
fn a_program_that_says_why_it_does_not_accept_is_believed() {
    for (fault, outcome) in [
        (None, Outcome::NotAccepted),
        (Some(Fault::SessionGone), Outcome::SessionGone),
        (
            Some(Fault::Turn(TurnFault::ToolsUnavailable)),
            Outcome::TurnFailed { fault: TurnFault::ToolsUnavailable, reset_in_ms: None },
        ),
    ] {
        let mut attempt = talking(None);
        assert_eq!(attempt.on(8_002, Input::Timer), [Output::AskAcceptance]);
        assert_eq!(attempt.on(8_010, renewed(8_005, false)), [Output::Kill]);
        attempt.on(8_020, Input::Heard(Heard { fault, ..Heard::default() }));
        assert_eq!(attempt.on(8_030, Input::Signalled { signal: 9 }), [ended(outcome)], "{fault:?}");
    }
    // It ended by itself just before: an exit code alone is not to be trusted.
    let mut attempt = talking(None);
    attempt.on(8_002, Input::Timer);
    attempt.on(8_010, renewed(8_005, false));
    let fault = TurnFault::TurnIncomplete;
    assert_eq!(
        attempt.on(8_030, Input::Exited { code: 0 }),
        [ended(Outcome::TurnFailed { fault, reset_in_ms: None })]
    );
}

/// The server does not want it started: its process ends, and the wake is given back at once.
#[test]
fn a_start_that_is_refused_ends_the_process_and_gives_the_wake_back() {
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::StartRefused, &[Output::Kill]),
        (7, Input::Signalled { signal: 9 }, &[ended(Outcome::NotStarted)]),
    ]);
    // It had ended before: what it came to is told by the reporter.
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::Exited { code: 0 }, &[ended(Outcome::Exited { code: 0 })]),
        (7, Input::StartRefused, &[]),
    ]);
}

/// Found before anything was started: nothing was started, and nothing else is told.
#[test]
fn a_session_in_use_is_told_without_a_start() {
    let mut attempt = Attempt::new(&claimed(), 0);
    assert_eq!(attempt.on(1, Input::SessionBusy), [ended(Outcome::SessionBusy)]);
    assert!(attempt.is_over());
}

/// A person ends the wake: its process is stopped once, in the order of a halt, and the server knows which it is.
#[test]
fn a_wake_that_a_person_ends_is_stopped_once() {
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (6, Input::StartDelivered, &[]),
        (50, Input::Cancel, &[Output::Stop]),
        (60, Input::Cancel, &[]),
        (70, Input::Halt, &[]),
        (8_006, Input::Timer, &[]),
        (8_100, Input::Exited { code: 0 }, &[ended(Outcome::Halted)]),
    ]);
}

/// An attempt that is to look what became of an earlier one begins nothing in its place, through whatever door, and says
/// what it found whoever has ordered its end meanwhile.
#[test]
fn a_look_begins_nothing() {
    let looking = || Attempt::new(&ClaimedWake { is_in_doubt: true, ..claimed() }, 0);
    for (found, outcome) in [
        (Input::NotRunning, Outcome::NotRunning),
        (Input::DoorUnavailable, Outcome::DoorUnavailable),
        (Input::SessionGone, Outcome::SessionGone),
    ] {
        assert_eq!(looking().on(5, found.clone()), [ended(outcome)]);
        let mut stopped = looking();
        assert_eq!(stopped.on(4, Input::Cancel), [Output::Stop]);
        assert_eq!(stopped.on(5, found), [ended(outcome)]);
    }
    // It found a turn, and stopped it.
    let mut stopped = looking();
    assert_eq!(stopped.on(4, Input::Halt), [Output::Stop]);
    assert_eq!(stopped.on(5, Input::Spawned), [STARTED]);
    assert_eq!(stopped.on(6, Input::Exited { code: 1 }), [ended(Outcome::Halted)]);
    // It did not come to it.
    let mut stopped = looking();
    stopped.on(4, Input::Cancel);
    assert_eq!(stopped.on(5, Input::NotStarted), [ended(Outcome::Halted)]);
}

/// A turn in a server goes on without its supervisor, and is looked for by the next claim: what comes of it beyond the lease
/// is not told by this one, however late it wakes.
#[test]
fn what_a_turn_comes_to_beyond_its_lease_is_not_told() {
    let live = || Attempt::new(&ClaimedWake { door: Some(Door::Live), ..claimed() }, 0);
    let mut attempt = live();
    assert_eq!(attempt.on(5, Input::Spawned), [STARTED]);
    let lost = [Output::Forget, Output::Kill];
    assert_eq!(attempt.on(60_000, Input::Exited { code: 0 }), lost);
    assert!(attempt.is_over());
    // Nor is it told of anything, or spoken for.
    for input in [Input::Urgent, Input::Told { wake_id: WakeId::from_u128(5), seq: 9 }, Input::Printed] {
        let mut attempt = live();
        attempt.on(5, Input::Spawned);
        assert_eq!(attempt.on(60_001, input).get(..2), Some(lost.as_slice()));
    }
    // A renewal that was asked for in time holds, whenever its answer is read.
    let mut attempt = live();
    attempt.on(5, Input::Spawned);
    assert_eq!(attempt.on(70_000, renewed(40_000, true)), []);
    assert_eq!(attempt.on(70_000, Input::Exited { code: 1 }).len(), 1);
    // A process is dead when its end is seen: that is told as long as nobody else has the wake.
    check(&[
        (5, Input::Spawned, &[STARTED]),
        (60_000, Input::Exited { code: 1 }, &[ended(Outcome::Exited { code: 1 })]),
    ]);
}
