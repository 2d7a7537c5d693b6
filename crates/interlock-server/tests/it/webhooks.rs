//! Webhooks: every event arrives, signed and in order, whatever receivers and servers do meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::webhook::{WebhookSecretView, WebhookView};
use interlock_core::actor::Role;
use interlock_core::id::WebhookId;
use interlock_core::job::{Job, JobState};
use interlock_core::limits::{WEBHOOK_RETRY_AFTER_MS_MAX, WEBHOOK_WAITING_MAX};
use interlock_core::webhook::{JOB_KIND, WebhookState};
use interlock_core::{Reason, Timestamp};
use interlock_engine::read::{JobFilter, Page, Store as _};
use interlock_server::WebhookOptions;
use serde_json::json;

use crate::ask::Ask;
use crate::receiver::{Parcel, Receiver, Say, Sealed, status};
use crate::world::{Stage, World, call, quick, says, soon};

/// A webhook of the operator that is told of messages.
async fn of_messages(world: &World, receiver: &Receiver) -> WebhookSecretView {
    let wanted = json!({"url": receiver.url, "filter": {"types": ["thread.message_posted/"]}});
    call::<op::CreateWebhook>(&world.client(Role::Operator), &wanted, "webhook").await.unwrap()
}

/// The stage without its own webhook, whose receiver is not there.
async fn stage(world: &World) -> Stage {
    let stage = world.stage().await;
    let gone = json!({"webhook_id": stage.webhook});
    call::<op::DeleteWebhook>(&world.client(Role::Operator), &gone, "no-webhook").await.unwrap();
    stage
}

/// These words are posted one after the other.
async fn posts(world: &World, stage: &Stage, words: std::ops::Range<u32>) {
    posts_as(&world.client(Role::Coordinator), stage, words).await;
}

async fn posts_as(client: &Client, stage: &Stage, words: std::ops::Range<u32>) {
    for n in words {
        says(client, stage.thread, &n.to_string(), &format!("post-{n}")).await.unwrap();
    }
}

fn word(parcel: &Parcel) -> String {
    parcel.event()["data"]["message"]["body"].as_str().unwrap_or_default().to_owned()
}

