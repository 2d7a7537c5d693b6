//! The one table drives everything: routes, schemas, the OpenAPI document and the reference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use interlock_api::{OPERATIONS, Operation, Side};
use interlock_core::actor::Role;
use interlock_core::limits::PAGE_ROWS_MAX;
use interlock_server::{deprecation_faults, handled_operations, openapi_document, tools_document};
use serde_json::{Value, json};

use crate::world::World;

/// Compares a generated document with the committed one; `INTERLOCK_BLESS=1` writes it instead.
fn is_committed(name: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("INTERLOCK_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/reference/{name} is not what the operation table says; run this test with INTERLOCK_BLESS=1"
    );
}

#[test]
fn every_row_has_a_handler_and_every_handler_a_row() {
    let mut handled = handled_operations();
    handled.sort_unstable();
    let mut rows: Vec<_> = OPERATIONS.iter().map(|row| row.id).collect();
    rows.sort_unstable();
    assert_eq!(handled, rows);
}

#[test]
fn rows_are_told_apart_by_id_and_by_route() {
    let ids: BTreeSet<_> = OPERATIONS.iter().map(|row| row.id).collect();
    let routes: BTreeSet<_> = OPERATIONS.iter().map(|row| (row.method.as_str(), row.path)).collect();
    assert_eq!((ids.len(), routes.len()), (OPERATIONS.len(), OPERATIONS.len()));
    for row in OPERATIONS {
        assert!(
            row.tool.is_none_or(|tool| tool == row.id),
            "`{}`: a tool is called like its operation",
            row.id
        );
        assert!(!row.summary.trim().is_empty() && row.path.starts_with("/v1/"), "`{}`", row.id);
    }
}

#[tokio::test]
async fn the_router_has_no_route_beside_the_table() {
    let world = World::new().await;
    // The router tells its routes to nobody but its debug text.
    let text = format!("{:?}", world.router);
    let routes: BTreeSet<_> = text.split('"').filter(|part| part.starts_with("/v1")).collect();
    let mut expected: BTreeSet<_> = OPERATIONS.iter().map(|row| row.path).collect();
    expected.insert("/v1/openapi.json");
    assert_eq!(routes, expected);
}

#[test]
fn every_row_has_schemas_that_take_more_fields() {
    for row in OPERATIONS {
        let mut generator = schemars::SchemaGenerator::default();
        let request = (row.request)(&mut generator);
        assert_eq!(request.get("type"), Some(&Value::from("object")), "`{}`", row.id);
        let more = request.get("additionalProperties");
        assert!(more.is_none_or(|more| *more == true), "`{}` takes what later clients send", row.id);
        let properties = request.get("properties").cloned().unwrap_or_default();
        for name in row.path_parameters() {
            assert!(properties.get(name).is_some(), "`{}` lacks `{name}`", row.id);
        }
        for (name, property) in properties.as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "`{}`: `{name}` has no description", row.id);
        }
        let response = (row.response)(&mut generator);
        assert!(response.get("$ref").is_some(), "`{}`", row.id);
    }
}

#[test]
fn every_read_can_wait() {
    for row in OPERATIONS.iter().filter(|row| row.method == interlock_api::Method::Get) {
        let request = (row.request)(&mut schemars::SchemaGenerator::default());
        let can_wait =
            request.get("properties").is_some_and(|properties| properties.get("wait_ms").is_some());
        // What is streamed is either there already or waits by itself.
        let is_stream = row.media != interlock_api::Media::Json;
        // The policy stays as it is while a server runs.
        let never_changes = row.id == "get_policy";
        assert_eq!(can_wait, !is_stream && !never_changes, "`{}`", row.id);
    }
}

/// The page names every operation that can wait, and every read that cannot.
#[test]
fn what_each_operation_waits_for_is_documented() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/messaging.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n### Waiting\n").expect("the section is there");
    let (section, _) = section.split_once("\n### ").unwrap();
    let (table, rest) = section.split_once("\n\nThree reads").expect("what cannot wait is named");
    let named = |text: &str| -> BTreeSet<String> {
        let words = text.split('`').skip(1).step_by(2).map(str::to_owned);
        words.filter(|word| OPERATIONS.iter().any(|row| row.id == *word)).collect()
    };
    let can_wait = |row: &&Operation| {
        let request = (row.request)(&mut schemars::SchemaGenerator::default());
        request.get("properties").is_some_and(|properties| properties.get("wait_ms").is_some())
    };
    let waiting: BTreeSet<String> = OPERATIONS.iter().filter(can_wait).map(|row| row.id.into()).collect();
    assert_eq!(named(table), waiting);
    let reads = OPERATIONS.iter().filter(|row| row.method == interlock_api::Method::Get);
    let others: BTreeSet<String> = reads.filter(|row| !can_wait(row)).map(|row| row.id.into()).collect();
    assert_eq!(named(rest), others);
}

