//! Snapshots over the wire: taken, read by those who may, compared, and checked by whoever has the ledger.

use interlock_api::operations as op;
use interlock_api::v1::snapshot::{CompareSnapshotsResponse, FigureView, SnapshotView};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::command::JobOutcome;
use interlock_core::id::SnapshotId;
use interlock_core::limits::{PAGE_ROWS_MAX, REASON_BYTES_MAX, STAGE_CHARS_MAX};
use interlock_engine::read::Store as _;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::ask::Ask;
use crate::rpc::{Era, LEGACY, Rpc};
use crate::world::{LONG_MS, World, call, says, soon};

async fn takes(world: &World, stage: &str) -> SnapshotView {
    let key = format!("take-{stage}");
    call::<op::TakeSnapshot>(&world.client(Role::Coordinator), &json!({"stage": stage}), &key).await.unwrap()
}

async fn listed(world: &World, params: Value) -> (Vec<SnapshotId>, Option<String>) {
    let page = call::<op::ListSnapshots>(&world.client(Role::Auditor), &params, "").await.unwrap();
    (page.snapshots.iter().map(|taken| taken.snapshot_id).collect(), page.next_cursor)
}

async fn compared(world: &World, one: SnapshotId, other: SnapshotId) -> CompareSnapshotsResponse {
    let params = json!({"snapshot_id": one, "with": other});
    call::<op::CompareSnapshots>(&world.client(Role::Auditor), &params, "").await.unwrap()
}

fn figure<'a>(answer: &'a CompareSnapshotsResponse, name: &str) -> &'a FigureView {
    answer.figures.iter().find(|one| one.figure == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Posts what a caller may not decide, and hears why not.
async fn refused(world: &World, role: Role, body: &Value, reason: Reason) {
    let ask = Ask::new("POST", "/v1/snapshots").token(&world.token(role)).key("refused").json(body);
    ask.send(world).await.refused(reason);
}

#[tokio::test]
async fn a_snapshot_counts_what_is_there_and_is_read_as_it_was_taken() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.ledger().await.len() as u64;
    world.job("mail", "waits").await;
    let taken = takes(&world, "before-upgrade").await;
    assert_eq!((taken.by.as_str(), taken.index), ("coordinator", before));
    let content = &taken.content;
    assert_eq!((content.ledger_size, content.taken_at), (before, taken.taken_at));
    let jobs = &content.jobs;
    assert_eq!((jobs.accepted, jobs.dead, jobs.waiting, jobs.completed, jobs.lost), (2, 1, 1, 0, 0));
    assert_eq!((jobs.claimed, jobs.died), (1, 1));
    assert_eq!((content.messages, content.threads["active"], content.wakes["pending"]), (1, 1, 1));
    let read = Ask::new("GET", &format!("/v1/snapshots/{}", taken.snapshot_id));
    let read = read.token(&world.token(Role::Auditor)).send(&world).await.done();
    assert_eq!(read, serde_json::to_value(&taken).unwrap());
    assert_eq!(listed(&world, json!({})).await.0, [taken.snapshot_id, stage.snapshot]);
}

