//! `interlock hook codex|claude EVENT`: what a person's own program runs at certain moments, with a JSON object on standard
//! input. It tells the server what happens, and the session what waits for its agent.
//!
//! A hook never stands in its person's way: whatever goes wrong, it says nothing and ends with 0, and soon.

use std::time::Duration;

use clap::Args;
use interlock_api::client::Client;
use interlock_api::operations::ObserveSession;
use interlock_api::v1::session::{ObserveSessionParams, ObserveSessionResponse, ToldThread};
use interlock_core::actor::Role;
use interlock_core::agent::Runtime;
use interlock_core::id::{SessionId, WakeId};
use interlock_core::session::Observed;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::context::Context;
use crate::exit::{Answer, End};
use crate::identity;
use crate::{environment, output::Output};

/// How long a person may be kept waiting, all in all.
const HOOK_MS_MAX: Duration = Duration::from_secs(2);
/// Bytes of what a program tells its hook; what is longer is not understood.
const HOOK_INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What `hook` takes. Words that this version does not know are no mistake of the person's at the keyboard.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Whose hook: codex or claude.
    program: String,
    /// The event, as the program names it.
    event: String,
}

/// Do it, in time or not at all.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let told = tokio::time::timeout(HOOK_MS_MAX, hook(cx, params)).await.ok().flatten();
    if let Some(told) = told {
        // A program that listens no more is told nothing.
        let _unheard = Output::line(&told);
    }
    Ok(Answer::written())
}

/// What the program is told; nothing when there is nothing, or something is wrong.
async fn hook(cx: &Context, params: &Params) -> Option<Value> {
    // Our own turns are no person's, and their agent knows what it was woken for.
    if environment::text("INTERLOCK_WAKE").is_some() {
        return None;
    }
    let mut bytes = Vec::new();
    tokio::io::stdin().take(HOOK_INPUT_BYTES_MAX).read_to_end(&mut bytes).await.ok()?;
    let input: Value = serde_json::from_slice(&bytes).ok()?;
    let seen = seen(&params.program, &params.event, &input)?;
    let answer = observe(cx, &seen).await?;
    told(&params.event, &answer.told)
}

/// What an event of a program means; nothing for those that mean nothing here.
fn seen(program: &str, event: &str, input: &Value) -> Option<ObserveSessionParams> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_again = input.get("stop_hook_active") == Some(&Value::Bool(true));
    let (observed, deliver) = match event {
        "UserPromptSubmit" => (Observed::HumanPrompt, true),
        // A turn that goes on because of us ends when it ends: nobody is kept going round.
        "Stop" => (Observed::TurnEnded, !is_again),
        "Interrupt" => (Observed::TurnEnded, false),
        "SessionStart" => (Observed::Opened, false),
        "SessionEnd" => (Observed::Closed, false),
        "PermissionRequest" => (Observed::WaitingApproval, false),
        "Notification" => match text("notification_type") {
            "permission_prompt" => (Observed::WaitingApproval, false),
            "idle_prompt" => (Observed::TurnEnded, false),
            _ => return None,
        },
        _ => return None,
    };
    let runtime = Runtime::parse(program).filter(|runtime| runtime.is_cli())?;
    Some(ObserveSessionParams {
        agent: None,
        session_id: SessionId::from_uuid_text(text("session_id")),
        runtime: Some(runtime),
        observed,
        ago_ms: 0,
        wake_id: wake_named(text("prompt")),
        deliver,
    })
}

/// The wake that a prompt names, as ours do. Of what else stands there nothing is looked at, and nothing is sent.
fn wake_named(prompt: &str) -> Option<WakeId> {
    const LENGTH: usize = WakeId::PREFIX.len() + 27;
    let mut places = prompt.match_indices(WakeId::PREFIX);
    places.find_map(|(at, _)| prompt.get(at..at.checked_add(LENGTH)?)?.parse().ok())
}

async fn observe(cx: &Context, seen: &ObserveSessionParams) -> Option<ObserveSessionResponse> {
    let (url, token) = if let Some(url) = cx.remote() {
        (url, cx.environment.token.clone()?)
    } else {
        let instance = cx.instance().ok()?;
        let run = instance.run().ok()??;
        let token = identity::local_token(&instance, &cx.name().ok()?, Role::Participant).ok()?;
        (run.url, token)
    };
    let client = Client::new(&url, Some(token)).ok()?;
    client.call::<ObserveSession>(seen, None).await.ok()
}

