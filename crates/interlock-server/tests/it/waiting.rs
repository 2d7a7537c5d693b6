//! Long-polls end because of a commit: each waits, past its first look, until somebody does something.

use std::sync::Arc;

use interlock_api::client::Client;
use interlock_api::v1::review::Verdict;
use interlock_api::{Op, Problem, operations as op};
use interlock_core::actor::Role;
use interlock_core::wake::Lane;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::world::{LONG_MS, World, call, says, soon};

/// A poll that waits: it has looked, with so many reads, and found nothing.
async fn waits<O: Op>(
    world: &World,
    client: Client,
    params: Value,
    reads: u64,
) -> JoinHandle<Result<O::Response, Problem>>
where
    O::Params: Sync,
{
    let before = world.store.reads();
    let poll = tokio::spawn(async move { call::<O>(&client, &params, "").await });
    soon(world.store.reads_reach(before + reads)).await;
    poll
}

#[tokio::test]
async fn reading_messages_waits_for_a_post_to_that_thread() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let other = call::<op::CreateThread>(&lead, &json!({"title": "other"}), "open").await.unwrap().thread_id;
    let params = json!({"thread_id": stage.thread, "after_seq": 1, "wait_ms": LONG_MS});
    let poll = waits::<op::ReadMessages>(&world, world.client(Role::Participant), params, 2).await;
    let reads = world.store.reads();
    says(&lead, other, "not for you", "other").await.unwrap();
    assert!(!poll.is_finished());
    says(&lead, stage.thread, "for you", "post").await.unwrap();
    let read = soon(poll).await.unwrap().unwrap();
    assert_eq!(read.messages[0].body, "for you");
    // One look after the commit that concerns it, and none for the other one.
    assert_eq!(world.store.reads(), reads + 2);
}

#[tokio::test]
async fn a_timeline_waits_for_whatever_happens_next() {
    let world = World::new().await;
    let stage = world.stage().await;
    let seen = json!({"thread_id": stage.thread, "limit": 200});
    let auditor = world.client(Role::Auditor);
    let next = call::<op::ReadTimeline>(&auditor, &seen, "").await.unwrap().next;
    let params = json!({"thread_id": stage.thread, "after": next, "wait_ms": LONG_MS});
    let poll = waits::<op::ReadTimeline>(&world, auditor, params, 2).await;
    assert!(!poll.is_finished());
    // An acknowledgement that ends no wake is nothing to see; a change of status is.
    let ack = json!({"thread_id": stage.thread, "seq": 1});
    call::<op::AckRead>(&world.client(Role::Participant), &ack, "ack").await.unwrap();
    let blocked = json!({"thread_id": stage.thread, "status": "blocked"});
    call::<op::UpdateThreadStatus>(&world.client(Role::Operator), &blocked, "block").await.unwrap();
    let read = soon(poll).await.unwrap().unwrap();
    let kinds: Vec<_> = read.items.iter().map(|item| item.kind.as_str()).collect();
    assert_eq!(kinds, ["thread.status_changed", "thread_escalated"]);
    assert_eq!(read.items[0].actor.as_str(), "operator");
}

#[tokio::test]
async fn an_inbox_waits_for_a_message_that_is_for_its_owner() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let ack = json!({"thread_id": stage.thread, "seq": 1});
    call::<op::AckRead>(&member, &ack, "ack").await.unwrap();
    let poll = waits::<op::Inbox>(&world, member, json!({"wait_ms": LONG_MS}), 1).await;
    let reads = world.store.reads();
    let aside = json!({"thread_id": stage.thread, "body": "aside", "to": ["executor"]});
    call::<op::PostMessage>(&lead, &aside, "aside").await.unwrap();
    // It looked again, and went on waiting: that message is for another.
    soon(world.store.reads_reach(reads + 2)).await;
    assert!(!poll.is_finished());
    says(&lead, stage.thread, "to all", "post").await.unwrap();
    let threads = soon(poll).await.unwrap().unwrap().threads;
    assert_eq!((threads[0].thread_id, threads[0].unread), (stage.thread, 1));
}

fn claim() -> Value {
    json!({"supervisor": "keeper", "incarnation": "1", "limit": 8, "wait_ms": LONG_MS})
}

