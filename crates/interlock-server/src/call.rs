//! From an HTTP request to a typed call and back: the same way for every row of the table.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request as HttpRequest};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use interlock_api::{Method, Op, Operation, Problem};
use interlock_core::actor::Actor;
use interlock_core::{Reason, Refusal};
use interlock_engine::{Permit, Request, authorize};
use serde_json::{Map, Value};

use crate::context::{Ctx, State};
use crate::denied::Asked;
use crate::ends::Used;
use crate::guard::RequestId;

/// Up to here a number with a fraction part names one integer: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Names of a set that a refusal lists.
const NAMES_TOLD_MAX: usize = 16;

/// How a parameter outside the body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
}

/// A row with what its calls need worked out once.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) row: Operation,
    kinds: BTreeMap<String, Kind>,
}

impl Shape {
    pub(crate) fn of(row: Operation) -> Self {
        let schema = (row.request)(&mut schemars::SchemaGenerator::default());
        let properties = schema.get("properties").and_then(Value::as_object);
        let kinds =
            properties.into_iter().flatten().map(|(name, schema)| (name.clone(), kind(schema))).collect();
        Self { row, kinds }
    }

    fn value(&self, name: &str, text: &str) -> Value {
        // What does not parse stays text; reading the parameters then says what was expected.
        let parsed = match self.kinds.get(name) {
            Some(Kind::Integer) => text.parse::<u64>().ok().map(Value::from),
            Some(Kind::Boolean) => text.parse::<bool>().ok().map(Value::from),
            Some(Kind::Text) | None => None,
        };
        parsed.unwrap_or_else(|| Value::from(text))
    }
}

fn kind(schema: &Value) -> Kind {
    let has = |name: &str| match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(many)) => many.iter().any(|one| one == name),
        _ => false,
    };
    if has("integer") {
        Kind::Integer
    } else if has("boolean") {
        Kind::Boolean
    } else {
        Kind::Text
    }
}

/// The parameters in the path, or the reason why they are none.
pub(crate) type Path = Result<RawPathParams, RawPathParamsRejection>;

/// Answer one request for a JSON operation.
pub(crate) async fn answer<O, F, H>(
    state: Arc<State>,
    shape: Arc<Shape>,
    path: Path,
    request: HttpRequest,
    handler: H,
) -> Response
where
    O: Op,
    H: FnOnce(Ctx, Permit<O>, O::Params) -> F,
    F: Future<Output = Result<O::Response, Refusal>>,
{
    let request_id = request_id(&request);
    match admitted(&state, &shape, &path, request, &request_id, handler).await {
        Ok(body) => json(StatusCode::OK, &body),
        Err(refusal) => refuse(&refusal, &request_id),
    }
}

/// A call as every surface hands it over: who, and the parameters in one object.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) actor: Actor,
    pub(crate) request_id: String,
    /// The W3C `traceparent`.
    pub(crate) trace: Option<String>,
    /// The idempotency key.
    pub(crate) key: Option<String>,
    pub(crate) parameters: Map<String, Value>,
}

/// The typed parameters of an authorized call, and what its handler is given besides.
pub(crate) fn typed<O: Op>(
    state: &Arc<State>,
    row: &Operation,
    mut call: Call,
) -> Result<(Ctx, O::Params), Refusal> {
    // What people say of events is theirs, numbers included.
    call.parameters.iter_mut().filter(|(name, _)| *name != "data").for_each(|(_, value)| make_whole(value));
    if row.mutates && call.key.is_none() {
        return Err(Refusal::new(Reason::KeyMissing, format!("`{}` needs an idempotency key", row.id))
            .hint("send a fresh key with each new request, and the same one with its retries"));
    }
    let parameters = serde_json::to_vec(&call.parameters).map_err(|e| malformed(&e))?;
    let params =
        serde_path_to_error::deserialize(Value::Object(call.parameters)).map_err(|e| parameter(&e))?;
    let request = Request {
        request_id: call.request_id,
        trace: call.trace.filter(|trace| is_traceparent(trace)),
        // A key on a call that changes nothing in the ledger is ignored, as HTTP asks of unknown headers.
        idempotency_key: call.key.filter(|_| row.mutates),
        parameters,
    };
    Ok((Ctx { state: Arc::clone(state), request, actor: call.actor }, params))
}

