//! Jobs over the wire: looked at, waited for, requeued, and what is not told of them.

use interlock_api::operations as op;
use interlock_api::v1::job::JobView;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::command::JobOutcome;
use interlock_core::id::JobId;
use interlock_core::job::JobState;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::world::{HIDDEN, LONG_MS, World, call, soon};

async fn listed(world: &World, params: Value) -> (Vec<JobId>, Option<String>) {
    let page = call::<op::ListJobs>(&world.client(Role::Auditor), &params, "").await.unwrap();
    (page.jobs.iter().map(|job| job.job_id).collect(), page.next_cursor)
}

async fn job(world: &World, id: JobId) -> JobView {
    call::<op::GetJob>(&world.client(Role::Auditor), &json!({"job_id": id}), "").await.unwrap()
}

#[tokio::test]
async fn jobs_are_found_by_what_they_are_and_page_by_page() {
    let world = World::new().await;
    let dead = world.dead_job("one").await;
    let (mail, errand) = (world.job("mail", "two").await, world.job("errand", "three").await);
    // Newest first; of one millisecond the ids decide.
    let in_order = |mut ids: Vec<JobId>| {
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids
    };
    let all = in_order(vec![errand, mail, dead]);
    assert_eq!(listed(&world, json!({})).await, (all.clone(), None));
    assert_eq!(listed(&world, json!({"kind": "errand"})).await.0, in_order(vec![errand, dead]));
    assert_eq!(listed(&world, json!({"state": "queued"})).await.0, in_order(vec![errand, mail]));
    assert_eq!(listed(&world, json!({"state": "dead", "kind": "mail"})).await.0, []);
    let (first, next) = listed(&world, json!({"limit": 2})).await;
    assert_eq!(first, all[..2]);
    assert_eq!(listed(&world, json!({"limit": 2, "cursor": next.unwrap()})).await, (all[2..].to_vec(), None));
    let status = call::<op::GetStatus>(&world.client(Role::Auditor), &json!({}), "").await.unwrap();
    assert_eq!(json!(status.job_counts), json!({"queued": 2, "dead": 1}));
}

#[tokio::test]
async fn a_job_tells_where_it_stands() {
    let world = World::new().await;
    let id = world.job("mail", "number 7").await;
    let waiting = job(&world, id).await;
    assert_eq!((waiting.state, waiting.attempts, waiting.attempts_max), (JobState::Queued, 0, 10));
    assert_eq!((waiting.name.as_deref(), waiting.run_at), (Some("number 7"), Some(waiting.enqueued_at)));
    world.ends_jobs(&JobOutcome::Failed("the line is busy".into())).await;
    let failed = job(&world, id).await;
    assert_eq!((failed.state, failed.attempts), (JobState::Queued, 1));
    assert_eq!(failed.error.as_deref(), Some("the line is busy"));
    assert!(failed.run_at > waiting.run_at && failed.worker.is_none() && failed.finished_at.is_none());
}

#[tokio::test]
async fn a_call_waits_for_the_first_job_and_for_the_end_of_one() {
    let world = World::new().await;
    let auditor = world.client(Role::Auditor);
    let first = tokio::spawn({
        let auditor = auditor.clone();
        async move {
            let wanted = json!({"kind": "mail", "wait_ms": LONG_MS});
            call::<op::ListJobs>(&auditor, &wanted, "").await.unwrap().jobs
        }
    });
    let id = world.job("mail", "one").await;
    assert_eq!(soon(first).await.unwrap()[0].job_id, id);
    let end = tokio::spawn(async move {
        call::<op::GetJob>(&auditor, &json!({"job_id": id, "wait_ms": LONG_MS}), "").await.unwrap()
    });
    world.ends_jobs(&JobOutcome::Done).await;
    assert_eq!(soon(end).await.unwrap().state, JobState::Completed);
}

