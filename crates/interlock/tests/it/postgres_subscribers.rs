//! Somebody who follows events on several servers of one database, each of which is killed under it.

use std::sync::{Arc, Mutex};

use interlock_api::Problem;
use interlock_api::client::{Client, Heard};
use interlock_api::v1::event::{CloudEvent, FollowEventsParams};
use interlock_core::Reason;
use interlock_testkit::postgres::TestDatabase;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::caller::{Caller, open_thread};
use crate::postgres_nodes::places;
use crate::site::{Server, Site};
use crate::wait::PATIENCE;

/// How often a server is killed, always the one that the subscriber listens to.
const KILLS: usize = 9;
/// Events that it hears of a server before that one is killed.
const HEARD: usize = 12;
const POSTERS: usize = 3;

/// What the subscriber was given, over all its connections.
#[derive(Debug, Default)]
struct Given {
    events: Vec<CloudEvent>,
    /// The server that it listens to.
    at: usize,
    /// Events since it listens there.
    here: usize,
}

/// Posts again and again, always with the same key until a message is taken, through whichever server takes it.
async fn post(through: Vec<Caller>, over: watch::Receiver<bool>) -> usize {
    for n in 0_usize.. {
        if *over.borrow() {
            return n;
        }
        let key = format!("{}-{n}", through[0].name);
        for attempt in n.. {
            match through[attempt % through.len()].post(&key).await {
                Ok(_) => break,
                Err(problem) => assert!(problem.retryable, "{problem}"),
            }
        }
    }
    unreachable!("numbers do not end")
}

/// Follows from the last position on, at one server after the other, until it has been given the last message.
async fn follow(clients: Vec<Client>, given: Arc<Mutex<Given>>, tells: watch::Sender<usize>) {
    let mut after = "start".to_owned();
    let mut is_over = false;
    for at in 0_usize.. {
        {
            let mut given = given.lock().unwrap();
            (given.at, given.here) = (at % clients.len(), 0);
        }
        let wanted = json!({"after": after, "type": "thread.message_posted"});
        let wanted: FollowEventsParams = serde_json::from_value(wanted).unwrap();
        let hear = |Heard { after: place, event }: Heard| {
            after = place;
            let Some(event) = event else { return Ok(()) };
            is_over = event.data.message.as_ref().is_some_and(|message| message.body == "the end");
            let mut given = given.lock().unwrap();
            given.events.push(event);
            given.here += 1;
            tells.send_modify(|count| *count += 1);
            if is_over { Err(Problem::new(Reason::Defect, "enough", "")) } else { Ok(()) }
        };
        // It ends when the server is killed, and cannot begin while it is away.
        let _broken = clients[at % clients.len()].follow(&wanted, hear).await;
        if is_over {
            return;
        }
    }
}

fn client(site: &Site, url: &str) -> Client {
    let issued = site.ask(&["token", "issue", "--name", "watcher", "--role", "auditor"]);
    Client::new(url, Some(issued["token"].as_str().unwrap().to_owned())).unwrap()
}

/// Kill whichever server the subscriber listens to once it has heard something there, and start it again.
async fn kills(
    sites: &[Site],
    servers: &mut [Server],
    given: &Mutex<Given>,
    mut told: watch::Receiver<usize>,
) {
    for _ in 0..KILLS {
        let at = loop {
            {
                let given = given.lock().unwrap();
                if given.here >= HEARD {
                    break given.at;
                }
            }
            tokio::time::timeout(PATIENCE, told.changed()).await.expect("events").unwrap();
        };
        servers[at].running.kill();
        let address = servers[at].address().to_owned();
        servers[at] = sites[at].up(&["--server-only", "--listen", &address]);
    }
}

/// Every event of the ledger, in its order, is given to it exactly once, whichever servers it was connected to.
#[test]
fn a_subscriber_goes_on_at_another_server_when_its_own_is_killed() {
    let test = "a_subscriber_goes_on_at_another_server_when_its_own_is_killed";
    let Some(database) = TestDatabase::make(test) else { return };
    let sites = places(database.url(), 3, "");
    let mut servers: Vec<Server> = sites.iter().map(|site| site.up(&["--server-only"])).collect();
    let thread = open_thread(&sites[0]);
    let clients: Vec<Client> =
        sites.iter().zip(&servers).map(|(site, server)| client(site, &server.url)).collect();
    let through = |name: &str| -> Vec<Caller> {
        let all = sites.iter().zip(&servers);
        all.map(|(site, server)| Caller::new(site, &server.url, name, &thread)).collect()
    };
    let posters: Vec<_> = (0..POSTERS).map(|n| through(&format!("poster{n}"))).collect();
    let given = Arc::new(Mutex::new(Given::default()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let posted = runtime.block_on(async {
        let (stop, over) = watch::channel(false);
        let (tells, told) = watch::channel(0);
        let following = tokio::spawn(follow(clients, Arc::clone(&given), tells));
        let last = posters[0].clone();
        let posting: Vec<_> =
            posters.into_iter().map(|through| tokio::spawn(post(through, over.clone()))).collect();
        kills(&sites, &mut servers, &given, told).await;
        stop.send(true).unwrap();
        let mut posted = 0;
        for poster in posting {
            posted += poster.await.unwrap();
        }
        last[1].post("the end").await.unwrap();
        tokio::time::timeout(PATIENCE, following).await.expect("the last event").unwrap();
        posted + 1
    });
    let all = sites[2].run(&["events", "--json", "--until-now", "--type", "thread.message_posted"]).ok().out;
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let given = given.lock().unwrap();
    let ids = |events: &mut dyn Iterator<Item = String>| events.collect::<Vec<_>>();
    let heard = ids(&mut given.events.iter().map(|event| event.id.clone()));
    let there = ids(&mut all.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
    assert_eq!(heard, there);
    assert_eq!(heard.len(), posted, "each message once");
}
