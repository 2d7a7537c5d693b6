//! Single wakes of the real Codex and Claude Code, and everything that goes wrong with them.

use interlock_scripted_model::{Fault, Scripts};

use crate::desk::{Desk, Kind};
use crate::doctor_runtimes::check;
use crate::wait::until;
use crate::world::finish;

/// Dormant, woken, reads, answers in words that only its model can have, sleeps; and the second time it remembers.
fn a_dormant_agent_works_and_remembers(test: &str, kind: Kind) {
    let Some(desk) = Desk::open(test, kind) else { return };
    std::process::Command::new("git").args(["init", "--quiet"]).arg(desk.site.path("work")).status().unwrap();
    desk.says("good morning");
    let first = desk.ended(0);
    assert_eq!(
        (&first["result"], &first["attempts"]),
        (&"triggered".into(), &1.into()),
        "{}",
        desk.log(&first)
    );
    assert!(["event", "call"].contains(&first["evidence"].as_str().unwrap()), "{first}");
    let usage = &first["usage"];
    assert!(
        usage["input_tokens"].as_u64() > Some(100) && usage["output_tokens"].as_u64() > Some(10),
        "{usage}"
    );
    desk.says("and again");
    let second = desk.ended(1);
    assert_eq!(second["result"], "triggered", "{}", desk.log(&second));
    let asked = desk.model.seen().last().unwrap().conversation.asked.len();
    assert_eq!(asked, 2, "the second turn has the first in its history");
    assert_eq!(desk.sessions().len(), 1, "it is one session");
    // What it is told it has used is what its model counted for this turn, and not for all of them.
    let counted: usize = desk
        .model
        .seen()
        .iter()
        .filter(|seen| seen.conversation.asked.len() == 2)
        .map(|seen| seen.conversation.bytes.div_ceil(4))
        .sum();
    assert_eq!(second["usage"]["input_tokens"].as_u64().unwrap(), counted as u64, "{second}");
    let log = desk.log(&second);
    assert!(log.contains("read_messages") && !log.contains("eyJ"), "{log}");
    let shown = desk.site.ask(&["wake", "show", second["wake_id"].as_str().unwrap()]);
    let words = shown["last_message"].as_str().unwrap_or_default();
    assert!(!words.is_empty() && log.trim_end().ends_with(words), "{shown}\n{log}");
}

#[test]
fn codex_is_woken_works_and_remembers() {
    a_dormant_agent_works_and_remembers("codex wakes", Kind::Codex);
}

#[test]
fn claude_is_woken_works_and_remembers() {
    a_dormant_agent_works_and_remembers("claude wakes", Kind::Claude);
}

/// With a model that it knows, Codex has tools called from scripts, and shows ours only to those that ask for them.
#[test]
fn codex_is_woken_with_the_model_that_it_takes_by_itself() {
    let test = "codex, its own model";
    let (Some(program), Some(desk)) = (Kind::Codex.program(test), Desk::open(test, Kind::Codex)) else {
        return;
    };
    desk.register_with("native", &program, desk.model.key(), None);
    let made = desk.site.ask(&["thread", "create", "Its own", "--with", "native"]);
    let thread = made["thread_id"].as_str().unwrap();
    for n in 0..2 {
        desk.site.ask(&["thread", "post", thread, "good morning"]);
        let wake = desk.ended(n);
        assert_eq!(
            (&wake["result"], &wake["attempts"]),
            (&"triggered".into(), &1.into()),
            "{}",
            desk.log(&wake)
        );
        assert!(wake["usage"]["input_tokens"].as_u64() > Some(100), "{wake}");
        let log = desk.log(&wake);
        assert!(log.contains("interlock_wake.read_messages completed"), "{log}");
    }
    let seen = desk.model.seen();
    let talk = &seen.last().unwrap().conversation;
    assert_eq!((talk.scripts, talk.asked.len()), (Scripts::Known, 2), "{talk:?}");
    assert!(talk.tools.iter().any(|tool| tool == "mcp__interlock_wake__ack_read"), "{:?}", talk.tools);
    let read = desk.site.ask(&["thread", "read", thread]);
    let last = read["messages"].as_array().unwrap().last().unwrap().clone();
    assert!(last["body"].as_str().unwrap().contains("My turn 2 here"), "{last}");
}

/// Turns of one session are charged one by one: their cost goes with their tokens, however many came before.
#[test]
fn claude_is_charged_for_each_turn_once() {
    let Some(desk) = Desk::open("claude, cost", Kind::Claude) else { return };
    let mut rates = Vec::new();
    for n in 0..3 {
        desk.says("again");
        let wake = desk.ended(n);
        assert_eq!(wake["result"], "triggered", "{}", desk.log(&wake));
        let (cost, tokens) = (&wake["usage"]["cost_micro_usd"], &wake["usage"]["input_tokens"]);
        rates.push((cost.as_u64().unwrap(), tokens.as_u64().unwrap()));
    }
    assert_eq!(desk.sessions().len(), 1, "it is one session");
    let (cost, tokens) = rates[0];
    assert!(cost > 0, "{rates:?}");
    for (other, its) in &rates {
        // What is sent outweighs by far what is written, whose share differs from turn to turn.
        let (one, two) = (cost * its, other * tokens);
        assert!(one * 4 < two * 5 && two * 4 < one * 5, "cost and tokens of each turn: {rates:?}");
    }
}

