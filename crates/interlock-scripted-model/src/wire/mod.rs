//! The wire formats: each turns a request into a conversation, and a reply into an answer.

mod chat;
mod gemini;
mod messages;
mod responses;
mod scripts;

use serde_json::{Value, json};

use crate::conversation::{Conversation, Reply};

/// Bytes of text that count as one token.
const BYTES_PER_TOKEN: usize = 4;

/// Which service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// OpenAI Responses: Codex.
    Responses,
    /// Anthropic Messages: Claude Code.
    Messages,
    /// Anthropic's counting of tokens.
    Count,
    /// OpenAI Chat Completions: opencode.
    Chat,
    /// Gemini's content in one piece: Gemini CLI.
    Gemini,
    /// The same as events.
    GeminiStream,
}

impl Wire {
    /// The format that is spoken at this path.
    pub(crate) fn at(path: &str, query: Option<&str>) -> Option<Self> {
        match path {
            "/v1/responses" => Some(Self::Responses),
            "/v1/messages" => Some(Self::Messages),
            "/v1/messages/count_tokens" => Some(Self::Count),
            "/v1/chat/completions" => Some(Self::Chat),
            _ => match path.strip_prefix("/v1beta/models/")?.split_once(':')? {
                (_, "generateContent") => Some(Self::Gemini),
                // Without this it would be an array that comes in pieces, which nobody asks for.
                (_, "streamGenerateContent") if query == Some("alt=sse") => Some(Self::GeminiStream),
                _ => None,
            },
        }
    }

    /// What was said by then. Whatever the request holds, it is read: what is not understood is left out.
    pub(crate) fn read(self, request: &Value) -> Conversation {
        match self {
            Self::Responses => responses::read(request),
            Self::Messages | Self::Count => messages::read(request),
            Self::Chat => chat::read(request),
            Self::Gemini | Self::GeminiStream => gemini::read(request),
        }
    }

    /// Whether the answer is to come as events.
    pub(crate) fn wants_stream(self, request: &Value) -> bool {
        match self {
            Self::Gemini => false,
            Self::GeminiStream => true,
            _ => request.get("stream") == Some(&Value::Bool(true)),
        }
    }

    /// The answer as events.
    pub(crate) fn stream(self, conversation: &Conversation, reply: &Reply) -> Vec<String> {
        match self {
            Self::Responses => responses::stream(conversation, reply),
            Self::Messages | Self::Count => messages::stream(conversation, reply),
            Self::Chat => chat::stream(conversation, reply),
            Self::Gemini | Self::GeminiStream => gemini::stream(conversation, reply),
        }
    }

    /// The answer in one piece.
    pub(crate) fn whole(self, conversation: &Conversation, reply: &Reply) -> Value {
        match self {
            Self::Responses => responses::whole(conversation, reply),
            Self::Messages | Self::Count => messages::whole(conversation, reply),
            Self::Chat => chat::whole(conversation, reply),
            Self::Gemini | Self::GeminiStream => gemini::whole(conversation, reply),
        }
    }

    /// An error as the service words it.
    pub(crate) fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::Responses | Self::Chat => {
                json!({"error": {"message": message, "type": "error", "code": status}})
            }
            Self::Gemini | Self::GeminiStream => {
                json!({"error": {"code": status, "message": message, "status": gemini::status_name(status)}})
            }
            Self::Messages | Self::Count => {
                let kind = match status {
                    401 => "authentication_error",
                    429 => "rate_limit_error",
                    529 => "overloaded_error",
                    _ => "api_error",
                };
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
        }
    }
}

/// How many tokens so many bytes count as.
pub(crate) fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What a reply counts as.
fn tokens_of(reply: &Reply) -> usize {
    match reply {
        Reply::Say(text) => tokens(text.len()),
        Reply::Call(text, call) => tokens(text.len() + call.arguments.to_string().len()),
    }
}

/// One server-sent event.
fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// One server-sent event without a name.
fn data(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An object with one more member.
fn with(mut object: Value, name: &str, member: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
    object
}

/// The text of a content that is a text, or a list of blocks with texts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