fn words(parcels: &[Parcel]) -> Vec<String> {
    parcels.iter().map(word).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Each word once, in the order in which it came first.
fn first_words(parcels: &[Parcel]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    words(parcels).into_iter().filter(|word| seen.insert(word.clone())).collect()
}

async fn get(client: &Client, id: WebhookId, wait_ms: u32) -> WebhookView {
    let wanted = json!({"webhook_id": id, "wait_ms": wait_ms});
    soon(call::<op::GetWebhook>(client, &wanted, "")).await.unwrap()
}

async fn jobs(world: &World) -> Vec<Job> {
    let deliveries = JobFilter { kind: Some(JOB_KIND.to_owned()), ..JobFilter::default() };
    world.store.jobs(world.here, deliveries, Page { after: None, limit: 200 }).await.unwrap()
}

/// The jobs when they are as wanted; each commit and each end of an attempt is a reason to look.
async fn jobs_when(world: &World, is_wanted: impl Fn(&[Job]) -> bool) -> Vec<Job> {
    soon(async {
        loop {
            let jobs = jobs(world).await;
            if is_wanted(&jobs) {
                return jobs;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn kinds(world: &World) -> Vec<String> {
    let entries = world.ledger().await;
    let events = entries.iter().flat_map(|entry| entry["events"].as_array().unwrap().clone());
    events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_asked_for_arrives_signed_in_order_and_as_followers_see_it() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let receiver = Receiver::content().await;
    let made = of_messages(&world, &receiver).await;
    let (id, secret) = (made.webhook.webhook_id, made.secret.unwrap());
    let _telling = world.tells();
    posts(&world, &stage, 0..12).await;
    let parcels = receiver.until(|parcels| parcels.len() == 12).await;
    // What was before the webhook is not told, and nothing else than messages.
    assert_eq!(words(&parcels), numbers(0..12));
    let mut followed = Vec::new();
    let wanted = json!({"type": "thread.message_posted/", "until_now": true});
    let wanted = serde_json::from_value(wanted).unwrap();
    let operator = world.client(Role::Operator);
    let heard = operator.follow(&wanted, |heard| {
        followed.extend(heard.event.map(|event| serde_json::to_value(event).unwrap()));
        Ok(())
    });
    soon(heard).await.unwrap();
    assert_eq!(parcels.iter().map(Parcel::event).collect::<Vec<_>>(), followed[1..]);
    for parcel in &parcels {
        let place = parcel.event()["id"].as_str().unwrap().replace('.', "-");
        assert_eq!(parcel.id, format!("{id}-{place}"));
        assert_eq!(parcel.headers["content-type"], "application/cloudevents+json");
        assert!(parcel.is_signed_with(&secret));
        assert!(!parcel.is_signed_with("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    }
    let told = get(&operator, id, 10_000).await;
    assert_eq!((told.behind, told.waiting, told.state), (0, 0, WebhookState::Active));
    assert_eq!(told.next_index, u64::try_from(world.ledger().await.len()).unwrap());
}

#[tokio::test]
async fn a_webhook_can_begin_anywhere_and_ask_for_much() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let receiver = Receiver::content().await;
    let operator = world.client(Role::Operator);
    let wanted =
        json!({"url": receiver.url, "after": "start", "filter": {"types": ["agent.", "wake.requested"]}});
    call::<op::CreateWebhook>(&operator, &wanted, "a").await.unwrap();
    let of_agent = json!({"url": receiver.url, "after": "0.0", "filter": {"agent": "executor"}});
    let of_agent = call::<op::CreateWebhook>(&operator, &of_agent, "b").await.unwrap().webhook;
    let of_thread = json!({"url": receiver.url, "after": "start", "filter": {"thread_id": stage.thread}});
    let of_thread = call::<op::CreateWebhook>(&operator, &of_thread, "c").await.unwrap().webhook;
    for webhook in [&of_agent, &of_thread] {
        assert!(get(&operator, webhook.webhook_id, 0).await.behind > 2, "nobody tells them yet");
    }
    let _telling = world.tells();
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for webhook in call::<op::ListWebhooks>(&operator, &json!({}), "").await.unwrap().webhooks {
        get(&operator, webhook.webhook_id, 10_000).await;
    }
    for parcel in receiver.parcels() {
        let kind = parcel.event()["type"].as_str().unwrap().to_owned();
        kinds.entry(parcel.id.split('-').next().unwrap().to_owned()).or_default().push(kind);
    }
    let kinds: Vec<Vec<String>> = kinds.into_values().collect();
    assert_eq!(kinds[0], ["agent.registered/1", "agent.registered/1", "wake.requested/1"]);
    assert_eq!(kinds[1], ["wake.requested/1"]);
    assert_eq!(kinds[2], ["thread.created/1", "thread.message_posted/1", "wake.requested/1"]);
}

#[tokio::test]
async fn an_event_that_is_refused_steps_aside_and_dies_after_its_last_attempt() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let receiver = Receiver::new(|parcel, _| status(if word(parcel) == "2" { 500 } else { 200 })).await;
    let id = of_messages(&world, &receiver).await.webhook.webhook_id;
    let _telling = world.tells();
    posts(&world, &stage, 0..6).await;
    let dead = |jobs: &[Job]| jobs.iter().filter(|job| job.state == JobState::Dead).count() == 1;
    let jobs = jobs_when(&world, dead).await;
    let parcels = receiver.until(|parcels| parcels.len() == 8).await;
    assert_eq!(first_words(&parcels), numbers(0..6), "first attempts are made in order");
    let twos: Vec<&Parcel> = parcels.iter().filter(|parcel| word(parcel) == "2").collect();
    assert_eq!(twos.len(), 3, "as often as the options say");
    assert!(twos.iter().all(|two| two.id == twos[0].id && two.body == twos[0].body));
    let job = jobs.iter().find(|job| job.state == JobState::Dead).unwrap();
    assert_eq!(job.error.as_deref(), Some("the receiver answered 500"));
    // That it died is history, and told to no webhook: it would die again.
    get(&world.client(Role::Operator), id, 10_000).await;
    let dead = kinds(&world).await.iter().filter(|kind| *kind == "job.died/1").count();
    assert_eq!(dead, 2, "that of the stage, and this");
    assert_eq!(receiver.parcels().len(), 8);
    // A person lets it try again: the same event under the same id.
    receiver.turns(|_, _| status(200));
    let again = json!({"job_id": job.job_id, "text": "the receiver is mended"});
    call::<op::RequeueJob>(&world.client(Role::Operator), &again, "again").await.unwrap();
    let last = receiver.until(|parcels| parcels.len() == 9).await.remove(8);
    assert_eq!((word(&last), &last.id), ("2".to_owned(), &twos[0].id));
}

#[tokio::test]
async fn a_receiver_that_is_away_keeps_the_rest_in_the_ledger_and_nobody_waiting() {
    let options = WebhookOptions { retry_base_ms: 60_000, retry_cap_ms: 60_000, ..quick() };
    let world = World::with_webhooks(options).await;
    let stage = stage(&world).await;
    let receiver = Receiver::new(|_, _| Say::Nothing).await;
    let id = of_messages(&world, &receiver).await.webhook.webhook_id;
    let _telling = world.tells();
    let many = u32::try_from(WEBHOOK_WAITING_MAX).unwrap() + 10;
    posts(&world, &stage, 0..1).await;
    receiver.until(|parcels| parcels.len() == 1).await;
    // It says nothing, and everybody else is answered all the same.
    posts(&world, &stage, 1..many).await;
    assert_eq!(receiver.parcels().len(), 1, "the first attempt of the next waits for the end of this one");
    drop(receiver);
    let all = |jobs: &[Job]| {
        jobs.len() == WEBHOOK_WAITING_MAX
            && jobs.iter().all(|job| job.state == JobState::Queued && job.attempts == 1)
    };
    jobs_when(&world, all).await;
    let operator = world.client(Role::Operator);
    let webhook = get(&operator, id, 0).await;
    assert_eq!(webhook.waiting, u32::try_from(WEBHOOK_WAITING_MAX).unwrap());
    assert_eq!(webhook.behind, 10, "the rest stays where it is");
    // There again, under another address: everything arrives, each in its first attempt or a later one.
    let again = Receiver::content().await;
    call::<op::UpdateWebhook>(
        &operator,
        &json!({"webhook_id": id, "url": again.url, "state": "paused"}),
        "p",
    )
    .await
    .unwrap();
    call::<op::UpdateWebhook>(&operator, &json!({"webhook_id": id, "state": "active"}), "r").await.unwrap();
    let parcels = again.until(|parcels| parcels.len() == many as usize).await;
    let mut arrived = words(&parcels);
    arrived.sort_by_key(|word| word.parse::<u32>().unwrap());
    assert_eq!(arrived, numbers(0..many));
}

#[tokio::test]
async fn a_receiver_that_is_gone_pauses_its_webhook_and_loses_nothing() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let receiver = Receiver::new(|parcel, _| status(if word(parcel) == "1" { 410 } else { 200 })).await;
    let made = of_messages(&world, &receiver).await;
    let (id, operator) = (made.webhook.webhook_id, world.client(Role::Operator));
    let _telling = world.tells();
    posts(&world, &stage, 0..4).await;
    let soon = world.engine.now().plus_ms(60_000);
    let sleeps = |job: &Job| job.state == JobState::Queued && job.attempts == 0 && job.run_at > soon;
    jobs_when(&world, |jobs| jobs.iter().any(sleeps)).await;
    let webhook = get(&operator, id, 0).await;
    assert_eq!((webhook.state, webhook.reason), (WebhookState::Paused, Some(Reason::WebhookGone)));
    assert_eq!(words(&receiver.parcels()), ["0", "1"]);
    let ledger = world.ledger().await;
    let paused = ledger.iter().map(|entry| &entry["events"][0]).find(|one| one["kind"] == "webhook.paused/1");
    assert_eq!(
        paused.unwrap(),
        &json!({
            "kind": "webhook.paused/1", "webhook_id": id, "by": "interlock", "reason": "WEBHOOK_GONE",
        })
    );
    // A test reaches it all the same, and tells what it says.
    let test = json!({"webhook_id": id});
    let tested = call::<op::TestWebhook>(&operator, &test, "").await.unwrap();
    assert_eq!((tested.is_delivered, tested.status), (true, Some(200)));
    let last = receiver.parcels().pop().unwrap();
    assert_eq!(last.event()["type"], "webhook.test/1");
    assert!(last.is_signed_with(&made.secret.unwrap()));
    receiver.turns(|_, _| status(204));
    call::<op::UpdateWebhook>(&operator, &json!({"webhook_id": id, "state": "active"}), "r").await.unwrap();
    let parcels = receiver.until(|parcels| parcels.len() == 6).await;
    assert_eq!(words(&parcels[3..]), ["1", "2", "3"]);
    assert_eq!(get(&operator, id, 10_000).await.reason, None);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let elsewhere = Receiver::content().await;
    let target = elsewhere.url.clone();
    let receiver = Receiver::new(move |_, before| {
        let there = vec![("location", target.clone())];
        if before < 2 { Say::Status(307, there) } else { status(200) }
    })
    .await;
    let id = of_messages(&world, &receiver).await.webhook.webhook_id;
    let _telling = world.tells();
    posts(&world, &stage, 0..1).await;
    receiver.until(|parcels| parcels.len() == 3).await;
    get(&world.client(Role::Operator), id, 10_000).await;
    assert!(elsewhere.parcels().is_empty());
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_is_given_it_within_a_limit() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let receiver = Receiver::new(|parcel, _| {
        let (status, after) = match word(parcel).as_str() {
            "0" => (429, "600"),
            "1" => (503, "1000000"),
            _ => (500, "600"),
        };
        Say::Status(status, vec![("retry-after", after.into())])
    })
    .await;
    of_messages(&world, &receiver).await;
    let _telling = world.tells();
    posts(&world, &stage, 0..3).await;
    let jobs =
        jobs_when(&world, |jobs| jobs.iter().filter(|job| job.state == JobState::Dead).count() == 1).await;
    let now = world.engine.now();
    let ahead = |status: &str| {
        let of = |job: &&Job| job.error.as_deref().is_some_and(|error| error.contains(status));
        let job = jobs.iter().find(of).unwrap();
        (job.attempts, job.run_at.ms_since(Timestamp::from_millis(now.as_millis() - 30_000)) - 30_000)
    };
    let (attempts, ms) = ahead("429");
    assert!(attempts == 1 && (570_000..=600_000).contains(&ms), "{ms}");
    let (attempts, ms) = ahead("503");
    let hour = WEBHOOK_RETRY_AFTER_MS_MAX;
    assert!(attempts == 1 && (hour - 30_000..=hour).contains(&ms), "{ms}");
    assert_eq!(ahead("500").0, 3, "of others it is no excuse");
}

#[tokio::test]
async fn the_secret_is_shown_once_and_the_old_one_counts_for_a_while() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let receiver = Receiver::content().await;
    let operator = world.client(Role::Operator);
    let made = of_messages(&world, &receiver).await;
    let (id, old) = (made.webhook.webhook_id, made.secret.unwrap());
    assert_eq!(
        of_messages(&world, &receiver).await.secret.as_ref(),
        Some(&old),
        "a lost answer is given again"
    );
    let rotate = json!({"webhook_id": id, "overlap_ms": 60_000});
    let new = call::<op::RotateWebhookSecret>(&operator, &rotate, "rotate").await.unwrap();
    assert!(new.webhook.previous_secret_until.is_some());
    let new = new.secret.unwrap();
    assert_ne!(new, old);
    assert_eq!(
        of_messages(&world, &receiver).await.secret,
        None,
        "a secret that was replaced is not shown any more"
    );
    let again = call::<op::RotateWebhookSecret>(&operator, &rotate, "rotate").await.unwrap();
    assert_eq!(again.secret.as_ref(), Some(&new));
    let _telling = world.tells();
    posts(&world, &stage, 0..1).await;
    let parcel = receiver.until(|parcels| parcels.len() == 1).await.remove(0);
    assert!(parcel.is_signed_with(&old) && parcel.is_signed_with(&new));
    let (lead, auditor) = (world.client(Role::Coordinator), world.client(Role::Auditor));
    world.advance(60_000);
    posts_as(&lead, &stage, 1..2).await;
    let parcel = receiver.until(|parcels| parcels.len() == 2).await.remove(1);
    assert!(!parcel.is_signed_with(&old) && parcel.is_signed_with(&new));
    // Nowhere else: neither in other answers nor in anything that is kept.
    let mut texts = world.dump().await;
    for client in [&operator, &auditor] {
        let list = call::<op::ListWebhooks>(client, &json!({}), "").await.unwrap();
        texts.push(serde_json::to_string(&list).unwrap());
        texts.push(serde_json::to_string(&get(client, id, 0).await).unwrap());
    }
    texts.push(serde_json::to_string(&world.ledger().await).unwrap());
    texts.push(String::from_utf8_lossy(&world.bytes()).into_owned());
    for text in &texts {
        for secret in [&old, &new] {
            assert!(!text.contains(secret.trim_start_matches("whsec_")), "{text}");
        }
    }
    // Whoever only looks is told where it leads, and not the rest.
    let origin = receiver.url.split("/hook").next().unwrap();
    assert_eq!(get(&auditor, id, 0).await.url, origin);
    assert_eq!(get(&operator, id, 0).await.url, receiver.url);
}

#[tokio::test]
async fn servers_that_are_killed_and_several_at_once_leave_no_gap() {
    let mut world = World::with_webhooks(WebhookOptions { attempts_max: 100, ..quick() }).await;
    let stage = stage(&world).await;
    let is_shaky = Arc::new(AtomicBool::new(false));
    let shaky = Arc::clone(&is_shaky);
    // Every other parcel is refused at first.
    let receiver = Receiver::new(move |_, before| {
        status(if before == 0 && shaky.fetch_xor(true, Ordering::SeqCst) { 503 } else { 200 })
    })
    .await;
    let id = of_messages(&world, &receiver).await.webhook.webhook_id;
    for life in 0..8_u32 {
        let tellers = [world.tells(), world.tells_too()];
        posts(&world, &stage, life * 5..life * 5 + 5).await;
        receiver.until(|parcels| parcels.len() > life as usize * 3).await;
        tellers.iter().for_each(tokio::task::JoinHandle::abort);
        if life % 2 == 1 {
            world = world.restart().await;
        }
    }
    // What the killed ones held is taken up when their leases have run out.
    world.advance(5_000);
    let _telling = world.tells();
    let parcels = receiver.until(|parcels| first_words(parcels).len() == 40).await;
    assert_eq!(get(&world.client(Role::Operator), id, 20_000).await.behind, 0);
    let mut by_id: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for parcel in &parcels {
        by_id.entry(&parcel.id).or_default().insert(word(parcel));
    }
    assert_eq!(by_id.len(), 40, "an event has one id, however often it comes");
    assert!(by_id.values().all(|words| words.len() == 1));
    let jobs = jobs(&world).await;
    let made: BTreeSet<&str> = jobs.iter().map(|job| job.payload["event"].as_str().unwrap()).collect();
    assert_eq!(made.len(), jobs.len(), "no event is made a job twice");
}

#[tokio::test]
async fn a_receiver_behind_tls_is_told_when_somebody_vouches_for_it() {
    let sealed = Sealed::new().await;
    for (options, is_believed) in [(sealed.options.clone(), true), (quick(), false)] {
        let world = World::with_webhooks(options).await;
        let wanted = json!({"url": sealed.receiver.url});
        let operator = world.client(Role::Operator);
        let webhook = call::<op::CreateWebhook>(&operator, &wanted, "a").await.unwrap();
        let test = json!({"webhook_id": webhook.webhook.webhook_id});
        let tested = call::<op::TestWebhook>(&operator, &test, "").await.unwrap();
        assert_eq!(tested.is_delivered, is_believed, "{tested:?}");
        assert_eq!(tested.error.is_some_and(|error| error.contains("no TLS")), !is_believed);
    }
    let parcels = sealed.receiver.parcels();
    assert_eq!(parcels.len(), 1);
}

#[tokio::test]
async fn what_must_not_be_reached_is_refused() {
    let receiver = Receiver::content().await;
    let world = World::with_webhooks(WebhookOptions { allow_networks: Vec::new(), ..quick() }).await;
    let operator = world.client(Role::Operator);
    let open = json!({"url": "https://receiver.example/hook"});
    let id = call::<op::CreateWebhook>(&operator, &open, "a").await.unwrap().webhook.webhook_id;
    for url in
        [receiver.url.as_str(), "https://169.254.169.254/", "https://localhost/", "http://receiver.example/"]
    {
        let made = call::<op::CreateWebhook>(&operator, &json!({"url": url}), "b").await.unwrap_err();
        assert_eq!(made.known_reason(), Some(Reason::WebhookUrlRefused), "{url}");
        let changed = json!({"webhook_id": id, "url": url});
        let changed = call::<op::UpdateWebhook>(&operator, &changed, "c").await.unwrap_err();
        assert_eq!(changed.known_reason(), Some(Reason::WebhookUrlRefused), "{url}");
    }
    let types = vec!["wake."; 17];
    for filter in [json!({"types": types}), json!({"types": ["Wake"]}), json!({"types": [""]})] {
        let wrong = json!({"url": "https://receiver.example/", "filter": filter});
        let refused = call::<op::CreateWebhook>(&operator, &wrong, "d").await.unwrap_err();
        assert!(
            matches!(refused.known_reason(), Some(Reason::LimitExceeded | Reason::ParameterInvalid)),
            "{refused:?}"
        );
    }
    let long = json!({"webhook_id": id, "overlap_ms": 604_800_001_u64});
    let refused = call::<op::RotateWebhookSecret>(&operator, &long, "e").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::LimitExceeded));
    assert!(receiver.parcels().is_empty());
    // Another workspace knows nothing of it.
    let there = world.client_with(world.token_of("operator", Role::Operator, world.there));
    let refused = call::<op::GetWebhook>(&there, &json!({"webhook_id": id}), "").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::WebhookNotFound));
}

/// S000-24 for webhooks: attempts by outcome, webhooks by state, and how far they are behind; never an id or an address.
#[tokio::test]
async fn what_becomes_of_webhooks_is_counted() {
    let world = World::new().await;
    let stage = stage(&world).await;
    let lines = async |world: &World| -> Vec<String> {
        let text = Ask::new("GET", "/metrics").send(world).await.text().to_owned();
        let ours = text.lines().filter(|line| line.starts_with("interlock_webhook"));
        ours.map(str::to_owned).collect()
    };
    let attempts = |delivered: u32, failed: u32, gone: u32| {
        [("delivered", delivered), ("failed", failed), ("gone", gone)]
            .map(|(outcome, n)| format!("interlock_webhook_attempts_total{{outcome=\"{outcome}\"}} {n}"))
    };
    let states = |name: &str, active: u64, paused: u64| {
        [("active", active), ("paused", paused)]
            .map(|(state, n)| format!("interlock_{name}{{state=\"{state}\"}} {n}"))
    };
    let is = async |expected: &[&[String]]| {
        let mut found = lines(&world).await;
        let mut expected = expected.concat();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    };
    is(&[&attempts(0, 0, 0), &states("webhooks", 0, 0), &states("webhook_behind_entries", 0, 0)]).await;
    let has_failed = AtomicBool::new(false);
    let receiver = Receiver::new(move |parcel, _| {
        let is_first = || !has_failed.swap(true, Ordering::SeqCst);
        status(match word(parcel).as_str() {
            "1" if is_first() => 500,
            "2" => 410,
            _ => 200,
        })
    })
    .await;
    let id = of_messages(&world, &receiver).await.webhook.webhook_id;
    posts(&world, &stage, 0..2).await;
    let told = get(&world.client(Role::Operator), id, 0).await;
    is(&[&attempts(0, 0, 0), &states("webhooks", 1, 0), &states("webhook_behind_entries", told.behind, 0)])
        .await;
    assert!(told.behind >= 2, "{told:?}");
    let _telling = world.tells();
    // The first is delivered, the second in its second attempt.
    let is_over = |job: &Job| job.state == JobState::Completed;
    jobs_when(&world, |jobs| jobs.iter().filter(|job| is_over(job)).count() == 2).await;
    // The third is told that nobody is there.
    let later = world.engine.now().plus_ms(60_000);
    posts(&world, &stage, 2..3).await;
    jobs_when(&world, |jobs| jobs.iter().any(|job| job.run_at > later)).await;
    let told = get(&world.client(Role::Operator), id, 0).await;
    is(&[&attempts(2, 1, 1), &states("webhooks", 0, 1), &states("webhook_behind_entries", 0, told.behind)])
        .await;
    // While the store is away what is counted in memory is told all the same.
    world.store.set_down(true);
    is(&[&attempts(2, 1, 1)]).await;
    world.store.heal();
}