/// What the program does with it: a prompt gets it as context, and a turn that would end goes on.
fn told(event: &str, threads: &[ToldThread]) -> Option<Value> {
    let line = |one: &ToldThread| {
        let more = if one.is_minimum { "+" } else { "" };
        format!(
            "[interlock] {}{more} unread in thread {}: call read_messages then ack_read",
            one.unread, one.thread_id
        )
    };
    let text = threads.iter().map(line).collect::<Vec<_>>().join("\n");
    if text.is_empty() {
        return None;
    }
    Some(match event {
        "UserPromptSubmit" => {
            json!({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}})
        }
        _ => json!({"decision": "block", "reason": text}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "0198c0de-0000-7000-8000-000000000007";

    fn observed(event: &str, more: &Value) -> Option<(Observed, bool)> {
        let mut input = json!({"session_id": SESSION, "hook_event_name": event});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        seen("claude", event, &input).map(|seen| {
            assert_eq!(seen.session_id.map(SessionId::to_uuid_text).as_deref(), Some(SESSION));
            (seen.observed, seen.deliver)
        })
    }

    #[test]
    fn what_each_event_means() {
        let cases = [
            ("UserPromptSubmit", json!({"prompt": "hi"}), Some((Observed::HumanPrompt, true))),
            ("Stop", json!({"stop_hook_active": false}), Some((Observed::TurnEnded, true))),
            ("Stop", json!({}), Some((Observed::TurnEnded, true))),
            ("Stop", json!({"stop_hook_active": true}), Some((Observed::TurnEnded, false))),
            ("Interrupt", json!({}), Some((Observed::TurnEnded, false))),
            ("SessionStart", json!({"source": "startup"}), Some((Observed::Opened, false))),
            ("SessionEnd", json!({"reason": "exit"}), Some((Observed::Closed, false))),
            ("PermissionRequest", json!({}), Some((Observed::WaitingApproval, false))),
            (
                "Notification",
                json!({"notification_type": "permission_prompt"}),
                Some((Observed::WaitingApproval, false)),
            ),
            ("Notification", json!({"notification_type": "idle_prompt"}), Some((Observed::TurnEnded, false))),
            ("Notification", json!({"notification_type": "auth_success"}), None),
            ("PreToolUse", json!({}), None),
            ("", json!({}), None),
        ];
        for (event, more, wanted) in cases {
            assert_eq!(observed(event, &more), wanted, "{event} {more}");
        }
        assert!(seen("gemini", "Stop", &json!({})).is_none());
        assert!(seen("command", "Stop", &json!({})).is_none());
        assert_eq!(seen("codex", "Stop", &json!({"session_id": 7})).unwrap().session_id, None);
    }

    #[test]
    fn a_prompt_of_ours_names_its_wake() {
        let id = WakeId::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0007);
        assert_eq!(wake_named(&format!("You are `a` in thread thr_1 (wake {id}). Read")), Some(id));
        assert_eq!(wake_named(&format!("wak_ wak_nothing {id}")), Some(id));
        for text in ["", "wak_", "wak_é", "awake and wak_ILOU", "no id"] {
            assert_eq!(wake_named(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_told_has_ids_and_numbers_only() {
        assert_eq!(told("Stop", &[]), None);
        let one = |number: u128, is_minimum| ToldThread {
            thread_id: interlock_core::id::ThreadId::from_u128(number),
            unread: 2,
            is_minimum,
        };
        let threads = [one(1, false), one(2, true)];
        let text = "[interlock] 2 unread in thread thr_00000000000000000000000001: call read_messages then ack_read\n\
                    [interlock] 2+ unread in thread thr_00000000000000000000000002: call read_messages then ack_read";
        assert_eq!(told("Stop", &threads), Some(json!({"decision": "block", "reason": text})));
        let prompt = told("UserPromptSubmit", &threads).unwrap();
        assert_eq!(prompt["hookSpecificOutput"]["additionalContext"], text);
        assert_eq!(prompt["hookSpecificOutput"]["hookEventName"], "UserPromptSubmit");
    }
}
