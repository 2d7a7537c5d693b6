//! Objects that take no field they do not know. There are none in the contract: later clients send more.
//!
//! oasdiff sees nothing in an object that is closed, and takes one that is opened for one that has gone. So what is frozen
//! is compared with its objects opened, and what there is now must have none that is closed. A map whose keys follow a
//! pattern is no such object. oasdiff also takes one of several shapes that has gained a field, or is described in other
//! words, for another one, unless both have the same title: so each is given the constant by which it is told from the others.

use serde_json::Value;

const FIELDS: &str = "additionalProperties";

/// The same document in which each of several shapes has a title.
pub(super) fn titled(document: &Value) -> Value {
    match document {
        Value::Object(members) => {
            let titled = members.iter().map(|(name, value)| match value {
                Value::Array(shapes) if name == "oneOf" => (
                    name.clone(),
                    Value::Array(shapes.iter().map(|shape| with_title(&titled(shape))).collect()),
                ),
                _ => (name.clone(), titled(value)),
            });
            Value::Object(titled.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(titled).collect()),
        other => other.clone(),
    }
}

/// With the constant that it is, or the first among its members, as its title, where it has one.
fn with_title(shape: &Value) -> Value {
    let mut members = shape.get("properties").and_then(Value::as_object).into_iter().flatten();
    let own = shape.get("const").and_then(Value::as_str);
    let constant = own.or_else(|| members.find_map(|(_, member)| member.get("const")?.as_str()));
    match (shape, constant) {
        (Value::Object(shape), Some(constant)) if !shape.contains_key("title") => {
            let mut shape = shape.clone();
            shape.insert("title".to_owned(), constant.into());
            Value::Object(shape)
        }
        _ => shape.clone(),
    }
}

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
            let is_map = members.contains_key("patternProperties");
            for (name, value) in members {
                if is_closed(name, value) && !is_map {
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

    use super::{closed, opened, titled};

    #[test]
    fn a_map_is_not_closed() {
        let map = json!({"type": "object", "patternProperties": {"^a$": {}}, "additionalProperties": false});
        assert_eq!(closed(&map), Vec::<String>::new());
    }

    #[test]
    fn shapes_are_named_after_their_constants() {
        let one = json!({"properties": {"step": {"const": "ended"}, "code": {"type": "integer"}}});
        let document =
            json!({"a": {"oneOf": [one, {"type": "null"}, {"const": "b", "description": "in words"}]}});
        assert_eq!(titled(&document)["a"]["oneOf"][2]["title"], "b");
        assert_eq!(titled(&document)["a"]["oneOf"][0]["title"], "ended");
        assert_eq!(titled(&document)["a"]["oneOf"][1], json!({"type": "null"}));
    }

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
