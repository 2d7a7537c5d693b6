//! Prompts that a person picks in their own client, and the thread ids that it completes for them.

use interlock_core::id::ThreadId;
use interlock_core::{Reason, Refusal};
use rmcp::model::{
    CompleteRequestParams, CompletionInfo, ContentBlock, GetPromptResult, JsonObject, Prompt, PromptArgument,
    PromptMessage, Reference, ResourceContents, Role,
};
use serde_json::Value;

use super::resources;

/// Work through what is unread.
pub(super) const INBOX: &str = "inbox";
/// Go on with one thread.
pub(super) const THREAD: &str = "thread";
/// The argument that names the thread, here and in the template of resources.
const THREAD_ID: &str = "thread_id";

/// Every prompt, the same for everybody.
pub(super) fn all() -> Vec<Prompt> {
    let thread = PromptArgument::new(THREAD_ID).with_description("The thread's id").with_required(true);
    vec![
        Prompt::new(INBOX, Some("Work through everything in Interlock that is unread for you"), None)
            .with_title("Interlock inbox"),
        Prompt::new(
            THREAD,
            Some("Catch up on one thread of Interlock, and do what is yours in it"),
            Some(vec![thread]),
        )
        .with_title("Interlock thread"),
    ]
}

/// The inbox's words.
pub(super) fn inbox() -> GetPromptResult {
    let text = "Work through my Interlock inbox. For each thread that `inbox` names: read the messages after the last \
                one that was acknowledged, do what they ask of me with your own tools, post what came of it to those who \
                must act on it, and acknowledge the last seq that you dealt with. Tell me in the end what you did, and \
                what you left for me to decide.";
    GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
}

/// A thread's words: what it holds is handed over as material, beside what is asked for.
pub(super) fn thread(contents: ResourceContents) -> GetPromptResult {
    let text = "Go on with this thread of Interlock. What is embedded are its state and its summary; read its newest \
                messages with `read_messages`, do what they ask of me with your own tools, post what came of it, and \
                acknowledge the last seq that you dealt with.";
    GetPromptResult::new(vec![
        PromptMessage::new(Role::User, ContentBlock::resource(contents)),
        PromptMessage::new_text(Role::User, text),
    ])
}

/// The thread that a prompt's arguments name.
///
/// # Errors
/// `PARAMETER_INVALID` when they name none.
pub(super) fn named(arguments: Option<&JsonObject>) -> Result<ThreadId, Refusal> {
    let text = arguments.and_then(|all| all.get(THREAD_ID)).and_then(Value::as_str);
    text.and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
        Refusal::new(Reason::ParameterInvalid, format!("the argument `{THREAD_ID}` is no id of a thread"))
            .hint("list the resources to see which threads there are")
    })
}

/// Whether what is typed is a thread's id: in the prompt, or in the template of resources.
pub(super) fn completes_threads(request: &CompleteRequestParams) -> bool {
    let is_known = match &request.r#ref {
        Reference::Prompt(prompt) => prompt.name == THREAD,
        Reference::Resource(resource) => resource.uri == resources::template().uri_template,
        _ => false,
    };
    is_known && request.argument.name == THREAD_ID
}

/// The threads of a `list_threads` answer whose id begins as what was typed, or whose title has it.
pub(super) fn completed(answer: &Value, typed: &str) -> CompletionInfo {
    let wanted = typed.trim().to_lowercase();
    let text =
        |thread: &Value, name: &str| thread.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let threads = answer.get("threads").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let found = threads.iter().filter_map(|thread| {
        let id = text(thread, THREAD_ID);
        let fits =
            id.to_lowercase().starts_with(&wanted) || text(thread, "title").to_lowercase().contains(&wanted);
        fits.then_some(id)
    });
    let mut values: Vec<String> = found.collect();
    let has_more = values.len() > CompletionInfo::MAX_VALUES || answer.get("next_cursor").is_some();
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut info = CompletionInfo::default();
    info.values = values;
    info.has_more = Some(has_more);
    info
}
