//! A thread from its opening to its end, as its participants live through it.

use interlock_api::operations as op;
use interlock_api::v1::thread::TimelineItem;
use interlock_core::actor::Role;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::{Code, Reason};
use serde_json::json;

use crate::world::{World, bodies, call, says};

#[tokio::test]
async fn a_thread_is_opened_read_acknowledged_and_resolved() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let id = json!({"thread_id": stage.thread});

    let inbox = call::<op::Inbox>(&member, &json!({}), "").await.unwrap().threads;
    assert_eq!(inbox.len(), 1);
    assert_eq!((inbox[0].unread, inbox[0].acked_seq, inbox[0].last_seq), (1, 0, 1));

    let read = call::<op::ReadMessages>(&member, &id, "").await.unwrap();
    assert_eq!((read.messages.len(), read.next_seq, read.has_more, read.acked_seq), (1, 1, false, 0));
    assert_eq!(read.messages[0].from.as_str(), "coordinator");
    assert_eq!(read.messages[0].body, "please begin");

    let ack = json!({"thread_id": stage.thread, "seq": 1});
    assert_eq!(call::<op::AckRead>(&member, &ack, "ack").await.unwrap().acked_seq, 1);
    assert!(call::<op::Inbox>(&member, &json!({}), "").await.unwrap().threads.is_empty());
    // What is older is no step back.
    let older = json!({"thread_id": stage.thread, "seq": 0});
    assert_eq!(call::<op::AckRead>(&member, &older, "older").await.unwrap().acked_seq, 1);

    let answer = says(&member, stage.thread, "done", "answer").await.unwrap();
    assert_eq!(answer.seq, 2);
    let resolved = json!({"thread_id": stage.thread, "status": "resolved"});
    let thread = call::<op::UpdateThreadStatus>(&lead, &resolved, "resolve").await.unwrap();
    assert_eq!(thread.status, Status::Resolved);
    let refused = says(&member, stage.thread, "too late", "late").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::ThreadWrongStatus));
    let roles: Vec<_> = thread.participants.iter().map(|p| (p.agent.as_str(), p.role, p.managed)).collect();
    assert_eq!(
        roles,
        [
            ("coordinator", ThreadRole::Coordinator, false),
            ("executor", ThreadRole::Participant, true),
            ("participant", ThreadRole::Participant, false),
        ]
    );
}

async fn timeline(
    world: &World,
    after: Option<&str>,
    limit: u32,
) -> (Vec<TimelineItem>, Option<String>, bool) {
    let thread = call::<op::ListThreads>(&world.client(Role::Auditor), &json!({}), "").await.unwrap().threads;
    let params = json!({"thread_id": thread[0].thread_id, "after": after, "limit": limit});
    let read = call::<op::ReadTimeline>(&world.client(Role::Auditor), &params, "").await.unwrap();
    (read.items, read.next, read.has_more)
}

#[tokio::test]
async fn the_timeline_is_in_the_ledgers_order_and_goes_on_where_it_was_left() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    for n in 0..5 {
        says(&lead, stage.thread, &n.to_string(), &format!("n-{n}")).await.unwrap();
    }
    let (all, next, has_more) = timeline(&world, None, 200).await;
    let kinds: Vec<_> = all.iter().map(|item| item.kind.as_str()).take(5).collect();
    assert_eq!(kinds, ["thread.created", "message", "wake.requested", "message", "message"]);
    assert!(!has_more && next == all.last().map(|item| item.position.clone()));
    let place = |item: &TimelineItem| {
        let (index, n) = item.position.split_once('.').unwrap();
        (index.parse::<u64>().unwrap(), n.parse::<u32>().unwrap())
    };
    assert!(all.is_sorted_by(|one, next| place(one) < place(next)));
    assert!(all.iter().all(|item| item.message.is_some() != item.event.is_some()));

    // In steps of every size, the same is seen once.
    for limit in [1, 2, 3, 7] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (items, next, has_more) = timeline(&world, after.as_deref(), limit).await;
            assert!(items.len() <= limit as usize);
            seen.extend(items.into_iter().map(|item| item.position));
            after = next;
            if !has_more {
                break;
            }
        }
        assert_eq!(seen, all.iter().map(|item| item.position.clone()).collect::<Vec<_>>(), "{limit}");
    }
}