#[test]
fn the_document_says_of_each_row_what_the_table_says() {
    let document = openapi_document();
    let mut seen = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, item) in methods.as_object().unwrap() {
            let id = item["operationId"].as_str().unwrap();
            let row = OPERATIONS.iter().find(|row| row.id == id).unwrap();
            assert_eq!((path.as_str(), method.to_uppercase().as_str()), (row.path, row.method.as_str()));
            assert_eq!(item["x-permission"], row.permission.as_str());
            assert_eq!(item["summary"], row.summary.trim());
            assert_eq!(item["x-since"], row.since);
            assert!(item["responses"]["200"]["content"][row.media.as_str()]["schema"].is_object(), "{id}");
            assert_eq!(item.get("requestBody").is_some(), row.method == interlock_api::Method::Post);
            assert!(
                document["tags"].as_array().unwrap().iter().any(|tag| tag["name"] == item["tags"][0]),
                "{id}"
            );
            asks_for_what_the_schema_asks_for(row, item);
            let asks_for_key =
                parameters(item).any(|p| p["name"] == "Idempotency-Key" && p["required"] == true);
            assert_eq!(asks_for_key, row.mutates, "{id}");
            let in_path: Vec<_> =
                parameters(item).filter(|p| p["in"] == "path").map(|p| p["name"].as_str().unwrap()).collect();
            assert_eq!(in_path, row.path_parameters().collect::<Vec<_>>(), "{id}");
            assert!(seen.insert(id), "`{id}` is there twice");
        }
    }
    assert_eq!(seen.len(), OPERATIONS.len());
}

/// What a row cannot do without is required wherever it is sent, and a body of nothing such may be left out.
fn asks_for_what_the_schema_asks_for(row: &Operation, item: &Value) {
    let schema = (row.request)(&mut schemars::SchemaGenerator::default());
    let needed: BTreeSet<_> = names(schema.get("required")).collect();
    let body = &item["requestBody"]["content"]["application/json"]["schema"];
    let in_body: Vec<_> = names(body.get("required")).collect();
    assert_eq!(item["requestBody"]["required"] == true, !in_body.is_empty(), "{}", row.id);
    let outside = parameters(item).filter(|p| p["in"] != "header" && p["required"] == true);
    let outside = outside.map(|p| p["name"].as_str().unwrap());
    assert_eq!(outside.chain(in_body).collect::<BTreeSet<_>>(), needed, "{}", row.id);
}

fn names(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().map(|name| name.as_str().unwrap())
}

fn parameters(item: &Value) -> impl Iterator<Item = &Value> {
    item["parameters"].as_array().unwrap().iter()
}

#[test]
fn the_document_is_openapi_in_shape() {
    let document = openapi_document();
    assert_eq!(document["openapi"], "3.1.0");
    for name in ["title", "version"] {
        assert!(document["info"][name].is_string());
    }
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    assert_eq!(
        document.pointer("/components/schemas/ListEntriesResponse/properties/entries/items"),
        Some(&json!({}))
    );
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references stay inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for item in methods.as_object().unwrap().values() {
            let mut names = BTreeSet::new();
            for parameter in parameters(item) {
                assert!(parameter["schema"].is_object() && parameter["name"].is_string(), "{path}");
                assert!(["path", "query", "header"].iter().any(|place| parameter["in"] == *place), "{path}");
                assert!(names.insert(parameter["name"].as_str().unwrap()), "{path}: {names:?}");
            }
            for status in ["4XX", "5XX"] {
                let content = &item["responses"][status]["content"]["application/problem+json"];
                assert!(content["schema"]["$ref"].is_string(), "{path}");
            }
        }
    }
}

fn collect_references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_committed_and_served() {
    let document = openapi_document();
    is_committed("openapi.json", &format!("{}\n", serde_json::to_string_pretty(&document).unwrap()));
    let world = World::new().await;
    let served = crate::ask::Ask::new("GET", "/v1/openapi.json").send(&world).await.done();
    assert_eq!(served, document);
}