#[tokio::test]
async fn a_dead_job_is_requeued_for_a_reason_that_is_told() {
    let world = World::new().await;
    let id = world.dead_job("one").await;
    let operator = world.client(Role::Operator);
    let requeue = json!({"job_id": id, "text": "the line is mended"});
    let empty = json!({"job_id": id, "text": ""});
    let refused = call::<op::RequeueJob>(&operator, &empty, "empty").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::ParameterInvalid));
    let size = world.ledger().await.len();
    for _ in 0..2 {
        let job = call::<op::RequeueJob>(&operator, &requeue, "key").await.unwrap();
        assert_eq!((job.state, job.attempts, job.requeues), (JobState::Queued, 0, 1));
        let requeued = job.requeued.unwrap();
        assert_eq!((requeued.by.as_str(), requeued.text.as_str()), ("operator", "the line is mended"));
    }
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), size + 1, "the second is the first one's answer");
    let entry = &ledger[size];
    assert_eq!((&entry["operation"], &entry["actor"]["name"]), (&json!("requeue_job"), &json!("operator")));
    assert_eq!(entry["events"][0]["kind"], "job.requeued/1");
    assert!(!entry.to_string().contains("mended"), "words stand beside the log");
    let again = call::<op::RequeueJob>(&operator, &requeue, "another").await.unwrap_err();
    assert_eq!(again.known_reason(), Some(Reason::JobNotDead));
    let nothing = json!({"job_id": JobId::from_u128(7), "text": "why not"});
    let nothing = call::<op::RequeueJob>(&operator, &nothing, "nothing").await.unwrap_err();
    assert_eq!(nothing.known_reason(), Some(Reason::JobNotFound));
}

#[tokio::test]
async fn events_of_jobs_are_for_those_who_may_read_jobs() {
    let world = World::new().await;
    let id = world.dead_job("one").await;
    let seen = async |role| {
        let ask = Ask::new("GET", "/v1/events?until_now=true&type=job.").token(&world.token(role));
        ask.send(&world).await.text().contains(&id.to_string())
    };
    assert!(seen(Role::Auditor).await && seen(Role::Operator).await);
    assert!(!seen(Role::Coordinator).await && !seen(Role::Participant).await);
}

#[tokio::test]
async fn what_a_job_works_with_is_told_nowhere() {
    let world = World::new().await;
    let id = world.dead_job("one").await;
    world.job("mail", "two").await;
    let token = world.token(Role::Admin);
    for uri in ["/v1/jobs", "/v1/status", "/v1/ledger/entries", "/v1/events?until_now=true", "/metrics"] {
        let answer = Ask::new("GET", uri).token(&token).send(&world).await;
        let text = answer.text();
        assert!(!text.is_empty() && !text.contains(HIDDEN), "{uri}: {text}");
    }
    let one = Ask::new("GET", &format!("/v1/jobs/{id}")).token(&token).send(&world).await;
    let one = one.text();
    assert!(one.contains("nobody is there") && !one.contains(HIDDEN), "{one}");
    assert!(world.dump().await.iter().all(|line| !line.contains(HIDDEN)));
}

/// What `/metrics` tells.
pub(crate) async fn metrics(world: &World) -> String {
    Ask::new("GET", "/metrics").send(world).await.text().to_owned()
}

#[tokio::test]
async fn metrics_tell_how_jobs_stand_and_what_became_of_them() {
    let world = World::new().await;
    let dead = world.dead_job("one").await;
    for name in ["two", "three"] {
        world.job("mail", name).await;
    }
    world.ends_jobs(&JobOutcome::Done).await;
    world.job("mail", "four").await;
    world.ends_jobs(&JobOutcome::Failed("no".into())).await;
    let requeue = json!({"job_id": dead, "text": "why not"});
    call::<op::RequeueJob>(&world.client(Role::Operator), &requeue, "key").await.unwrap();
    world.ends_jobs(&JobOutcome::Hopeless("no".into())).await;
    world.advance(600_000);
    let text = metrics(&world).await;
    for line in [
        r#"interlock_jobs{state="queued"} 1"#,
        r#"interlock_jobs{state="running"} 0"#,
        r#"interlock_jobs{state="dead"} 1"#,
        "interlock_jobs_accepted_total 4",
        "interlock_jobs_claimed_total 5",
        "interlock_jobs_retried_total 1",
        "interlock_jobs_completed_total 2",
        "interlock_jobs_dead_total 2",
        "interlock_jobs_requeued_total 1",
        "interlock_job_duration_seconds_count 2",
        r#"interlock_job_duration_seconds_bucket{le="86400.0"} 2"#,
        r#"interlock_job_duration_seconds_bucket{le="+Inf"} 2"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let oldest = text.lines().find_map(|line| line.strip_prefix("interlock_job_oldest_due_seconds "));
    assert!(oldest.unwrap().parse::<f64>().unwrap() > 590.0, "{text}");
    assert!(text.trim_end().ends_with("# EOF") && text.matches("# EOF").count() == 1);
    // What is counted in memory is told while the store is away.
    world.store.set_down(true);
    let text = metrics(&world).await;
    assert!(text.contains("interlock_jobs_completed_total 2") && !text.contains("interlock_jobs{"), "{text}");
}
