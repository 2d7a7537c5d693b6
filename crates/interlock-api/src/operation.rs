//! What a row of the operation table is.

use interlock_core::actor::{Guarded, Permission};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::deprecation::{DeprecatedField, Deprecation, Notice, Side};

/// The HTTP method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; parameters that are not in the path come from the query.
    Get,
    /// Changes, or takes; parameters that are not in the path come from the JSON body.
    Post,
}

impl Method {
    /// The method's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// What an operation answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// One JSON object of the response type.
    Json,
    /// A tar archive.
    Tar,
    /// Server-sent events, each with one JSON object of the response type; it ends when the server stops.
    EventStream,
}

impl Media {
    /// The media type on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Tar => "application/x-tar",
            Self::EventStream => "text/event-stream",
        }
    }
}

/// One operation: a row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Its id: OpenAPI's `operationId`, the MCP tool's name, the page in the reference.
    pub id: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path, with `{name}` for parameters.
    pub path: &'static str,
    /// The MCP tool's name, for operations that are tools.
    pub tool: Option<&'static str>,
    /// What the caller's role must have.
    pub permission: Permission,
    /// Whether it writes to the ledger; then it needs an `Idempotency-Key`.
    pub mutates: bool,
    /// The contract version that brought it.
    pub since: &'static str,
    /// The announcement of its end, if there is one.
    pub deprecated: Option<Deprecation>,
    /// The announced ends of fields of its request and its answer.
    pub deprecated_fields: &'static [DeprecatedField],
    /// One sentence.
    pub summary: &'static str,
    /// What it answers with.
    pub media: Media,
    /// The JSON Schema of its parameters, written out.
    pub request: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// The JSON Schema of its answer.
    pub response: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

impl Operation {
    /// The names of the path's parameters, in order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// The fields with an end, of one side.
    pub fn ending(&self, side: Side) -> impl Iterator<Item = &'static DeprecatedField> {
        self.deprecated_fields.iter().filter(move |field| field.side == side)
    }

    /// The ends of which a call with these parameters is told: the operation's own, and those of the fields that it uses.
    pub fn notices(&self, parameters: &Map<String, Value>) -> Vec<Notice> {
        let own = self.deprecated.map(|deprecation| Notice { field: None, deprecation });
        let used = self.ending(Side::Request).filter(|field| field.is_used(parameters));
        let used = used.map(|field| Notice { field: Some(field.path), deprecation: field.deprecation });
        own.into_iter().chain(used).collect()
    }
}

/// An operation as a type: what ties a handler, a permit and a client call to their row.
pub trait Op: Guarded {
    /// Its row.
    const ROW: Operation;
    /// Its parameters: path, query and body in one object.
    type Params: Serialize + DeserializeOwned + schemars::JsonSchema + Send + 'static;
    /// Its answer.
    type Response: Serialize + DeserializeOwned + schemars::JsonSchema + Send + 'static;
}
