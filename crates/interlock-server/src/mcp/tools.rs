//! The tools: rows of the operation table as clients see them, worked out once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use interlock_api::{Method, OPERATIONS, Operation, Problem, Side};
use interlock_core::actor::Actor;
use interlock_core::{Reason, Refusal};
use rmcp::model::{CallToolResult, JsonObject, MetaObject, Tool, ToolAnnotations};
use serde_json::Value;

use super::{Run, schema};
use crate::call::Call;
use crate::context::State;
use crate::ends;

/// The version of the contract that every tool belongs to: a tool of another one has another name.
const CONTRACT: &str = "v1";

/// The argument that carries the idempotency key.
const KEY: &str = "idempotency_key";

/// Where an answer's metadata name the announced ends of what was called and used.
const ENDS: &str = "interlock/deprecated";

/// One tool.
pub(super) struct Row {
    operation: Operation,
    tool: Tool,
    run: Run,
}

/// All tools, by name.
pub(super) struct Tools(BTreeMap<&'static str, Row>);

/// Who asks, and as which request.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) actor: Actor,
    pub(super) request_id: String,
    pub(super) trace: Option<String>,
}

impl Tools {
    /// Of these rows.
    pub(super) fn of(rows: Vec<(Operation, Run)>) -> Self {
        let row = |(operation, run): (Operation, Run)| {
            operation.tool.map(|name| (name, Row { operation, tool: describe(name, &operation), run }))
        };
        Self(rows.into_iter().filter_map(row).collect())
    }

    /// What this actor may call, in a fixed order.
    pub(super) fn shown_to(&self, actor: &Actor) -> Vec<Tool> {
        let mine = self.0.values().filter(|row| actor.role.may(row.operation.permission));
        mine.map(|row| row.tool.clone()).collect()
    }

    /// A tool by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Row> {
        self.0.get(name)
    }

    /// Call a tool by name from inside: what resources are read with.
    ///
    /// # Errors
    /// The operation's refusals.
    pub(super) async fn read(
        &self,
        state: &Arc<State>,
        asking: Asking,
        name: &str,
        parameters: JsonObject,
    ) -> Result<Value, Refusal> {
        let row = self
            .get(name)
            .ok_or_else(|| Refusal::new(Reason::Defect, format!("there is no tool `{name}`")))?;
        let Asking { actor, request_id, trace } = asking;
        (row.run)(Arc::clone(state), Call { actor, request_id, trace, key: None, parameters }).await
    }
}

impl Row {
    /// Call it; what is refused is an answer too, with problem details.
    pub(super) async fn call(
        &self,
        state: &Arc<State>,
        asking: Asking,
        arguments: JsonObject,
    ) -> CallToolResult {
        let start = Instant::now();
        let request_id = asking.request_id.clone();
        let notices = self.operation.notices(&arguments);
        let result = match self.with_key(asking, arguments) {
            Ok(call) => (self.run)(Arc::clone(state), call).await,
            Err(refusal) => Err(refusal),
        };
        let (status, mut answer) = match result {
            Ok(value) => (200, CallToolResult::structured(value)),
            Err(refusal) => {
                let problem = Problem::of(&refusal, &request_id);
                let status = problem.status;
                (status, CallToolResult::structured_error(serde_json::to_value(problem).unwrap_or_default()))
            }
        };
        answer.meta =
            ends::told(&notices).map(|told| MetaObject([(ENDS.to_owned(), told)].into_iter().collect()));
        state.metrics.observe(self.operation.path, "MCP", status, start.elapsed());
        answer
    }

    fn with_key(&self, asking: Asking, mut parameters: JsonObject) -> Result<Call, Refusal> {
        let Asking { actor, request_id, trace } = asking;
        let key = if self.operation.mutates { parameters.remove(KEY) } else { None };
        let key = match key {
            None | Some(Value::Null) => None,
            Some(Value::String(key)) => Some(key),
            Some(_) => {
                return Err(Refusal::new(Reason::ParameterInvalid, format!("`{KEY}` must be a string")));
            }
        };
        Ok(Call { actor, request_id, trace, key, parameters })
    }
}

/// A row as clients see it, when it is a tool.
pub(crate) fn described(row: &Operation) -> Option<Tool> {
    row.tool.map(|name| describe(name, row))
}

/// Every tool as clients see it, in a fixed order.
pub(super) fn all_described() -> Vec<Tool> {
    let mut all: Vec<Tool> = OPERATIONS.iter().filter_map(described).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// A row as clients are told of it.
fn describe(name: &'static str, row: &Operation) -> Tool {
    let mut generator = schema::generator();
    let input = schema::input(ends::schema(row, Side::Request, &mut generator), row.mutates);
    let problem = generator.subschema_for::<Problem>().to_value();
    let output = schema::output(ends::schema(row, Side::Answer, &mut generator), problem);
    let annotations = ToolAnnotations::with_title(title(name))
        // A heartbeat changes nothing that the ledger knows of, and others see it all the same.
        .read_only(row.method == Method::Get)
        // Nothing is ever deleted: history only grows.
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    Tool::new(name, description(row), input)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(annotations)
        .with_meta(version(row))
}

/// What it does, and which ends are announced.
fn description(row: &Operation) -> String {
    let own = row.deprecated.map(|deprecation| deprecation.sentence());
    let arguments = row.ending(Side::Request);
    let arguments = arguments.map(|field| format!("`{}`: {}", field.path, field.deprecation.sentence()));
    let said: Vec<_> = [row.summary.trim().to_owned()].into_iter().chain(own).chain(arguments).collect();
    said.join(" ")
}

/// Of which contract a tool is, since which version of it, and until when at least.
fn version(row: &Operation) -> MetaObject {
    let mut told = vec![("interlock/contract", CONTRACT.into()), ("interlock/since", row.since.into())];
    told.extend(row.deprecated.map(|end| ("interlock/sunset", end.sunset.to_string())));
    MetaObject(told.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect())
}

/// `post_message` as people read it: `Post message`.
fn title(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
