//! The stream of events: exactly the ledger, each event once, whatever happens to the subscriber and to the server.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use interlock_api::client::{Client, Heard};
use interlock_api::v1::event::{CloudEvent, FollowEventsParams};
use interlock_api::{Problem, operations as op};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::limits::{SUBSCRIBERS_MAX, SUBSCRIBERS_OF_CALLER_MAX};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::ask::Ask;
use crate::world::{World, call, says, soon};

fn params(value: &Value) -> FollowEventsParams {
    serde_json::from_value(value.clone()).unwrap()
}

/// Follows until `is_last` says so, then breaks the connection.
async fn follow_until(
    client: &Client,
    wanted: &Value,
    mut is_last: impl FnMut(&CloudEvent) -> bool,
) -> Vec<CloudEvent> {
    let mut events = Vec::new();
    let mut is_enough = false;
    let wanted = params(wanted);
    let ended = client.follow(&wanted, |Heard { after, event }| {
        let Some(event) = event else { return Ok(()) };
        assert_eq!(after, event.id);
        is_enough = is_last(&event);
        events.push(event);
        if is_enough { Err(Problem::new(Reason::Defect, "enough", "")) } else { Ok(()) }
    });
    soon(ended).await.unwrap_err();
    assert!(is_enough, "the stream broke before its time");
    events
}

/// What there is now.
async fn now(client: &Client, wanted: &Value) -> Vec<CloudEvent> {
    let mut wanted = params(wanted);
    wanted.until_now = true;
    let mut events = Vec::new();
    let ended = client.follow(&wanted, |Heard { event, .. }| {
        events.extend(event);
        Ok(())
    });
    soon(ended).await.unwrap();
    events
}

fn ids(events: &[CloudEvent]) -> Vec<String> {
    events.iter().map(|event| event.id.clone()).collect()
}

/// Every event of the ledger: position, entry, event.
async fn ledger(world: &World) -> Vec<(String, Value, Value)> {
    let entries = world.ledger().await;
    let events = entries.iter().flat_map(|entry| {
        let events = entry["events"].as_array().unwrap().iter().enumerate();
        events.map(|(n, event)| (format!("{}.{n}", entry["index"]), entry.clone(), event.clone()))
    });
    events.collect()
}

fn is_the_end(event: &CloudEvent) -> bool {
    event.data.message.as_ref().is_some_and(|message| message.body == "the end")
}

#[tokio::test]
async fn whoever_reconnects_after_every_event_of_a_storm_sees_exactly_the_ledger() {
    let world = Arc::new(World::new().await);
    let stage = world.stage().await;
    let auditor = world.client(Role::Auditor);
    let steady = {
        let auditor = auditor.clone();
        tokio::spawn(async move { follow_until(&auditor, &json!({}), is_the_end).await })
    };
    let mut writers = tokio::task::JoinSet::new();
    for (n, role) in [Role::Coordinator, Role::Operator, Role::Participant].into_iter().enumerate() {
        let client = world.client(role);
        writers.spawn(async move {
            for m in 0..20 {
                let seq = says(&client, stage.thread, &m.to_string(), &format!("{n}-{m}")).await.unwrap().seq;
                let ack = json!({"thread_id": stage.thread, "seq": seq});
                call::<op::AckRead>(&client, &ack, &format!("ack-{n}-{m}")).await.unwrap();
            }
        });
    }
    let lead = world.client(Role::Coordinator);
    let ending = tokio::spawn(async move {
        writers.join_all().await;
        says(&lead, stage.thread, "the end", "the-end").await.unwrap();
    });
    let mut seen: Vec<CloudEvent> = Vec::new();
    let mut after = "start".to_owned();
    while !seen.last().is_some_and(is_the_end) {
        seen.extend(follow_until(&auditor, &json!({"after": after}), |_| true).await);
        after.clone_from(&seen.last().unwrap().id);
    }
    soon(ending).await.unwrap();
    let expected: Vec<_> = ledger(&world).await.into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids(&seen), expected[..seen.len()]);
    assert!(seen.len() > 120, "{}", seen.len());
    // Those that come with the last message, a joined wake for one, are still to come.
    assert_eq!([ids(&seen), ids(&now(&auditor, &json!({"after": after})).await)].concat(), expected);
    assert_eq!(ids(&soon(steady).await.unwrap()), ids(&seen));
}

