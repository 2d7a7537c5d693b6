//! What goes wrong again and again in programs that wake agents, as far as it takes processes to show: each test is named
//! after what must never happen. docs/known-defects.md has the whole list, with what is tested elsewhere.

use std::path::Path;

use serde_json::{Value, json};

use crate::by_hand::{add_agent, finished_wakes, script, thread_with};
use crate::hooks::Desk;
use crate::people::running;
use crate::processes::is_alive;
use crate::scripted::Machine;
use crate::site::{Running, Site};
use crate::wait::until;
use crate::world::{Ran, finish};

/// A line of a file, once it is there as a whole.
fn line(file: &Path) -> String {
    until(&file.display().to_string(), || {
        let text = std::fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'))?;
        Some(text.trim_end().to_owned())
    })
}

/// V03: the worker that starts an agent waits for its end, and for that long nobody else is woken.
#[test]
fn v03_an_agent_that_runs_long_keeps_nobody_waiting() {
    let site = Site::with_instance("");
    let _server = site.up(&[]);
    add_agent(&site, "slow", &script("until [ -e enough ]; do sleep 0.02; done"));
    add_agent(&site, "quick", &script(""));
    let long = thread_with(&site, "slow");
    site.ask(&["thread", "post", &long, "take your time"]);
    let wake = running(&site, &long);
    for _ in 0..3 {
        let short = thread_with(&site, "quick");
        site.ask(&["thread", "post", &short, "and you"]);
        assert_eq!(finished_wakes(&site, &short)[0]["result"], "triggered");
    }
    assert_eq!(site.ask(&["wake", "show", &wake])["state"], "running", "all the while");
    site.write("enough", "");
    let ended = finished_wakes(&site, &long);
    assert_eq!((ended.len(), &ended[0]["result"]), (1, &"triggered".into()), "{ended:?}");
}

/// V06: a supervisor that lacks what it needs, or whose server is not there, says that it is ready.
#[test]
fn v06_a_supervisor_that_cannot_work_does_not_look_as_if_it_could() {
    let site = Site::with_instance("");
    let mut server = site.up(&["--server-only"]);
    let shown = site.run(&["status"]).ok().out;
    assert!(shown.contains("supervisors: none, so nobody is woken"), "{shown}");
    let words = ["supervise", "--json", "--server", &server.url, "--folder", "far"];
    let with = |token: &str| -> Ran {
        let mut command = site.command(&words);
        if !token.is_empty() {
            command.env("INTERLOCK_TOKEN", token);
        }
        finish(&mut command, b"")
    };
    let token = |role: &str| {
        let issued = site.ask(&["token", "issue", "--name", "far", "--role", role]);
        issued["token"].as_str().unwrap().to_owned()
    };
    for (given, reason) in [
        (String::new(), "TOKEN_MISSING"),
        ("ilk_garbage".into(), "TOKEN_INVALID"),
        (token("participant"), "ROLE_MISSING"),
    ] {
        // The problem is all that it says: it was ready at no time.
        assert_eq!(with(&given).failed(3, reason).only_json()["reason"], reason);
    }
    assert_eq!(site.ask(&["status"])["supervisors"], Value::Array(Vec::new()));

    let good = token("supervisor");
    server.running.kill();
    let supervisor = Running::new(site.command(&words).env("INTERLOCK_TOKEN", &good));
    let said = supervisor.json();
    assert_eq!((&said["event"], &said["server"]), (&"waiting".into(), &server.url.as_str().into()));
    let _server = site.up(&["--server-only", "--listen", server.address()]);
    assert_eq!(supervisor.json()["event"], "ready");
    until("the supervisor to be seen", || {
        let status = site.ask(&["status"]);
        (status["supervisors"].as_array().unwrap().len() == 1).then_some(())
    });
}

