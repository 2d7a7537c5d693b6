use std::path::{Path, PathBuf};
use std::time::Duration;

use interlock_core::Reason;
use interlock_core::thread::Status;
use interlock_core::time::Timestamp;
use serde_json::{Value, json};

use super::{plan, plan::hopeless, plan::listener};
use crate::conversation::Conversation;
use crate::env::AgentEnv;
use crate::git::Git;
use crate::mailbox::Thread;
use crate::stage::{Stage, name, say, thread, thread_id};
use crate::turn::{AGAIN, exit};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
type Line = (&'static str, &'static str, &'static str, Value);

fn told(lines: &[Line]) -> Thread {
    let mut thread = thread();
    for (from, to, event_type, data) in lines {
        say(&mut thread, from, to, event_type, data);
    }
    thread
}

fn task() -> Line {
    ("person", "executor", "", json!({"branch": "b", "base": COMMIT}))
}

fn found(id: &str, severity: &str) -> Line {
    let data = json!({"finding_id": id, "path": "src/a.rs", "line": 3, "rule": id, "severity": severity, "message": "m"});
    ("reviewer", "executor", "finding_reported", data)
}

fn about(from: &'static str, event_type: &'static str, id: &str) -> Line {
    (from, "executor", event_type, json!({"finding_id": id, "commit": COMMIT, "message": "why"}))
}

fn handed() -> Line {
    ("executor", "reviewer", "re_review_requested", json!({"commit": COMMIT}))
}

/// Whether it starts with the obvious, and the findings it mends, in order; none = nothing to do.
fn check(lines: &[Line], expected: Option<(bool, &[&str])>) {
    let talk = Conversation::of(&told(lines), &name("executor"));
    let plan = plan(&talk);
    let got = plan
        .as_ref()
        .map(|plan| (plan.is_start, plan.mend.iter().map(|one| one.finding_id.as_str()).collect::<Vec<_>>()));
    assert_eq!(got, expected.map(|(start, ids)| (start, ids.to_vec())), "{lines:?}");
}

#[test]
fn a_wake_asks_for_what_was_said_since_the_work_was_handed_over() {
    check(&[], None);
    check(&[task()], Some((true, &[])));
    check(&[task(), handed()], None);
    check(&[task(), handed(), found("fnd_1", "high")], Some((false, &["fnd_1"])));
    check(&[task(), handed(), found("fnd_1", "high"), handed()], None);
    check(
        &[task(), handed(), found("fnd_1", "low"), found("fnd_2", "high")],
        Some((false, &["fnd_2", "fnd_1"])),
    );
    let verified = about("reviewer", "finding_verified", "fnd_1");
    check(
        &[task(), handed(), found("fnd_1", "low"), verified, found("fnd_2", "low")],
        Some((false, &["fnd_2"])),
    );
    let review_only = ("person", "executor", "", json!({"review_only": true}));
    check(&[review_only], None);
    // Free text without data is a task too, and another one tries what was given up again.
    check(&[("person", "", "", json!({}))], Some((true, &[])));
    let given_up = about("executor", "finding_unresolved", "fnd_1");
    let stuck = [task(), handed(), found("fnd_1", "low"), given_up, handed()];
    check(&stuck, None);
    check(&[&stuck[..], &[("person", "executor", "", json!({}))]].concat(), Some((true, &["fnd_1"])));
}

#[test]
fn a_finding_is_given_up_when_two_fixes_were_turned_down() {
    let rejected = || about("reviewer", "finding_rejected", "fnd_1");
    let mut lines = vec![task(), handed(), found("fnd_1", "low"), handed(), rejected()];
    let talk = |lines: &[Line]| Conversation::of(&told(lines), &name("executor"));
    assert_eq!(hopeless(&talk(&lines), "fnd_1"), None);
    lines.extend([handed(), rejected()]);
    assert_eq!(hopeless(&talk(&lines), "fnd_1").as_deref(), Some("2 fixes were turned down"));
}

#[test]
fn progress_is_told_to_the_person_and_work_to_the_reviewer() {
    let thread = told(&[task()]);
    let me = name("executor");
    let talk = Conversation::of(&thread, &me);
    assert_eq!(listener(&thread, &talk, &me), Some(name("person")));
    let post = super::plan::review_request(&thread, &talk, &me, "thr_1", COMMIT, "");
    assert_eq!(post.to, [name("reviewer")]);
}

/// A sample with two working trees and a thread about it.
struct Scene {
    stage: Stage,
    dir: tempfile::TempDir,
    head: String,
}

impl Scene {
    fn new(seed: u64, task: &Value, to: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sample = crate::sample::generate(&dir.path().join("sample"), seed).unwrap();
        prepare(&sample.dir);
        let git = Git::isolated(&sample.dir);
        git.text(&["worktree", "add", "-q", "-b", "pilot", dir.path().join("executor").to_str().unwrap()])
            .unwrap();
        git.text(&["worktree", "add", "-q", "--detach", dir.path().join("reviewer").to_str().unwrap()])
            .unwrap();
        let head = git.head().unwrap();
        let mut thread = thread();
        let mut data = json!({"branch": "pilot", "base": head});
        data.as_object_mut().unwrap().extend(task.as_object().cloned().unwrap());
        say(&mut thread, "person", to, "", &data);
        Self { stage: Stage::new(thread), dir, head }
    }

    fn env(&self, agent: &str) -> AgentEnv {
        AgentEnv {
            url: String::new(),
            token: String::new(),
            agent: name(agent),
            thread: thread_id(),
            deadline: Timestamp::from_millis(i64::MAX),
            worktree: self.dir.path().join(agent),
            target: None::<PathBuf>,
            check_max: Duration::from_mins(2),
        }
    }

    fn wake(&self, agent: &str) -> u8 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (env, seat) = (self.env(agent), self.stage.seat(agent));
        let mut log = Vec::new();
        let result = match agent {
            "executor" => runtime.block_on(super::turn(&seat, &env, None, &mut log)),
            _ => runtime.block_on(crate::reviewer::turn(&seat, &env, None, &mut log)),
        };
        exit(result, &mut log)
    }

    /// Wakes whoever is due until nobody is; every run is cut off after `fuse` mutations, one more each time.
    fn play(&self, mut fuse: Option<usize>) -> usize {
        let mut turns = 0;
        while let Some(agent) = ["executor", "reviewer"].into_iter().find(|agent| self.stage.is_due(agent)) {
            self.stage.fuse.set(fuse);
            match self.wake(agent) {
                0 => {}
                AGAIN => fuse = fuse.map(|fuse| fuse + 1),
                code => panic!("{agent} exits with {code}"),
            }
            turns += 1;
            assert!(turns < 40, "{:#?}", self.stage.thread().messages);
        }
        turns
    }

    fn types(&self) -> Vec<String> {
        let messages = self.stage.thread().messages;
        messages.iter().map(|message| message.event_type.clone().unwrap_or("chat".to_owned())).collect()
    }

    fn count(&self, event_type: &str) -> usize {
        self.types().iter().filter(|name| *name == event_type).count()
    }
}

