//! Budgets, and how far from a person things are.

use super::*;

fn with_budget(budget: Value) -> String {
    let mut thread = one_thread();
    thread["budget"] = budget;
    let text = thread::show(view(), &of(thread));
    text.lines()
        .filter(|line| ["budget", "used"].contains(&line.split(' ').next().unwrap_or("")))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_thread_shows_what_it_has_used_of_its_budget_and_what_happens_at_the_end() {
    let used = json!({"input_tokens": 10_000, "cached_input_tokens": 500, "output_tokens": 2_345,
        "cost_micro_usd": 42_000});
    let nothing = json!({"input_tokens": 0, "output_tokens": 0});
    let limited =
        json!({"spent": used, "total": used, "tokens_max": 100_000, "cost_micro_usd_max": 2_000_000});
    assert_eq!(
        with_budget(limited),
        "budget    12.3k of 100.0k tokens, 0.0420 of 2.0000 USD, since a person last let the thread go on; at the end it \
         is blocked\nused      10000 tokens in (500 cached), 2345 out, 0.0420 USD"
    );
    let over = json!({"spent": used, "total": used, "tokens_max": 12_345});
    let shown = with_budget(over);
    assert!(
        shown.contains("12.3k of 12.3k tokens: it is spent; letting the thread go on grants it once more"),
        "{shown}"
    );
    let granted = json!({"spent": nothing, "total": used, "cost_micro_usd_max": 50_000});
    assert!(
        with_budget(granted).starts_with("budget    0.0000 of 0.0500 USD, since"),
        "the window began anew"
    );
    assert_eq!(with_budget(json!({"spent": nothing, "total": nothing, "tokens_max": 5})).lines().count(), 1);
    let unlimited = with_budget(json!({"spent": used, "total": used}));
    assert!(unlimited.starts_with("used ") && !unlimited.contains("budget"), "{unlimited}");
}

#[test]
fn an_agent_shows_its_tokens_of_the_day_and_its_quota() {
    let agent = |more: Value| {
        let mut agent = json!({
            "agent_id": "agt_00000000000000000000000004", "name": "coder", "role": "participant",
            "runtime": "codex", "command": [], "created_at": "2026-01-01T12:00:00Z",
        });
        agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        agent::list(view(), &of(json!({"agents": [agent]})))
    };
    let until = "2026-01-02T17:00:00Z";
    let spent = agent(json!({"spent": {"tokens": 12_345, "until": until, "tokens_max": 100_000}}));
    assert!(spent.contains("TOKENS") && spent.contains("12.3k of 100.0k, new day in 5h"), "{spent}");
    let free =
        agent(json!({"spent": {"tokens": 999, "until": until}, "quota_until": "2026-01-02T12:30:00Z"}));
    assert!(free.contains("999, new day in 5h; quota used up, back in 30m"), "{free}");
    let past = agent(json!({"spent": {"tokens": 999, "until": "2026-01-02T12:00:00Z"},
        "quota_until": "2026-01-02T12:00:00Z"}));
    assert!(!past.contains("TOKENS"), "a day that is over says nothing any more: {past}");
}

#[test]
fn messages_and_wakes_say_how_far_from_a_person_they_are() {
    let mut far = one_message("again");
    far["hops"] = json!(7);
    let answer =
        json!({"messages": [far, one_message("here")], "next_seq": 4, "has_more": false, "acked_seq": 0});
    let text = message::list(view(), &of(answer));
    assert_eq!(text.matches("hops from a person").count(), 1, "{text}");
    assert!(
        text.contains("just now, 7 hops from a person  msg_")
            || text.contains("s ago, 7 hops from a person  msg_"),
        "{text}"
    );
    let mut wake = one_wake();
    wake["hops"] = json!(1);
    let text = wake::show(view(), &of(wake));
    assert!(text.contains("message #3, asked for by reviewer, 1 hop from a person\n"), "{text}");
}

#[test]
fn data_that_says_nothing_is_not_shown() {
    let mut message = one_message("unblocked");
    message["data"] = json!({"owner": null, "status": "active"});
    let answer = json!({"messages": [message], "next_seq": 4, "has_more": false, "acked_seq": 0});
    let text = message::list(view(), &of(answer));
    assert!(text.contains("status: active") && !text.contains("owner"), "{text}");
}