/// Who calls, by the bearer token of the request, unless it calls too often.
pub(crate) async fn caller(state: &State, asked: Asked<'_>) -> Result<Actor, Refusal> {
    let actor = state.engine.authenticate(bearer(asked.headers)?).await?;
    // First of all, so that nobody is denied more often than it may ask.
    state.rates.take(&actor)?;
    let ours = actor.workspace_id.to_string();
    if asked.headers.get_all("interlock-workspace").iter().any(|named| named.as_bytes() != ours.as_bytes()) {
        let refusal =
            Refusal::new(Reason::WorkspaceDiffers, "the request names another workspace than its token");
        return Err(asked.refused(state, &actor, refusal));
    }
    Ok(actor)
}

/// Let a request in and hand it to its handler: authenticate, authorize, read. What is denied on the way, or by the
/// handler, is noted.
pub(crate) async fn admitted<O, T, F, H>(
    state: &Arc<State>,
    shape: &Shape,
    path: &Path,
    request: HttpRequest,
    request_id: &str,
    handler: H,
) -> Result<T, Refusal>
where
    O: Op,
    H: FnOnce(Ctx, Permit<O>, O::Params) -> F,
    F: Future<Output = Result<T, Refusal>>,
{
    let (parts, body) = request.into_parts();
    let asked = Asked { operation: shape.row.id, path: Some(path), headers: &parts.headers, request_id };
    let actor = caller(state, asked).await?;
    let answered = async {
        let permit = authorize::<O>(&actor)?;
        let mut parameters = match shape.row.method {
            Method::Get => query(shape, parts.uri.query().unwrap_or(""))?,
            Method::Post => read_body(&parts.headers, body, state.rates.request_bytes_max()).await?,
        };
        in_path(shape, path, &mut parameters)?;
        if let Some(used) = parts.extensions.get::<Used>() {
            used.by(&shape.row, &parameters);
        }
        let key = header_text(&parts.headers, "idempotency-key")?;
        let trace = header_text(&parts.headers, "traceparent").ok().flatten();
        let (actor, request_id) = (actor.clone(), request_id.to_owned());
        let (ctx, params) =
            typed::<O>(state, &shape.row, Call { actor, request_id, trace, key, parameters })?;
        handler(ctx, permit, params).await
    };
    answered.await.map_err(|refusal| asked.refused(state, &actor, refusal))
}

fn in_path(shape: &Shape, path: &Path, all: &mut Map<String, Value>) -> Result<(), Refusal> {
    let path = path
        .as_ref()
        .map_err(|_| Refusal::new(Reason::ParameterInvalid, "the path is not percent-encoded UTF-8"))?;
    for (name, text) in path {
        if all.insert(name.to_owned(), shape.value(name, text)).is_some() {
            return Err(Refusal::new(
                Reason::ParameterInvalid,
                format!("`{name}` is in the path and nowhere else"),
            ));
        }
    }
    Ok(())
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let missing = || {
        Refusal::new(Reason::TokenMissing, "no bearer token was sent")
            .hint("send `Authorization: Bearer TOKEN`; get one with: interlock token issue")
    };
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let text = all.next().ok_or_else(missing)?.to_str().map_err(|_| missing())?;
    // Whoever stands in between may have looked at the other one.
    if all.next().is_some() {
        return Err(Refusal::new(Reason::TokenInvalid, "the header `authorization` is given twice"));
    }
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}

