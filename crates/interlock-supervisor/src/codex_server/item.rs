//! What happened in a turn: as people read it in the wake's log, and what it says about usage and errors.

use interlock_core::wake::{TurnFault, Usage};
use serde_json::Value;

use crate::runtime::text::{count, cut, member, model_fault};
use crate::shim::redact::Redactor;

/// A line about an item that is complete; nothing where it is not worth reading.
pub(crate) fn line(item: &Value, hide: &Redactor) -> Option<String> {
    let text = |name: &str| member(item, name);
    match text("/type") {
        "agentMessage" => Some(cut(hide, text("/text"))),
        "commandExecution" => {
            let code = item.get("exitCode").and_then(Value::as_i64);
            let code = code.map_or_else(|| text("/status").to_owned(), |code| code.to_string());
            let output = cut(hide, text("/aggregatedOutput").trim_end());
            Some(format!("$ {}\n[exit {code}] {output}", cut(hide, text("/command"))))
        }
        "mcpToolCall" => {
            let error = text("/error/message");
            let how = if error.is_empty() {
                text("/status").to_owned()
            } else {
                format!("failed: {}", cut(hide, error))
            };
            Some(format!("{}.{} {how}", text("/server"), text("/tool")))
        }
        "fileChange" => {
            let changes = item.get("changes").and_then(Value::as_array);
            let paths: Vec<_> = changes.into_iter().flatten().map(|change| member(change, "/path")).collect();
            Some(format!("changed {}", cut(hide, &paths.join(", "))))
        }
        _ => None,
    }
}

/// What the thread's model has used since it began.
pub(crate) fn usage(params: &Value) -> Option<Usage> {
    params.pointer("/tokenUsage/total").filter(|total| total.is_object())?;
    Some(Usage {
        input_tokens: count(params, "/tokenUsage/total/inputTokens"),
        cached_input_tokens: count(params, "/tokenUsage/total/cachedInputTokens"),
        output_tokens: count(params, "/tokenUsage/total/outputTokens"),
        cost_micro_usd: None,
    })
}

/// What an error of a turn comes to: by the service's status where that is told, else by its name or its words.
pub(crate) fn fault(error: &Value) -> TurnFault {
    let info = error.get("codexErrorInfo").unwrap_or(&Value::Null);
    match info.as_str() {
        Some("unauthorized") => return TurnFault::ModelUnauthorized,
        Some("rateLimitExceeded" | "usageLimitExceeded") => return TurnFault::ModelRateLimited,
        _ => {}
    }
    let told = info.as_object().and_then(|info| info.values().next());
    model_fault(told.map_or(0, |told| count(told, "/httpStatusCode")), member(error, "/message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_of_the_model_are_named_by_status_name_or_words() {
        use TurnFault::{ModelRateLimited, ModelUnauthorized, ModelUnavailable};
        for (error, wanted) in [
            (
                json!({"message": "x", "codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 401}}}),
                ModelUnauthorized,
            ),
            (
                json!({"message": "x", "codexErrorInfo": {"responseTooManyFailedAttempts": {"httpStatusCode": 429}}}),
                ModelRateLimited,
            ),
            (json!({"message": "high demand", "codexErrorInfo": "internalServerError"}), ModelUnavailable),
            (json!({"message": "x", "codexErrorInfo": "unauthorized"}), ModelUnauthorized),
            (json!({"message": "x", "codexErrorInfo": "usageLimitExceeded"}), ModelRateLimited),
            (
                json!({"message": "stream broke", "codexErrorInfo": {"responseStreamDisconnected": {"httpStatusCode": null}}}),
                ModelUnavailable,
            ),
            (
                json!({"message": "exceeded retry limit, last status: 429 Too Many Requests"}),
                ModelRateLimited,
            ),
            (json!({"message": "Missing environment variable: `KEY`."}), ModelUnauthorized),
            (json!({"codexErrorInfo": {"later": 7}}), ModelUnavailable),
            (Value::Null, ModelUnavailable),
        ] {
            assert_eq!(fault(&error), wanted, "{error}");
        }
    }

    #[test]
    fn usage_is_the_threads_total_or_unknown() {
        let told = json!({"tokenUsage": {"total": {"inputTokens": 300, "cachedInputTokens": 30, "outputTokens": 21}, "last": {"inputTokens": 1}}});
        let usage_of =
            Usage { input_tokens: 300, cached_input_tokens: 30, output_tokens: 21, cost_micro_usd: None };
        assert_eq!(usage(&told), Some(usage_of));
        assert_eq!(usage(&json!({"tokenUsage": {"total": 5}})), None);
        assert_eq!(usage(&Value::Null), None);
    }

    #[test]
    fn items_are_read_without_secrets_and_unknown_ones_are_left_out() {
        let hide = Redactor::new([b"sesame!".to_vec()]);
        for (item, wanted) in [
            (json!({"type": "agentMessage", "text": "it is sesame!"}), Some("it is [redacted]")),
            (
                json!({"type": "commandExecution", "command": "ls", "exitCode": 2, "aggregatedOutput": "no\n"}),
                Some("$ ls\n[exit 2] no"),
            ),
            (
                json!({"type": "commandExecution", "command": "ls", "status": "declined"}),
                Some("$ ls\n[exit declined] "),
            ),
            (
                json!({"type": "mcpToolCall", "server": "s", "tool": "t", "status": "completed"}),
                Some("s.t completed"),
            ),
            (
                json!({"type": "mcpToolCall", "server": "s", "tool": "t", "error": {"message": "away"}}),
                Some("s.t failed: away"),
            ),
            (json!({"type": "fileChange", "changes": [{"path": "a"}, {"path": "b"}]}), Some("changed a, b")),
            (json!({"type": "reasoning"}), None),
            (json!(null), None),
        ] {
            assert_eq!(line(&item, &hide).as_deref(), wanted, "{item}");
        }
    }
}
