//! The shim by itself: ends, failures to start, what agents leave behind, and what they print.

use std::fmt::Write as _;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::shim_rig::{Folder, Shim, boot_ms};
use crate::wait::{is_alive, pids, until};

/// Starts one child in the group, one in a session of its own, and one of those by a parent that is gone.
const FAMILY: &str = r"
    sleep 1000 & echo $! >> pids
    setsid sh -c 'echo $$ >> pids; exec sleep 1000' &
    (setsid sh -c 'echo $$ >> pids; exec sleep 1000 >/dev/null 2>&1' &)
    while [ $(wc -l < pids) -lt 3 ]; do sleep 0.01; done
";

fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn an_end_is_told_as_it_was() {
    for (script, want) in [
        ("exit 0", json!({"notice": "exited", "code": 0})),
        ("exit 75", json!({"notice": "exited", "code": 75})),
        ("exit 127", json!({"notice": "exited", "code": 127})),
        ("kill -SEGV $$", json!({"notice": "signalled", "signal": 11})),
        ("kill -KILL $$", json!({"notice": "signalled", "signal": 9})),
    ] {
        let folder = Folder::new();
        let shim = Shim::start(&folder.script(script));
        shim.started();
        assert_eq!(shim.last(), want, "{script}");
    }
}

#[test]
fn the_first_output_is_told_once_and_after_the_start() {
    let folder = Folder::new();
    let shim = Shim::start(&folder.script("echo one; echo two >&2; exit 4"));
    shim.started();
    assert_eq!(shim.next(), json!({"notice": "output"}));
    let heard = shim.next();
    assert_eq!((&heard["notice"], &heard["last_message"]), (&json!("heard"), &json!("two")));
    assert_eq!(shim.next(), json!({"notice": "exited", "code": 4}));
    let log = folder.log();
    assert!(log.contains("wak_test attempt 1 in ") && log.ends_with("one\ntwo\n"), "{log}");
}

#[test]
fn a_command_that_cannot_be_started_says_why() {
    let folder = Folder::new();
    std::fs::write(folder.path("plain"), "no program").unwrap();
    std::fs::write(folder.path("orphan"), "#!/no/such/interpreter\n").unwrap();
    let run = |mode: &str, name: &str| {
        std::process::Command::new("chmod").args([mode, name]).current_dir(folder.path("")).status().unwrap()
    };
    assert!(run("+x", "orphan").success());
    let mut lost = folder.plan(&["true"]);
    lost["directory"] = json!("/no/such/directory");
    for (plan, detail, hint) in [
        (folder.plan(&["no-such-command-anywhere"]), "No such file", "PATH"),
        (folder.plan(&["./missing"]), "No such file", "relative path"),
        (folder.plan(&["./plain"]), "Permission denied", "chmod"),
        (folder.plan(&["./orphan"]), "No such file", "interpreter"),
        (folder.plan(&[]), "no command", "register"),
        (folder.plan(&["/"]), "Permission denied", "directory"),
        (lost, "/no/such/directory", "directory"),
    ] {
        let notice = Shim::start(&plan).last();
        let text = |name: &str| notice[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(notice["notice"], "failed", "{notice}");
        assert!(text("detail").contains(detail) && text("hint").contains(hint), "{notice}");
        assert!(folder.log().contains(&text("detail")), "{}", folder.log());
    }
}

#[test]
fn nothing_outlives_the_main_process() {
    let folder = Folder::new();
    let shim = Shim::start(&folder.script(&format!("{FAMILY} exit 5")));
    shim.started();
    assert_eq!(shim.next(), json!({"notice": "exited", "code": 5}));
    let family = pids(&folder.path("pids"), 3).unwrap();
    assert!(!family.iter().any(|pid| is_alive(*pid)), "{family:?}");
}

#[test]
fn a_process_that_only_forks_and_ends_is_caught() {
    let folder = Folder::new();
    std::fs::write(folder.path("hop"), "setsid sh hop & exit").unwrap();
    let shim = Shim::start(&folder.script("for n in 1 2 3; do setsid sh hop & done; sleep 0.2; exit 0"));
    shim.started();
    // It ends only when nothing is left.
    assert_eq!(shim.last(), json!({"notice": "exited", "code": 0}));
}

#[test]
fn a_log_that_cannot_be_written_does_not_keep_the_agent_from_its_work() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("wake.log")).unwrap();
    let shim = Shim::start(&folder.script("echo here; echo done > done"));
    assert_eq!(shim.next()["notice"], "unlogged");
    shim.started();
    assert_eq!(shim.last(), json!({"notice": "exited", "code": 0}));
    assert!(folder.path("done").exists());
}

