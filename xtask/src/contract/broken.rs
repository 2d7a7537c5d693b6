//! Changes of a contract, some of which break it: what comparisons are tried with.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// A contract's two descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Http,
    Tools,
}

type Edit = Box<dyn Fn(&mut Value, Form) -> Option<()>>;

/// A change of the contract, in both of its descriptions.
pub(super) struct Change {
    /// What it does.
    pub(super) name: String,
    /// Whether somebody who relied on the contract is let down.
    pub(super) breaks: bool,
    /// What was announced before it.
    announced: Edit,
    made: Edit,
}

impl Change {
    /// The contract before and after it.
    pub(super) fn of_http(&self, document: &Value) -> Result<(Value, Value)> {
        self.of(document, Form::Http)
    }

    /// The same of the tools.
    pub(super) fn of_tools(&self, document: &Value) -> Result<(Value, Value)> {
        self.of(document, Form::Tools)
    }

    /// What a comparison has taken it for when it is wrong about it.
    pub(super) const fn mistaken(&self) -> &'static str {
        if self.breaks { "one that has grown" } else { "a broken one" }
    }

    fn of(&self, document: &Value, form: Form) -> Result<(Value, Value)> {
        let nothing = || format!("there is nothing to try a contract {} with", self.name);
        let mut before = document.clone();
        (self.announced)(&mut before, form).with_context(nothing)?;
        let mut after = before.clone();
        (self.made)(&mut after, form).with_context(nothing)?;
        Ok((before, after))
    }
}

/// What of a contract can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Operation,
    /// In a body.
    Parameter,
    /// In a query.
    Query,
    /// A field of an answer.
    Answer,
}

impl Part {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Operation, "an operation"),
        (Self::Parameter, "a parameter"),
        (Self::Query, "a parameter of a query"),
        (Self::Answer, "a field of an answer"),
    ];

    fn remove(self, document: &mut Value, form: Form) -> Option<()> {
        match (self, form) {
            (Self::Operation, Form::Http) => remove(document.get_mut("paths")?.get_mut(POST_PATH)?, "post"),
            (Self::Operation, Form::Tools) => {
                document.get_mut("tools")?.as_array_mut()?.retain(|tool| tool["name"] != POST_TOOL);
                Some(())
            }
            (Self::Query, Form::Http) => {
                let limit = |parameter: &Value| parameter["name"] == "limit";
                let parameters = query(document)?;
                parameters.iter().any(limit).then(|| parameters.retain(|parameter| !limit(parameter)))
            }
            (Self::Query, Form::Tools) => {
                remove_property(tool(document, READ_TOOL)?.get_mut("inputSchema")?, "limit")
            }
            (Self::Parameter, _) => remove_property(body(document, form)?, "to_role"),
            (Self::Answer, _) => remove_property(answer(document, form)?, "seq"),
        }
    }

    fn announce(self, document: &mut Value, form: Form, day: &str) -> Option<()> {
        if (self, form) == (Self::Operation, Form::Tools) {
            let meta =
                tool(document, POST_TOOL)?.as_object_mut()?.entry("_meta").or_insert_with(|| json!({}));
            meta.as_object_mut()?.insert("interlock/sunset".to_owned(), day.into());
            return Some(());
        }
        let place = match (self, form) {
            (Self::Operation, _) => document.get_mut("paths")?.get_mut(POST_PATH)?.get_mut("post")?,
            (Self::Query, Form::Http) => query(document)?.iter_mut().find(|one| one["name"] == "limit")?,
            (Self::Query, Form::Tools) => {
                tool(document, READ_TOOL)?.pointer_mut("/inputSchema/properties/limit")?
            }
            (Self::Parameter, _) => body(document, form)?.pointer_mut("/properties/to_role")?,
            (Self::Answer, _) => answer(document, form)?.pointer_mut("/properties/seq")?,
        };
        let place = place.as_object_mut()?;
        place.insert("deprecated".to_owned(), true.into());
        place.insert("x-sunset".to_owned(), day.into());
        Some(())
    }
}

