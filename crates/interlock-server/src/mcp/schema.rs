//! JSON Schemas that every client's model takes: one piece, no nulls, no formats that only some know.
//!
//! Sets of names are open in answers, because a client may know its tools from before the server was renewed, and checks
//! what it gets by what it knows. In what is sent they are closed, but for those that are longer than a model should read
//! in every conversation.

use rmcp::model::JsonObject;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// Names of a set that a schema lists; a longer set is only described.
const NAMES_LISTED_MAX: usize = 16;

/// A generator that writes everything out in place.
pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator()
}

/// What a tool takes: the operation's parameters, and the key that makes a change repeatable.
pub(super) fn input(schema: Value, needs_key: bool) -> JsonObject {
    let mut schema = object(schema);
    schema.values_mut().for_each(|value| open_names(value, Names::TooMany));
    if needs_key {
        let key = json!({
            "type": "string", "minLength": 1, "maxLength": 200,
            "description": "The same key with the same arguments changes things once; a fresh one for each new request.",
        });
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("idempotency_key".into(), key);
        }
        let required = schema.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.push("idempotency_key".into());
        }
    }
    schema
}

/// What a tool answers with: what the operation gives, or, with `isError`, problem details. Clients check both.
pub(super) fn output(answer: Value, problem: Value) -> JsonObject {
    let mut problem = object(problem);
    // Told once and not with every tool.
    let fields = problem.get_mut("properties").and_then(Value::as_object_mut);
    for field in fields.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        field.remove("description");
    }
    problem.insert("description".into(), "Problem details, where `isError` says that it was refused.".into());
    let mut answer = object(answer);
    answer.values_mut().for_each(|value| open_names(value, Names::All));
    let branches = json!([answer, problem]);
    JsonObject::from_iter([("type".to_owned(), "object".into()), ("anyOf".to_owned(), branches)])
}

fn object(mut value: Value) -> JsonObject {
    make_portable(&mut value);
    let mut map = match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    map.entry("type").or_insert_with(|| "object".into());
    map.remove("title");
    map
}

/// A field that may be absent is absent, never null; a number is a number, whatever its width.
fn make_portable(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(make_portable),
        Value::Object(map) => {
            map.remove("format");
            // Null as a default is absence.
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            drop_null_type(map);
            drop_null_branch(map);
            map.values_mut().for_each(make_portable);
        }
        _ => {}
    }
}

fn drop_null_type(map: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = map.get_mut("type") else { return };
    types.retain(|one| one != "null");
    if let [one] = types.as_slice() {
        let one = one.clone();
        map.insert("type".into(), one);
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

fn drop_null_branch(map: &mut Map<String, Value>) {
    for word in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = map.get_mut(word) else { continue };
        branches.retain(|branch| branch.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            map.remove(word);
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
    }
}

/// Which sets of names are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    All,
    TooMany,
}

/// A set of names becomes a text; a short one is named in its description.
fn open_names(value: &mut Value, which: Names) {
    if let Some(names) = names(value) {
        let is_short = names.len() <= NAMES_LISTED_MAX;
        if is_short && which == Names::TooMany {
            return;
        }
        let list = is_short.then(|| format!("One of these, or later another: {}.", names.join(", ")));
        let Some(map) = value.as_object_mut() else { return };
        let said = map.remove("description").and_then(|text| text.as_str().map(str::to_owned));
        let words: Vec<String> = said.into_iter().chain(list).collect();
        for word in ["oneOf", "enum"] {
            map.remove(word);
        }
        map.insert("type".into(), "string".into());
        map.insert("description".into(), words.join(" ").into());
        return;
    }
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| open_names(one, which)),
        Value::Object(map) => map.values_mut().for_each(|one| open_names(one, which)),
        _ => {}
    }
}

/// The names of a set of names.
fn names(value: &Value) -> Option<Vec<String>> {
    let text = |name: &Value| name.as_str().map(str::to_owned);
    let constants = value.get("oneOf").and_then(Value::as_array);
    if let Some(branches) = constants {
        return branches.iter().map(|branch| text(branch.get("const")?)).collect();
    }
    value.get("enum")?.as_array()?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portable(mut value: Value) -> Value {
        make_portable(&mut value);
        value
    }

    #[test]
    fn nulls_and_formats_are_left_out() {
        assert_eq!(
            portable(json!({"type": ["integer", "null"], "format": "uint64"})),
            json!({"type": "integer"})
        );
        assert_eq!(
            portable(
                json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}], "description": "d"})
            ),
            json!({"type": "string", "enum": ["a"], "description": "d"})
        );
        assert_eq!(
            portable(json!({"properties": {"x": {"type": ["string", "null"], "default": null}}})),
            json!({"properties": {"x": {"type": "string"}}})
        );
    }

    fn opened(mut value: Value, which: Names) -> Value {
        open_names(&mut value, which);
        value
    }

    fn set(count: usize) -> Value {
        let names: Vec<_> = (0..count).map(|n| json!({"const": format!("n{n}"), "type": "string"})).collect();
        json!({"description": "Which.", "default": "n0", "oneOf": names})
    }

    #[test]
    fn answers_hold_whatever_name_comes_later() {
        let object = |schema: &Value| json!({"properties": {"list": {"items": schema}}});
        assert_eq!(
            opened(object(&set(2)), Names::All),
            object(
                &json!({"type": "string", "default": "n0", "description": "Which. One of these, or later another: n0, n1."})
            )
        );
        let long = json!({"type": "string", "default": "n0", "description": "Which."});
        assert_eq!(opened(set(NAMES_LISTED_MAX + 1), Names::All), long);
        let listed = opened(json!({"type": "string", "enum": ["a"]}), Names::All);
        assert_eq!(listed, json!({"type": "string", "description": "One of these, or later another: a."}));
        let alternatives = json!({"oneOf": [{"type": "string"}, {"const": "a"}]});
        assert_eq!(opened(alternatives.clone(), Names::All), alternatives, "no set of names");
    }

    #[test]
    fn what_is_sent_is_listed_unless_nobody_could_read_it() {
        assert_eq!(opened(set(NAMES_LISTED_MAX), Names::TooMany), set(NAMES_LISTED_MAX));
        let long = json!({"type": "string", "default": "n0", "description": "Which."});
        assert_eq!(opened(set(NAMES_LISTED_MAX + 1), Names::TooMany), long);
    }
}
