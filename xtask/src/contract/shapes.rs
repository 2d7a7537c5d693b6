//! Objects that take no field they do not know. There are none in the contract: later clients send more.
//!
//! oasdiff sees nothing in an object that is closed, and takes one that is opened for one that has gone. So what is frozen
//! is compared with its objects opened, and what there is now must have none that is closed.

use serde_json::Value;

const FIELDS: &str = "additionalProperties";

/// The same document with every object open.
pub(super) fn opened(document: &Value) -> Value {
    match document {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| !is_closed(name, value));
            Value::Object(kept.map(|(name, value)| (name.clone(), opened(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(opened).collect()),
        other => other.clone(),
    }
}

/// Where objects are closed, each in a line.
pub(super) fn closed(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(document, "", &mut found);
    found
}

fn look(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if is_closed(name, value) {
                    found.push(format!("{at}: takes no field that a later client may send"));
                }
                look(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                look(item, &format!("{at}/{n}"), found);
            }
        }
        _ => {}
    }
}

fn is_closed(name: &str, value: &Value) -> bool {
    name == FIELDS && *value == Value::Bool(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{closed, opened};

    #[test]
    fn closed_objects_are_found_wherever_they_are_and_opened() {
        let document = json!({
            "a": {"oneOf": [{"type": "object", "additionalProperties": false}, {"additionalProperties": true}]},
            "b": {"additionalProperties": {"type": "object", "additionalProperties": false}},
        });
        assert_eq!(
            closed(&document),
            [
                "/a/oneOf/0: takes no field that a later client may send",
                "/b/additionalProperties: takes no field that a later client may send"
            ]
        );
        let open = opened(&document);
        assert_eq!(closed(&open), Vec::<String>::new());
        assert_eq!(open["a"]["oneOf"], json!([{"type": "object"}, {"additionalProperties": true}]));
    }
}