#[tokio::test]
async fn an_event_says_what_the_ledger_says_and_what_the_message_said() {
    let world = World::new().await;
    let stage = world.stage().await;
    let events = now(&world.client(Role::Auditor), &json!({})).await;
    let ledger = ledger(&world).await;
    assert_eq!(events.len(), ledger.len());
    for (event, (id, entry, value)) in events.iter().zip(&ledger) {
        assert_eq!((&event.id, &event.data.event), (id, value));
        assert_eq!(event.kind, value["kind"]);
        assert_eq!(event.time.to_string(), entry["at"]);
        assert_eq!(event.actor.as_str(), entry["actor"]["name"]);
        assert_eq!(event.specversion, "1.0");
        assert_eq!(event.datacontenttype, "application/json");
        assert_eq!(event.source, format!("interlock:{}", world.here));
        assert_eq!(event.subject.map(|id| id.to_string()).as_deref(), value["thread_id"].as_str());
        assert_eq!(event.data.message.is_some(), event.kind.starts_with("thread.message_posted/"));
    }
    let message = events.iter().find_map(|event| event.data.message.clone()).unwrap();
    assert_eq!((message.body.as_str(), message.message_id), ("please begin", stage.message));
}

#[tokio::test]
async fn a_restart_of_the_server_loses_and_repeats_nothing() {
    let world = World::new().await;
    let stage = world.stage().await;
    let all = ids(&now(&world.client(Role::Auditor), &json!({})).await);
    let (before, rest) = all.split_at(all.len() / 2);
    let world = world.restart().await;
    says(&world.client(Role::Coordinator), stage.thread, "the end", "end").await.unwrap();
    let token = world.token(Role::Auditor);
    // What a browser's EventSource sends: the same address, and the last id it was given.
    let ask = Ask::new("GET", "/v1/events?after=start&until_now=true").token(&token);
    let answer = ask.clone().header("last-event-id", before.last().unwrap().as_str()).send(&world).await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = answer.text();
    assert!(text.starts_with(&format!("retry: 1000\nid: {}\n\n", before.last().unwrap())), "{text}");
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<CloudEvent> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids(&events)[..rest.len()], *rest);
    assert!(events.iter().any(is_the_end));
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert_eq!(answer.header("cache-control"), "no-store");
    for wrong in ["", "1", "01.0", "9999.0", "now.", "START"] {
        let answer = ask.clone().header("last-event-id", wrong).send(&world).await;
        answer.refused(Reason::ParameterInvalid);
    }
    ask.header("last-event-id", "start")
        .another("last-event-id", "start")
        .send(&world)
        .await
        .refused(Reason::ParameterInvalid);
}

#[tokio::test]
async fn what_belongs_to_no_thread_is_heard_at_once_too() {
    let world = World::new().await;
    let operator = world.client(Role::Operator);
    let stream = {
        let operator = operator.clone();
        tokio::spawn(async move {
            follow_until(&operator, &json!({}), |event| event.kind.starts_with("operator.")).await
        })
    };
    call::<op::RegisterAgent>(&operator, &json!({"name": "newcomer"}), "first").await.unwrap();
    let again = call::<op::RegisterAgent>(&operator, &json!({"name": "newcomer"}), "second").await;
    again.unwrap_err();
    let kinds: Vec<_> = soon(stream).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["agent.registered/1", "operator.action_refused/1"]);
}

#[tokio::test]
async fn now_is_what_is_yet_to_come_also_in_an_empty_ledger() {
    let world = World::new().await;
    let auditor = world.client(Role::Auditor);
    let mut position = String::new();
    let wanted = params(&json!({"after": "now", "until_now": true}));
    let ended = auditor.follow(&wanted, |heard| {
        assert!(heard.event.is_none());
        position = heard.after;
        Ok(())
    });
    soon(ended).await.unwrap();
    world.stage().await;
    let all = now(&auditor, &json!({})).await;
    assert_eq!(ids(&now(&auditor, &json!({"after": position})).await), ids(&all));
    assert!(now(&auditor, &json!({"after": "now"})).await.is_empty());
}