#[test]
fn nothing_outlives_the_supervisor() {
    let folder = Folder::new();
    let mut shim = Shim::start(&folder.script(&format!("trap '' INT TERM; {FAMILY} wait")));
    let main = shim.started();
    let family = until("the family", || pids(&folder.path("pids"), 3));
    shim.abandon();
    shim.last();
    assert!(!is_alive(main) && !family.iter().any(|pid| is_alive(*pid)), "{main} {family:?}");
}

#[test]
fn an_agent_dies_with_its_shim_and_the_next_shim_clears_what_is_left() {
    let folder = Folder::new();
    let mut shim = Shim::start(&folder.script(&format!("{FAMILY} wait")));
    let main = shim.started();
    let family = until("the family", || pids(&folder.path("pids"), 3));
    kill(shim.pid(), Signal::KILL);
    until("the agent's end", || (!is_alive(main)).then_some(()));
    shim.child.wait().unwrap();
    assert!(family.iter().any(|pid| is_alive(*pid)), "nothing is left to be cleared");
    let next = Shim::start(&folder.script("exit 0"));
    next.started();
    assert!(!family.iter().any(|pid| is_alive(*pid)), "{family:?}");
}

#[test]
fn a_second_attempt_waits_for_the_first_to_end() {
    let folder = Folder::new();
    let first = Shim::start(&folder.script(
        "echo first begins >> story; until [ -e go ]; do sleep 0.01; done; echo first ends >> story",
    ));
    first.started();
    let story = folder.path("story");
    until("the first to begin", || std::fs::read_to_string(&story).ok().filter(|text| text.ends_with('\n')));
    let second = Shim::start(&folder.script("echo second begins >> story"));
    let fds = format!("/proc/{}/fd", second.pid());
    until("the second to want the lock", || {
        let links =
            std::fs::read_dir(&fds).ok()?.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
        links.into_iter().find(|link| *link == folder.path("agent.lock"))
    });
    std::fs::write(folder.path("go"), "").unwrap();
    assert_eq!(second.last(), json!({"notice": "exited", "code": 0}));
    assert_eq!(std::fs::read_to_string(&story).unwrap(), "first begins\nfirst ends\nsecond begins\n");
}

#[test]
fn a_shim_that_waits_for_the_lock_can_be_called_off() {
    let folder = Folder::new();
    let first = Shim::start(&folder.script("exec sleep 1000"));
    first.started();
    let mut second = Shim::start(&folder.script("echo never > never"));
    second.say(&json!("stop"));
    assert_eq!(second.last(), json!({"notice": "cancelled"}));
    assert!(!folder.path("never").exists());
}

#[test]
fn an_agent_is_asked_to_end_before_it_is_made_to() {
    for (script, want) in [
        ("trap 'exit 9' INT; echo; while :; do sleep 0.01; done", json!({"notice": "exited", "code": 9})),
        (
            "trap '' INT; trap 'exit 8' TERM; echo; while :; do sleep 0.01; done",
            json!({"notice": "exited", "code": 8}),
        ),
        ("trap '' INT TERM; echo; while :; do sleep 0.01; done", json!({"notice": "signalled", "signal": 9})),
    ] {
        let folder = Folder::new();
        let mut shim = Shim::start(&folder.script(script));
        shim.started();
        assert_eq!(shim.next(), json!({"notice": "output"}));
        shim.say(&json!("stop"));
        assert_eq!(shim.last(), want, "{script}");
    }
    let folder = Folder::new();
    let mut shim = Shim::start(&folder.script("trap 'exit 9' INT TERM; echo; while :; do sleep 0.01; done"));
    shim.started();
    assert_eq!(shim.next(), json!({"notice": "output"}));
    shim.say(&json!("kill"));
    assert_eq!(shim.last(), json!({"notice": "signalled", "signal": 9}));
}

/// SIGINT, SIGTERM, SIGKILL, in this order, and each to every process of the group.
#[test]
fn the_whole_group_is_asked_in_order() {
    let folder = Folder::new();
    // Members of a pipeline, because a shell lets those that it starts in the background hear no SIGINT.
    for (name, then) in [("one", ":"), ("two", "until [ -e one.up ]; do sleep 0.01; done; echo")] {
        let traps = format!("trap 'echo {name} INT >> story' INT; trap 'echo {name} TERM >> story' TERM");
        let script = format!("{traps}; echo > {name}.up; {then}; while :; do sleep 0.01; done");
        std::fs::write(folder.path(name), script).unwrap();
    }
    let mut plan = folder.script("trap : INT TERM; sh one | sh two");
    (plan["interrupt_ms"], plan["terminate_ms"]) = (json!(1_000), json!(1_000));
    let mut shim = Shim::start(&plan);
    shim.started();
    assert_eq!(shim.next(), json!({"notice": "output"}));
    shim.say(&json!("stop"));
    assert_eq!(shim.last(), json!({"notice": "signalled", "signal": 9}));
    let story = std::fs::read_to_string(folder.path("story")).unwrap();
    for name in ["one", "two"] {
        let heard: Vec<&str> = story.lines().filter_map(|line| line.strip_prefix(name)).collect();
        assert_eq!(heard, [" INT", " TERM"], "{story}");
    }
}