const PAST: &str = "2000-01-01";
const LATER: &str = "9999-01-01";

/// Each kind once. Every contract has the operations that post and read.
pub(super) fn changes() -> Vec<Change> {
    let mut all = vec![
        change("with another parameter that must be there", true, |document, form| {
            add(body(document, form)?, true)
        }),
        change("with another type of an answer's field", true, |document, form| {
            *answer(document, form)?.pointer_mut("/properties/seq")? = json!({"type": "string"});
            Some(())
        }),
        change("with another parameter that may be there", false, |document, form| {
            add(body(document, form)?, false)
        }),
        change("with another field of an answer", false, |document, form| add(answer(document, form)?, true)),
    ];
    for (part, name) in Part::ALL {
        let gone = move |document: &mut Value, form| part.remove(document, form);
        all.push(change(&format!("without {name}"), true, gone));
        all.push(announced(part, LATER, change(&format!("without {name} before its end"), true, gone)));
        all.push(announced(part, PAST, change(&format!("without {name} after its end"), false, gone)));
        let ends = move |day| move |document: &mut Value, form| part.announce(document, form, day);
        all.push(change(&format!("with the end of {name}"), false, ends(LATER)));
        let sooner = change(&format!("with an earlier end of {name}"), true, ends("9998-01-01"));
        all.push(announced(part, LATER, sooner));
    }
    all
}

fn change(name: &str, breaks: bool, made: impl Fn(&mut Value, Form) -> Option<()> + 'static) -> Change {
    let name = name.to_owned();
    Change { name, breaks, announced: Box::new(|_, _| Some(())), made: Box::new(made) }
}

/// The same after the announcement that this part ends on that day.
fn announced(part: Part, day: &'static str, change: Change) -> Change {
    Change { announced: Box::new(move |document, form| part.announce(document, form, day)), ..change }
}

const POST_PATH: &str = "/v1/threads/{thread_id}/messages";
const POST_TOOL: &str = "post_message";
const READ_TOOL: &str = "list_threads";

/// The parameters of the operation that lists.
fn query(document: &mut Value) -> Option<&mut Vec<Value>> {
    document.get_mut("paths")?.pointer_mut("/~1v1~1threads/get/parameters")?.as_array_mut()
}

/// What the operation that posts takes.
fn body(document: &mut Value, form: Form) -> Option<&mut Value> {
    match form {
        Form::Http => {
            let operation = document.get_mut("paths")?.get_mut(POST_PATH)?.get_mut("post")?;
            operation.pointer_mut("/requestBody/content/application~1json/schema")
        }
        Form::Tools => tool(document, POST_TOOL)?.get_mut("inputSchema"),
    }
}

/// What it answers with.
fn answer(document: &mut Value, form: Form) -> Option<&mut Value> {
    match form {
        Form::Http => document.pointer_mut("/components/schemas/PostMessageResponse"),
        Form::Tools => {
            let schema = tool(document, POST_TOOL)?.get_mut("outputSchema")?;
            // Beside problem details since those are described.
            if schema.get("anyOf").is_some() { schema.pointer_mut("/anyOf/0") } else { Some(schema) }
        }
    }
}

fn tool<'d>(document: &'d mut Value, name: &str) -> Option<&'d mut Value> {
    document.get_mut("tools")?.as_array_mut()?.iter_mut().find(|tool| tool["name"] == name)
}

fn remove(map: &mut Value, name: &str) -> Option<()> {
    map.as_object_mut()?.remove(name).map(drop)
}

fn remove_property(schema: &mut Value, name: &str) -> Option<()> {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|one| one != name);
    }
    remove(schema.get_mut("properties")?, name)
}

fn add(schema: &mut Value, is_required: bool) -> Option<()> {
    let schema = schema.as_object_mut()?;
    let properties = schema.entry("properties").or_insert_with(|| Map::new().into());
    properties.as_object_mut()?.insert("added_later".into(), json!({"type": "string"}));
    if is_required {
        schema.entry("required").or_insert_with(|| json!([])).as_array_mut()?.push("added_later".into());
    }
    Some(())
}
