//! Several supervisors on one server, and on several: each wake runs in one place, and what one of them leaves behind
//! when it is killed the other one finishes.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use interlock_testkit::postgres::TestDatabase;
use rustix::process::Signal;
use serde_json::Value;

use crate::by_hand::{add_agent, finished_wakes, thread_with};
use crate::postgres_nodes::places;
use crate::processes;
use crate::site::{Running, Site};
use crate::wait::until;

/// A lease is over soon after its supervisor, and others are waited for briefly.
const POLICY: &str = "lease_ms = 3000\ntakeover_grace_ms = 500\npoll_interval_ms = 300\nretry_backoff_ms = 50\n\
     placement_wait_ms = 500\nwakes_per_minute_max = 0";

/// Keeps a lock for as long as it or anything of it lives, says that it began, and goes on step by step as files allow.
fn agent(name: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_interlock");
    format!(
        "exec 9>>{name}.held\nflock -n 9 || {{ echo twice >>{name}.violated; exit 1; }}\n\
         echo \"$INTERLOCK_WAKE\" >>{name}.starts\nuntil [ -e {name}.speak ]; do sleep 0.02; done\necho awake\n\
         until [ -e {name}.work ]; do sleep 0.02; done\n\
         '{binary}' thread ack \"$INTERLOCK_THREAD\" \"$INTERLOCK_WAKE_SEQ\" || exit 1\n\
         until [ -e {name}.end ]; do sleep 0.02; done\necho \"$INTERLOCK_WAKE\" >>{name}.ends\n"
    )
}

/// The steps that an agent waits before.
const STEPS: [&str; 3] = ["speak", "work", "end"];

fn allow(site: &Site, name: &str, steps: &[&str]) {
    for step in STEPS {
        let file = site.path(&format!("{name}.{step}"));
        if steps.contains(&step) {
            fs::write(file, "").unwrap();
        } else if file.exists() {
            fs::remove_file(file).unwrap();
        }
    }
}