#[tokio::test]
async fn lists_are_followed_page_by_page() {
    let world = World::new().await;
    let lead = world.client(Role::Coordinator);
    let mut opened = Vec::new();
    for n in 0..7 {
        let params = json!({"title": format!("job {n}")});
        opened.push(call::<op::CreateThread>(&lead, &params, &format!("t{n}")).await.unwrap().thread_id);
    }
    opened.reverse();
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = json!({"limit": 3, "cursor": cursor});
        let page = call::<op::ListThreads>(&lead, &page, "").await.unwrap();
        seen.extend(page.threads.into_iter().map(|thread| thread.thread_id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, opened);
}

#[tokio::test]
async fn a_thread_one_takes_no_part_in_is_not_there() {
    let world = World::new().await;
    let stage = world.stage().await;
    let guest = world.client_with(world.token_of("guest", Role::Participant, world.here));
    let id = json!({"thread_id": stage.thread});
    for problem in [
        call::<op::GetThread>(&guest, &id, "").await.unwrap_err(),
        call::<op::ReadMessages>(&guest, &id, "").await.unwrap_err(),
        call::<op::ReadTimeline>(&guest, &id, "").await.unwrap_err(),
        says(&guest, stage.thread, "hello", "k").await.unwrap_err(),
    ] {
        assert_eq!((problem.code, problem.known_reason()), (Code::NotFound, Some(Reason::ThreadNotFound)));
    }
    let wake = json!({"wake_id": stage.wake});
    let problem = call::<op::GetWake>(&guest, &wake, "").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::WakeNotFound));
    assert!(call::<op::ListThreads>(&guest, &json!({}), "").await.unwrap().threads.is_empty());
    assert!(call::<op::ListWakes>(&guest, &json!({}), "").await.unwrap().wakes.is_empty());
}

#[tokio::test]
async fn sixty_four_posters_at_once_leave_no_gap_and_lose_nothing() {
    let world = World::new().await;
    let stage = world.stage().await;
    let mut posters = tokio::task::JoinSet::new();
    for poster in 0..64 {
        let client = world.client(Role::Participant);
        posters.spawn(async move {
            let mut done = Vec::new();
            for n in 0..4 {
                let body = format!("{poster}-{n}");
                let posted = says(&client, stage.thread, &body, &format!("key-{body}")).await.unwrap();
                done.push((posted.seq, posted.message_id, posted.ledger_index, body));
            }
            done
        });
    }
    let mut done: Vec<_> = posters.join_all().await.into_iter().flatten().collect();
    done.sort();
    let seqs: Vec<_> = done.iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(seqs, (2..=257).collect::<Vec<_>>());
    // In the ledger they stand in the same order.
    assert!(done.is_sorted_by_key(|(_, _, index, _)| *index));
    let auditor = world.client(Role::Auditor);
    let mut stored = Vec::new();
    for after_seq in [1, 129] {
        let params = json!({"thread_id": stage.thread, "after_seq": after_seq, "limit": 128});
        let read = call::<op::ReadMessages>(&auditor, &params, "").await.unwrap();
        stored.extend(read.messages.into_iter().map(|m| (m.seq, m.message_id, m.body)));
    }
    let acknowledged: Vec<_> = done.into_iter().map(|(seq, id, _, body)| (seq, id, body)).collect();
    assert_eq!(stored, acknowledged);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.dump().await;
    let world = world.restart().await;
    assert_eq!(world.dump().await, before);
    assert_eq!(bodies(&world.client(Role::Auditor), stage.thread).await, ["please begin"]);
}
