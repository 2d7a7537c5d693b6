//! Registering agents and opening threads.

use interlock_core::actor::Role;
use interlock_core::agent::{Launch, LaunchVariable, Runtime, Sandbox, check_launch};
use interlock_core::command::{CreateThread, RegisterAgent};
use interlock_core::limits::{COMMAND_WORDS_MAX, LAUNCH_BYTES_MAX, PARTICIPANTS_MAX, TITLE_BYTES_MAX};
use interlock_core::thread::{Status, ThreadKind, ThreadRole};
use interlock_core::{Command, Reason, Refusal};

use crate::refused;
use crate::world::{Done, Post, World, name};

fn register(w: &mut World, text: &str, runtime: Runtime, launch: Launch) -> Result<Done, Refusal> {
    let command = RegisterAgent { name: name(text), role: Role::Participant, runtime, launch, on: None };
    w.give_as("root", Role::Admin, Command::RegisterAgent(command))
}

fn words(words: &[&str]) -> Launch {
    Launch { command: words.iter().map(|word| (*word).to_owned()).collect(), ..Launch::default() }
}

fn create(w: &mut World, title: &str, participants: &[&str]) -> Result<Done, Refusal> {
    let participants = participants.iter().map(|text| (name(text), ThreadRole::Participant)).collect();
    let command = CreateThread { title: title.into(), kind: ThreadKind::Conversation, participants };
    w.give_as("olga", Role::Operator, Command::CreateThread(command))
}

#[test]
fn a_name_is_given_once() {
    let mut w = World::new();
    assert!(register(&mut w, "executor", Runtime::Command, words(&["agent"])).is_ok());
    let again = register(&mut w, "executor", Runtime::Unmanaged, Launch::default());
    assert_eq!(refused(again), Reason::AgentExists);
    assert!(w.rows.agents[&name("executor")].is_managed());
}

#[test]
fn no_agent_is_a_supervisor() {
    let mut w = World::new();
    let command = RegisterAgent {
        name: name("a"),
        role: Role::Supervisor,
        runtime: Runtime::Unmanaged,
        launch: Launch::default(),
        on: None,
    };
    let done = w.give_as("root", Role::Admin, Command::RegisterAgent(command));
    assert_eq!(refused(done), Reason::ParameterInvalid);
}

#[test]
fn a_launch_must_make_sense() {
    let variable = |text: &str, value: Option<&str>| Launch {
        environment: vec![LaunchVariable { name: text.into(), value: value.map(Into::into) }],
        ..words(&["agent"])
    };
    let cases = [
        (Runtime::Unmanaged, Launch::default(), None),
        (Runtime::Unmanaged, words(&["agent"]), Some(Reason::ParameterInvalid)),
        (Runtime::Command, Launch::default(), Some(Reason::ParameterInvalid)),
        (Runtime::Command, words(&[""]), Some(Reason::ParameterInvalid)),
        (Runtime::Command, words(&["a\0b"]), Some(Reason::ParameterInvalid)),
        (Runtime::Command, words(&vec!["w"; COMMAND_WORDS_MAX]), None),
        (Runtime::Command, words(&vec!["w"; COMMAND_WORDS_MAX + 1]), Some(Reason::LimitExceeded)),
        // {"command":["…"]} is 16 bytes around the word.
        (Runtime::Command, words(&["w".repeat(LAUNCH_BYTES_MAX - 16).as_str()]), None),
        (Runtime::Command, words(&["w".repeat(LAUNCH_BYTES_MAX - 15).as_str()]), Some(Reason::LimitExceeded)),
        (Runtime::Command, variable("API_KEY", None), None),
        (Runtime::Command, variable("_", Some("v")), None),
        (Runtime::Command, variable("1X", Some("v")), Some(Reason::ParameterInvalid)),
        (Runtime::Command, variable("A=B", Some("v")), Some(Reason::ParameterInvalid)),
        (Runtime::Command, variable("INTERLOCK_TOKEN", Some("v")), Some(Reason::ParameterInvalid)),
        (Runtime::Command, variable("X", Some("a\0b")), Some(Reason::ParameterInvalid)),
    ];
    for (n, (runtime, launch, wanted)) in cases.into_iter().enumerate() {
        let done = register(&mut World::new(), "a", runtime, launch);
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "case {n}");
    }
}

