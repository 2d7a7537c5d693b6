//! Whether the MCP tools still are what was promised: what a caller may send and what an answer holds only grow.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sunset::{remaining, sooner};

/// Who writes what a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The caller: everything that was taken is still taken.
    Caller,
    /// Interlock: everything that was there is still there.
    Us,
}

/// What of the tools in `old` no longer holds in `new`, each with the place; what has ended by today need not.
pub(super) fn breaking(old: &Value, new: &Value, today: &str) -> Vec<String> {
    let mut found = sooner(old, new);
    for tool in tools(&remaining(old, today)) {
        let name = tool["name"].as_str().unwrap_or_default();
        let Some(now) = tools(new).find(|other| other["name"] == tool["name"]) else {
            found.push(format!("the tool `{name}` is gone"));
            continue;
        };
        let (was, is) = (&tool["inputSchema"], &now["inputSchema"]);
        compare(was, is, Writer::Caller, &format!("{name} inputSchema"), &mut found);
        let (was, is) = (answer(&tool["outputSchema"]), answer(&now["outputSchema"]));
        compare(was, is, Writer::Us, &format!("{name} outputSchema"), &mut found);
        problem(&tool["outputSchema"], &now["outputSchema"], &format!("{name} problem"), &mut found);
    }
    found
}

fn tools(document: &Value) -> impl Iterator<Item = &Value> {
    document["tools"].as_array().into_iter().flatten()
}

/// What a tool gives when it is not refused: the first alternative where problem details are the other.
fn answer(output: &Value) -> &Value {
    output.pointer("/anyOf/0").unwrap_or(output)
}

/// What it says when it is refused: there since it was first described, and of the same kind.
fn problem(old: &Value, new: &Value, place: &str, found: &mut Vec<String>) {
    let (Some(was), is) = (old.pointer("/anyOf/1"), new.pointer("/anyOf/1")) else { return };
    match is {
        Some(is) => compare(was, is, Writer::Us, place, found),
        None => found.push(format!("{place}: it is not described any more")),
    }
}

fn compare(old: &Value, new: &Value, writer: Writer, place: &str, found: &mut Vec<String>) {
    if is_set(old) && is_text(new) {
        // Every name of the set may still be sent, and still be there.
        return;
    }
    if old["type"] != new["type"] {
        found.push(format!("{place}: the type was {} and is {}", old["type"], new["type"]));
        return;
    }
    properties(old, new, writer, place, found);
    required(old, new, writer, place, found);
    if !old["items"].is_null() {
        compare(&old["items"], &new["items"], writer, &format!("{place}/[]"), found);
    }
    values(old, new, writer, place, found);
    branches(old, new, writer, place, found);
    if writer == Writer::Caller {
        bounds(old, new, place, found);
    }
}

/// Whether it is a set of names.
fn is_set(schema: &Value) -> bool {
    let branches = schema["oneOf"].as_array();
    branches.is_some_and(|all| !all.is_empty() && all.iter().all(|branch| branch["const"].is_string()))
}

/// Whether it is a text, whatever it says.
fn is_text(schema: &Value) -> bool {
    let narrower = ["oneOf", "anyOf", "enum", "const", "pattern", "minLength", "maxLength"];
    schema["type"] == "string" && narrower.iter().all(|word| schema[word].is_null())
}

fn properties(old: &Value, new: &Value, writer: Writer, place: &str, found: &mut Vec<String>) {
    for (name, schema) in old["properties"].as_object().into_iter().flatten() {
        match new["properties"].get(name) {
            Some(now) => compare(schema, now, writer, &format!("{place}/{name}"), found),
            None => found.push(format!("{place}: `{name}` is gone")),
        }
    }
}

fn required(old: &Value, new: &Value, writer: Writer, place: &str, found: &mut Vec<String>) {
    let (was, is) = (names(&old["required"]), names(&new["required"]));
    match writer {
        Writer::Caller => {
            found.extend(is.difference(&was).map(|name| format!("{place}: {name} must be there now")));
        }
        Writer::Us => {
            found.extend(was.difference(&is).map(|name| format!("{place}: {name} may be absent now")));
        }
    }
}

/// A set of names: a caller may still send each. Those of answers are open, and readers take new ones.
fn values(old: &Value, new: &Value, writer: Writer, place: &str, found: &mut Vec<String>) {
    if writer == Writer::Caller && !new["enum"].is_null() {
        let (was, is) = (names(&old["enum"]), names(&new["enum"]));
        if was.is_empty() {
            found.push(format!("{place}: only {} are taken now", new["enum"]));
        }
        found.extend(was.difference(&is).map(|name| format!("{place}: {name} is not taken any more")));
    }
    if !old["const"].is_null() && old["const"] != new["const"] {
        found.push(format!("{place}: was {} and is {}", old["const"], new["const"]));
    }
}

/// Each alternative there was is there still, whatever else has come.
fn branches(old: &Value, new: &Value, writer: Writer, place: &str, found: &mut Vec<String>) {
    for word in ["oneOf", "anyOf"] {
        for (number, branch) in (1..).zip(old[word].as_array().into_iter().flatten()) {
            let holds = |now: &Value| {
                let mut wrong = Vec::new();
                compare(branch, now, writer, place, &mut wrong);
                wrong.is_empty()
            };
            if !new[word].as_array().into_iter().flatten().any(holds) {
                let what =
                    if branch["const"].is_null() { number.to_string() } else { branch["const"].to_string() };
                found.push(format!("{place}: the alternative {what} does not hold any more"));
            }
        }
        if writer == Writer::Caller && old[word].is_null() && !new[word].is_null() {
            found.push(format!("{place}: there are alternatives where there were none"));
        }
    }
}