#[tokio::test]
async fn filters_leave_out_what_was_not_asked_for() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, auditor) = (world.client(Role::Coordinator), world.client(Role::Auditor));
    let other = call::<op::CreateThread>(&lead, &json!({"title": "other"}), "open").await.unwrap().thread_id;
    says(&lead, other, "elsewhere", "elsewhere").await.unwrap();
    says(&world.client(Role::Participant), stage.thread, "here", "here").await.unwrap();
    let all = now(&auditor, &json!({})).await;
    let kept = |keep: &dyn Fn(&CloudEvent) -> bool| -> Vec<String> {
        let kept = all.iter().filter(|event| keep(event)).map(|event| event.id.clone()).collect::<Vec<_>>();
        assert!(!kept.is_empty() && kept.len() < all.len());
        kept
    };
    let thread = kept(&|event| event.subject == Some(other));
    assert_eq!(ids(&now(&auditor, &json!({"thread_id": other})).await), thread);
    let wakes = kept(&|event| event.kind.starts_with("wake."));
    assert_eq!(ids(&now(&auditor, &json!({"type": "wake."})).await), wakes);
    let executor = kept(&|event| ["agent", "name"].iter().any(|name| event.data.event[*name] == "executor"));
    assert_eq!(ids(&now(&auditor, &json!({"agent": "executor"})).await), executor);
    let both = json!({"agent": "participant", "thread_id": stage.thread, "type": "thread.message"});
    let events = now(&auditor, &both).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].data.message.as_ref().unwrap().body, "here");
    // Past what was not for it, the subscriber is told how far it came.
    let mut position = String::new();
    let wanted = params(&json!({"type": "agent.", "until_now": true}));
    let ended = auditor.follow(&wanted, |heard| {
        position = heard.after;
        Ok(())
    });
    soon(ended).await.unwrap();
    assert_eq!(Some(&position), ids(&all).last());
}

#[tokio::test]
async fn a_participant_is_given_its_own_threads_only() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let secret =
        call::<op::CreateThread>(&lead, &json!({"title": "secret"}), "open").await.unwrap().thread_id;
    says(&lead, secret, "not for you", "secret").await.unwrap();
    let operator = world.client(Role::Operator);
    call::<op::RegisterAgent>(&operator, &json!({"name": "executor"}), "again").await.unwrap_err();
    let events = now(&member, &json!({})).await;
    assert!(events.iter().all(|event| event.subject != Some(secret)));
    assert!(events.iter().any(|event| event.subject == Some(stage.thread)));
    // What a role may read elsewhere, and no more.
    assert!(events.iter().any(|event| event.kind.starts_with("agent.")));
    assert!(events.iter().all(|event| !event.kind.starts_with("operator.")));
    let problem = member.follow(&params(&json!({"thread_id": secret})), |_| Ok(())).await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::ThreadNotFound));
    let stranger = world.client_with(world.token_of("coordinator", Role::Coordinator, world.there));
    assert!(now(&stranger, &json!({})).await.is_empty());
    let problem =
        stranger.follow(&params(&json!({"thread_id": stage.thread})), |_| Ok(())).await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::ThreadNotFound));
    let problem = stranger.follow(&params(&json!({"after": "1.0"})), |_| Ok(())).await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::ParameterInvalid));
}

#[tokio::test]
async fn whoever_is_removed_from_a_thread_sees_no_more_of_it() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let wanted = params(&json!({"thread_id": stage.thread}));
    let (sender, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let stream = {
        let member = member.clone();
        tokio::spawn(async move {
            member
                .follow(&wanted, |said| {
                    sender.send(said).map_err(|_| Problem::new(Reason::Defect, "gone", ""))
                })
                .await
        })
    };
    // It is there before it is removed.
    soon(hears.recv()).await.unwrap();
    let gone = json!({"thread_id": stage.thread, "agent": "participant"});
    call::<op::RemoveParticipant>(&lead, &gone, "remove").await.unwrap();
    says(&lead, stage.thread, "among ourselves", "post").await.unwrap();
    soon(stream).await.unwrap().unwrap();
    while let Some(Heard { event, .. }) = hears.recv().await {
        assert!(
            event
                .and_then(|event| event.data.message)
                .is_none_or(|message| message.body != "among ourselves")
        );
    }
    assert!(now(&member, &json!({})).await.iter().all(|event| event.subject.is_none()));
}

/// Opens a stream without a socket: nothing is read of it but what the test asks for.
async fn opens(world: &World, uri: &str) -> Response {
    opens_with(world, &world.token(Role::Auditor), uri).await
}

