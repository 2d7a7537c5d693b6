//! What of a contract has an end that was announced: until that day it is promised like everything else, and not after.
//!
//! An operation, a parameter, a field of a body or of an answer, and a tool say when they end. What is compared with the
//! contract as it is now is the frozen one without what has ended; so an announcement counts from when it was frozen, and
//! what goes sooner is missed. A day that was told is not moved forward either.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// Where descriptions and schemas name the first day on which something may be gone, and where tools do.
const DAY: &str = "x-sunset";
const DAY_OF_TOOL: &str = "/_meta/interlock~1sunset";

/// Today in UTC, written as such days are.
pub(super) fn today() -> String {
    jiff::Timestamp::now().to_zoned(TimeZone::UTC).date().to_string()
}

/// The same document without what has ended.
pub(super) fn remaining(document: &Value, today: &str) -> Value {
    match document {
        Value::Object(members) => {
            let gone = ended_fields(members, today);
            let mut kept = Map::new();
            for (name, value) in members.iter().filter(|(_, value)| !has_ended(value, today)) {
                let value = match (name.as_str(), value) {
                    ("required", Value::Array(names)) => {
                        names.iter().filter(|name| !gone.contains(name)).cloned().collect()
                    }
                    _ => remaining(value, today),
                };
                kept.insert(name.clone(), value);
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            items.iter().filter(|item| !has_ended(item, today)).map(|item| remaining(item, today)).collect()
        }
        other => other.clone(),
    }
}

/// Names of fields of this schema that have ended.
fn ended_fields(schema: &Map<String, Value>, today: &str) -> Vec<Value> {
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields.filter(|(_, field)| has_ended(field, today)).map(|(name, _)| name.as_str().into()).collect()
}

fn has_ended(value: &Value, today: &str) -> bool {
    day(value).is_some_and(|day| day <= today)
}

fn day(value: &Value) -> Option<&str> {
    value.get(DAY).or_else(|| value.pointer(DAY_OF_TOOL))?.as_str()
}

/// What shall end sooner than was told, each in a line.
pub(super) fn sooner(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(old, new, "", &mut found);
    found
}

fn look(old: &Value, new: &Value, at: &str, found: &mut Vec<String>) {
    if let (Some(was), Some(is)) = (day(old), day(new))
        && is < was
    {
        found.push(format!("{at}: was to be served until {was}, and now until {is}"));
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, old) in old {
                if let Some(new) = new.get(name) {
                    look(old, new, &format!("{at}/{name}"), found);
                }
            }
        }
        // Parameters and tools have names, and no fixed place.
        (Value::Array(old), Value::Array(new)) => {
            for old in old.iter().filter(|old| old["name"].is_string()) {
                for new in new.iter().filter(|new| new["name"] == old["name"] && new["in"] == old["in"]) {
                    look(old, new, &format!("{at}/{}", old["name"].as_str().unwrap_or_default()), found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{remaining, sooner};

    fn ends(day: &str) -> Value {
        json!({"type": "string", "deprecated": true, "x-sunset": day})
    }

    #[test]
    fn what_has_ended_is_promised_no_more_and_what_has_not_is() {
        let document = |fields: &Value, required: &Value, parameters: &Value, tools: &Value| {
            json!({
                "schema": {"properties": fields, "required": required}, "parameters": parameters, "tools": tools,
            })
        };
        let parameter = |name: &str, day: &str| json!({"name": name, "in": "query", "x-sunset": day});
        let tool = |name: &str, day: &str| json!({"name": name, "_meta": {"interlock/sunset": day}});
        let frozen = document(
            &json!({"a": ends("2027-01-01"), "b": ends("2027-01-02"), "c": {"type": "string"}}),
            &json!(["a", "b", "c"]),
            &json!([parameter("a", "2027-01-01"), parameter("b", "2027-01-02")]),
            &json!([tool("a", "2027-01-01"), tool("b", "2027-01-02")]),
        );
        let left = document(
            &json!({"b": ends("2027-01-02"), "c": {"type": "string"}}),
            &json!(["b", "c"]),
            &json!([parameter("b", "2027-01-02")]),
            &json!([tool("b", "2027-01-02")]),
        );
        assert_eq!(remaining(&frozen, "2027-01-01"), left, "that day is the first without it");
        assert_eq!(remaining(&frozen, "2026-12-31"), frozen);
    }

    #[test]
    fn a_day_that_was_told_is_not_moved_forward() {
        let told = |field: &str, parameter: &str| {
            json!({
                "properties": {"a": ends(field)},
                "parameters": [{"name": "x", "in": "path"}, {"name": "a", "in": "query", "x-sunset": parameter}],
            })
        };
        let frozen = told("2027-01-02", "2027-01-02");
        assert_eq!(sooner(&frozen, &told("2027-01-02", "2028-01-01")), Vec::<String>::new());
        let until = "was to be served until 2027-01-02, and now until 2027-01-01";
        assert_eq!(
            sooner(&frozen, &told("2027-01-01", "2027-01-01")),
            [format!("/parameters/a: {until}"), format!("/properties/a: {until}")]
        );
        assert_eq!(sooner(&frozen, &json!({"properties": {"a": {"type": "string"}}})), Vec::<String>::new());
    }
}