#[test]
fn a_flood_of_output_keeps_memory_and_log_bounded() {
    let folder = Folder::new();
    let shim =
        Shim::start(&folder.script("yes 'hunter2 all the way down' | head -c 200000000; echo; echo THE END"));
    shim.started();
    let status = format!("/proc/{}/status", shim.pid());
    let (mut peak_kb, mut longest) = (0, 0);
    until("the end of the flood", || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak_kb = peak_kb.max(peak.unwrap_or(0));
        longest = longest.max(folder.log().len());
        folder.log().ends_with("THE END\n").then_some(())
    });
    assert_eq!(shim.last(), json!({"notice": "exited", "code": 0}));
    let log = folder.log();
    assert!(peak_kb < 64 * 1024, "{peak_kb} kB");
    assert!(longest < 140 * 1024, "{longest} bytes");
    assert!(log.len() < 68 * 1024 && log.contains("bytes left out]"), "{} bytes", log.len());
    assert!(
        log.starts_with("--- ") && !log.contains("hunter2") && log.contains("[redacted] all the way"),
        "{log:.300}"
    );
}

#[test]
fn an_agent_is_given_its_environment_and_nothing_else() {
    let folder = Folder::new();
    let script = "tr '\\0' '\\n' < /proc/$$/environ > environ; readlink /proc/$$/fd/0 > stdin; ps -o pgid= -p $$ > group";
    let shim = Shim::start(&folder.script(script));
    let main = shim.started();
    assert_eq!(shim.last(), json!({"notice": "exited", "code": 0}));
    let read = |name: &str| std::fs::read_to_string(folder.path(name)).unwrap();
    let mut want = String::new();
    writeln!(want, "PATH={}", std::env::var("PATH").unwrap()).unwrap();
    want.push_str("SECRET=hunter2\n");
    assert_eq!(read("environ"), want);
    assert_eq!(read("stdin").trim(), "/dev/null");
    assert_eq!(read("group").trim(), main.to_string());
}

#[test]
fn a_shim_without_a_plan_does_nothing() {
    let mut child = std::process::Command::new(crate::shim_rig::PROGRAM)
        .arg("__shim")
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

/// Its supervisor is stopped, or hangs: what it started ends at the lease's end all the same, and the last word says why.
#[test]
fn nothing_outlives_the_lease() {
    let folder = Folder::new();
    let mut plan = folder.script(&format!("trap '' INT TERM; {FAMILY} wait"));
    plan["lease_until_ms"] = json!(boot_ms() + 60_000);
    let mut shim = Shim::start(&plan);
    let main = shim.started();
    let family = until("the family", || pids(&folder.path("pids"), 3));
    // Renewed, and then no more.
    shim.say(&json!({"lease": {"until_ms": boot_ms() + 100}}));
    assert_eq!(shim.next(), json!({"notice": "lease_over"}));
    assert_eq!(shim.next(), json!({"notice": "signalled", "signal": 9}));
    assert!(!is_alive(main) && !family.iter().any(|pid| is_alive(*pid)), "{main} {family:?}");
}

#[test]
fn nothing_is_started_when_the_lease_is_over() {
    let folder = Folder::new();
    let mut plan = folder.script("echo begun > begun");
    plan["lease_until_ms"] = json!(boot_ms() - 1);
    assert_eq!(Shim::start(&plan).last(), json!({"notice": "cancelled"}));
    assert!(!folder.path("begun").exists());
}

/// A renewal is no order to end, not even for a shim that waits for a former process of its agent.
#[test]
fn a_renewed_lease_goes_on() {
    let folder = Folder::new();
    let mut first = Shim::start(&folder.script("sleep 1000"));
    first.started();
    let mut plan = folder.script("exit 3");
    plan["lease_until_ms"] = json!(boot_ms() + 60_000);
    let mut second = Shim::start(&plan);
    second.say(&json!({"lease": {"until_ms": boot_ms() + 120_000}}));
    first.abandon();
    first.last();
    second.started();
    assert_eq!(second.last(), json!({"notice": "exited", "code": 3}));
}