/// Which wakes an agent was started for, in order.
fn starts(site: &Site, name: &str) -> Vec<String> {
    assert!(!site.path(&format!("{name}.violated")).exists(), "{name} lived twice");
    let text = fs::read_to_string(site.path(&format!("{name}.starts"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A supervisor of its own process, in a folder of its own.
pub(crate) struct Supervisor {
    folder: &'static str,
    pub(crate) running: Running,
}

impl Supervisor {
    pub(crate) fn start(site: &Site, folder: &'static str, url: &str, more: &[&str]) -> Self {
        let mut supervisor = Self { folder, running: Running::new(&mut Command::new("true")) };
        supervisor.again(site, url, more);
        supervisor
    }

    /// In its next life; the first one needs a token, later ones have it.
    fn again(&mut self, site: &Site, url: &str, more: &[&str]) {
        let words = ["supervise", "--json", "--server", url, "--folder", self.folder];
        let mut command = site.command(&[words.as_slice(), more].concat());
        if !site.path(self.folder).join("state/token").exists() {
            let issued = site.ask(&["token", "issue", "--name", self.folder, "--role", "supervisor"]);
            command.env("INTERLOCK_TOKEN", issued["token"].as_str().unwrap());
        }
        self.running = Running::new(command.env("INTERLOCK_LOG", "debug,hyper=warn"));
        assert_eq!(self.running.json()["event"], "ready", "{}", self.running.errors());
    }

    pub(crate) fn name(&self, site: &Site) -> String {
        fs::read_to_string(site.path(self.folder).join("state/supervisor.id")).unwrap()
    }

    /// The lines of its log with this message.
    fn logged(&self, site: &Site, message: &str) -> Vec<Value> {
        let text = fs::read_to_string(site.path(self.folder).join("logs/supervisor.log")).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == message).collect()
    }

    fn until_logged(&self, site: &Site, message: &str) -> Value {
        until(message, || self.logged(site, message).pop())
    }
}

/// How often each event came in each wake, by the ledger.
fn counts(site: &Site) -> BTreeMap<(String, String), usize> {
    let events = site.run(&["events", "--until-now", "--type", "wake.", "--json"]).ok().out;
    let mut counts = BTreeMap::new();
    for line in events.lines() {
        let event = serde_json::from_str::<Value>(line).unwrap()["data"]["event"].clone();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        *counts.entry((text("wake_id"), text("kind"))).or_default() += 1;
    }
    counts
}

/// The next event of this kind.
fn next(tail: &Running, kind: &str) -> Value {
    loop {
        let item = tail.json();
        if item["type"] == kind {
            return item;
        }
    }
}

/// The process that started another one.
fn parent(id: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A process that holds the agent's lock of both supervisors: a shim that is started meanwhile waits, so that its wake is
/// claimed and not started.
fn hold_locks(site: &Site, supervisors: &[Supervisor; 2]) -> std::process::Child {
    let [a, b] = supervisors.each_ref().map(|one| {
        let folder = site.path(one.folder).join("state/agents");
        fs::create_dir_all(&folder).unwrap();
        folder.join("worker.lock")
    });
    let script = "exec 8>>\"$0\" 9>>\"$1\"; flock 8; flock 9; echo held; exec sleep 600";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .args([&a, &b])
        .current_dir(site.path("."))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut held).unwrap();
    child
}

/// Where a supervisor is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Nowhere,
    Claimed,
    Started,
    Accepted,
    MidRun,
    Reporting,
}

/// One message, and the end of the supervisor that has its wake at this step.
fn round(
    site: &Site,
    server: &Running,
    tail: &Running,
    supervisors: &mut [Supervisor; 2],
    (thread, at): (&str, At),
) {
    let begun = match at {
        At::Nowhere => &STEPS[..],
        At::Claimed | At::Started => &[],
        At::Accepted => &STEPS[..1],
        At::MidRun | At::Reporting => &STEPS[..2],
    };
    allow(site, "worker", begun);
    let mut holder = (at == At::Claimed).then(|| hold_locks(site, supervisors));
    site.ask(&["thread", "post", thread, &format!("{at:?}"), "--to", "worker"]);
    let victim = match at {
        At::Nowhere => None,
        At::Claimed => Some(until("a claimed wake", || {
            let shim =
                |process: &processes::Process| process.words.get(1).is_some_and(|word| word == "__shim");
            let parent = parent(site.ours().into_iter().find(shim)?.id)?;
            supervisors.iter().position(|one| one.running.id() == parent)
        })),
        _ => {
            let by = next(tail, "wake.dispatched")["event"]["supervisor"].clone();
            supervisors.iter().position(|one| by == one.name(site))
        }
    };
    match at {
        At::Accepted => drop(next(tail, "wake.accepted")),
        At::MidRun => drop(next(tail, "wake.seen")),
        At::Reporting => {
            next(tail, "wake.seen");
            // The agent ends, and the server does not hear of it.
            server.signal(Signal::STOP);
            let ends = || fs::read_to_string(site.path("worker.ends")).unwrap_or_default().lines().count();
            let before = ends();
            allow(site, "worker", &STEPS);
            until("the agent's end", || (ends() > before).then_some(()));
        }
        At::Nowhere | At::Claimed | At::Started => {}
    }
    if let Some(victim) = victim {
        supervisors[victim].running.kill();
    }
    server.signal(Signal::CONT);
    if let Some(holder) = &mut holder {
        holder.kill().unwrap();
        holder.wait().unwrap();
    }
    allow(site, "worker", &STEPS);
    next(tail, "wake.finished");
    if let Some(victim) = victim {
        supervisors[victim].again(site, &url(site), &[]);
    }
}

fn url(site: &Site) -> String {
    let run: Value =
        serde_json::from_str(&fs::read_to_string(site.path(".interlock/run.json")).unwrap()).unwrap();
    run["url"].as_str().unwrap().to_owned()
}

#[test]
fn a_supervisor_killed_at_every_step_is_replaced_by_the_other() {
    let site = Site::with_instance(POLICY);
    let server = site.up(&["--server-only"]);
    let mut supervisors = ["a", "b"].map(|name| Supervisor::start(&site, name, &server.url, &[]));
    add_agent(&site, "worker", &agent("worker"));
    let thread = thread_with(&site, "worker");
    let plan = [
        At::Nowhere,
        At::Claimed,
        At::Started,
        At::Accepted,
        At::MidRun,
        At::Reporting,
        At::Nowhere,
        At::Claimed,
        At::Nowhere,
    ];
    let tail = site.start(&["thread", "tail", &thread, "--json"]);
    for at in plan {
        round(&site, &server.running, &tail, &mut supervisors, (&thread, at));
    }
    let mut wakes = finished_wakes(&site, &thread);
    wakes.reverse();
    assert_eq!(wakes.len(), plan.len(), "one for each message: {wakes:?}");
    let (started, counted) = (starts(&site, "worker"), counts(&site));
    for (wake, at) in wakes.iter().zip(plan) {
        let id = wake["wake_id"].as_str().unwrap();
        assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{at:?}: {wake}");
        let count = |kind: &str| counted.get(&(id.to_owned(), kind.to_owned())).copied().unwrap_or_default();
        let of_two = match at {
            // A process that nobody was told of is none.
            At::Nowhere | At::Claimed => (1, 0, 1),
            At::Started | At::Accepted | At::MidRun | At::Reporting => (2, 1, 1),
        };
        let told = (count("wake.dispatched/1"), count("wake.released/1"), count("wake.finished/1"));
        assert_eq!(told, of_two, "{at:?}: {counted:?}");
        let own = started.iter().filter(|start| *start == id).count();
        assert_eq!(own, of_two.0, "{at:?}: started as often as the ledger says");
    }
    site.ask(&["ledger", "export", "ledger.tar"]);
    assert_eq!(site.ask(&["verify", "ledger.tar"])["verified"], true);
    assert_eq!(supervisors[0].until_logged(&site, "tick.completed")["wakes"], 1);
}

/// Stopped, it can end nothing: its shim does, by itself, before another supervisor is given the wake.
#[test]
fn a_supervisor_that_is_stopped_loses_its_agent_before_another_begins_it() {
    let site = Site::with_instance(POLICY);
    let server = site.up(&["--server-only"]);
    let stopped = Supervisor::start(&site, "a", &server.url, &[]);
    let thread = crowd(&site, &["worker"]).remove(0);
    until("the first start", || (starts(&site, "worker").len() == 1).then_some(()));
    let other = Supervisor::start(&site, "b", &server.url, &[]);
    stopped.running.signal(Signal::STOP);
    // `starts` would see two of them live at once.
    until("the second start", || (starts(&site, "worker").len() == 2).then_some(()));
    allow(&site, "worker", &STEPS);
    let wake = finished_wakes(&site, &thread).remove(0);
    assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{wake}");
    assert_eq!(wake["supervisor"], other.name(&site), "{wake}");
    stopped.running.signal(Signal::CONT);
    assert_eq!(stopped.until_logged(&site, "wake.lease_over")["agent"], "worker");
    assert_eq!(starts(&site, "worker").len(), 2);
}

/// Each agent in a thread of its own, with a message.
fn crowd(site: &Site, names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| {
            add_agent(site, name, &agent(name));
            let thread = thread_with(site, name);
            site.ask(&["thread", "post", &thread, "go", "--to", name]);
            thread
        })
        .collect()
}

/// Those who run go on while the server is away, and are started once.
#[test]
fn a_server_killed_under_two_supervisors_finds_everything_going_on() {
    let site = Site::with_instance("poll_interval_ms = 300");
    let mut server = site.up(&["--server-only"]);
    let url = server.url.clone();
    let supervisors = ["a", "b"].map(|name| Supervisor::start(&site, name, &url, &["--at-once", "2"]));
    let names = ["one", "two", "three", "four"];
    let threads = crowd(&site, &names);
    let all = || names.iter().all(|name| starts(&site, name).len() == 1);
    until("all to run, two with each", || all().then_some(()));
    server.running.kill();
    supervisors[0].until_logged(&site, "renew.failed");
    for name in names {
        allow(&site, name, &["speak"]);
    }
    let server = site.up(&["--server-only", "--listen", server.address()]);
    for name in names {
        allow(&site, name, &STEPS);
    }
    for (thread, name) in threads.iter().zip(names) {
        let wakes = finished_wakes(&site, thread);
        assert_eq!((wakes.len(), &wakes[0]["result"]), (1, &"triggered".into()), "{wakes:?}");
        assert_eq!(starts(&site, name).len(), 1, "{name}");
    }
    // Nobody has to be told that the server is back.
    let more = crowd(&site, &["five"]);
    allow(&site, "five", &STEPS);
    assert_eq!(finished_wakes(&site, &more[0])[0]["result"], "triggered");
    drop(server);
    let failed = supervisors[1].until_logged(&site, "tick.failed");
    assert_eq!(failed["reason"], "SERVER_UNREACHABLE", "{failed}");
    assert!(
        failed["duration_ms"].is_u64() && failed["again_ms"].is_u64() && failed["held"].is_u64(),
        "{failed}"
    );
}

/// Supervisors at different servers of one database; one server and its supervisor are killed.
#[test]
fn supervisors_at_several_servers_share_the_work() {
    let Some(database) = TestDatabase::make("supervisors_at_several_servers_share_the_work") else { return };
    let sites = places(database.url(), 3, POLICY);
    let [one, two, three] = sites.as_slice() else { panic!("three places") };
    let mut servers = [one, two, three].map(|site| site.up(&["--server-only"]));
    let mut at_one = Supervisor::start(one, "a", &servers[0].url, &["--at-once", "2"]);
    let _at_two = Supervisor::start(two, "b", &servers[1].url, &["--at-once", "8"]);
    let names = ["one", "two", "three", "four", "five", "six"];
    let threads = crowd(three, &names);
    let all = || names.iter().all(|name| !starts(three, name).is_empty());
    until("all to run", || all().then_some(()));
    let first: Vec<usize> = names.iter().map(|name| starts(three, name).len()).collect();
    assert_eq!(first, [1; 6], "each in one place");
    servers[0].running.kill();
    at_one.running.kill();
    for name in names {
        allow(three, name, &STEPS);
    }
    for (thread, name) in threads.iter().zip(names) {
        let wakes = finished_wakes(three, thread);
        assert_eq!((wakes.len(), &wakes[0]["result"]), (1, &"triggered".into()), "{name}: {wakes:?}");
        assert!((1..=2).contains(&starts(three, name).len()), "{name}");
    }
    let counted = counts(three);
    let finished = counted.iter().filter(|((_, kind), _)| kind == "wake.finished/1");
    assert!(
        finished.clone().count() == names.len() && finished.clone().all(|(_, count)| *count == 1),
        "{counted:?}"
    );
}

/// What one machine lacks is run by the other one, and what both lack is told to a person.
#[test]
fn wakes_go_where_they_can_be_run() {
    let site = Site::with_instance(POLICY);
    let server = site.up(&["--server-only"]);
    fs::create_dir(site.path("bin")).unwrap();
    let tool = site.write("bin/special-tool", &format!("#!/bin/sh\n{}", agent("tooled")));
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let plain = Supervisor::start(&site, "a", &server.url, &[]);
    let mut able = Supervisor::start(&site, "b", &server.url, &["--label", "gpu"]);
    until("a token that is kept", || site.path("b/state/token").exists().then_some(()));
    able.running.kill();
    let path = format!("{}:{}", site.path("bin").display(), std::env::var("PATH").unwrap());
    let words = ["supervise", "--json", "--server", &server.url, "--folder", "b", "--label", "gpu"];
    able.running = Running::new(site.command(&words).env("PATH", path));
    assert_eq!(able.running.json()["event"], "ready");
    until("both", || {
        let status = site.ask(&["status"]);
        (status["supervisors"].as_array().unwrap().len() == 2).then_some(())
    });
    let add = |name: &str, words: &[&str]| {
        site.ask(&[&["agent", "add", name, "--runtime", "command", "--cwd", "."], words].concat());
        let thread = thread_with(&site, name);
        site.ask(&["thread", "post", &thread, "go", "--to", name]);
        thread
    };
    allow(&site, "tooled", &STEPS);
    let tooled = add("tooled", &["--", "special-tool"]);
    let wake = finished_wakes(&site, &tooled).remove(0);
    assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{wake}");
    // Again and again: who has said that it cannot is not asked.
    for _ in 0..5 {
        site.ask(&["thread", "post", &tooled, "go", "--to", "tooled"]);
        finished_wakes(&site, &tooled);
    }
    let dispatched: Vec<Value> = events(&site, "wake.dispatched");
    assert!(dispatched.iter().all(|event| event["supervisor"] == able.name(&site)), "{dispatched:?}");
    let declined = events(&site, "wake.declined");
    assert!(declined.len() <= 1, "{declined:?}");
    assert!(declined.iter().all(|event| event["supervisor"] == plain.name(&site)), "{declined:?}");

    allow(&site, "picky", &STEPS);
    let script = site.write("picky.sh", &agent("picky"));
    let picky = add("picky", &["--on", "gpu", "--", "sh", script.to_str().unwrap()]);
    assert_eq!(finished_wakes(&site, &picky)[0]["on"], "gpu");
    assert_eq!(events(&site, "wake.dispatched").last().unwrap()["supervisor"], able.name(&site));

    let ghost = add("ghost", &["--", "no-such-program"]);
    let wake = finished_wakes(&site, &ghost).remove(0);
    assert_eq!((&wake["result"], &wake["reason"]), (&"failed".into(), &"SPAWN_FAILED".into()), "{wake}");
    assert_eq!(wake["declined_by"].as_array().unwrap().len(), 2, "{wake}");
    assert_eq!(site.ask(&["thread", "show", &ghost])["reason"], "WAKE_FAILED");
    let text = site.run(&["status"]).ok().out;
    assert!(text.contains("ghost: no program") && text.contains("gpu"), "{text}");
    let idle = plain.until_logged(&site, "tick.idle");
    assert_eq!((&idle["halt"], &idle["held"]), (&false.into(), &0.into()), "{idle}");
}

fn events(site: &Site, kind: &str) -> Vec<Value> {
    let events = site.run(&["events", "--until-now", "--type", kind, "--json"]).ok().out;
    let data = |line| serde_json::from_str::<Value>(line).unwrap()["data"]["event"].clone();
    events.lines().map(data).collect()
}

/// From nothing, as a person does it: a token, an address, and nothing the second time.
#[test]
fn a_supervisor_is_given_a_token_once() {
    let site = Site::with_instance(POLICY);
    let server = site.up(&["--server-only"]);
    let supervise = ["supervise", "--json", "--server", &server.url, "--folder", "far"];
    let problem = site.run(&supervise).failed(3, "TOKEN_MISSING").only_json();
    assert!(problem["hint"].as_str().unwrap().contains("interlock token issue"), "{problem}");
    let clear = ["supervise", "--json", "--server", "http://10.1.2.3:7070", "--folder", "far"];
    let mut refused = site.command(&clear);
    let ran =
        crate::world::finish(refused.env("INTERLOCK_TOKEN", "ilk_x"), b"").failed(2, "PARAMETER_INVALID");
    assert!(ran.err.contains("not encrypted") && ran.err.contains("ssh -L"), "{ran:?}");

    let issued = site.ask(&["token", "issue", "--name", "far", "--role", "supervisor", "--ttl", "15m"]);
    let token = issued["token"].as_str().unwrap();
    let mut doctor = site.command(&["doctor", "--server", &server.url, "--json"]);
    let report = crate::world::finish(doctor.env("INTERLOCK_TOKEN", token), b"").only_json();
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "server").unwrap();
    assert_eq!(check["verdict"], "ok", "{check}");
    assert!(check["detail"].as_str().unwrap().contains("takes this supervisor's token"), "{check}");

    let mut supervisor = Running::new(site.command(&supervise).env("INTERLOCK_TOKEN", token));
    assert_eq!(supervisor.json()["event"], "ready");
    let kept = site.path("far/state/token");
    until("a token that is kept", || kept.exists().then_some(()));
    assert_ne!(fs::read_to_string(&kept).unwrap(), token);
    supervisor.kill();
    let second = site.start(&supervise);
    assert_eq!(second.json()["event"], "ready");
    allow(&site, "worker", &STEPS);
    add_agent(&site, "worker", &agent("worker"));
    let thread = thread_with(&site, "worker");
    site.ask(&["thread", "post", &thread, "go", "--to", "worker"]);
    assert_eq!(finished_wakes(&site, &thread)[0]["result"], "triggered");
    // A participant's token makes no supervisor, and gets no other token.
    let other = site.ask(&["token", "issue", "--name", "anna", "--role", "operator"]);
    let words = ["supervise", "--json", "--server", &server.url, "--folder", "other"];
    let mut command = site.command(&words);
    let ran = crate::world::finish(command.env("INTERLOCK_TOKEN", other["token"].as_str().unwrap()), b"");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("ROLE_MISSING"), "{ran:?}");
}