/// Each error of the model's service: by its name, with or without another attempt.
fn errors_of_the_model_are_named(test: &str, kind: Kind) {
    for (fault, reason, attempts) in [
        (Fault::Status(401), "MODEL_UNAUTHORIZED", 1),
        // Its quota was waited for twice, which uses no attempt.
        (Fault::Status(429), "MODEL_RATE_LIMITED", 1),
        (Fault::Status(500), "MODEL_UNAVAILABLE", 3),
        (Fault::Drop, "MODEL_UNAVAILABLE", 3),
    ] {
        let Some(desk) = Desk::open(test, kind) else { return };
        desk.model.faults().always(Some(fault));
        desk.says("good morning");
        let wake = desk.ended(0);
        assert_eq!(
            (&wake["result"], &wake["reason"]),
            (&"failed".into(), &reason.into()),
            "{fault:?} {}",
            desk.log(&wake)
        );
        assert_eq!(wake["attempts"], attempts, "{fault:?}");
        let status = desk.site.ask(&["thread", "show", &desk.thread]);
        assert_eq!((&status["status"], &status["reason"]), (&"blocked".into(), &"WAKE_FAILED".into()));
    }
}

#[test]
fn codex_names_the_errors_of_its_model() {
    errors_of_the_model_are_named("codex model errors", Kind::Codex);
}

#[test]
fn claude_names_the_errors_of_its_model() {
    errors_of_the_model_are_named("claude model errors", Kind::Claude);
}

/// Without our tools an agent could only talk to itself: the wake fails by its name, and soon.
fn without_tools_a_wake_fails(test: &str, kind: Kind) {
    let (Some(program), Some(desk)) = (kind.program(test), Desk::open(test, kind)) else { return };
    // To a port that nobody listens on; and with a token that nobody has issued.
    let down = "set -- \"${@//127.0.0.1:*\\/mcp/127.0.0.1:1/mcp}\"";
    let token = "export INTERLOCK_TOKEN=nobody.issued.this";
    for (name, script) in [("deaf", down), ("stranger", token)] {
        let program = desk.wrapped(name, &program, script);
        desk.register(name, &program, desk.model.key());
        let thread = desk.site.ask(&["thread", "create", name, "--with", name])["thread_id"]
            .as_str()
            .unwrap()
            .to_owned();
        desk.site.ask(&["thread", "post", &thread, "good morning"]);
        let wake = until("the end of a wake", || {
            desk.wakes().into_iter().find(|wake| wake["agent"] == name && wake["state"] == "finished")
        });
        let why = (&wake["result"], &wake["reason"]);
        assert_eq!(why, (&"failed".into(), &"TOOLS_UNAVAILABLE".into()), "{name}: {}", desk.log(&wake));
    }
}

#[test]
fn codex_without_our_tools_fails_by_name() {
    without_tools_a_wake_fails("codex without tools", Kind::Codex);
}

#[test]
fn claude_without_our_tools_fails_by_name() {
    without_tools_a_wake_fails("claude without tools", Kind::Claude);
}

/// What `doctor runtimes` calls a failure is one: a rule of the person's own keeps the agent from our tools.
#[test]
fn claude_whose_person_denies_our_tools_cannot_be_woken_and_the_doctor_says_so() {
    let test = "claude, tools denied";
    let (Some(program), Some(desk)) = (Kind::Claude.program(test), Desk::open(test, Kind::Claude)) else {
        return;
    };
    let looks = || {
        let mut doctor = desk.site.command(&["doctor", "runtimes", "--json"]);
        doctor.env("CLAUDE_CONFIG_DIR", desk.site.path("home")).env("PATH", program.parent().unwrap());
        let report = finish(&mut doctor, b"").only_json();
        check(&report, "claude approval")["verdict"].clone()
    };
    assert_eq!(looks(), "ok");
    desk.says("good morning");
    let wake = desk.ended(0);
    assert_eq!(wake["result"], "triggered", "{}", desk.log(&wake));
    for rule in ["mcp__interlock", "mcp__interlock__ack_read"] {
        desk.site.write("home/settings.json", &format!("{{\"permissions\": {{\"deny\": [\"{rule}\"]}}}}"));
        assert_eq!(looks(), "fail", "{rule}");
        let made = desk.site.ask(&["thread", "create", rule, "--with", "worker"]);
        desk.site.ask(&["thread", "post", made["thread_id"].as_str().unwrap(), "good morning"]);
        let wake = until("the end of a wake", || {
            desk.wakes()
                .into_iter()
                .find(|wake| wake["thread_id"] == made["thread_id"] && wake["state"] == "finished")
        });
        assert_eq!(wake["result"], "failed", "{rule}: {}", desk.log(&wake));
    }
}
