//! A thread in short: what is open, decided and unread, however long the thread has become.

use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::message::PostMessageResponse;
use interlock_api::v1::summary::{OpenFinding, ParticipantSummary, ThreadSummary};
use interlock_core::actor::Role;
use interlock_core::id::ThreadId;
use interlock_core::limits::SUMMARY_MESSAGES_MAX;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::ask::{Ask, fresh};
use crate::world::{World, call, says};

const COMMIT: &str = "0123456789abcdef";

async fn summary(client: &Client, thread: ThreadId) -> ThreadSummary {
    call::<op::SummarizeThread>(client, &json!({"thread_id": thread}), "").await.unwrap()
}

/// Posts an event about a finding that goes by a number.
async fn event(client: &Client, thread: ThreadId, kind: &str, n: u8, more: Value) -> PostMessageResponse {
    let mut data = more;
    data["finding_id"] = finding_id(n).into();
    let params = json!({"thread_id": thread, "kind": "event", "event_type": kind, "data": data, "body": format!("{kind} {n}")});
    call::<op::PostMessage>(client, &params, &fresh("event")).await.unwrap()
}

async fn reports(client: &Client, thread: ThreadId, n: u8, line: u32) -> u64 {
    let data = json!({
        "path": format!("src/{n}.rs"), "line": line, "rule": "tidy", "severity": "low", "message": format!("wrong {n}"),
    });
    event(client, thread, "finding_reported", n, data).await.seq
}

fn finding_id(n: u8) -> String {
    format!("fnd_{n:026}")
}

fn of<'s>(summary: &'s ThreadSummary, agent: &str) -> &'s ParticipantSummary {
    summary.participants.iter().find(|one| one.agent.as_str() == agent).unwrap()
}

fn places(open: &[OpenFinding]) -> Vec<(String, u64, &str, u64)> {
    open.iter().map(|one| (one.finding_id.to_string(), one.seq, one.path.as_str(), one.line)).collect()
}

#[tokio::test]
async fn findings_stay_open_until_they_are_verified_and_what_settled_them_is_a_decision() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    for n in 1..=4 {
        reports(&member, stage.thread, n, u32::from(n)).await;
    }
    event(&member, stage.thread, "finding_verified", 1, json!({"commit": COMMIT})).await;
    event(&member, stage.thread, "finding_rejected", 2, json!({"commit": COMMIT, "message": "still there"}))
        .await;
    event(&lead, stage.thread, "finding_unresolved", 3, json!({"message": "I cannot"})).await;
    let again = reports(&member, stage.thread, 4, 44).await;

    let told = summary(&lead, stage.thread).await;
    assert_eq!((told.task.as_str(), told.from_seq, told.last_seq), ("please begin", 1, again));
    assert_eq!(
        places(&told.open_findings),
        [
            (finding_id(2), 3, "src/2.rs", 2),
            (finding_id(3), 4, "src/3.rs", 3),
            // Its last report tells where it is now.
            (finding_id(4), again, "src/4.rs", 44),
        ]
    );
    let states: Vec<_> = told.open_findings.iter().map(|one| (one.cycles, one.is_unresolved)).collect();
    assert_eq!(states, [(2, false), (1, true), (2, false)]);
    let decided: Vec<_> =
        told.decisions.iter().map(|one| (one.seq, one.by.as_str(), one.kind.as_str())).collect();
    assert_eq!(
        decided,
        [
            (6, "participant", "finding_verified"),
            (7, "participant", "finding_rejected"),
            (8, "coordinator", "finding_unresolved"),
        ]
    );
    assert_eq!(told.decisions[0].finding_id.unwrap().to_string(), finding_id(1));
}

#[tokio::test]
async fn everybody_has_a_last_word_and_a_count_of_what_waits() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    says(&member, stage.thread, &"long ".repeat(100), "long").await.unwrap();
    let cancelled = says(&lead, stage.thread, "forget it", "cancelled").await.unwrap();
    let params = json!({"thread_id": stage.thread, "message_id": cancelled.message_id});
    call::<op::CancelMessage>(&lead, &params, "cancel").await.unwrap();
    let to_one = json!({"thread_id": stage.thread, "body": "for you", "to": ["participant"]});
    call::<op::PostMessage>(&lead, &to_one, "to-one").await.unwrap();
    call::<op::AckRead>(&lead, &json!({"thread_id": stage.thread, "seq": 2}), "ack").await.unwrap();

    let told = summary(&lead, stage.thread).await;
    assert!(told.participants.iter().all(|one| !one.unread_is_minimum), "all was looked at");
    let count = |agent: &str| (of(&told, agent).acked_seq, of(&told, agent).unread);
    // What was taken back is not unread, and what is for another is not either.
    assert_eq!(
        (count("coordinator"), count("executor"), count("participant")),
        ((2, 0), (0, 2), (0, 2)),
        "{told:?}"
    );
    let inbox = call::<op::Inbox>(&member, &json!({}), "").await.unwrap().threads;
    assert_eq!(inbox[0].unread, of(&told, "participant").unread, "the inbox counts the same");
    let said = of(&told, "participant").last_word.as_ref().unwrap();
    assert_eq!((said.seq, said.text.chars().count()), (2, 301), "cut, with a mark");
    assert!(said.text.ends_with('…'));
    assert_eq!(of(&told, "executor").last_word, None, "it has said nothing");

    let ask = || {
        Ask::new("GET", &format!("/v1/threads/{}/summary", stage.thread)).token(&world.token(Role::Auditor))
    };
    let first = ask().send(&world).await.done();
    assert_eq!(ask().send(&world).await.done(), first, "the same thread gives the same summary");
}

/// A finding is open however much was said since, and a count that does not go all the way back says so.
#[tokio::test]
async fn nothing_open_is_lost_behind_a_long_talk() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let early = [reports(&lead, stage.thread, 1, 11).await, reports(&lead, stage.thread, 2, 22).await];
    reports(&lead, stage.thread, 3, 33).await;
    event(&lead, stage.thread, "finding_verified", 3, json!({"commit": COMMIT})).await;
    let mut talk = JoinSet::new();
    for n in 0..SUMMARY_MESSAGES_MAX {
        let lead = lead.clone();
        talk.spawn(
            async move { says(&lead, stage.thread, "on and on", &format!("talk-{n}")).await.unwrap() },
        );
    }
    talk.join_all().await;
    let late = reports(&lead, stage.thread, 2, 23).await;

    let told = summary(&lead, stage.thread).await;
    let before = late - u64::from(SUMMARY_MESSAGES_MAX);
    assert_eq!((told.from_seq, told.last_seq), (before + 1, late));
    assert_eq!(
        places(&told.open_findings),
        [(finding_id(1), early[0], "src/1.rs", 11), (finding_id(2), late, "src/2.rs", 23)]
    );
    let count = |told: &ThreadSummary| {
        let one = of(told, "participant");
        (one.unread, one.unread_is_minimum)
    };
    assert_eq!(count(&told), (SUMMARY_MESSAGES_MAX, true), "there is more before that");
    for (seq, wanted) in [(before, (SUMMARY_MESSAGES_MAX, false)), (late - 7, (7, false))] {
        let ack = json!({"thread_id": stage.thread, "seq": seq});
        call::<op::AckRead>(&member, &ack, &fresh("ack")).await.unwrap();
        assert_eq!(count(&summary(&member, stage.thread).await), wanted);
    }
}
