//! What the programs leave on disk about their sessions.

use std::collections::BTreeMap;
use std::fs::{self, File};

use serde_json::json;

use super::{Runtime, SessionId, is_listed, is_loaded, is_open};

const SESSION: &str = "01a21b70-d2d6-74d1-814b-ffc953538fbb";

fn session() -> SessionId {
    SessionId::from_uuid_text(SESSION).unwrap()
}

#[test]
fn a_thread_of_codex_is_in_use_while_its_lock_is_held() {
    let home = tempfile::tempdir().unwrap();
    assert!(!is_loaded(home.path(), session()), "no lock file");
    let folder = home.path().join("thread-writer-locks");
    fs::create_dir(&folder).unwrap();
    let lock = File::create(folder.join(format!("{SESSION}.lock"))).unwrap();
    assert!(!is_loaded(home.path(), session()), "the file alone says nothing: it stays behind after a kill");
    lock.lock().unwrap();
    assert!(is_loaded(home.path(), session()));
    let file = folder.join(format!("{SESSION}.lock"));
    assert!(is_open(Runtime::Codex, &file) && !is_open(Runtime::Command, &file));
    lock.unlock().unwrap();
    assert!(!is_open(Runtime::Codex, &file));
    assert!(!is_loaded(home.path(), session()));
    lock.try_lock().expect("the look has let go of it");
}

#[test]
fn a_session_of_claude_is_in_use_while_its_process_lives() {
    let home = tempfile::tempdir().unwrap();
    assert!(!is_listed(home.path(), session()));
    let folder = home.path().join("sessions");
    fs::create_dir(&folder).unwrap();
    let me = std::process::id();
    let said = fs::read_to_string(format!("/proc/{me}/stat")).unwrap();
    let start = said.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().to_owned();
    let cases = [
        (json!({"pid": me, "sessionId": SESSION, "procStart": start}), true, "a living process"),
        (
            json!({"pid": me, "sessionId": SESSION, "procStart": start.parse::<u64>().unwrap()}),
            true,
            "as a number",
        ),
        (json!({"pid": me, "sessionId": SESSION}), true, "nothing told of its start"),
        (
            json!({"pid": me, "sessionId": SESSION, "procStart": "1"}),
            false,
            "another process with its number",
        ),
        (json!({"pid": 4_194_304_000_u64, "sessionId": SESSION}), false, "a dead one"),
        (json!({"pid": me, "sessionId": "another"}), false, "another session"),
    ];
    for (entry, wanted, why) in cases {
        fs::write(folder.join("1.json"), entry.to_string()).unwrap();
        assert_eq!(is_listed(home.path(), session()), wanted, "{why}");
        let is_open = is_open(Runtime::Claude, &folder.join("1.json"));
        assert_eq!(is_open, wanted || why == "another session", "{why}");
    }
}

/// What a process writes down is not there in one piece: a look in between finds nothing that it could understand.
#[test]
fn what_cannot_be_read_is_in_use_while_its_process_lives() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sessions");
    fs::create_dir(&folder).unwrap();
    let me = std::process::id();
    let whole = json!({"pid": me, "sessionId": SESSION}).to_string();
    let half = &whole[..whole.len() / 2];
    for (text, why) in
        [("", "emptied"), (half, "half written"), ("{}", "of a form that is not known"), ("nonsense", "")]
    {
        for (name, wanted) in [
            (format!("{me}.json"), true),
            ("4194304000.json".to_owned(), false),
            ("note.json".to_owned(), false),
            (format!("{me}.tmp"), false),
        ] {
            let file = folder.join(&name);
            fs::write(&file, text).unwrap();
            assert_eq!(is_listed(home.path(), session()), wanted, "{name} {why}");
            assert_eq!(is_open(Runtime::Claude, &file), wanted, "{name} {why}");
            fs::remove_file(file).unwrap();
        }
    }
    fs::write(folder.join(format!("{me}.json")), b"\xFF").unwrap();
    assert!(is_listed(home.path(), session()), "no text");
}

/// Where nothing can be looked at, nothing is known to be free. Not a matter of permissions: root has them all.
#[test]
fn a_place_that_cannot_be_looked_at_is_in_use() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("sessions"), "no folder").unwrap();
    assert!(is_listed(home.path(), session()));
    fs::write(home.path().join("thread-writer-locks"), "no folder").unwrap();
    assert!(is_loaded(home.path(), session()));
    assert!(
        !is_listed(&home.path().join("none"), session()) && !is_loaded(&home.path().join("none"), session())
    );
}

/// The look goes where the program will: what the agent is given wins over the supervisor's own.
#[test]
fn the_home_is_the_one_that_the_program_will_have() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("thread-writer-locks");
    fs::create_dir(&folder).unwrap();
    let lock = File::create(folder.join(format!("{SESSION}.lock"))).unwrap();
    lock.lock().unwrap();
    let id = "00000000000000000000000001";
    let claimed = |value: Option<&str>| {
        let environment =
            value.map(|value| json!([{"name": "CODEX_HOME", "value": value}])).unwrap_or(json!([]));
        serde_json::from_value(json!({
            "workspace_id": format!("ws_{id}"),
            "wake": {
                "wake_id": format!("wak_{id}"), "agent": "a", "thread_id": format!("thr_{id}"), "seq": 1,
                "cause": "b", "state": "pending", "held": false, "attempts": 0,
                "requested_at": "2026-01-02T03:04:05.678Z", "due_at": "2026-01-02T03:04:05.678Z",
            },
            "fence": 1, "lane": "trigger", "runtime": "codex", "session_id": format!("ses_{id}"),
            "resume": session().to_string(), "token": "t", "deadline": "2026-01-02T03:19:05.678Z", "prompt": "",
            "launch": {"environment": environment}, "accept_timeout_ms": 1, "run_ms_max": 1, "lease_ms": 1,
        }))
        .unwrap()
    };
    let own = BTreeMap::from([("CODEX_HOME".into(), home.path().into())]);
    assert!(super::is_busy(&claimed(None), &own));
    assert!(!super::is_busy(&claimed(Some("/nowhere")), &own));
    let default = BTreeMap::from([("HOME".into(), home.path().into())]);
    assert!(!super::is_busy(&claimed(None), &default), "below HOME it would be in .codex");
}
