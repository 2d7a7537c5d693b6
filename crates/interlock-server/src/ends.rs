//! Ends that are announced: what answers and schemas say of them, and what is wrong with an announcement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::routing::MethodRouter;
use interlock_api::deprecation::headers;
use interlock_api::{Deprecation, Notice, Operation, Side};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::context::State;

/// What a request turned out to use, once it could be read. In the extensions of requests for operations with ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used(Arc<OnceLock<Vec<Notice>>>);

impl Used {
    /// These parameters are what was sent.
    pub(crate) fn by(&self, row: &Operation, parameters: &Map<String, Value>) {
        self.0.get_or_init(|| row.notices(parameters));
    }
}

/// Every answer of a deprecated operation says so, refusals too; and every answer to a request that uses a deprecated
/// field, from when it could be read.
pub(crate) fn announcing(row: Operation, route: MethodRouter<Arc<State>>) -> MethodRouter<Arc<State>> {
    let always = Arc::new(row.notices(&Map::new()));
    if always.is_empty() && row.ending(Side::Request).next().is_none() {
        return route;
    }
    route.layer(from_fn(move |mut request: Request, next: Next| {
        let always = Arc::clone(&always);
        async move {
            let used = Used::default();
            request.extensions_mut().insert(used.clone());
            let mut response = next.run(request).await;
            for (name, value) in headers(used.0.get().unwrap_or(&always)) {
                // Links are a list; the others stand alone.
                if let Ok(value) = HeaderValue::try_from(value) {
                    response.headers_mut().append(HeaderName::from_static(name), value);
                }
            }
            response
        }
    }))
}

/// The same for a tool's answer, in its metadata.
pub(crate) fn told(notices: &[Notice]) -> Option<Value> {
    let one = |notice: &Notice| {
        let Deprecation { since, sunset, page } = notice.deprecation;
        let mut said = json!({"since": since.to_string(), "sunset": sunset.to_string(), "page": page});
        if let (Some(field), Some(said)) = (notice.field, said.as_object_mut()) {
            said.insert("argument".to_owned(), field.into());
        }
        said
    };
    (!notices.is_empty()).then(|| notices.iter().map(one).collect())
}

/// A schema of one side of a row, in which each field that has an end says so.
pub(crate) fn schema(row: &Operation, side: Side, generator: &mut SchemaGenerator) -> Value {
    let make = if side == Side::Request { row.request } else { row.response };
    let mut schema = make(generator).to_value();
    for field in row.ending(side) {
        let mark = |object: &mut Map<String, Value>, name: &str| mark(object, name, field.deprecation);
        at(&mut schema, generator.definitions_mut(), field.path, &mut { mark });
    }
    schema
}

fn mark(object: &mut Map<String, Value>, name: &str, deprecation: Deprecation) {
    let Some(field) = object.get_mut("properties").and_then(|properties| properties.get_mut(name)) else {
        return;
    };
    if !field.is_object() {
        // Anything at all.
        *field = json!({});
    }
    let Some(field) = field.as_object_mut().filter(|field| !field.contains_key(SUNSET)) else { return };
    field.extend(marks(deprecation));
    let before = field.get("description").and_then(Value::as_str).map(|text| format!("{text} "));
    let text = format!("{}{}", before.unwrap_or_default(), deprecation.sentence());
    field.insert("description".to_owned(), text.into());
}

/// The word for the day of the announcement.
const SINCE: &str = "x-deprecated-since";
/// The word for the first day on which something may be gone.
const SUNSET: &str = "x-sunset";

/// What descriptions and schemas say of an end, besides the sentence.
pub(crate) fn marks(deprecation: Deprecation) -> [(String, Value); 3] {
    [
        ("deprecated".to_owned(), true.into()),
        (SINCE.to_owned(), deprecation.since.to_string().into()),
        (SUNSET.to_owned(), deprecation.sunset.to_string().into()),
    ]
}

/// The same, taken out of a schema that has it.
pub(crate) fn take_marks(schema: &mut Map<String, Value>) -> Vec<(String, Value)> {
    ["deprecated", SINCE, SUNSET].into_iter().filter_map(|word| schema.remove_entry(word)).collect()
}

