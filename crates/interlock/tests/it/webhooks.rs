//! Webhooks of the shipped program: kill -9 under a receiver that collects, and the page that describes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use interlock_testkit::postgres::TestDatabase;
use serde_json::Value;

use crate::postgres_nodes::keep_in;
use crate::readme::blocks;
use crate::site::Site;
use crate::stub::{Reply, Stub};
use crate::wait::{PATIENCE, until};

/// How often the server is killed.
const KILLS: usize = 12;

/// What a receiver took down: the event's id in the body, with the ids in the headers.
type Taken = Arc<Mutex<Vec<(String, String)>>>;

/// A receiver that refuses every third parcel.
struct Receiver {
    stub: Stub,
    taken: Taken,
    /// Whether the next parcel is held in the hand until it is told to go on.
    holds: Arc<AtomicBool>,
    in_hand: mpsc::Receiver<()>,
    goes_on: mpsc::Sender<()>,
}

fn receiver() -> Receiver {
    let (taken, holds) = (Taken::default(), Arc::new(AtomicBool::new(false)));
    let (book, is_held, mut count) = (Arc::clone(&taken), Arc::clone(&holds), 0);
    let ((says, in_hand), (goes_on, waits)) = (mpsc::channel(), mpsc::channel::<()>());
    let stub = Stub::new(move |asked| {
        count += 1;
        if count % 3 == 0 {
            return Reply::Json(503, Value::Null);
        }
        let id = asked.body["id"].as_str().unwrap().to_owned();
        book.lock().unwrap().push((id, asked.webhook_id.clone().unwrap()));
        if is_held.swap(false, Ordering::SeqCst) {
            says.send(()).unwrap();
            waits.recv().unwrap();
        }
        Reply::Json(200, Value::Null)
    });
    Receiver { stub, taken, holds, in_hand, goes_on }
}

fn site() -> Site {
    let site = Site::with_instance("poll_interval_ms = 200\njob_lease_ms = 500");
    let file = site.path(".interlock/config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let quick = "[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\nretry_base_ms = 20\nretry_cap_ms = 100\nattempts_max = 100\n";
    std::fs::write(file, config.replace("[webhooks]\n", quick)).unwrap();
    site
}

#[test]
fn a_server_that_is_killed_again_and_again_tells_of_everything() {
    everything_is_told(&site());
}

#[test]
fn a_server_on_postgresql_that_is_killed_again_and_again_tells_of_everything() {
    let test = "a_server_on_postgresql_that_is_killed_again_and_again_tells_of_everything";
    let Some(database) = TestDatabase::make(test) else { return };
    let site = site();
    keep_in(&site, database.url());
    everything_is_told(&site);
}

fn everything_is_told(site: &Site) {
    let Receiver { stub, taken, holds, in_hand, goes_on } = receiver();
    let mut server = site.up(&["--server-only"]);
    let made = site.ask(&["webhook", "add", &stub.url, "--after", "start"]);
    let id = made["webhook"]["webhook_id"].as_str().unwrap().to_owned();
    let secret = made["secret"].as_str().unwrap().to_owned();
    let thread = site.ask(&["thread", "create", "work"])["thread_id"].as_str().unwrap().to_owned();
    for kill in 0..KILLS {
        holds.store(true, Ordering::SeqCst);
        for n in 0..3 {
            site.run(&["thread", "post", &thread, &format!("{kill}-{n}")]).ok();
        }
        // The receiver has a parcel and cannot say so any more: it must come again.
        in_hand.recv_timeout(PATIENCE).unwrap();
        server.running.kill();
        goes_on.send(()).unwrap();
        server = site.up(&["--server-only"]);
    }
    let told = until("the end of the ledger", || {
        let told = site.ask(&["webhook", "show", &id, "--wait-ms", "5000"]);
        (told["behind"] == 0 && told["waiting"] == 0).then_some(told)
    });
    assert_eq!(told["state"], "active");
    let events = site.run(&["events", "--json", "--until-now"]).ok().out;
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wanted: BTreeSet<String> =
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert!(wanted.len() > KILLS * 3);
    let taken = taken.lock().unwrap().clone();
    assert!(taken.len() >= wanted.len() + KILLS, "{} of {}", taken.len(), wanted.len());
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (event, header) in taken {
        ids.entry(event).or_default().insert(header);
    }
    assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), wanted, "each at least once, and nothing else");
    for (event, headers) in ids {
        let only = format!("{id}-{}", event.replace('.', "-"));
        assert_eq!(headers.into_iter().collect::<Vec<_>>(), [only], "its id is always the same");
    }
    // The secret was shown once.
    let log = std::fs::read_to_string(site.path(".interlock/logs/server.log")).unwrap();
    let secret = secret.trim_start_matches("whsec_");
    assert!(!log.contains(secret) && !log.contains(&stub.url), "{log}");
    for (file, bytes) in crate::site::files(&site.path(".interlock")) {
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{}", file.display());
    }
}

#[test]
fn what_the_page_says_works_as_written() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/webhooks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let scripts = blocks(&page, crate::readme::MARK);
    let receiver = blocks(&page, "<!-- receiver.py, executed by the tests -->\n```python\n");
    assert!(scripts.len() == 4 && receiver.len() == 1, "the page lost its marked blocks");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("receiver.py"), receiver[0]).unwrap();
    let script = format!(
        "set -eu\ntrap 'kill \"$RECEIVER\" || true; interlock stop >/dev/null 2>&1 || true' EXIT\n{}",
        scripts.concat()
    );
    let program = Path::new(env!("CARGO_BIN_EXE_interlock"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(dir.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", "/nonexistent"), ("LANG", "C.UTF-8"), ("USER", "anna")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(dir.path().join("receiver.log")).unwrap_or_default();
    assert!(output.status.success(), "{script}\n--- {out}\n--- {err}\n--- {log}");
    let events = std::fs::read_to_string(dir.path().join("events")).unwrap();
    let kinds: Vec<&str> = events.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let [created, posted] = ["thread.created/1", "thread.message_posted/1"];
    assert_eq!(kinds, ["webhook.test/1", created, posted, posted], "{out}\n--- {err}\n--- {log}");
    assert!(out.contains("delivered in") && out.contains("the receiver answered 204"), "{out}");
}