/// Whoever has the exported entries, and knows JSON and SHA-256, comes to the same digest.
#[tokio::test]
async fn an_outsider_computes_the_digest_from_the_ledger_alone() {
    let world = World::new().await;
    world.stage().await;
    let params = json!({"stage": "incident-7", "text": "the disk was full"});
    let taken = call::<op::TakeSnapshot>(&world.client(Role::Operator), &params, "take").await.unwrap();
    assert_eq!(taken.text.as_deref(), Some("the disk was full"));
    let entry = world.ledger().await.remove(usize::try_from(taken.index).unwrap());
    assert_eq!(entry["operation"], "take_snapshot");
    let event = &entry["events"][0];
    assert_eq!(event["kind"], "snapshot.taken/1");
    assert_eq!(event["content"], serde_json::to_value(&taken.content).unwrap());
    assert!(!entry.to_string().contains("disk"), "words stand beside the log");
    // The entry's own bytes are canonical, so its part is.
    let bytes = world.store.entries(world.here, taken.index, 1).await.unwrap().remove(0).envelope;
    let text = String::from_utf8(bytes).unwrap();
    let start = text.find("\"content\":").unwrap() + "\"content\":".len();
    let end = text.find(",\"content_digest\":").unwrap();
    let digest: String =
        sha2::Sha256::digest(&text.as_bytes()[start..end]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(event["content_digest"], digest);
    assert_eq!(taken.content_digest.to_string(), digest);
}

#[tokio::test]
async fn the_same_key_is_the_same_snapshot() {
    let world = World::new().await;
    let lead = world.client(Role::Coordinator);
    let first = call::<op::TakeSnapshot>(&lead, &json!({"stage": "one"}), "once").await.unwrap();
    world.job("mail", "later").await;
    let again = call::<op::TakeSnapshot>(&lead, &json!({"stage": "one"}), "once").await.unwrap();
    assert_eq!(json!(again), json!(first));
    assert_eq!(listed(&world, json!({})).await.0.len(), 1);
    let other = call::<op::TakeSnapshot>(&lead, &json!({"stage": "two"}), "once").await.unwrap_err();
    assert_eq!(other.reason, "KEY_REUSED");
}

#[tokio::test]
async fn nobody_says_what_is_in_one() {
    let world = World::new().await;
    let forged = json!({
        "stage": "mine", "content": {"jobs": {"accepted": 1_000, "lost": 0}}, "by": "root", "taken_at": "2020-01-01T00:00:00.000Z",
    });
    let ask = Ask::new("POST", "/v1/snapshots").token(&world.token(Role::Coordinator)).key("forged");
    let answer = ask.json(&forged).send(&world).await;
    if answer.reason().is_none() {
        let taken = answer.done();
        assert_eq!((&taken["by"], &taken["content"]["jobs"]["accepted"]), (&json!("coordinator"), &json!(0)));
        assert_ne!(taken["taken_at"], forged["taken_at"]);
    }
    for role in [Role::Participant, Role::Auditor, Role::Supervisor] {
        refused(&world, role, &json!({"stage": "mine"}), Reason::RoleMissing).await;
    }
}

#[tokio::test]
async fn what_names_no_stage_or_says_too_much_is_refused() {
    let world = World::new().await;
    let long = "x".repeat(STAGE_CHARS_MAX + 1);
    for stage in ["", "Stage One", "-a", "ä", long.as_str()] {
        refused(&world, Role::Operator, &json!({"stage": stage}), Reason::ParameterInvalid).await;
        let query = format!("/v1/snapshots?stage={}", stage.replace(' ', "%20").replace('ä', "%C3%A4"));
        let ask = Ask::new("GET", &query).token(&world.token(Role::Auditor));
        ask.send(&world).await.refused(Reason::ParameterInvalid);
    }
    refused(&world, Role::Operator, &json!({}), Reason::ParameterInvalid).await;
    let words = json!({"stage": "a", "text": "x".repeat(REASON_BYTES_MAX + 1)});
    refused(&world, Role::Operator, &words, Reason::LimitExceeded).await;
    let get = |path: String| Ask::new("GET", &path).token(&world.token(Role::Auditor));
    get("/v1/snapshots/snp_1".into()).send(&world).await.refused(Reason::ParameterInvalid);
    let absent = SnapshotId::from_u128(7);
    get(format!("/v1/snapshots/{absent}")).send(&world).await.refused(Reason::SnapshotNotFound);
    get(format!("/v1/snapshots?limit={}", PAGE_ROWS_MAX + 1))
        .send(&world)
        .await
        .refused(Reason::LimitExceeded);
    let taken = takes(&world, "one").await.snapshot_id;
    for (one, other) in [(taken, absent), (absent, taken)] {
        let path = format!("/v1/snapshots/{one}/compare?with={other}");
        get(path).send(&world).await.refused(Reason::SnapshotNotFound);
    }
    // Another workspace has none of these.
    let foreign = world.token_of("auditor", Role::Auditor, world.there);
    let ask = Ask::new("GET", &format!("/v1/snapshots/{taken}")).token(&foreign);
    ask.send(&world).await.refused(Reason::SnapshotNotFound);
}

#[tokio::test]
async fn pages_are_newest_first_and_of_a_stage_when_asked() {
    let world = World::new().await;
    let mut all = Vec::new();
    for n in 0..5 {
        let stage = if n % 2 == 0 { "even" } else { "odd" };
        let params = json!({"stage": stage});
        let taken =
            call::<op::TakeSnapshot>(&world.client(Role::Operator), &params, &format!("key-{n}")).await;
        all.push(taken.unwrap().snapshot_id);
    }
    // Of one millisecond the ids decide.
    let even = |all: &[SnapshotId]| {
        let mut even: Vec<_> = all.iter().copied().step_by(2).collect();
        even.sort_unstable_by(|a, b| b.cmp(a));
        even
    };
    let even = even(&all);
    all.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(listed(&world, json!({})).await, (all.clone(), None));
    assert_eq!(listed(&world, json!({"stage": "even"})).await, (even, None));
    assert_eq!(listed(&world, json!({"stage": "eve"})).await, (Vec::new(), None));
    let (first, next) = listed(&world, json!({"limit": 3})).await;
    assert_eq!(first, all[..3]);
    assert_eq!(listed(&world, json!({"limit": 3, "cursor": next.unwrap()})).await, (all[3..].to_vec(), None));
}

#[tokio::test]
async fn a_call_waits_for_a_snapshot_of_the_stage() {
    let world = World::new().await;
    let auditor = world.client(Role::Auditor);
    let waits = tokio::spawn(async move {
        let wanted = json!({"stage": "ready", "wait_ms": LONG_MS});
        call::<op::ListSnapshots>(&auditor, &wanted, "").await.unwrap().snapshots
    });
    takes(&world, "other").await;
    let ready = takes(&world, "ready").await;
    let found = soon(waits).await.unwrap();
    assert_eq!(found.iter().map(|taken| taken.snapshot_id).collect::<Vec<_>>(), [ready.snapshot_id]);
}

#[tokio::test]
async fn what_grew_between_two_is_told_with_its_rate() {
    let world = World::new().await;
    let stage = world.stage().await;
    let one = takes(&world, "one").await;
    for n in 0..3 {
        says(&world.client(Role::Coordinator), stage.thread, "again", &format!("say-{n}")).await.unwrap();
    }
    world.job("mail", "done").await;
    world.ends_jobs(&JobOutcome::Done).await;
    world.job("mail", "waits").await;
    let two = takes(&world, "two").await;
    let answer = compared(&world, two.snapshot_id, one.snapshot_id).await;
    assert_eq!(
        json!(compared(&world, one.snapshot_id, two.snapshot_id).await),
        json!(answer),
        "in any order"
    );
    assert_eq!((answer.earlier.snapshot_id, answer.later.snapshot_id), (one.snapshot_id, two.snapshot_id));
    let elapsed = two.taken_at.ms_since(one.taken_at);
    assert_eq!(answer.elapsed_ms, u64::try_from(elapsed).unwrap());
    assert!(answer.time_to_complete_ms.is_some());
    let messages = figure(&answer, "messages");
    assert_eq!((messages.from, messages.to, messages.grew, messages.is_total), (1, 4, 3, true));
    assert_eq!(messages.per_minute.is_some(), elapsed > 0);
    assert_eq!((figure(&answer, "jobs.completed").grew, figure(&answer, "jobs.accepted").grew), (1, 2));
    let waiting = figure(&answer, "jobs.waiting");
    assert_eq!((waiting.grew, waiting.per_minute), (1, None), "no rate of what only stands there");
    let same = compared(&world, one.snapshot_id, one.snapshot_id).await;
    assert!(same.figures.iter().all(|one| one.grew == 0 && one.per_minute.is_none()));
    assert_eq!((same.elapsed_ms, same.time_to_complete_ms), (0, None));
}

#[tokio::test]
async fn an_agent_that_leads_takes_one_by_its_tool() {
    let world = World::new().await;
    let rpc = Rpc::of(&world, Era::Legacy(LEGACY), Role::Coordinator).await;
    let (taken, is_error) =
        rpc.tool("take_snapshot", json!({"stage": "stage-1", "idempotency_key": "tool"})).await;
    assert!(!is_error, "{taken}");
    assert_eq!(taken["content"]["schema"], "snapshot/1");
    let (list, _) = rpc.tool("list_snapshots", json!({"stage": "stage-1"})).await;
    assert_eq!(list["snapshots"], json!([taken]));
    let (grown, _) = rpc
        .tool("compare_snapshots", json!({"snapshot_id": taken["snapshot_id"], "with": taken["snapshot_id"]}))
        .await;
    assert_eq!(grown["elapsed_ms"], 0);
    // One that takes part and leads nothing has no such tool to use.
    let rpc = Rpc::of(&world, Era::Legacy(LEGACY), Role::Participant).await;
    let (refused, is_error) =
        rpc.tool("take_snapshot", json!({"stage": "stage-1", "idempotency_key": "tool"})).await;
    assert!(is_error && refused["reason"] == "ROLE_MISSING", "{refused}");
}