#[tokio::test]
async fn a_claim_waits_for_the_post_that_wakes_somebody() {
    let world = World::new().await;
    let stage = world.stage().await;
    let keeper = world.client(Role::Supervisor);
    let first = soon(call::<op::ClaimWakes>(&keeper, &claim(), "")).await.unwrap().wakes;
    assert_eq!(first[0].wake.wake_id, stage.wake);
    let batches = world.store.batches();
    // Its first look is a batch and a read of what falls due next.
    let poll = waits::<op::ClaimWakes>(&world, keeper, claim(), 1).await;
    assert_eq!(world.store.batches(), batches + 1);
    assert!(!poll.is_finished());
    let agent = json!({"name": "second", "runtime": "command", "launch": {"command": ["true"]}});
    call::<op::RegisterAgent>(&world.client(Role::Operator), &agent, "agent").await.unwrap();
    let open = json!({"title": "other", "participants": [{"agent": "second"}]});
    let lead = world.client(Role::Coordinator);
    let thread = call::<op::CreateThread>(&lead, &open, "open").await.unwrap().thread_id;
    says(&lead, thread, "please", "post").await.unwrap();
    let claimed = soon(poll).await.unwrap().unwrap();
    assert_eq!(claimed.wakes.len(), 1);
    assert_eq!(claimed.wakes[0].wake.agent.as_str(), "second");
    assert_eq!(claimed.wakes[0].lane, Lane::Trigger, "a commit brought it, not polling");
}

#[tokio::test]
async fn what_is_there_already_is_not_waited_for() {
    let world = World::new().await;
    let stage = world.stage().await;
    let member = world.client(Role::Participant);
    let params = json!({"thread_id": stage.thread, "wait_ms": LONG_MS});
    assert_eq!(soon(call::<op::ReadMessages>(&member, &params, "")).await.unwrap().messages.len(), 1);
    assert!(!soon(call::<op::ReadTimeline>(&member, &params, "")).await.unwrap().items.is_empty());
    let inbox = json!({"wait_ms": LONG_MS});
    assert_eq!(soon(call::<op::Inbox>(&member, &inbox, "")).await.unwrap().threads.len(), 1);
}

#[tokio::test]
async fn a_hundred_polls_of_one_thread_all_see_the_post() {
    let world = Arc::new(World::new().await);
    let stage = world.stage().await;
    let before = world.store.reads();
    let params = json!({"thread_id": stage.thread, "after_seq": 1, "wait_ms": LONG_MS});
    let mut polls = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (client, params) = (world.client(Role::Participant), params.clone());
        polls.spawn(
            async move { call::<op::ReadMessages>(&client, &params, "").await.unwrap().messages.len() },
        );
    }
    soon(world.store.reads_reach(before + 200)).await;
    says(&world.client(Role::Coordinator), stage.thread, "for all", "post").await.unwrap();
    assert_eq!(soon(polls.join_all()).await, vec![1; 100]);
}

#[tokio::test]
async fn a_thread_is_waited_for_until_it_has_another_status() {
    let world = World::new().await;
    let stage = world.stage().await;
    let params = json!({"thread_id": stage.thread, "while_status": "active", "wait_ms": LONG_MS});
    let poll = waits::<op::GetThread>(&world, world.client(Role::Participant), params.clone(), 1).await;
    let lead = world.client(Role::Coordinator);
    let reads = world.store.reads();
    says(&lead, stage.thread, "still at it", "post").await.unwrap();
    soon(world.store.reads_reach(reads + 1)).await;
    assert!(!poll.is_finished(), "a message is no other status");
    let blocked = json!({"thread_id": stage.thread, "status": "blocked"});
    call::<op::UpdateThreadStatus>(&lead, &blocked, "block").await.unwrap();
    assert_eq!(soon(poll).await.unwrap().unwrap().status, interlock_core::thread::Status::Blocked);
    // It has left that status already.
    let now = soon(call::<op::GetThread>(&lead, &params, "")).await.unwrap();
    assert_eq!(now.status, interlock_core::thread::Status::Blocked);
}

#[tokio::test]
async fn a_thread_without_a_status_to_leave_is_waited_for_until_it_changes() {
    let world = World::new().await;
    let stage = world.stage().await;
    let params = json!({"thread_id": stage.thread, "wait_ms": LONG_MS});
    let poll = waits::<op::GetThread>(&world, world.client(Role::Participant), params, 1).await;
    says(&world.client(Role::Coordinator), stage.thread, "news", "post").await.unwrap();
    assert_eq!(soon(poll).await.unwrap().unwrap().last_seq, 2);
}

