//! What a thread's history says about a message of ours: where its turn stands, whoever has asked for it.

use serde_json::Value;

use crate::runtime::text::member;

/// Where a turn stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// It runs.
    Running {
        /// Its id.
        turn: String,
    },
    /// It is over; this is what the server tells of it.
    Over {
        /// The turn.
        turn: Value,
    },
}

/// The newest turn of this page that holds a message with this client id.
pub(crate) fn find(page: &Value, client_id: &str) -> Option<Found> {
    let turns = page.get("data").and_then(Value::as_array)?;
    let turn = turns.iter().find(|turn| holds(turn, client_id))?;
    Some(match member(turn, "/status") {
        "inProgress" => Found::Running { turn: member(turn, "/id").to_owned() },
        _ => Found::Over { turn: turn.clone() },
    })
}

/// Where the next page of older turns begins; nothing when this was the last.
pub(crate) fn next(page: &Value) -> Option<String> {
    Some(page.get("nextCursor")?.as_str()?.to_owned())
}

fn holds(turn: &Value, client_id: &str) -> bool {
    let items = turn.get("items").and_then(Value::as_array);
    let is_it = |item: &Value| {
        member(item, "/type") == "userMessage"
            && item.get("clientId").and_then(Value::as_str) == Some(client_id)
    };
    items.into_iter().flatten().any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(status: &str) -> Value {
        let said = |id: Value| json!({"type": "userMessage", "clientId": id, "content": []});
        json!({"data": [
            {"id": "t3", "status": "completed", "items": [said(Value::Null)]},
            {"id": "t2", "status": status, "items": [said(Value::Null), said(json!("wak_a.1")), {"type": "agentMessage"}]},
            {"id": "t1", "status": "completed", "items": [{"type": "agentMessage", "clientId": "wak_b.1"}]},
        ], "nextCursor": "c"})
    }

    #[test]
    fn a_message_is_found_in_whatever_turn_it_came_to_stand() {
        assert_eq!(find(&page("inProgress"), "wak_a.1"), Some(Found::Running { turn: "t2".into() }));
        for status in ["completed", "failed", "interrupted", "something new"] {
            let Some(Found::Over { turn }) = find(&page(status), "wak_a.1") else { panic!("{status}") };
            assert_eq!((&turn["id"], &turn["status"]), (&json!("t2"), &json!(status)));
        }
    }

    #[test]
    fn other_messages_and_other_items_are_not_it() {
        for id in ["wak_a", "wak_a.2", "wak_b.1", ""] {
            assert_eq!(find(&page("completed"), id), None, "{id}");
        }
        for page in [json!({}), json!({"data": 1}), json!({"data": [1, {"items": {}}]}), Value::Null] {
            assert_eq!(find(&page, "wak_a.1"), None, "{page}");
        }
    }

    #[test]
    fn pages_end() {
        assert_eq!(next(&page("completed")).as_deref(), Some("c"));
        assert_eq!(next(&json!({"nextCursor": null})), None);
        assert_eq!(next(&json!({})), None);
    }
}
