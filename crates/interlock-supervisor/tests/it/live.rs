//! Turns in a server of Codex, and what becomes of them when their supervisor does not follow them any more.

use serde_json::{Value, json};

use crate::codex::{Codex, THREAD};
use crate::rig::Rig;
use crate::shim_rig::{Folder, Shim, boot_ms, os};
use crate::wait::{is_alive, until, until_async};

/// Its lease is over while the test looks on.
const SHORT_MS: u64 = 1_500;
/// It is not.
const LONG_MS: u64 = 600_000;

/// A supervisor and a server of Codex.
struct Desk {
    rig: Rig,
    codex: Codex,
}

impl Desk {
    async fn new() -> Self {
        let mut rig = Rig::idle().await;
        let home = rig.path("home");
        rig.config.environment.insert("CODEX_HOME".into(), home.clone().into_os_string());
        let codex = Codex::start(&home);
        rig.start();
        Self { rig, codex }
    }

    /// Let the agent be woken through the live door, by the first claim of it.
    fn wakes(&self, lease_ms: u64) -> String {
        self.claims(1, lease_ms, &json!({}))
    }

    /// The claim after that, whose holder is to look what became of it.
    fn looks(&self, change: &Value) -> String {
        let mut change = change.clone();
        change["is_in_doubt"] = true.into();
        self.claims(2, LONG_MS, &change)
    }

    fn claims(&self, fence: u64, lease_ms: u64, change: &Value) -> String {
        let mut claim = json!({
            "fence": fence, "runtime": "codex", "door": "live", "resume": THREAD, "lease_ms": lease_ms,
            "launch": {"command": ["codex"]},
        });
        for (name, value) in change.as_object().unwrap() {
            claim[name] = value.clone();
        }
        self.rig.wake_with("executor", 1, "", &claim)
    }

    /// Its turn runs, and the supervisor is cut off; the next reports are those of its next life.
    async fn dies_in_a_turn(&mut self, lease_ms: u64) -> String {
        let wake_id = self.wakes(lease_ms);
        self.rig.until_reports(&["started", "accepted by event"]).await;
        self.rig.kill().await;
        self.rig.server.script().calls.clear();
        wake_id
    }

    async fn until_status(&self, status: &str) {
        let codex = &self.codex;
        until_async(status, || (codex.status() == status).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_followed_under_a_lease_that_is_renewed() {
    let mut desk = Desk::new().await;
    let wake_id = desk.wakes(SHORT_MS);
    desk.rig.until_reports(&["started", "accepted by event"]).await;
    // Longer than the first lease: each is renewed at a third of its time.
    desk.rig.until("renewals", |script| script.of("renew").len() > 6).await;
    assert_eq!(desk.codex.status(), "inProgress", "{}", desk.rig.log(&wake_id));
    desk.codex.ends("completed");
    desk.rig.until_reports(&["started", "accepted by event", "exited 0"]).await;
    desk.rig.stop().await.unwrap();
    assert_eq!(desk.codex.turns().len(), 1);
}

/// Killed in the middle of a turn: the next life finds it, follows it to its end, and reports that once.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_outlives_its_supervisor_is_followed_by_the_next_life() {
    let mut desk = Desk::new().await;
    desk.dies_in_a_turn(LONG_MS).await;
    desk.rig.start();
    desk.looks(&json!({}));
    desk.rig.until_reports(&["started", "accepted by event"]).await;
    assert_eq!(desk.codex.status(), "inProgress");
    desk.codex.ends("completed");
    desk.rig.until_reports(&["started", "accepted by event", "exited 0"]).await;
    desk.rig.stop().await.unwrap();
    assert_eq!(desk.codex.turns().len(), 1, "one turn for one wake");
    let reports = desk.rig.server.script().of("report");
    assert!(reports.iter().all(|call| call.body["fence"] == 2));
}

/// Nobody comes back: the turn is ended at the lease's end, and who looks later knows that it is still to be done.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_nobody_follows_ends_with_its_lease() {
    let mut desk = Desk::new().await;
    let wake_id = desk.dies_in_a_turn(SHORT_MS).await;
    desk.until_status("interrupted").await;
    let look =
        || desk.rig.log(&wake_id).contains("the lease was over: the turn was interrupted").then_some(());
    until_async("a word of it", look).await;
    desk.rig.start();
    desk.looks(&json!({}));
    desk.rig.until_reports(&["not_running"]).await;
    assert_eq!(desk.codex.turns().len(), 1);
    // It is begun again under the same name, and what became of the one before says nothing of it.
    desk.rig.server.script().calls.clear();
    desk.claims(3, LONG_MS, &json!({}));
    desk.rig.until_reports(&["started", "accepted by event"]).await;
    desk.rig.kill().await;
    desk.codex.ends("interrupted");
    desk.rig.server.script().calls.clear();
    desk.rig.start();
    desk.looks(&json!({"fence": 4, "lease_ms": SHORT_MS}));
    desk.rig.until_reports(&["in_doubt"]).await;
    desk.rig.stop().await.unwrap();
}

/// A person who cut it off meanwhile does not want it begun again.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_a_person_cut_off_is_told_apart() {
    let mut desk = Desk::new().await;
    desk.dies_in_a_turn(LONG_MS).await;
    desk.codex.ends("interrupted");
    desk.rig.start();
    desk.looks(&json!({"lease_ms": SHORT_MS}));
    desk.rig.until_reports(&["in_doubt"]).await;
    desk.rig.stop().await.unwrap();
}

