//! What callers are not allowed: noted in one place, whatever the surface, for those who may audit.

use axum::http::HeaderMap;
use interlock_api::Operation;
use interlock_core::actor::Actor;
use interlock_core::denial::Attempt;
use interlock_core::{Refusal, id};

use crate::call::{Call, Path, header_text, is_traceparent};
use crate::context::State;

/// The operation of a request to the MCP endpoint that was not let in to ask for one.
pub(crate) const MCP: &str = "mcp";

/// A request before its body is read. Nothing is copied of it until it is denied.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) operation: &'static str,
    pub(crate) path: Option<&'a Path>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) request_id: &'a str,
}

impl Asked<'_> {
    fn attempt(&self) -> Attempt {
        let mut texts = self.path.and_then(|path| path.as_ref().ok()).into_iter().flatten();
        let trace = header_text(self.headers, "traceparent").ok().flatten();
        Attempt {
            request_id: self.request_id.to_owned(),
            operation: self.operation,
            object: texts.find_map(|(_, text)| id::any(text)),
            trace_id: trace.as_deref().and_then(trace_id),
        }
    }

    /// The same refusal, noted if it denies something.
    pub(crate) fn refused(&self, state: &State, actor: &Actor, refusal: Refusal) -> Refusal {
        if refusal.is_denial() {
            note(state, actor, &self.attempt(), &refusal);
        }
        refusal
    }
}

/// What a call by name asks for.
pub(crate) fn attempt(row: &Operation, call: &Call) -> Attempt {
    let mut texts = row.path_parameters().filter_map(|name| call.parameters.get(name)?.as_str());
    Attempt {
        request_id: call.request_id.clone(),
        operation: row.id,
        object: texts.find_map(id::any),
        trace_id: call.trace.as_deref().and_then(trace_id),
    }
}

/// Note what was denied, if anything was.
pub(crate) fn note(state: &State, actor: &Actor, attempt: &Attempt, refusal: &Refusal) {
    if refusal.is_denial() {
        state.metrics.denied(refusal.reason);
        state.engine.note_denial(actor, attempt, refusal);
    }
}

/// The trace that a `traceparent` names.
fn trace_id(traceparent: &str) -> Option<String> {
    is_traceparent(traceparent).then(|| traceparent.split('-').nth(1).map(str::to_owned)).flatten()
}
