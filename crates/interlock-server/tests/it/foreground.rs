//! S000-06: callers are answered the same bytes whether anybody works on jobs or not; what is queued meanwhile is done
//! once, when somebody does.

use std::collections::BTreeMap;

use bytes::Bytes;
use interlock_api::operations as op;
use interlock_core::actor::Role;
use interlock_core::id;
use interlock_core::job::{Job, JobState};
use interlock_core::webhook::JOB_KIND;
use interlock_engine::read::{JobFilter, Page, Store as _};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::receiver::Receiver;
use crate::world::{Stage, World, call, soon};

/// How many messages the receiver is told of.
const TOLD: usize = 3;

/// What a coordinator asks for, one after the other: changes with a key, and reads.
fn asked(stage: &Stage) -> Vec<Ask> {
    let path = |rest: &str| format!("/v1/threads/{}{rest}", stage.thread);
    let change = |rest: &str, key: &str, body: Value| Ask::new("POST", &path(rest)).key(key).json(&body);
    let read = |uri: &str| Ask::new("GET", uri);
    vec![
        change("/messages", "post", json!({"body": "one"})),
        change("/messages", "urgent", json!({"body": "two", "priority": "urgent", "to": ["executor"]})),
        change("/messages", "order", json!({"body": "three", "in_reply_to": stage.message})),
        change("/messages/cancel", "cancel", json!({"message_id": stage.message, "text": "no more"})),
        change("/ack", "ack", json!({"seq": 2})),
        Ask::new("POST", "/v1/threads").key("open").json(&json!({"title": "another"})),
        read(&path("")),
        read(&path("/messages")),
        read(&path("/timeline")),
        read(&path("/summary")),
        read(&path(&format!("/delivery?message_id={}", stage.message))),
        read("/v1/messages/search?text=two"),
        read("/v1/threads"),
        read("/v1/wakes"),
        read("/v1/inbox"),
    ]
}

/// The answers, byte for byte.
async fn answers(world: &World, asks: &[Ask]) -> Vec<Bytes> {
    let mut answers = Vec::new();
    for ask in asks {
        let answer = ask.clone().token(&world.token(Role::Coordinator)).send(world).await;
        assert!(answer.status.is_success(), "{}: {}", answer.what, answer.text());
        answers.push(answer.bytes);
    }
    answers
}

/// The same without what is another at every run: each id is told by its place, a time is a time, and a digest, which is
/// salted, is a digest.
fn masked(answers: &[Bytes]) -> Vec<String> {
    let mut ids = BTreeMap::new();
    let mut mask = |text: &str| {
        if id::any(text).is_some() {
            let number = ids.len();
            return format!("id {}", ids.entry(text.to_owned()).or_insert(number));
        }
        let is_time = text.parse::<interlock_core::Timestamp>().is_ok();
        let is_digest = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        (if is_time {
            "a time"
        } else if is_digest {
            "a digest"
        } else {
            text
        })
        .to_owned()
    };
    let mut all = |answer: &Bytes| {
        let text = std::str::from_utf8(answer).unwrap();
        text.split('"').map(&mut mask).collect::<Vec<_>>().join("\"")
    };
    answers.iter().map(&mut all).collect()
}

/// A stage whose messages somebody is to be told of.
async fn watched(receiver: &Receiver) -> (World, Stage) {
    let world = World::new().await;
    let stage = world.stage().await;
    let operator = world.client(Role::Operator);
    let gone = json!({"webhook_id": stage.webhook});
    call::<op::DeleteWebhook>(&operator, &gone, "no-webhook").await.unwrap();
    let wanted = json!({"url": receiver.url, "filter": {"types": ["thread.message_posted/"]}});
    call::<op::CreateWebhook>(&operator, &wanted, "webhook").await.unwrap();
    (world, stage)
}

async fn deliveries(world: &World) -> Vec<Job> {
    let filter = JobFilter { kind: Some(JOB_KIND.to_owned()), ..JobFilter::default() };
    world.store.jobs(world.here, filter, Page { after: None, limit: 200 }).await.unwrap()
}

async fn deliveries_when(world: &World, count: usize, state: JobState) -> Vec<Job> {
    soon(async {
        loop {
            let jobs = deliveries(world).await;
            if jobs.len() == count && jobs.iter().all(|job| job.state == state) {
                return jobs;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn callers_are_answered_the_same_bytes_whether_jobs_are_worked_on_or_not() {
    let (near, far) = (Receiver::content().await, Receiver::content().await);
    let (busy, at) = watched(&near).await;
    let _telling = busy.tells();
    let worked_on = answers(&busy, &asked(&at)).await;
    near.until(|parcels| parcels.len() == TOLD).await;

    // Here jobs are made, and nobody works on them.
    let (idle, stage) = watched(&far).await;
    let _making = idle.makes_deliveries();
    let asks = asked(&stage);
    let queued = answers(&idle, &asks).await;
    assert_eq!(masked(&queued), masked(&worked_on));
    // First attempts are made one after the other: the next event is a job when this one was tried.
    let jobs = deliveries_when(&idle, 1, JobState::Queued).await;
    assert_eq!(jobs[0].attempts, 0);
    assert!(far.parcels().is_empty());
    assert_eq!(answers(&idle, &asks).await, queued, "asked for again");

    let _working = idle.delivers();
    let done = deliveries_when(&idle, TOLD, JobState::Completed).await;
    assert!(done.iter().all(|job| job.attempts == 1), "{done:?}");
    let mut parcels: Vec<String> = far.parcels().into_iter().map(|parcel| parcel.id).collect();
    assert_eq!(parcels.len(), TOLD);
    parcels.sort_unstable();
    parcels.dedup();
    assert_eq!(parcels.len(), TOLD, "each once");
    assert_eq!(answers(&idle, &asks).await, queued, "asked for once more, now that it is done");
}