#[test]
fn two_agents_finish_a_sample_alone() {
    let scene = Scene::new(77, &json!({}), "executor", |_| {});
    let turns = scene.play(None);
    let closed = scene.stage.closed.borrow().clone().unwrap();
    assert_eq!(closed.status, Status::Resolved, "{:#?}", scene.stage.thread().messages);
    assert_eq!(
        scene.types(),
        [
            "chat",
            "fix_pushed",
            "re_review_requested",
            "finding_reported",
            "finding_reported",
            "fix_pushed",
            "fix_pushed",
            "re_review_requested",
            "finding_verified",
            "finding_verified"
        ]
    );
    assert_eq!(turns, 4);
    assert!(closed.text.contains("tests pass; 2 findings verified"), "{}", closed.text);
}

#[test]
fn agents_killed_after_every_word_say_everything_once() {
    let scene = Scene::new(78, &json!({"checks": ["cargo check", "cargo test"]}), "executor", |_| {});
    scene.play(Some(0));
    assert_eq!(scene.stage.closed.borrow().clone().unwrap().status, Status::Resolved, "{:?}", scene.types());
    assert_eq!(
        (scene.count("finding_reported"), scene.count("finding_verified")),
        (2, 2),
        "{:?}",
        scene.types()
    );
    let git = Git::isolated(&scene.dir.path().join("executor"));
    let commits = git.text(&["rev-list", "--count", &format!("{}..pilot", scene.head)]).unwrap();
    assert_eq!(commits, scene.count("fix_pushed").to_string());
}

#[test]
fn what_cannot_be_mended_blocks_the_thread_with_an_owner() {
    let scene = Scene::new(79, &json!({"checks": ["cargo check"]}), "executor", |dir| {
        let path = dir.join("src/lib.rs");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text + "\nfn forgotten() {}\n").unwrap();
        let git = Git::isolated(dir).set("user.name=x").set("user.email=x@example.com");
        git.text(&["commit", "-qam", "Prepare for later"]).unwrap();
    });
    scene.play(None);
    let closed = scene.stage.closed.borrow().clone().unwrap();
    assert_eq!((closed.status, closed.reason), (Status::Blocked, Reason::FindingUnresolved));
    assert_eq!(closed.owner, Some(name("person")));
    assert!(closed.text.contains("fnd_") && closed.text.contains("dead_code"), "{}", closed.text);
    assert_eq!(scene.count("finding_unresolved"), 1);
}

#[test]
fn a_review_only_task_changes_nothing() {
    let scene = Scene::new(80, &json!({"review_only": true}), "reviewer", |_| {});
    scene.play(None);
    let closed = scene.stage.closed.borrow().clone().unwrap();
    assert_eq!((closed.status, closed.reason), (Status::Blocked, Reason::OpenFindings));
    assert_eq!(scene.types(), ["chat", "finding_reported", "finding_reported", "finding_reported"]);
    let messages = scene.stage.thread().messages;
    assert!(messages[1..].iter().all(|message| message.to == [name("person")]));
}

#[test]
fn a_check_that_cannot_start_is_said_and_not_reported_as_a_finding() {
    let scene = Scene::new(81, &json!({"checks": ["no-such-program --now"]}), "executor", |_| {});
    scene.play(None);
    let closed = scene.stage.closed.borrow().clone().unwrap();
    assert_eq!(closed.status, Status::Blocked);
    assert!(
        closed.text.contains("CHECK_NOT_STARTED") && closed.text.contains("no-such-program"),
        "{}",
        closed.text
    );
    assert_eq!(scene.types(), ["chat", "re_review_requested"]);
}

#[test]
fn a_server_that_stays_away_is_tried_again_later() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut env = AgentEnv {
        // The discard port: nobody answers.
        url: "http://127.0.0.1:9".to_owned(),
        token: String::new(),
        agent: name("executor"),
        thread: thread_id(),
        deadline: Timestamp::from_millis(0),
        worktree: PathBuf::from("/"),
        target: None,
        check_max: Duration::from_mins(1),
    };
    let mut log = Vec::new();
    assert_eq!(runtime.block_on(super::run_executor(&env, None, &mut log)), AGAIN);
    assert!(String::from_utf8(log).unwrap().contains("SERVER_UNREACHABLE"));
    env.url = "no address".to_owned();
    assert_eq!(runtime.block_on(crate::run_reviewer(&env, None, &mut Vec::new())), crate::turn::FAILED);
}