/// Do something at each object that has the field at this path: through lists, alternatives and shapes that are named
/// elsewhere.
fn at(
    schema: &mut Value,
    definitions: &mut Map<String, Value>,
    path: &str,
    act: &mut dyn FnMut(&mut Map<String, Value>, &str),
) {
    let Some(object) = schema.as_object_mut() else { return };
    let reference = object.get("$ref").and_then(Value::as_str);
    if let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()).map(str::to_owned) {
        // Taken out meanwhile: a shape inside itself is looked at once.
        if let Some(mut shape) = definitions.remove(&name) {
            at(&mut shape, definitions, path, act);
            definitions.insert(name, shape);
        }
    }
    let branches = ["allOf", "anyOf", "oneOf"].map(|word| object.get(word).is_some().then_some(word));
    for word in branches.into_iter().flatten() {
        for branch in object.get_mut(word).and_then(Value::as_array_mut).into_iter().flatten() {
            at(branch, definitions, path, act);
        }
    }
    if let Some(items) = object.get_mut("items") {
        at(items, definitions, path, act);
    }
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (rest, object.get_mut("properties").and_then(|properties| properties.get_mut(name))) {
        (Some(rest), Some(inner)) => at(inner, definitions, rest, act),
        (None, Some(_)) => act(object, name),
        (_, None) => {}
    }
}

/// What is wrong with the announcements of these rows, each in a line.
pub fn deprecation_faults(rows: &[Operation]) -> Vec<String> {
    let mut faults = Vec::new();
    for row in rows {
        faults.extend(row.deprecated.and_then(|end| end.fault()).map(|fault| format!("{}: {fault}", row.id)));
        for field in row.deprecated_fields {
            let found = fault_of_field(row, field.side, field.path).or_else(|| field.deprecation.fault());
            faults.extend(found.map(|fault| format!("{} `{}`: {fault}", row.id, field.path)));
        }
    }
    faults.extend(unsaid(rows));
    faults
}

fn fault_of_field(row: &Operation, side: Side, path: &str) -> Option<String> {
    if side == Side::Request && row.path_parameters().any(|name| name == path) {
        return Some("is in the path, which ends with its operation only".to_owned());
    }
    let mut generator = SchemaGenerator::default();
    let make = if side == Side::Request { row.request } else { row.response };
    let mut schema = make(&mut generator).to_value();
    let (mut places, mut needed) = (0, false);
    at(&mut schema, generator.definitions_mut(), path, &mut |object, name| {
        places += 1;
        let required = object.get("required").and_then(Value::as_array);
        needed |= required.is_some_and(|names| names.iter().any(|one| one == name));
    });
    if places == 0 {
        return Some("there is no such field".to_owned());
    }
    (side == Side::Request && needed).then(|| "nobody can do without it: let it be absent first".to_owned())
}

/// Ends that one row announces for a shape, and another that has the same shape does not: it is described once for both.
fn unsaid(rows: &[Operation]) -> Vec<String> {
    let sides = || rows.iter().flat_map(|row| [(row, Side::Request), (row, Side::Answer)]);
    let mut announced = BTreeMap::new();
    let mut seen = Vec::new();
    for (row, side) in sides() {
        let mut generator = SchemaGenerator::default();
        schema(row, side, &mut generator);
        let shapes: BTreeSet<String> = generator.definitions().keys().cloned().collect();
        let ends = ends_of(generator.definitions());
        announced.extend(ends.clone());
        seen.push((row, shapes, ends));
    }
    let mut faults = Vec::new();
    for (row, shapes, ends) in seen {
        for ((shape, name), sunset) in &announced {
            if shapes.contains(shape) && ends.get(&(shape.clone(), name.clone())) != Some(sunset) {
                faults.push(format!("{}: has `{shape}` too, whose `{name}` ends on {sunset}", row.id));
            }
        }
    }
    faults
}

/// The fields of named shapes that have an end, with the day.
fn ends_of(definitions: &Map<String, Value>) -> BTreeMap<(String, String), String> {
    let fields = definitions.iter().flat_map(|(shape, schema)| {
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        properties.map(move |(name, field)| (shape, name, field))
    });
    let ends = fields.filter_map(|(shape, name, field)| {
        Some(((shape.clone(), name.clone()), field.get(SUNSET)?.as_str()?.to_owned()))
    });
    ends.collect()
}
