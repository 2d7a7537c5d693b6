//! A model's quota is used up, and its service says until when: wakes of the real programs wait until then.

use std::time::Duration;

use interlock_core::Timestamp;
use interlock_scripted_model::Fault;
use serde_json::Value;

use crate::desk::{Desk, Kind};
use crate::live_rig::managed;
use crate::wait::until;

/// Long enough that nothing else of the policy comes to it: the desk's own pause is 50 ms.
const LEFT: Duration = Duration::from_mins(90);

/// The `n`th wake, once it waits for its quota; and how long from the time at which it was asked for.
fn waits_for_its_quota(desk: &Desk, n: usize) {
    let wake = until("the wake to wait", || {
        desk.wakes().get(n).filter(|wake| wake["reason"] == "MODEL_QUOTA").cloned()
    });
    let time = |name: &str| serde_json::from_value::<Timestamp>(wake[name].clone()).unwrap();
    let minutes = time("due_at").ms_since(time("requested_at")) / 60_000;
    // The programs round, and asking took its time.
    assert!((89..=95).contains(&minutes), "{minutes} min: {wake} {}", desk.log(&wake));
    assert_eq!((&wake["state"], &wake["attempts"]), (&"pending".into(), &0.into()), "{wake}");
}

#[test]
fn codex_exec_waits_until_its_quota_is_given_again() {
    let Some(desk) = Desk::open("codex quota", Kind::Codex) else { return };
    // A first turn goes well, so that the second one is in a session that is resumed.
    desk.says("good morning");
    assert_eq!(desk.ended(0)["result"], "triggered");
    desk.model.faults().always(Some(Fault::Quota(LEFT)));
    desk.says("and again");
    waits_for_its_quota(&desk, 1);
}

#[test]
fn codex_live_waits_until_its_quota_is_given_again() {
    let Some((desk, thread, _)) = managed("codex live quota") else { return };
    desk.ended(0);
    desk.model.faults().always(Some(Fault::Quota(LEFT)));
    desk.site.ask(&["thread", "post", &thread, "and again"]);
    waits_for_its_quota(&desk, 1);
    assert_eq!(desk.wakes()[1]["door_changes"], Value::Null, "it waits for the same door");
}

/// Only those who have a subscription are told by Claude Code; others wait for as long as the policy says.
#[test]
fn claude_waits_until_its_quota_is_given_again() {
    let test = "claude quota";
    let (Some(program), Some(desk)) = (Kind::Claude.program(test), Desk::open(test, Kind::Claude)) else {
        return;
    };
    let program = desk.wrapped("subscriber", &program, "unset ANTHROPIC_API_KEY");
    let login = format!("CLAUDE_CODE_OAUTH_TOKEN={}", desk.model.key());
    desk.register_as("member", &program, desk.model.key(), None, &["--env", &login]);
    let made = desk.site.ask(&["thread", "create", "Its own", "--with", "member"]);
    let thread = made["thread_id"].as_str().unwrap();
    desk.site.ask(&["thread", "post", thread, "good morning"]);
    let first = desk.ended(0);
    assert_eq!(first["result"], "triggered", "{first} {}", desk.log(&first));
    desk.model.faults().always(Some(Fault::Quota(LEFT)));
    desk.site.ask(&["thread", "post", thread, "and again"]);
    waits_for_its_quota(&desk, 1);
}
