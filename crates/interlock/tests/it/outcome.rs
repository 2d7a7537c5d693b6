//! What `pilot --json` hands over.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::Ran;

/// The only line of a pilot's output, in the shape it is promised to have.
#[track_caller]
pub(crate) fn outcome(ran: &Ran) -> Value {
    let value = ran.only_json();
    let mut form = form();
    if !value["chaos"].is_null() {
        form["chaos"] = json!([
            {"step": "text", "did": "text", "happened": "text", "proof": "text", "ok": "flag"},
        ]);
    }
    check(&value, &form, "");
    assert_eq!(value["schema"], "pilot/1");
    value
}

/// The words of a thread as the live timeline shows them: who said what, without when.
pub(crate) fn conversation(ran: &Ran) -> Vec<String> {
    let lines = ran.err.lines().filter_map(|line| line.trim_start().split_once(" s  "));
    lines.filter(|(clock, _)| clock.parse::<f64>().is_ok()).map(|(_, said)| said.to_owned()).collect()
}

/// The texts of one field of every element.
pub(crate) fn column<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect()
}

fn form() -> Value {
    json!({
        "schema": "text", "verdict": "text", "problem": "any", "thread": {"id": "text", "status": "text"},
        "turns": "number", "duration_ms": "number",
        "timeline": [{"ms": "number", "actor": "text", "type": "text", "seq": "number?", "index": "number"}],
        "wakes": [{
            "id": "text", "agent": "text", "lane": "text?", "result": "text?", "attempts": "number",
            "committed_ms": "number", "dispatched_ms": "number?", "accepted_ms": "number?", "seen_ms": "number?",
            "acted_ms": "number?",
        }],
        "findings": [{
            "id": "text", "path": "text", "line": "number", "rule": "text", "state": "text", "commit": "text?",
        }],
        "commits": [{"sha": "text", "agent": "text"}],
        "repo": {"path": "text", "branch": "text", "base": "text", "head": "text"},
        "usage": {"input_tokens": "number", "output_tokens": "number", "cost_micro_usd": "number?"},
        "ledger": {"origin": "text", "size": "number", "root": "text", "verified": "flag"},
    })
}

#[track_caller]
fn check(value: &Value, form: &Value, at: &str) {
    let is_right = match form {
        Value::String(name) => match name.as_str() {
            "any" => true,
            "text" => value.is_string(),
            "text?" => value.is_string() || value.is_null(),
            "number" => value.is_number(),
            "number?" => value.is_number() || value.is_null(),
            _ => value.is_boolean(),
        },
        Value::Array(forms) => {
            let items = value.as_array().unwrap_or_else(|| panic!("{at}: {value}"));
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| check(item, &forms[0], &format!("{at}/{index}")));
            true
        }
        Value::Object(fields) => {
            let given = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
            let names =
                |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(given), names(fields), "{at}");
            fields.iter().for_each(|(name, form)| check(&given[name], form, &format!("{at}/{name}")));
            true
        }
        _ => false,
    };
    assert!(is_right, "{at}: {value} is no {form}");
}