/// What a coding agent's program would not understand, or would not hold to, is refused rather than ignored.
#[test]
fn a_launch_says_nothing_that_its_runtime_does_not_do() {
    let writable = |sandbox: Option<Sandbox>| Launch {
        sandbox,
        writable: vec!["/srv/more".into()],
        ..Launch::default()
    };
    let tools = Launch { allowed_tools: vec!["Bash(make:*)".into()], ..Launch::default() };
    let cases = [
        (Runtime::Codex, Launch::default(), true),
        (Runtime::Codex, tools.clone(), false),
        (Runtime::Claude, tools.clone(), true),
        (Runtime::Command, Launch { command: words(&["x"]).command, ..tools }, false),
        (Runtime::Codex, writable(None), true),
        (Runtime::Codex, writable(Some(Sandbox::WorkspaceWrite)), true),
        (Runtime::Claude, writable(Some(Sandbox::ReadOnly)), false),
        (Runtime::Codex, writable(Some(Sandbox::DangerFullAccess)), false),
        (Runtime::Codex, Launch { writable: vec!["more".into()], ..Launch::default() }, false),
        (Runtime::Claude, words(&[""]), false),
        (Runtime::Codex, Launch { live: true, ..Launch::default() }, true),
        (Runtime::Claude, Launch { live: true, ..Launch::default() }, false),
        (Runtime::Command, Launch { live: true, ..words(&["x"]) }, false),
        (Runtime::Unmanaged, Launch { live: true, ..Launch::default() }, false),
    ];
    for (n, (runtime, launch, is_taken)) in cases.into_iter().enumerate() {
        let checked = check_launch(runtime, &launch).err().map(|refusal| refusal.reason);
        assert_eq!(checked, (!is_taken).then_some(Reason::ParameterInvalid), "case {n}");
        let done = register(&mut World::new(), "a", runtime, launch);
        assert_eq!(done.err().map(|refusal| refusal.reason), checked, "case {n}");
    }
}

#[test]
fn whoever_opens_a_thread_leads_it_unless_said_otherwise() {
    let mut w = World::new();
    w.agent("executor").managed();
    w.agent("reader").unmanaged();
    w.person("olga", Role::Operator);
    w.open("olga", &[("executor", ThreadRole::Participant), ("reader", ThreadRole::Participant)]);
    let thread = w.thread().clone();
    assert_eq!((thread.status, thread.seq, thread.owner), (Status::Active, 0, None));
    assert_eq!(thread.created_by, name("olga"));
    let parts: Vec<_> = thread.members.iter().map(|(n, m)| (n.as_str(), m.role, m.managed)).collect();
    assert_eq!(
        parts,
        [
            ("executor", ThreadRole::Participant, true),
            ("olga", ThreadRole::Coordinator, false),
            ("reader", ThreadRole::Participant, false)
        ]
    );
    w.open("olga", &[("olga", ThreadRole::Participant), ("executor", ThreadRole::Coordinator)]);
    assert_eq!(w.thread().members[&name("olga")].role, ThreadRole::Participant);
}

#[test]
fn a_thread_needs_a_title_and_known_participants() {
    let mut w = World::new();
    w.agent("executor").managed();
    assert_eq!(refused(create(&mut w, "", &[])), Reason::ParameterInvalid);
    assert_eq!(refused(create(&mut w, " \n", &[])), Reason::ParameterInvalid);
    assert_eq!(refused(create(&mut w, "a\0b", &[])), Reason::ParameterInvalid);
    assert_eq!(refused(create(&mut w, "t", &["executor", "executor"])), Reason::ParameterInvalid);
    assert_eq!(refused(create(&mut w, "t", &["nobody"])), Reason::AgentNotFound);
    assert!(create(&mut w, "t", &["executor"]).is_ok());
    assert!(create(&mut w, &"t".repeat(TITLE_BYTES_MAX), &[]).is_ok());
    assert_eq!(refused(create(&mut w, &"t".repeat(TITLE_BYTES_MAX + 1), &[])), Reason::LimitExceeded);
}

#[test]
fn a_thread_holds_so_many_participants_and_no_more() {
    let mut w = World::new();
    let names: Vec<String> = (0..PARTICIPANTS_MAX).map(|n| format!("agent-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for text in &names {
        w.agent(text).unmanaged();
    }
    assert_eq!(refused(create(&mut w, "t", &names)), Reason::LimitExceeded);
    // The opener is one of them.
    w.person("olga", Role::Operator);
    let most: Vec<_> = names[1..].iter().map(|text| (*text, ThreadRole::Participant)).collect();
    w.open("olga", &most);
    assert_eq!(w.thread().members.len(), PARTICIPANTS_MAX);
    w.person("second", Role::Operator);
    assert_eq!(refused(w.post("second", Post::chat("one too many"))), Reason::LimitExceeded);
}
