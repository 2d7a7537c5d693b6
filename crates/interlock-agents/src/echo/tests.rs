use interlock_core::thread::Status;
use serde_json::json;

use super::turn;
use crate::stage::{Stage, name, say, thread};

/// One turn of this agent with its own name as its words; `false` = it was cut off.
fn answers(stage: &Stage, agent: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(turn(&stage.seat(agent), &name(agent), agent)).is_ok()
}

fn said(stage: &Stage) -> Vec<String> {
    stage.thread().messages.iter().map(|message| message.body.clone()).collect()
}

fn opened() -> Stage {
    let mut opened = thread();
    say(&mut opened, "person", "executor", "", &json!({}));
    Stage::new(opened)
}

#[test]
fn two_of_them_go_on_for_ever() {
    let stage = opened();
    for _ in 0..10 {
        for agent in ["executor", "reviewer"] {
            assert!(stage.is_due(agent));
            assert!(answers(&stage, agent));
            assert!(!stage.is_due(agent));
        }
    }
    let said = said(&stage);
    assert_eq!(said.len(), 21);
    assert!(said[1..].chunks(2).all(|pair| pair == ["executor", "reviewer"]), "{said:?}");
}

#[test]
fn one_that_is_killed_anywhere_says_nothing_twice() {
    for steps in 0..2 {
        let stage = opened();
        stage.fuse.set(Some(steps));
        assert!(!answers(&stage, "executor"));
        stage.fuse.set(None);
        assert!(answers(&stage, "executor"));
        assert_eq!(said(&stage), ["text", "executor"], "cut off after {steps} steps");
    }
}

#[test]
fn it_answers_neither_itself_nor_others_nor_in_a_thread_that_has_ended() {
    let stage = opened();
    assert!(answers(&stage, "reviewer"));
    assert_eq!(said(&stage), ["text"]);
    assert!(answers(&stage, "executor") && answers(&stage, "executor"));
    assert_eq!(said(&stage), ["text", "executor"]);
    let mut ended = stage.thread();
    ended.status = Status::Blocked;
    let stage = Stage::new(ended);
    assert!(answers(&stage, "reviewer"));
    assert_eq!(said(&stage), ["text", "executor"]);
}