/// A header that is given once at most.
pub(crate) fn header_text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    let mut all = headers.get_all(name).iter();
    let first = all.next();
    if all.next().is_some() {
        return Err(Refusal::new(Reason::ParameterInvalid, format!("the header `{name}` is given twice")));
    }
    first
        .map(|value| {
            value.to_str().map(str::to_owned).map_err(|_| {
                Refusal::new(
                    Reason::ParameterInvalid,
                    format!("the header `{name}` is no visible ASCII text"),
                )
            })
        })
        .transpose()
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; anything else is not passed on.
pub(crate) fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [2, 32, 16, 2] && parts.concat().bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn query(shape: &Shape, query: &str) -> Result<Map<String, Value>, Refusal> {
    let mut all = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let value = shape.value(&name, &value);
        if all.insert(name.clone(), value).is_some() {
            return Err(Refusal::new(Reason::ParameterInvalid, format!("`{name}` is given twice")));
        }
    }
    Ok(all)
}

fn decode(text: &str) -> Result<String, Refusal> {
    let wrong = || Refusal::new(Reason::ParameterInvalid, "the query is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [rest.next().ok_or_else(wrong)?, rest.next().ok_or_else(wrong)?];
                // A sign is a number to Rust, and none in a URL.
                let digits =
                    std::str::from_utf8(&pair).ok().filter(|_| pair.iter().all(u8::is_ascii_hexdigit));
                u8::from_str_radix(digits.ok_or_else(wrong)?, 16).map_err(|_| wrong())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Map<String, Value>, Refusal> {
    let bytes = Limited::new(body, bytes_max).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            Refusal::new(Reason::BodyTooLarge, format!("the body is larger than {bytes_max} bytes"))
        } else {
            Refusal::new(Reason::BodyMalformed, "the body ended before its end")
        }
    })?;
    let bytes = bytes.to_bytes();
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !media.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::new(Reason::MediaTypeUnsupported, "the body must be application/json")
            .hint("send `Content-Type: application/json`"));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Refusal::new(Reason::BodyMalformed, "the body is no JSON object")),
        Err(error) => Err(malformed(&error)),
    }
}

/// `3.0` is an integer to JSON Schema, and to languages with one kind of number: it means 3.
fn make_whole(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(make_whole),
        Value::Object(map) => map.values_mut().for_each(make_whole),
        Value::Number(number) if number.is_f64() => {
            let whole =
                number.as_f64().filter(|number| (0.0..EXACT_MAX).contains(number) && number.fract() == 0.0);
            // Written without a fraction it is the integer that it is.
            if let Some(whole) = whole.and_then(|number| format!("{number:.0}").parse::<u64>().ok()) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

fn malformed(error: &serde_json::Error) -> Refusal {
    Refusal::new(Reason::BodyMalformed, format!("the body is no JSON: {error}"))
}

fn parameter(error: &serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let (path, text) = (error.path().to_string(), error.inner().to_string());
    // What is missing is named anyway, and stands nowhere.
    let text = if path == "." { text } else { format!("`{path}`: {text}") };
    let list = text.split_once(", expected one of ");
    let detail = match list {
        Some((what, names)) if names.split(", ").count() > NAMES_TOLD_MAX => what,
        _ => &text,
    };
    Refusal::new(Reason::ParameterInvalid, detail)
        .hint("see the tool's input schema or /v1/openapi.json for what this operation takes")
}

/// The id the guard gave this request.
pub(crate) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// A JSON answer.
pub(crate) fn json<T: serde::Serialize>(status: StatusCode, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => with_body(status, "application/json", bytes),
        Err(error) => {
            tracing::error!(%error, "answer.not_written");
            with_body(StatusCode::INTERNAL_SERVER_ERROR, "application/json", Vec::new())
        }
    }
}

/// A problem details answer.
pub(crate) fn refuse(refusal: &Refusal, request_id: &str) -> Response {
    problem(&Problem::of(refusal, request_id))
}

/// A problem details answer.
pub(crate) fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::warn!(
            request_id = problem.request_id,
            reason = problem.reason,
            detail = problem.detail,
            "request.failed"
        );
    }
    let bytes = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = with_body(status, "application/problem+json", bytes);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    if let Some(ms) = problem.retry_after_ms {
        // Whole seconds, rounded up: the header knows no finer.
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(ms.div_ceil(1_000)));
    }
    response
}

pub(crate) fn with_body(status: StatusCode, media: &'static str, bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media));
    response
}