/// Found when the time of its turn is used up: it is ended by whoever has found it.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_found_ends_at_its_limit() {
    let mut desk = Desk::new().await;
    desk.dies_in_a_turn(LONG_MS).await;
    desk.rig.start();
    desk.looks(&json!({"run_ms_max": 0}));
    desk.rig.until_reports(&["started", "accepted by event", "run_time_exceeded"]).await;
    assert_eq!(desk.codex.status(), "interrupted");
    desk.rig.stop().await.unwrap();
}

/// Its lease cannot be renewed: the turn ends with it, nothing more is said of it, and it is looked for anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_lease_cannot_be_renewed_ends_without_a_word() {
    let mut desk = Desk::new().await;
    desk.wakes(SHORT_MS);
    desk.rig.until_reports(&["started", "accepted by event"]).await;
    desk.rig.server.script().is_down = true;
    desk.until_status("interrupted").await;
    desk.rig.server.script().is_down = false;
    desk.looks(&json!({}));
    desk.rig.until_reports(&["started", "accepted by event", "not_running"]).await;
    desk.rig.stop().await.unwrap();
}

/// What keeps this machine from looking proves nothing of what was begun: it is looked for again.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_for_stays_in_doubt() {
    for change in [
        json!({"launch": {"command": ["codex", "--profile", "x"]}}),
        json!({"launch": {"command": ["codex"], "environment": [{"name": "CODEX_HOME", "value": ""}]}}),
    ] {
        let mut desk = Desk::new().await;
        let wake_id = desk.dies_in_a_turn(LONG_MS).await;
        desk.rig.config.environment.remove(std::ffi::OsStr::new("HOME"));
        desk.rig.start();
        desk.looks(&change);
        desk.rig.until_reports(&["not_started"]).await;
        assert_eq!(desk.codex.status(), "inProgress", "{}", desk.rig.log(&wake_id));
        desk.codex.ends("completed");
        let home = json!([{"name": "CODEX_HOME", "value": desk.rig.path("home").to_str().unwrap()}]);
        desk.looks(&json!({"fence": 3, "launch": {"command": ["codex"], "environment": home}}));
        desk.rig.until_reports(&["not_started", "started", "accepted by event", "exited 0"]).await;
        desk.rig.stop().await.unwrap();
    }
}

/// A shim that watches over a turn in this folder, whose lease is over at this time.
fn watch_over(folder: &Folder, codex: &Codex, lease_until_ms: u64) -> Shim {
    let path = |name: &str| os(folder.path(name).to_str().unwrap());
    let turn = json!({"socket": codex.socket, "session_id": THREAD, "client_id": "wak_x.1", "is_cut": false});
    let shim = Shim::start(&json!({
        "turn": turn, "is_found": false, "record": path("a.turn"), "lock": path("a.lock"), "log": path("wake.log"),
        "lease_until_ms": lease_until_ms,
    }));
    assert_eq!(shim.next(), json!({"notice": "watching"}));
    shim
}

fn is_cut(folder: &Folder) -> Value {
    let text = std::fs::read_to_string(folder.path("a.turn")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["is_cut"].clone()
}

/// Its supervisor is stopped, hangs or is dead: the turn is ended when the lease is over, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_does_not_outlive_the_lease() {
    for is_dead in [false, true] {
        let folder = Folder::new();
        let codex = Codex::start(&folder.path("home"));
        codex.runs(&["wak_x.1"]);
        let mut shim = watch_over(&folder, &codex, boot_ms() + LONG_MS);
        assert_eq!(is_cut(&folder), false);
        shim.say(&json!({"lease": {"until_ms": boot_ms() + 200}}));
        if is_dead {
            shim.abandon();
        }
        until("the turn's end", || (codex.status() == "interrupted").then_some(()));
        assert_eq!(is_cut(&folder), true);
        shim.last();
        assert_eq!(folder.log(), "the lease was over: the turn was interrupted\n");
    }
}

/// What is over, a person's, or somebody else's is let alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_lease_ends_nothing_else() {
    for said in [vec!["theirs"], vec!["theirs", "wak_x.1"], vec!["wak_x.2"]] {
        let folder = Folder::new();
        let codex = Codex::start(&folder.path("home"));
        codex.runs(&said);
        watch_over(&folder, &codex, boot_ms()).last();
        assert_eq!((codex.status(), is_cut(&folder)), ("inProgress".into(), json!(false)), "{said:?}");
    }
    let folder = Folder::new();
    let codex = Codex::start(&folder.path("home"));
    codex.runs(&["wak_x.1"]);
    codex.ends("completed");
    watch_over(&folder, &codex, boot_ms()).last();
    assert_eq!(is_cut(&folder), false);
    // Its supervisor has seen its end.
    codex.runs(&["wak_x.1"]);
    let mut shim = watch_over(&folder, &codex, boot_ms() + LONG_MS);
    shim.say(&json!("over"));
    shim.last();
    assert_eq!(codex.status(), "inProgress");
    // Nobody listens any more.
    std::fs::remove_file(&codex.socket).unwrap();
    watch_over(&folder, &codex, boot_ms()).last();
    assert_eq!(folder.log(), "");
}

/// Who has the next claim watches over it: the shim of the one before does not end it under their hands.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_has_one_deadline() {
    let folder = Folder::new();
    let codex = Codex::start(&folder.path("home"));
    codex.runs(&["wak_x.1"]);
    let mut first = watch_over(&folder, &codex, boot_ms() + LONG_MS);
    first.abandon();
    let mut second = watch_over(&folder, &codex, boot_ms() + LONG_MS);
    assert!(!first.child.wait().unwrap().success(), "it is killed, and has done nothing");
    assert!(is_alive(second.pid()));
    second.say(&json!("over"));
    second.last();
    assert_eq!((codex.status(), is_cut(&folder)), ("inProgress".into(), json!(false)));
}