/// V08: that a turn has ended is left to the agent to tell, and its sandbox lets it reach nobody.
#[test]
fn v08_how_a_turn_ended_is_known_whatever_its_agent_can_reach() {
    let site = Site::with_instance("wake_retries_max = 0");
    let _server = site.up(&[]);
    // Each reads, and from then on is as if it were behind a wall.
    let walled = |end: &str| script(&format!("exec env -i sh -c 'echo my last words; {end}'"));
    let agents = [
        ("done", "exit 0", "triggered", Value::Null, Value::from(0)),
        ("broken", "exit 7", "failed", "EXITED_WITH_ERROR".into(), 7.into()),
        ("shot", "kill -9 $$", "failed", "KILLED_BY_SIGNAL".into(), Value::Null),
    ];
    for (name, end, result, reason, code) in agents {
        add_agent(&site, name, &walled(end));
        let thread = thread_with(&site, name);
        site.ask(&["thread", "post", &thread, "go"]);
        let wake = finished_wakes(&site, &thread).remove(0);
        assert_eq!(
            (&wake["result"], &wake["reason"], &wake["exit_code"]),
            (&result.into(), &reason, &code),
            "{name}: {wake}"
        );
        let id = wake["wake_id"].as_str().unwrap();
        let log = site.ask(&["log", id]);
        assert!(log["text"].as_str().unwrap().contains("my last words"), "{log}");
        assert_eq!(site.ask(&["wake", "show", id])["last_message"], "my last words", "{name}");
        assert!(wake.get("last_message").is_none(), "a list has no room for it: {wake}");
        let said = site.ask(&["thread", "read", &thread]);
        let by_agent = |message: &&Value| message["from"] == name;
        assert_eq!(said["messages"].as_array().unwrap().iter().filter(by_agent).count(), 0, "{said}");
    }
}

/// V09: a sandbox that is in the way is switched off for everybody by a flag on the command line.
#[test]
fn v09_no_process_of_ours_is_started_without_its_sandbox() {
    const FREED: [&str; 5] = ["danger", "bypass", "yolo", "full-auto", "dontAsk"];
    let machine = Machine::new();
    machine.site.set_policy("wake_retries_max = 0");
    // Whatever they are asked, they tell their words and that it went wrong.
    for program in ["codex", "claude"] {
        machine.program(
            program,
            "printf '%s ' \"$0\" \"$@\" | tr '\\n' ' ' >>\"$HOME/words\"; echo >>\"$HOME/words\"; exit 1",
        );
    }
    std::fs::create_dir(machine.site.path("work")).unwrap();
    let _server = machine.up();
    let site = &machine.site;
    for (program, sandbox, said) in [
        ("codex", "", "-s workspace-write"),
        ("codex", "read-only", "-s read-only"),
        ("codex", "workspace-write", "-s workspace-write"),
        ("claude", "", "--allowedTools"),
        ("claude", "read-only", "--disallowedTools Edit Write NotebookEdit"),
        ("claude", "workspace-write", "--allowedTools"),
    ] {
        let name = format!("{program}-{}", if sandbox.is_empty() { "plain" } else { sandbox });
        let mut words = vec!["agent", "add", &name, "--yes", "--runtime", program, "--cwd", "work"];
        if !sandbox.is_empty() {
            words.extend(["--sandbox", sandbox]);
        }
        site.ask(&words);
        let thread = thread_with(site, &name);
        site.ask(&["thread", "post", &thread, "go"]);
        assert_eq!(finished_wakes(site, &thread)[0]["result"], "failed");
        let lines = std::fs::read_to_string(site.path("person/words")).unwrap();
        assert!(lines.contains(said), "{name}: {lines}");
        assert!(!FREED.iter().any(|word| lines.contains(word)), "{name}: {lines}");
        std::fs::remove_file(site.path("person/words")).unwrap();
    }
}

