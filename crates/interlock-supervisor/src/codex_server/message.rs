//! What is said over the socket: JSON-RPC without its version member, one message a frame.

use serde_json::{Value, json};

/// What the server says. Whatever it is, it is taken for one of these: a later version may say more than we know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Incoming {
    /// The answer to a request of ours.
    Answer {
        /// Which request.
        id: u64,
        /// What came of it.
        result: Result<Value, Refused>,
    },
    /// Something happened.
    Notice {
        /// What kind of thing.
        method: String,
        /// What.
        params: Value,
    },
    /// It asks its clients something, which is for a person to answer.
    Asked {
        /// What kind of question.
        method: String,
        /// About what.
        params: Value,
    },
    /// No message.
    Noise,
}

/// A request that was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    /// In which words.
    pub(crate) message: String,
}

impl Refused {
    /// It knows no such thread.
    pub(crate) fn is_gone(&self) -> bool {
        self.message.contains("no rollout found")
    }

    /// Nothing was ever said in the thread, as far as the server has heard or reads.
    pub(crate) fn is_unwritten(&self) -> bool {
        ["is not materialized yet", "thread not loaded", "no rollout found"]
            .iter()
            .any(|words| self.message.contains(words))
    }

    /// Another process has the thread open, or its turn takes no words of others.
    pub(crate) fn is_busy(&self) -> bool {
        self.message.contains("already has an active writer") || self.message.contains("not steerable")
    }
}

/// What a frame's text says.
pub(crate) fn read(text: &str) -> Incoming {
    let Ok(Value::Object(mut message)) = serde_json::from_str::<Value>(text) else { return Incoming::Noise };
    let method = match message.remove("method") {
        Some(Value::String(method)) => Some(method),
        _ => None,
    };
    let params = message.remove("params").unwrap_or_default();
    match (method, message.remove("id")) {
        (Some(method), Some(_)) => Incoming::Asked { method, params },
        (Some(method), None) => Incoming::Notice { method, params },
        (None, id) => {
            let Some(id) = id.and_then(|id| id.as_u64()) else { return Incoming::Noise };
            let result = match (message.remove("error"), message.remove("result")) {
                (Some(error), _) => {
                    let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
                    Err(Refused { message })
                }
                (None, Some(result)) => Ok(result),
                (None, None) => return Incoming::Noise,
            };
            Incoming::Answer { id, result }
        }
    }
}

/// A request's text.
pub(crate) fn request(id: u64, method: &str, params: &Value) -> String {
    json!({"id": id, "method": method, "params": params}).to_string()
}

/// A notification's text.
pub(crate) fn notification(method: &str) -> String {
    json!({"method": method}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_some_message_and_garbage_is_noise() {
        let answer = |id, result| Incoming::Answer { id, result };
        let refused = |message: &str| Err(Refused { message: message.to_owned() });
        for (text, wanted) in [
            (r#"{"id":3,"result":{"a":1}}"#, answer(3, Ok(json!({"a": 1})))),
            (r#"{"id":3,"result":null}"#, answer(3, Ok(Value::Null))),
            (r#"{"id":4,"error":{"code":-32600,"message":"no"}}"#, answer(4, refused("no"))),
            (r#"{"id":4,"error":"odd"}"#, answer(4, refused(""))),
            (r#"{"method":"a/b"}"#, Incoming::Notice { method: "a/b".into(), params: Value::Null }),
            (
                r#"{"method":"a","params":[1],"later":true}"#,
                Incoming::Notice { method: "a".into(), params: json!([1]) },
            ),
            (
                r#"{"id":"x","method":"item/fileChange/requestApproval","params":{"threadId":"t"}}"#,
                Incoming::Asked {
                    method: "item/fileChange/requestApproval".into(),
                    params: json!({"threadId": "t"}),
                },
            ),
            (r#"{"id":"x","result":1}"#, Incoming::Noise),
            (r#"{"id":-1,"result":1}"#, Incoming::Noise),
            (r#"{"id":5}"#, Incoming::Noise),
            (r#"{"method":7}"#, Incoming::Noise),
            ("[]", Incoming::Noise),
            ("\u{0}nonsense", Incoming::Noise),
            ("", Incoming::Noise),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn refusals_are_told_apart_by_their_words() {
        let refused = |message: &str| Refused { message: message.into() };
        let gone = refused("no rollout found for thread id 01a2 (code -32600)");
        let busy = refused("thread 01a2 already has an active writer");
        assert!(gone.is_gone() && !gone.is_busy() && busy.is_busy() && !busy.is_gone());
        let unwritten = ["thread 01a2 is not materialized yet; x", "thread not loaded: 01a2"].map(refused);
        assert!(gone.is_unwritten() && unwritten.iter().all(Refused::is_unwritten));
        let none = Refused::default();
        assert!(!none.is_gone() && !none.is_busy() && !none.is_unwritten() && !busy.is_unwritten());
    }

    #[test]
    fn what_is_sent_has_no_version() {
        assert_eq!(request(1, "a/b", &json!({"x": 1})), r#"{"id":1,"method":"a/b","params":{"x":1}}"#);
        assert_eq!(notification("initialized"), r#"{"method":"initialized"}"#);
    }
}