/// What may be sent is not narrowed.
fn bounds(old: &Value, new: &Value, place: &str, found: &mut Vec<String>) {
    for (word, is_upper) in [
        ("maximum", true),
        ("maxLength", true),
        ("maxItems", true),
        ("minimum", false),
        ("minLength", false),
        ("minItems", false),
    ] {
        let Some(is) = new[word].as_f64() else { continue };
        let narrowed = old[word].as_f64().is_none_or(|was| if is_upper { is < was } else { is > was });
        if narrowed {
            found.push(format!("{place}: {word} was {} and is {}", old[word], new[word]));
        }
    }
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Contract, TOOLS, broken};
    use super::breaking;

    const TODAY: &str = "2026-11-28";

    fn tool(input: &Value, output: &Value) -> Value {
        json!({"tools": [{"name": "t", "inputSchema": input, "outputSchema": output}]})
    }

    fn of_input(old: &Value, new: &Value) -> Vec<String> {
        breaking(&tool(old, &json!({})), &tool(new, &json!({})), TODAY)
    }

    fn of_output(old: &Value, new: &Value) -> Vec<String> {
        breaking(&tool(&json!({}), old), &tool(&json!({}), new), TODAY)
    }

    #[test]
    fn what_is_frozen_still_holds() {
        let (frozen, now) = (Contract::frozen().read(TOOLS).unwrap(), Contract::now().read(TOOLS).unwrap());
        assert_eq!(breaking(&frozen, &now, TODAY), Vec::<String>::new());
    }

    #[test]
    fn a_broken_copy_is_told_from_one_that_has_grown() {
        let frozen = Contract::frozen().read(TOOLS).unwrap();
        for change in broken::changes() {
            let (frozen, changed) = change.of_tools(&frozen).unwrap();
            let found = breaking(&frozen, &changed, TODAY);
            assert_eq!(!found.is_empty(), change.breaks, "{}: {found:?}", change.name);
        }
    }

    #[test]
    fn a_caller_may_send_what_it_sent() {
        let text = |schema: &Value| json!({"type": "object", "properties": {"a": schema}});
        let was = text(&json!({"type": "integer", "maximum": 9}));
        for (schema, wrong) in [
            (json!({"type": "string"}), "the type was \"integer\" and is \"string\""),
            (json!({"type": "integer", "maximum": 8}), "maximum was 9 and is 8"),
            (json!({"type": "integer", "maximum": 9, "minimum": 1}), "minimum was null and is 1"),
        ] {
            assert_eq!(of_input(&was, &text(&schema)), [format!("t inputSchema/a: {wrong}")]);
        }
        assert_eq!(of_input(&was, &json!({"type": "object"})), ["t inputSchema: `a` is gone"]);
        assert!(of_input(&was, &text(&json!({"type": "integer"}))).is_empty());
        let names = |names: &[&str]| json!({"type": "string", "enum": names});
        let gone = "t inputSchema: \"b\" is not taken any more";
        assert_eq!(of_input(&names(&["a", "b"]), &names(&["a"])), [gone]);
        assert!(of_input(&names(&["a"]), &names(&["a", "b"])).is_empty());
        let only = "t inputSchema: only [\"a\"] are taken now";
        assert_eq!(of_input(&json!({"type": "string"}), &names(&["a"])), [only]);
    }

    #[test]
    fn an_answer_holds_what_it_held() {
        let list = |items: &Value| json!({"type": "array", "items": items});
        let object = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        let loose = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let absent = "t outputSchema/[]: \"a\" may be absent now";
        assert_eq!(of_output(&list(&object), &list(&loose)), [absent]);
        assert!(of_output(&list(&loose), &list(&object)).is_empty());
        let set = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| json!({"const": name})).collect();
            json!({"oneOf": names})
        };
        assert!(of_output(&set(&["a"]), &set(&["b", "a"])).is_empty(), "readers take new names");
        let gone = "t outputSchema: the alternative \"a\" does not hold any more";
        assert_eq!(of_output(&set(&["a", "b"]), &set(&["b"])), [gone]);
    }

    /// Sets of names were closed in answers, where clients that check them would take no later name.
    #[test]
    fn a_set_of_names_may_become_a_text_and_not_go_back() {
        let field = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
        let set =
            field(json!({"oneOf": [{"const": "a", "type": "string"}, {"const": "b", "type": "string"}]}));
        let text = field(json!({"type": "string"}));
        assert!(of_output(&set, &text).is_empty() && of_input(&set, &text).is_empty());
        assert!(!of_input(&text, &set).is_empty());
        let short = field(json!({"type": "string", "maxLength": 1}));
        assert!(
            !of_input(&set, &short).is_empty()
                && !of_output(&set, &field(json!({"type": "integer"}))).is_empty()
        );
    }

    /// Problem details came to stand beside the answers that had been there alone.
    #[test]
    fn an_answer_holds_what_it_held_beside_its_problem() {
        let object = |required: &[&str]| json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": required});
        let both = |answer: &Value, problem: &Value| json!({"type": "object", "anyOf": [answer, problem]});
        let (alone, loose) = (object(&["a"]), object(&[]));
        assert!(of_output(&alone, &both(&alone, &loose)).is_empty());
        let absent = "\"a\" may be absent now";
        for old in [&alone, &both(&alone, &loose)] {
            assert_eq!(of_output(old, &both(&loose, &loose)), [format!("t outputSchema: {absent}")]);
        }
        let old = both(&alone, &alone);
        assert_eq!(of_output(&old, &both(&alone, &loose)), [format!("t problem: {absent}")]);
        assert_eq!(of_output(&old, &alone), ["t problem: it is not described any more"]);
    }
}
