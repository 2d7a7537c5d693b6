//! Snapshots: what is counted at a moment that somebody names, and who can check it.

use interlock_core::actor::{Permission, Role};
use interlock_core::command::{JobOutcome, TakeSnapshot};
use interlock_core::job::{JOB_MS_BOUNDS, NewJob, RetryPolicy};
use interlock_core::limits::{REASON_BYTES_MAX, STAGE_CHARS_MAX};
use interlock_core::snapshot::{Bucket, Content, Growth, Snapshot, Stage, grown};
use interlock_core::thread::Status;
use interlock_core::{Command, Event, Reason, Refusal, Reply};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::jobs::{LEASE_MS, RETRY, new_job};
use crate::refused;
use crate::world::{Done, World};

fn stage(text: &str) -> Stage {
    Stage::parse(text).unwrap()
}

impl World {
    fn snaps(&mut self, by: &str, at: &str, text: &str) -> Result<Done, Refusal> {
        self.give(by, Command::TakeSnapshot(TakeSnapshot { stage: stage(at), text: text.into() }))
    }

    fn takes_snapshot(&mut self, at: &str) -> Snapshot {
        match self.snaps("olga", at, "").unwrap().reply {
            Reply::Snapshot(id) => self.rows.snapshots[&id].clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn world() -> World {
    let mut w = World::pair();
    w.person("olga", Role::Operator);
    w
}

/// What an outsider computes who knows nothing but that JSON is written with sorted names and no spaces.
fn recomputed(content: &Content) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
                for (n, (name, value)) in members.into_iter().enumerate() {
                    out.push_str(if n == 0 { "{" } else { "," });
                    out.extend(["\"", name.as_str(), "\":"]);
                    write(value, out);
                }
                out.push('}');
            }
            Value::Array(values) => {
                for (n, value) in values.iter().enumerate() {
                    out.push(if n == 0 { '[' } else { ',' });
                    write(value, out);
                }
                out.push(']');
            }
            other => out.push_str(&other.to_string()),
        }
    }
    let mut canonical = String::new();
    write(&serde_json::to_value(content).unwrap(), &mut canonical);
    sha2::Sha256::digest(canonical.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_empty_workspace_has_all_lines_and_nothing_in_them() {
    let mut w = World::new();
    w.person("olga", Role::Operator);
    let size = w.entries.len();
    let taken = w.takes_snapshot("begin");
    assert_eq!((taken.index, taken.by.as_str()), (size as u64, "olga"));
    let buckets: Vec<Value> = JOB_MS_BOUNDS.iter().map(|ms| json!({"up_to_ms": ms, "count": 0})).collect();
    let buckets: Vec<Value> = buckets.into_iter().chain([json!({"count": 0})]).collect();
    assert_eq!(
        serde_json::to_value(&taken.content).unwrap(),
        json!({
            "schema": "snapshot/1", "stage": "begin", "taken_at": w.now(), "ledger_size": size, "messages": 0,
            "jobs": {
                "accepted": 0, "completed": 0, "dead": 0, "waiting": 0, "running": 0, "lost": 0, "claimed": 0,
                "retried": 0, "put_off": 0, "died": 0, "requeued": 0, "oldest_due_ms": 0,
                "time_to_complete": {"count": 0, "sum_ms": 0, "buckets": buckets},
            },
            "threads": {"active": 0, "blocked": 0, "closed": 0, "resolved": 0},
            "wakes": {
                "pending": 0, "running": 0, "triggered": 0, "already_active": 0, "failed": 0, "superseded": 0,
                "expired": 0, "fallback_spawned": 0, "cancelled": 0, "fallback_resumed": 0, "unknown": 0,
            },
        })
    );
    assert_eq!(taken.content_digest.to_string(), recomputed(&taken.content));
}

#[test]
fn messages_threads_and_wakes_are_counted_as_they_stand() {
    let mut w = world();
    w.says("reviewer", "please look");
    w.says("reviewer", "and hurry");
    w.status("reviewer", Status::Blocked).unwrap();
    let said = w.rows.messages.len() as u64;
    let content = w.takes_snapshot("mid").content;
    assert!(said >= 2);
    assert_eq!((content.messages, content.threads["blocked"], content.threads["active"]), (said, 1, 0));
    assert_eq!(content.wakes.values().sum::<u64>(), w.rows.wakes.len() as u64);
    assert_eq!(content.ledger_size, w.entries.len() as u64 - 1, "without its own entry");
}

#[test]
fn what_became_of_jobs_adds_up() {
    let mut w = world();
    let quick = w.enqueues(new_job(Some("quick"))).unwrap();
    let hopeless = w.enqueues(new_job(Some("hopeless"))).unwrap();
    let slow =
        w.enqueues(NewJob { policy: RetryPolicy { attempts_max: 9, ..RETRY }, ..new_job(None) }).unwrap();
    w.enqueues(NewJob { run_at: Some(w.now().plus_ms(60_000)), ..new_job(None) }).unwrap();
    w.advance_ms(40);
    for job in w.takes(9).0 {
        let outcome = match job.job_id {
            id if id == quick => JobOutcome::Done,
            id if id == hopeless => JobOutcome::Hopeless("never".into()),
            _ => JobOutcome::Failed("not yet".into()),
        };
        w.finishes(&job, outcome).unwrap();
    }
    w.advance_ms(RETRY.cap_ms);
    let held = w.takes(9).0.remove(0);
    let jobs = w.takes_snapshot("first").content.jobs;
    assert_eq!(
        (jobs.accepted, jobs.completed, jobs.dead, jobs.waiting, jobs.running, jobs.lost),
        (4, 1, 1, 1, 1, 0)
    );
    assert_eq!((jobs.claimed, jobs.retried, jobs.put_off, jobs.died, jobs.requeued), (4, 1, 0, 1, 0));
    assert_eq!((jobs.time_to_complete.count, jobs.time_to_complete.sum_ms), (1, 40));
    let within = jobs.time_to_complete.buckets.iter().find(|bucket| bucket.count > 0);
    assert_eq!(within, Some(&Bucket { up_to_ms: Some(100), count: 1 }));
    // Given back untried, its worker goes silent, and a person lets the dead one try again.
    w.finishes(&held, JobOutcome::Later(w.now().plus_ms(10))).unwrap();
    w.advance_ms(10);
    assert_eq!(w.takes(9).0[0].job_id, slow);
    w.advance_ms(LEASE_MS);
    w.requeues(hopeless, "mended").unwrap();
    w.takes(0);
    w.advance_ms(500);
    let later = w.takes_snapshot("second").content;
    let jobs = &later.jobs;
    assert_eq!(
        (jobs.accepted, jobs.completed, jobs.dead, jobs.waiting, jobs.running, jobs.lost),
        (4, 1, 0, 3, 0, 0)
    );
    assert_eq!((jobs.claimed, jobs.retried, jobs.put_off, jobs.died, jobs.requeued), (5, 2, 1, 1, 1));
    assert_eq!(jobs.oldest_due_ms, 500, "the one that was requeued");
}

#[test]
fn what_is_gone_without_an_end_shows_as_lost() {
    let mut w = world();
    let id = w.enqueues(new_job(None)).unwrap();
    w.enqueues(new_job(None)).unwrap();
    w.rows.jobs.remove(&id);
    let jobs = w.takes_snapshot("after").content.jobs;
    assert_eq!((jobs.accepted, jobs.waiting, jobs.lost), (2, 1, 1));
}

#[test]
fn jobs_that_are_forgotten_stay_counted() {
    let mut w = world();
    w.enqueues(new_job(None)).unwrap();
    let job = w.takes(1).0.remove(0);
    w.finishes(&job, JobOutcome::Done).unwrap();
    w.advance_ms(10 * interlock_core::limits::JOB_KEPT_MS);
    w.takes(0);
    assert!(w.rows.jobs.is_empty());
    let jobs = w.takes_snapshot("later").content.jobs;
    assert_eq!((jobs.accepted, jobs.completed, jobs.lost), (1, 1, 0));
}

#[test]
fn a_key_gives_the_snapshot_that_was_taken_with_it() {
    let mut w = world();
    w.key = Some("once".into());
    let first = w.snaps("olga", "stage-1", "before the upgrade").unwrap();
    w.says("reviewer", "more");
    w.key = Some("once".into());
    let again = w.snaps("olga", "stage-1", "before the upgrade").unwrap();
    assert_eq!((again.reply, again.events.len()), (first.reply, 0));
    assert_eq!(w.rows.snapshots.len(), 1);
    w.key = Some("once".into());
    assert_eq!(refused(w.snaps("olga", "stage-2", "before the upgrade")), Reason::KeyReused);
}

#[test]
fn the_text_is_beside_the_log_and_within_its_limit() {
    let mut w = world();
    let done = w.snaps("olga", "incident-7", "the disk was full").unwrap();
    let [event @ Event::SnapshotTaken { text_digest: Some(_), .. }] = &done.events[..] else {
        panic!("{:?}", done.events)
    };
    assert!(!serde_json::to_string(event).unwrap().contains("disk"));
    assert_eq!(w.rows.snapshots.values().next().unwrap().text, "the disk was full");
    assert!(w.snaps("olga", "incident-7", &"x".repeat(REASON_BYTES_MAX)).is_ok());
    assert_eq!(refused(w.snaps("olga", "a", &"x".repeat(REASON_BYTES_MAX + 1))), Reason::LimitExceeded);
    assert_eq!(refused(w.snaps("olga", "a", "a\0b")), Reason::ParameterInvalid);
}

#[test]
fn a_stage_is_a_name() {
    for good in ["a", "0", "before-upgrade", "stage_1.2", &"x".repeat(STAGE_CHARS_MAX)] {
        assert_eq!(Stage::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "Stage", "a b", "-a", ".a", "_a", "a/b", "é", &"x".repeat(STAGE_CHARS_MAX + 1)] {
        assert!(Stage::parse(bad).is_err(), "{bad}");
        assert!(serde_json::from_value::<Stage>(json!(bad)).is_err(), "{bad}");
    }
}

#[test]
fn who_leads_or_operates_may_take_one() {
    let may: Vec<_> = Role::ALL.iter().filter(|role| role.may(Permission::SnapshotTake)).collect();
    assert_eq!(may, [&Role::Coordinator, &Role::Operator, &Role::Admin]);
}

#[test]
fn two_snapshots_show_what_grew() {
    let mut w = world();
    let earlier = w.takes_snapshot("one").content;
    w.enqueues(new_job(None)).unwrap();
    w.says("reviewer", "hello");
    let mut later = w.takes_snapshot("two").content;
    later.wakes.remove("expired");
    let all = grown(&earlier, &later);
    let of = |name: &str| all.iter().find(|one| one.figure == name).unwrap().clone();
    let grew = |name: &str| (of(name).is_total, of(name).grew());
    assert_eq!(grew("jobs.accepted"), (true, 1));
    assert_eq!(grew("jobs.waiting"), (false, 1));
    assert_eq!(grew("messages"), (true, 1));
    assert_eq!(grew("ledger.entries"), (true, 2));
    assert!(grew("wakes.requested").0);
    assert!(grew("wakes.triggered").0);
    assert!(!grew("wakes.pending").0);
    assert_eq!(of("messages").per_minute(0), None);
    assert_eq!(of("messages").per_minute(60_000), Some(1.0));
    assert_eq!(of("ledger.entries").per_minute(90_000), Some(1.333));
    assert_eq!(of("jobs.waiting").per_minute(60_000), None, "what stands has no rate");
    let gone = Growth { figure: "wakes.expired".into(), is_total: true, from: 0, to: 0 };
    assert_eq!(of("wakes.expired"), gone, "what one of them lacks is 0");
    let names: std::collections::BTreeSet<_> = all.iter().map(|one| &one.figure).collect();
    assert_eq!(names.len(), all.len());
}

/// What is committed is what was signed: another content has another digest, and the same always the same.
#[test]
fn the_digest_is_of_every_number() {
    let mut w = world();
    w.enqueues(new_job(None)).unwrap();
    let taken = w.takes_snapshot("one");
    let written: Content = serde_json::from_str(&serde_json::to_string(&taken.content).unwrap()).unwrap();
    assert_eq!(written.digest().unwrap(), taken.content_digest);
    let changes: [fn(&mut Content); 5] = [
        |content| content.jobs.accepted += 1,
        |content| content.jobs.time_to_complete.buckets[3].count += 1,
        |content| content.messages += 1,
        |content| content.stage = stage("two"),
        |content| *content.wakes.get_mut("pending").unwrap() += 1,
    ];
    for change in changes {
        let mut other = taken.content.clone();
        change(&mut other);
        assert_ne!(other.digest().unwrap(), taken.content_digest);
        assert_eq!(other.digest().unwrap().to_string(), recomputed(&other));
    }
}