#[test]
fn the_tools_are_committed_and_are_the_tables() {
    let document = tools_document();
    is_committed("tools.json", &format!("{}\n", serde_json::to_string_pretty(&document).unwrap()));
    let named = document["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap());
    let rows: BTreeSet<_> = OPERATIONS.iter().filter_map(|row| row.tool).collect();
    assert_eq!(named.collect::<Vec<_>>(), rows.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_reference_is_committed_and_has_a_line_for_each_row() {
    let text = reference();
    for row in OPERATIONS {
        assert!(text.lines().any(|line| line.starts_with(&format!("| [`{}`]", row.id))), "`{}`", row.id);
    }
    is_committed("operations.md", &text);
}

/// The reference of all operations, from the table and the OpenAPI document.
fn reference() -> String {
    let document = openapi_document();
    let mut out = format!(
        "# Operations\n\n\
         Generated from the operation table; the whole contract is in [openapi.json](openapi.json), which a server gives\n\
         at `/v1/openapi.json`. Every operation takes a bearer token. One that changes the ledger needs an\n\
         `Idempotency-Key`. Lists give at most {PAGE_ROWS_MAX} rows at once. Refusals are problem details.\n\n\
         | operation | request | permission | changes the ledger | summary |\n|---|---|---|---|---|\n"
    );
    for row in OPERATIONS {
        let changes = if row.mutates { "yes" } else { "no" };
        let line = format!(
            "| [`{id}`](#{id}) | `{} {}` | `{}` | {changes} | {} |\n",
            row.method.as_str(),
            row.path,
            row.permission.as_str(),
            row.summary.trim(),
            id = row.id,
        );
        out.push_str(&line);
    }
    for row in OPERATIONS {
        out += &section(row, &document["paths"][row.path][row.method.as_str().to_lowercase()]);
    }
    out
}

#[test]
fn an_end_is_announced_in_time() {
    assert_eq!(deprecation_faults(OPERATIONS), Vec::<String>::new());
}

#[test]
fn an_end_names_a_page_that_is_there() {
    let fields = OPERATIONS.iter().flat_map(|row| row.deprecated_fields).map(|field| field.deprecation);
    let ends = OPERATIONS.iter().filter_map(|row| row.deprecated).chain(fields);
    for page in ends.map(|end| end.page) {
        assert!(is_there(page), "`{page}` is announced and not there");
    }
    assert!(is_there("docs/compatibility.md") && is_there("docs/compatibility.md#deprecation"));
    assert!(!is_there("docs/compatibility.md#nowhere") && !is_there("docs/nowhere.md#deprecation"));
}

/// Whether the documentation has this page, with the heading that it names.
fn is_there(page: &str) -> bool {
    let (file, heading) = page.split_once('#').unwrap_or((page, ""));
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(file));
    let mut headings = text.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect::<String>()
    };
    if heading.is_empty() { text.is_ok() } else { headings.any(|line| anchor(line) == heading) }
}

fn section(row: &Operation, item: &Value) -> String {
    let roles: Vec<_> =
        Role::ALL.iter().filter(|role| role.may(row.permission)).map(|role| format!("`{role}`")).collect();
    let mut out = format!(
        "\n## {}\n\n{} Roles: {}. Answers with `{}`. Since {}.\n",
        row.id,
        row.summary.trim(),
        roles.join(", "),
        row.media.as_str(),
        row.since,
    );
    out.extend(row.deprecated.map(|deprecated| format!("{}\n", deprecated.sentence())));
    // Those of requests stand with their meaning.
    for field in row.ending(Side::Answer) {
        out.extend(["`", field.path, "` of the answer: ", &field.deprecation.sentence(), "\n"]);
    }
    let fields = fields(item);
    if !fields.is_empty() {
        out += "\n| parameter | in | required | meaning |\n|---|---|---|---|\n";
    }
    for (name, (place, is_required, meaning)) in fields {
        let required = if is_required { "yes" } else { "no" };
        let meaning = meaning.replace('\n', " ").replace('|', "\\|");
        out.extend(["| `", &name, "` | ", &place, " | ", required, " | ", &meaning, " |\n"]);
    }
    out
}

/// Each parameter with where it goes, whether it must be there, and what it means.
fn fields(item: &Value) -> BTreeMap<String, (String, bool, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut fields: BTreeMap<_, _> = parameters(item)
        .filter(|parameter| parameter["in"] != "header")
        .map(|p| (text(&p["name"]), (text(&p["in"]), p["required"] == true, text(&p["description"]))))
        .collect();
    let body = &item["requestBody"]["content"]["application/json"]["schema"];
    let required: Vec<_> = body["required"].as_array().into_iter().flatten().collect();
    for (name, schema) in body["properties"].as_object().into_iter().flatten() {
        let is_required = required.iter().any(|one| *one == name);
        fields.insert(name.clone(), ("body".into(), is_required, text(&schema["description"])));
    }
    fields
}
