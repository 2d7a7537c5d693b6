//! OpenAPI 3.1, assembled from the operation table.

use std::collections::BTreeSet;

use interlock_api::{Media, Method, OPERATIONS, Operation, Problem, Side};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::ends;

/// The whole document; the same for the same table.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let problem = generator.subschema_for::<Problem>().to_value();
    let mut paths = Map::new();
    for row in OPERATIONS {
        let item = operation(row, &mut generator, &problem);
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(row.method.as_str().to_lowercase(), item);
        }
    }
    let schemas = generator.take_definitions(true);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Interlock",
            "version": "1.0",
            "description": "Threads, wakes and the ledger of a team of AI coding agents.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    });
    spell_out(&mut document);
    document
}

/// What an operation is filed under: the noun of its permission.
fn tag(row: &Operation) -> &'static str {
    row.permission.as_str().split(':').next().unwrap_or_default()
}

fn tags() -> Vec<Value> {
    let names: BTreeSet<_> = OPERATIONS.iter().map(tag).collect();
    names.into_iter().map(|name| json!({"name": name})).collect()
}

/// Any value as an item is `true` in JSON Schema, which some readers of OpenAPI do not know; `{}` says the same.
fn spell_out(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(items) = map.get_mut("items").filter(|items| **items == Value::Bool(true)) {
                *items = json!({});
            }
            map.values_mut().for_each(spell_out);
        }
        Value::Array(all) => all.iter_mut().for_each(spell_out),
        _ => {}
    }
}

/// One operation as the document describes it.
pub(crate) fn operation(row: &Operation, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut body = ends::schema(row, Side::Request, generator);
    let mut parameters = Vec::new();
    let in_path: Vec<&str> = row.path_parameters().collect();
    let names: Vec<String> = body
        .get("properties")
        .and_then(Value::as_object)
        .map(|p| p.keys().cloned().collect())
        .unwrap_or_default();
    for name in names {
        let place = if in_path.contains(&name.as_str()) {
            "path"
        } else if row.method == Method::Get {
            "query"
        } else {
            continue;
        };
        let is_required = requires(&body, &name);
        if let Some(schema) = take_property(&mut body, &name) {
            parameters.push(parameter(&name, place, is_required, schema));
        }
    }
    parameters.extend(headers(row));
    let mut item = json!({
        "operationId": row.id,
        "summary": row.summary.trim(),
        "tags": [tag(row)],
        "x-permission": row.permission.as_str(),
        "x-since": row.since,
        "parameters": parameters,
        "responses": {
            "200": {"description": "Done.", "content": content(row, generator)},
            "4XX": {"description": "Refused.", "content": {"application/problem+json": {"schema": problem}}},
            "5XX": {"description": "Not now, or a defect.", "content": {"application/problem+json": {"schema": problem}}},
        },
    });
    announce_end(row, &mut item);
    if row.method == Method::Post
        && let Some(item) = item.as_object_mut()
    {
        // A body in which nothing must be may be left out.
        let is_required =
            body.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
        item.insert(
            "requestBody".into(),
            json!({
                "required": is_required, "content": {"application/json": {"schema": body}},
            }),
        );
    }
    item
}

/// A parameter outside the body. What is said of its end is said of the parameter, not of its schema.
fn parameter(name: &str, place: &str, is_required: bool, mut schema: Value) -> Value {
    let description = schema.get("description").cloned().unwrap_or_default();
    let marks = schema.as_object_mut().map(ends::take_marks).unwrap_or_default();
    let mut parameter = json!({
        "name": name, "in": place, "required": is_required, "schema": schema, "description": description,
    });
    if let Some(parameter) = parameter.as_object_mut() {
        parameter.extend(marks);
    }
    parameter
}

/// What the row says of its end, if anything.
fn announce_end(row: &Operation, item: &mut Value) {
    let (Some(deprecated), Some(item)) = (row.deprecated, item.as_object_mut()) else { return };
    item.insert("description".into(), deprecated.sentence().into());
    item.extend(ends::marks(deprecated));
}

/// What is sent in headers.
fn headers(row: &Operation) -> Vec<Value> {
    let mut headers = Vec::new();
    if row.mutates {
        headers.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": true,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "The same key with the same request changes things once.",
        }));
    }
    if row.media == Media::EventStream {
        headers.push(json!({
            "name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "Events after this one: what a client that reconnects by itself sends.",
        }));
    }
    headers
}

fn content(row: &Operation, generator: &mut SchemaGenerator) -> Value {
    match row.media {
        Media::Json => json!({"application/json": {"schema": ends::schema(row, Side::Answer, generator)}}),
        Media::Tar => {
            json!({row.media.as_str(): {"schema": {"type": "string", "contentMediaType": row.media.as_str()}}})
        }
        // OpenAPI 3.1 has no word for the schema of what stands in a stream's events.
        Media::EventStream => {
            let item = ends::schema(row, Side::Answer, generator);
            json!({row.media.as_str(): {"schema": stream_event(), "x-item-schema": item}})
        }
    }
}

/// One server-sent event, as readers of streams take it.
fn stream_event() -> Value {
    json!({
        "type": "object",
        "description": "Each event of the stream.",
        "properties": {
            "id": {"type": "string", "description": "The position after it, for `Last-Event-ID`."},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
    })
}

fn requires(body: &Value, name: &str) -> bool {
    let names = body.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|one| one == name))
}

/// A property goes from the body to where it is sent.
fn take_property(body: &mut Value, name: &str) -> Option<Value> {
    if let Some(required) = body.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|other| other != name);
    }
    body.get_mut("properties")?.as_object_mut()?.remove(name)
}