/// When somebody's time is up, only the waiting for it ends: the work goes on, and its effects come later.
#[test]
fn a_time_limit_ends_the_work_and_not_only_the_waiting() {
    let site = Site::with_instance("accept_timeout_ms = 1500\nrun_ms_max = 2000\nwake_retries_max = 0");
    let server = site.up(&[]);
    let stays = "trap '' INT TERM HUP\necho \"$INTERLOCK_TOKEN\" > token\necho $$ > pid\n\
                 until [ -e late ]; do sleep 0.02; done\n\
                 \"$binary\" thread post \"$INTERLOCK_THREAD\" 'better late than never'";
    add_agent(&site, "worker", &script(stays));
    let thread = thread_with(&site, "worker");
    site.ask(&["thread", "post", &thread, "go"]);
    let wake = finished_wakes(&site, &thread).remove(0);
    assert_eq!((&wake["result"], &wake["reason"]), (&"failed".into(), &"RUN_TIME_EXCEEDED".into()), "{wake}");
    let pid = line(&site.path("pid")).parse().unwrap();
    assert!(!is_alive(pid), "when it is said to be over, it is");
    // Nor does whoever has kept its token do anything more in its name.
    site.write("late", "");
    let mut late =
        site.command(&["thread", "post", &thread, "better late than never", "--server", &server.url]);
    finish(late.env("INTERLOCK_TOKEN", line(&site.path("token"))), b"").failed(1, "LEASE_LOST");
    let said = site.ask(&["thread", "read", &thread]);
    assert!(!said.to_string().contains("better late"), "{said}");
}

/// Whoever merely watches a session is taken to be typing in it, and every wake waits until it goes another way.
#[test]
fn watching_a_session_keeps_no_wake_waiting() {
    let policy = "human_quiet_ms = 600000\nsession_defer_max_ms = 86000000\nwake_retries_max = 0";
    let desk = Desk::new(policy, &["--runtime", "command", "--", "sh", "-c", "exit 3"]);
    desk.hook("SessionStart", &json!({}));
    assert_eq!(desk.sessions()[0]["is_open"], true);
    desk.posts("look");
    let over = until("the end of the wake", || Some(desk.wake(0)).filter(|wake| wake["state"] == "finished"));
    assert_eq!(
        (&over["reason"], &over["attempts"]),
        (&"EXITED_WITH_ERROR".into(), &1.into()),
        "it ran: {over}"
    );
    let deferred = desk.site.run(&["events", "--until-now", "--type", "wake.deferred", "--json"]).ok().out;
    assert_eq!(deferred, "");
}

/// What guards count is in the memory of a process, and its restart begins the count anew.
#[test]
fn guards_outlive_the_server_that_counted() {
    let site = Site::with_instance("turns_without_progress_max = 4");
    let mut server = site.up(&[]);
    add_agent(&site, "worker", &script(""));
    let thread = thread_with(&site, "worker");
    for turn in 1..=4 {
        site.ask(&["thread", "post", &thread, &format!("and again, {turn}")]);
        until("the turn", || (site.ask(&["thread", "show", &thread])["turns"] == turn).then_some(()));
        server.running.kill();
        site.until_quiet();
        server = site.up(&[]);
    }
    let shown = site.ask(&["thread", "show", &thread]);
    assert_eq!((&shown["status"], &shown["reason"]), (&"blocked".into(), &"NO_PROGRESS".into()), "{shown}");
    assert_eq!(shown["owner"], "anna");
}

/// An API and its metrics are open to the whole network unless somebody thinks of it.
#[test]
fn nothing_is_served_beyond_this_machine() {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    site.ask(&["stop"]);
    for everywhere in ["0.0.0.0:0", "[::]:0"] {
        site.run(&["up", "--json", "--listen", everywhere]).failed(2, "CONFIG_INVALID");
    }
    let file = site.path(".interlock/config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"")).unwrap();
    site.run(&["up", "--json"]).failed(2, "CONFIG_INVALID");
    assert_eq!(site.ours(), []);
}