#[tokio::test]
async fn a_wake_is_waited_for_until_its_end() {
    let world = World::new().await;
    let stage = world.stage().await;
    let params = json!({"wake_id": stage.wake, "wait_ms": LONG_MS});
    let poll = waits::<op::GetWake>(&world, world.client(Role::Operator), params, 1).await;
    let resolved = json!({"thread_id": stage.thread, "status": "resolved"});
    call::<op::UpdateThreadStatus>(&world.client(Role::Coordinator), &resolved, "end").await.unwrap();
    let wake = soon(poll).await.unwrap().unwrap();
    assert_eq!(wake.result, Some(interlock_core::wake::WakeResult::Superseded));
}

#[tokio::test]
async fn lists_wait_for_their_first_row() {
    let world = World::new().await;
    let stage = world.stage().await;
    let params = json!({"status": "blocked", "wait_ms": LONG_MS});
    let threads = waits::<op::ListThreads>(&world, world.client(Role::Operator), params, 1).await;
    let params = json!({"state": "finished", "wait_ms": LONG_MS});
    let wakes = waits::<op::ListWakes>(&world, world.client(Role::Operator), params, 1).await;
    let lead = world.client(Role::Coordinator);
    let blocked = json!({"thread_id": stage.thread, "status": "blocked"});
    call::<op::UpdateThreadStatus>(&lead, &blocked, "block").await.unwrap();
    assert_eq!(soon(threads).await.unwrap().unwrap().threads[0].thread_id, stage.thread);
    assert!(!wakes.is_finished());
    let closed = json!({"thread_id": stage.thread, "status": "closed"});
    call::<op::UpdateThreadStatus>(&lead, &closed, "close").await.unwrap();
    assert_eq!(soon(wakes).await.unwrap().unwrap().wakes[0].wake_id, stage.wake);
}

#[tokio::test]
async fn a_summary_is_waited_for_until_somebody_speaks() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let params = json!({"thread_id": stage.thread, "after_seq": 1, "wait_ms": LONG_MS});
    let poll = waits::<op::SummarizeThread>(&world, world.client(Role::Participant), params.clone(), 1).await;
    let any = json!({"thread_id": stage.thread, "wait_ms": LONG_MS});
    let change = waits::<op::SummarizeThread>(&world, world.client(Role::Participant), any, 1).await;
    let reads = world.store.reads();
    let ack = json!({"thread_id": stage.thread, "seq": 1});
    call::<op::AckRead>(&world.client(Role::Participant), &ack, "ack").await.unwrap();
    let participant = soon(change).await.unwrap().unwrap().participants.remove(2);
    assert_eq!((participant.agent.as_str(), participant.acked_seq), ("participant", 1));
    soon(world.store.reads_reach(reads + 1)).await;
    assert!(!poll.is_finished(), "an acknowledgement is no message");
    says(&lead, stage.thread, "news", "post").await.unwrap();
    assert_eq!(soon(poll).await.unwrap().unwrap().last_seq, 2);
    // It is beyond that message already.
    assert_eq!(soon(call::<op::SummarizeThread>(&lead, &params, "")).await.unwrap().last_seq, 2);
}