async fn opens_with(world: &World, token: &str, uri: &str) -> Response {
    let request =
        Request::get(uri).header("host", "127.0.0.1").header("authorization", format!("Bearer {token}"));
    world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_costs_nothing_and_misses_nothing() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let post = async |name: &str| {
        let reads = world.store.reads();
        for n in 0..100 {
            says(&lead, stage.thread, "more", &format!("{name}-{n}")).await.unwrap();
        }
        world.store.reads() - reads
    };
    let alone = post("alone").await;
    let mut body = opens(&world, "/v1/events").await.into_body();
    assert_eq!(post("watched").await, alone, "a stream that nobody reads reads nothing");
    let expected: Vec<_> = ledger(&world).await.into_iter().map(|(id, ..)| format!("id: {id}")).collect();
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let chunk = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        let text = std::str::from_utf8(&chunk).unwrap();
        let events: Vec<_> =
            text.lines().filter(|line| line.starts_with("id: ") && *line != "id: start").collect();
        // Of 32 entries at most, with two events each at most.
        assert!(events.len() <= 64, "{} events at once", events.len());
        seen.extend(events.into_iter().map(str::to_owned));
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_stop_ends_streams_cleanly() {
    let world = World::new().await;
    let stage = world.stage().await;
    let auditor = world.client(Role::Auditor);
    let (sender, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let stream = tokio::spawn(async move {
        let wanted = params(&json!({"after": "now"}));
        auditor
            .follow(&wanted, |said| sender.send(said).map_err(|_| Problem::new(Reason::Defect, "gone", "")))
            .await
    });
    soon(hears.recv()).await.unwrap();
    says(&world.client(Role::Coordinator), stage.thread, "the end", "end").await.unwrap();
    assert!(is_the_end(&soon(hears.recv()).await.unwrap().event.unwrap()));
    world.stops();
    soon(stream).await.unwrap().unwrap();
    soon(world.stopped()).await;
}

#[tokio::test]
async fn a_store_that_fails_ends_the_stream_and_the_position_still_holds() {
    let world = World::new().await;
    let stage = world.stage().await;
    let mut body = opens(&world, "/v1/events?after=now").await.into_body();
    let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
    let position =
        std::str::from_utf8(&first).unwrap().lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    world.store.set_down(true);
    assert!(soon(body.frame()).await.is_none(), "the stream ends");
    assert_eq!(opens(&world, "/v1/events").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.store.set_down(false);
    says(&world.client(Role::Coordinator), stage.thread, "the end", "end").await.unwrap();
    let events = now(&world.client(Role::Auditor), &json!({"after": position})).await;
    assert!(is_the_end(&events[0]));
}

#[tokio::test]
async fn there_are_so_many_places_and_each_is_free_again() {
    let world = World::new().await;
    world.stage().await;
    let gauge = async |n: usize| {
        let text = Ask::new("GET", "/metrics").send(&world).await.text().to_owned();
        assert!(text.contains(&format!("interlock_event_subscribers {n}\n")), "{text}");
    };
    let mut open = Vec::new();
    for n in 0..SUBSCRIBERS_MAX {
        let name = format!("watcher-{}", n / SUBSCRIBERS_OF_CALLER_MAX);
        let token = world.token_of(&name, Role::Auditor, world.here);
        let response = opens_with(&world, &token, "/v1/events").await;
        assert_eq!(response.status(), StatusCode::OK);
        open.push(response);
    }
    gauge(SUBSCRIBERS_MAX).await;
    let ask = Ask::new("GET", "/v1/events?until_now=true").token(&world.token(Role::Auditor));
    ask.clone().send(&world).await.refused(Reason::SubscribersTooMany);
    open.pop();
    assert_eq!(ask.clone().send(&world).await.status, StatusCode::OK);
    open.clear();
    gauge(0).await;
}

/// However many follow: what a commit brings is read once for all of them.
#[tokio::test]
async fn what_one_subscriber_has_read_the_others_need_not() {
    const SUBSCRIBERS: u64 = 60;
    let world = World::new().await;
    let stage = world.stage().await;
    let mut streams = tokio::task::JoinSet::new();
    let (tells, mut told) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..SUBSCRIBERS {
        // Participants, whose part in the thread is looked at too, and those who see everything.
        let (name, role) =
            if n % 2 == 0 { ("participant", Role::Participant) } else { ("auditor", Role::Auditor) };
        let client = world.client_with(world.token_of(name, role, world.here));
        let wanted =
            params(&json!({"after": "now", "thread_id": if n % 3 == 0 { Some(stage.thread) } else { None }}));
        let tells = tells.clone();
        streams.spawn(async move {
            let ended = client.follow(&wanted, |said| {
                // Its position in the beginning, and then every event.
                tells.send(()).unwrap();
                let is_last = said.event.is_some_and(|event| is_the_end(&event));
                if is_last { Err(Problem::new(Reason::Defect, "enough", "")) } else { Ok(()) }
            });
            soon(ended).await.unwrap_err();
        });
    }
    for _ in 0..SUBSCRIBERS {
        soon(told.recv()).await.unwrap();
    }
    let lead = world.client(Role::Coordinator);
    says(&lead, stage.thread, "everybody is there", "there").await.unwrap();
    for _ in 0..SUBSCRIBERS {
        soon(told.recv()).await.unwrap();
    }
    let before = world.store.reads();
    says(&lead, stage.thread, "the end", "end").await.unwrap();
    while let Some(ended) = soon(streams.join_next()).await {
        ended.unwrap();
    }
    let reads = world.store.reads() - before;
    assert!(reads < SUBSCRIBERS / 2, "{reads} reads for {SUBSCRIBERS} subscribers");
}

/// Whoever opens stream after stream takes the places of nobody else, with however many tokens.
#[tokio::test]
async fn one_caller_has_so_many_places_and_leaves_the_others_theirs() {
    let world = World::new().await;
    world.stage().await;
    let mut open = Vec::new();
    for _ in 0..SUBSCRIBERS_OF_CALLER_MAX {
        let response = opens(&world, "/v1/events").await;
        assert_eq!(response.status(), StatusCode::OK);
        open.push(response);
    }
    let ask = Ask::new("GET", "/v1/events?until_now=true");
    let greedy = ask.clone().token(&world.token(Role::Auditor));
    greedy.clone().send(&world).await.refused(Reason::SubscribersTooMany);
    let elsewhere = world.token_of("auditor", Role::Auditor, world.there);
    for other in [world.token(Role::Operator), elsewhere] {
        assert_eq!(ask.clone().token(&other).send(&world).await.status, StatusCode::OK);
    }
    open.pop();
    assert_eq!(greedy.clone().send(&world).await.status, StatusCode::OK);
}

/// A token that ends takes its stream with it, although nothing happens; a new one goes on at the position.
#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let world = World::new().await;
    let stage = world.stage().await;
    let mut short = None;
    // Long enough to be let in with, on however slow a machine.
    for seconds in 0..15 {
        let response =
            opens_with(&world, &world.ending_token(Role::Auditor, seconds), "/v1/events?after=now").await;
        if response.status() == StatusCode::OK {
            short = Some(response);
            break;
        }
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    let mut body = short.expect("it was let in").into_body();
    let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
    let first = std::str::from_utf8(&first).unwrap().to_owned();
    let position = first.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    // The next look for what others have committed is far away: what ends the wait is the token.
    assert!(soon(body.frame()).await.is_none(), "the stream ends");
    says(&world.client(Role::Coordinator), stage.thread, "the end", "end").await.unwrap();
    let events = now(&world.client(Role::Auditor), &json!({"after": position})).await;
    assert!(is_the_end(&events[0]));
}

#[tokio::test]
async fn a_stream_without_events_says_that_it_is_there() {
    // The clock will stand still, and with it the time that a database elsewhere is given to answer.
    let world = World::on_a_file().await;
    world.stage().await;
    let mut body = opens(&world, "/v1/events?type=no.such").await.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    let last = ledger(&world).await.into_iter().map(|(id, ..)| id).next_back().unwrap();
    // From here on time passes whenever nothing else is to be done.
    tokio::time::pause();
    let mut next = async || {
        let chunk = body.frame().await.unwrap().unwrap().into_data().unwrap();
        std::str::from_utf8(&chunk).unwrap().to_owned()
    };
    assert_eq!(next().await, format!(": still here\nid: {last}\n\n"));
    // The first one's time began before the clock stood still.
    let first = tokio::time::Instant::now();
    assert_eq!(next().await, ": still here\n\n");
    assert_eq!(first.elapsed().as_secs(), 15);
}
