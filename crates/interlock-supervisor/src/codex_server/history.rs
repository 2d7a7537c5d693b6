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
        /// The message came first in it: of a person's turn that it got into it does not.
        is_first: bool,
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
        "inProgress" => Found::Running {
            turn: member(turn, "/id").to_owned(),
            is_first: first_words(turn).is_some_and(|first| member(first, "/clientId") == client_id),
        },
        _ => Found::Over { turn: turn.clone() },
    })
}

/// The turn that runs, when the message with this client id came first in it: a person's turn that it got into is theirs.
pub(crate) fn running(page: &Value, client_id: &str) -> Option<String> {
    let turn = page.get("data").and_then(Value::as_array)?.first()?;
    let is_ours =
        member(turn, "/status") == "inProgress" && member(first_words(turn)?, "/clientId") == client_id;
    is_ours.then(|| member(turn, "/id").to_owned())
}

/// Whoever's message comes first in a turn, theirs it is.
fn first_words(turn: &Value) -> Option<&Value> {
    let items = turn.get("items").and_then(Value::as_array)?;
    items.iter().find(|item| member(item, "/type") == "userMessage")
}

/// Where the next page of older turns begins; nothing when this was the last.
pub(crate) fn next(page: &Value) -> Option<String> {
    Some(page.get("nextCursor")?.as_str()?.to_owned())
}

/// What the newest turn of a thread says about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    /// It runs.
    pub(crate) is_running: bool,
    /// Whether the words that began it are a wake's; nothing while there are none.
    pub(crate) is_ours: Option<bool>,
    /// When somebody else's words came last, by the wall clock of the server's machine.
    pub(crate) person_at_ms: Option<u64>,
}

impl Newest {
    /// Whether it runs, and nobody can tell yet whose it is.
    pub(crate) const fn is_wordless(self) -> bool {
        self.is_running && self.is_ours.is_none()
    }
}

/// The first turn of this page, which is the newest; nothing where there is none.
pub(crate) fn newest(page: &Value) -> Option<Newest> {
    let turn = page.get("data").and_then(Value::as_array)?.first()?;
    let items = turn.get("items").and_then(Value::as_array).into_iter().flatten();
    let said: Vec<&Value> = items.filter(|item| member(item, "/type") == "userMessage").collect();
    let persons = said.iter().filter(|item| !is_ours(item));
    Some(Newest {
        is_running: member(turn, "/status") == "inProgress",
        is_ours: said.first().map(|item| is_ours(item)),
        person_at_ms: persons.filter_map(|item| item.get("startedAtMs")?.as_u64()).max(),
    })
}

/// Whether a message is a wake's: it is named after one, or begins with the words of its prompt, by which a process of its
/// own was told. Nobody else's is named so.
fn is_ours(item: &Value) -> bool {
    let text = member(item, "/content/0/text");
    member(item, "/clientId").starts_with(WAKE) || (text.starts_with(PROMPT[0]) && text.contains(PROMPT[1]))
}

/// How the prompt of a wake begins, and what stands in it.
const PROMPT: [&str; 2] = ["You are `", "` in thread thr_"];

/// What a wake's id begins with.
const WAKE: &str = "wak_";

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
        assert_eq!(
            find(&page("inProgress"), "wak_a.1"),
            Some(Found::Running { turn: "t2".into(), is_first: false })
        );
        let ours = json!({"data": [{"id": "t", "status": "inProgress", "items": [{"type": "userMessage", "clientId": "wak_a.1"}]}]});
        assert_eq!(find(&ours, "wak_a.1"), Some(Found::Running { turn: "t".into(), is_first: true }));
        for status in ["completed", "failed", "interrupted", "something new"] {
            let Some(Found::Over { turn }) = find(&page(status), "wak_a.1") else { panic!("{status}") };
            assert_eq!((&turn["id"], &turn["status"]), (&json!("t2"), &json!(status)));
        }
    }

    #[test]
    fn only_a_turn_that_our_words_began_is_ours_to_end() {
        let said = |id: &str| json!({"type": "userMessage", "clientId": id});
        let page = |status: &str, ids: &[&str]| {
            let items: Vec<Value> = ids.iter().map(|id| said(id)).collect();
            json!({"data": [{"id": "t", "status": status, "items": items}, {"id": "u", "status": "inProgress", "items": [said("wak_a.1")]}]})
        };
        assert_eq!(running(&page("inProgress", &["wak_a.1", "theirs"]), "wak_a.1").as_deref(), Some("t"));
        for (status, ids) in [
            ("completed", vec!["wak_a.1"]),
            ("inProgress", vec!["theirs", "wak_a.1"]),
            ("inProgress", vec![]),
        ] {
            assert_eq!(running(&page(status, &ids), "wak_a.1"), None, "{status} {ids:?}");
        }
        assert_eq!(running(&json!({"data": []}), "wak_a.1"), None);
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
    fn the_newest_turn_is_whose_words_came_first_and_later_words_of_a_person_count() {
        let said = |id: Value, at: Value| json!({"type": "userMessage", "clientId": id, "startedAtMs": at});
        let page =
            |status: &str, items: &[Value]| json!({"data": [{"id": "t", "status": status, "items": items}]});
        let (ours, theirs) = (said(json!("wak_a.1"), json!(5)), said(Value::Null, json!(9)));
        let other = said(json!("0a1b"), json!(7));
        let prompt = |text: &str| json!({"type": "userMessage", "clientId": null, "startedAtMs": 3, "content": [{"type": "text", "text": text}]});
        for (page, is_running, is_ours, person_at_ms) in [
            (page("inProgress", &[]), true, None, None),
            (page("inProgress", std::slice::from_ref(&ours)), true, Some(true), None),
            (page("completed", &[ours, theirs.clone()]), false, Some(true), Some(9)),
            (page("failed", &[theirs, other]), false, Some(false), Some(9)),
            (page("completed", &[said(Value::Null, Value::Null)]), false, Some(false), None),
            (
                page("completed", &[prompt("You are `me` in thread thr_0 of Interlock. Read.")]),
                false,
                Some(true),
                None,
            ),
            (page("completed", &[prompt("What is `me` in thread thr_0?")]), false, Some(false), Some(3)),
        ] {
            assert_eq!(newest(&page), Some(Newest { is_running, is_ours, person_at_ms }), "{page}");
        }
        for page in [json!({}), json!({"data": []}), Value::Null] {
            assert_eq!(newest(&page), None, "{page}");
        }
    }

    #[test]
    fn pages_end() {
        assert_eq!(next(&page("completed")).as_deref(), Some("c"));
        assert_eq!(next(&json!({"nextCursor": null})), None);
        assert_eq!(next(&json!({})), None);
    }
}
