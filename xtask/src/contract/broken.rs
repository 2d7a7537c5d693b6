//! Changes of a contract, some of which break it: what comparisons are tried with.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// A change of the contract, in both of its descriptions.
pub(super) struct Change {
    /// What it does.
    pub(super) name: &'static str,
    /// Whether somebody who relied on the contract is let down.
    pub(super) breaks: bool,
    http: fn(&mut Value) -> Option<()>,
    tools: fn(&mut Value) -> Option<()>,
}

impl Change {
    pub(super) fn of_http(&self, document: &Value) -> Result<Value> {
        self.of(document, self.http)
    }

    pub(super) fn of_tools(&self, document: &Value) -> Result<Value> {
        self.of(document, self.tools)
    }

    /// What a comparison has taken it for when it is wrong about it.
    pub(super) const fn mistaken(&self) -> &'static str {
        if self.breaks { "one that has grown" } else { "a broken one" }
    }

    fn of(&self, document: &Value, change: fn(&mut Value) -> Option<()>) -> Result<Value> {
        let mut changed = document.clone();
        change(&mut changed)
            .with_context(|| format!("there is nothing to try a contract {} with", self.name))?;
        Ok(changed)
    }
}

/// Each kind once. Every contract has the operation that posts.
pub(super) fn changes() -> [Change; 6] {
    [
        Change {
            name: "without an operation",
            breaks: true,
            http: |document| remove(document.pointer_mut("/paths")?, POST_PATH),
            tools: |document| {
                document.get_mut("tools")?.as_array_mut()?.retain(|tool| tool["name"] != POST_TOOL);
                Some(())
            },
        },
        Change {
            name: "without a field of an answer",
            breaks: true,
            http: |document| {
                remove_property(document.pointer_mut(&format!("{SCHEMAS}/PostMessageResponse"))?, "seq")
            },
            tools: |document| remove_property(tool(document)?.get_mut("outputSchema")?, "seq"),
        },
        Change {
            name: "with another parameter that must be there",
            breaks: true,
            http: |document| add(body(document)?, true),
            tools: |document| add(tool(document)?.get_mut("inputSchema")?, true),
        },
        Change {
            name: "with another type of an answer's field",
            breaks: true,
            http: |document| {
                let answer =
                    document.pointer_mut(&format!("{SCHEMAS}/PostMessageResponse/properties/seq"))?;
                *answer = json!({"type": "string"});
                Some(())
            },
            tools: |document| {
                *tool(document)?.pointer_mut("/outputSchema/properties/seq")? = json!({"type": "string"});
                Some(())
            },
        },
        Change {
            name: "with another parameter that may be there",
            breaks: false,
            http: |document| add(body(document)?, false),
            tools: |document| add(tool(document)?.get_mut("inputSchema")?, false),
        },
        Change {
            name: "with another field of an answer",
            breaks: false,
            http: |document| add(document.pointer_mut(&format!("{SCHEMAS}/PostMessageResponse"))?, true),
            tools: |document| add(tool(document)?.get_mut("outputSchema")?, true),
        },
    ]
}

const SCHEMAS: &str = "/components/schemas";
const POST_PATH: &str = "/v1/threads/{thread_id}/messages";
const POST_TOOL: &str = "post_message";

fn body(document: &mut Value) -> Option<&mut Value> {
    let operation = document.get_mut("paths")?.get_mut(POST_PATH)?.get_mut("post")?;
    operation.pointer_mut("/requestBody/content/application~1json/schema")
}

fn tool(document: &mut Value) -> Option<&mut Value> {
    document.get_mut("tools")?.as_array_mut()?.iter_mut().find(|tool| tool["name"] == POST_TOOL)
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