#[tokio::test]
async fn agents_entries_checkpoints_and_the_status_are_waited_for() {
    let world = World::new().await;
    world.stage().await;
    let admin = || world.client(Role::Admin);
    let now = call::<op::GetStatus>(&admin(), &json!({}), "").await.unwrap();
    let size = now.ledger_size;
    let stays = json!({"while_size": size, "wait_ms": LONG_MS});
    let status = waits::<op::GetStatus>(&world, admin(), stays.clone(), 1).await;
    let checkpoint = waits::<op::GetCheckpoint>(&world, admin(), stays.clone(), 1).await;
    let entries = json!({"from": size, "wait_ms": LONG_MS});
    let entries = waits::<op::ListEntries>(&world, admin(), entries, 1).await;
    let agents = json!({"cursor": "participant", "wait_ms": LONG_MS});
    let agents = waits::<op::ListAgents>(&world, admin(), agents, 1).await;
    assert!(
        !status.is_finished() && !checkpoint.is_finished() && !entries.is_finished() && !agents.is_finished()
    );
    call::<op::RegisterAgent>(&admin(), &json!({"name": "zoe"}), "zoe").await.unwrap();
    let agents = soon(agents).await.unwrap().unwrap().agents;
    assert_eq!(agents.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["zoe"]);
    assert_eq!(soon(status).await.unwrap().unwrap().ledger_size, size + 1);
    assert_eq!(soon(checkpoint).await.unwrap().unwrap().size, size + 1);
    assert_eq!(soon(entries).await.unwrap().unwrap().entries[0]["index"], size);
    // They have left that size already.
    assert_eq!(soon(call::<op::GetStatus>(&admin(), &stays, "")).await.unwrap().ledger_size, size + 1);
    assert_eq!(soon(call::<op::GetCheckpoint>(&admin(), &stays, "")).await.unwrap().size, size + 1);
}

#[tokio::test]
async fn verdicts_are_waited_for_until_the_last_one_is_in() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let review = json!({"thread_id": stage.thread, "commit": "abcdef1"});
    let asked = call::<op::RequestReview>(&lead, &review, "review").await.unwrap();
    let params = json!({"thread_id": stage.thread, "wait_ms": LONG_MS});
    let poll = waits::<op::CollectVerdicts>(&world, lead, params, 1).await;
    let says_so = async |name: &str| {
        let answer = json!({"thread_id": stage.thread, "body": "good", "in_reply_to": asked.message_id,
                            "data": {"verdict": "accepted"}});
        let client = world.client_with(world.token_of(name, Role::Participant, world.here));
        call::<op::PostMessage>(&client, &answer, "verdict").await.unwrap();
    };
    let reads = world.store.reads();
    says_so("participant").await;
    soon(world.store.reads_reach(reads + 1)).await;
    assert!(!poll.is_finished(), "the executor has not said anything");
    says_so("executor").await;
    let verdicts = soon(poll).await.unwrap().unwrap().verdicts;
    assert!(verdicts.iter().all(|one| one.verdict == Verdict::Accepted), "{verdicts:?}");
}

#[tokio::test]
async fn webhooks_are_waited_for_until_there_is_one() {
    let world = World::new().await;
    let operator = || world.client(Role::Operator);
    let poll = waits::<op::ListWebhooks>(&world, operator(), json!({"wait_ms": LONG_MS}), 1).await;
    let reads = world.store.reads();
    call::<op::RegisterAgent>(&operator(), &json!({"name": "zoe"}), "zoe").await.unwrap();
    soon(world.store.reads_reach(reads + 1)).await;
    assert!(!poll.is_finished(), "an agent is no webhook");
    let made = json!({"url": "http://127.0.0.1:1/gone"});
    let made = call::<op::CreateWebhook>(&operator(), &made, "webhook").await.unwrap().webhook;
    let webhooks = soon(poll).await.unwrap().unwrap().webhooks;
    assert_eq!((webhooks.len(), webhooks[0].webhook_id), (1, made.webhook_id));
}

/// The pause before the next attempt ends without anybody's doing.
#[tokio::test]
async fn a_wake_that_becomes_due_by_itself_ends_the_wait_for_one_that_is_due() {
    let world = World::new().await;
    let stage = world.stage().await;
    let keeper = world.client(Role::Supervisor);
    let claimed = call::<op::ClaimWakes>(&keeper, &claim(), "").await.unwrap().wakes.remove(0);
    for (n, report) in [
        json!({"step": "started", "lane": "trigger"}),
        json!({"step": "ended", "outcome": {"kind": "exited", "code": 1}}),
    ]
    .iter()
    .enumerate()
    {
        let report =
            json!({"wake_id": stage.wake, "incarnation": "1", "fence": claimed.fence, "report": report});
        call::<op::ReportWake>(&keeper, &report, &format!("report-{n}")).await.unwrap();
    }
    let due = json!({"is_due": true, "wait_ms": LONG_MS});
    let wakes = soon(call::<op::ListWakes>(&world.client(Role::Operator), &due, "")).await.unwrap().wakes;
    assert_eq!((wakes.len(), wakes[0].wake_id), (1, stage.wake));
}
