//! Problem details (RFC 9457): the one shape of every error, on every surface.

use interlock_core::{Code, Reason, Refusal};

/// What went wrong, for machines and people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Problem {
    /// The reason's page, relative to the documentation's root.
    #[serde(rename = "type")]
    pub kind: String,
    /// The reason in one short sentence, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence, in a sentence.
    pub detail: String,
    /// What to branch on: a closed set.
    pub code: Code,
    /// What to look up: an open set.
    pub reason: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The request, as logs know it.
    pub request_id: String,
}

impl Problem {
    /// The problem of this refusal in this request.
    pub fn of(refusal: &Refusal, request_id: &str) -> Self {
        let mut problem = Self::new(refusal.reason, &refusal.detail, request_id);
        problem.hint.clone_from(&refusal.hint);
        problem.retry_after_ms = refusal.retry_after_ms.or(problem.retry_after_ms);
        problem
    }

    /// A problem with this reason and sentence.
    pub fn new(reason: Reason, detail: &str, request_id: &str) -> Self {
        let code = reason.code();
        Self {
            kind: format!("docs/errors/{}.md", reason.as_str()),
            title: reason.title().to_owned(),
            status: reason.status(),
            detail: detail.to_owned(),
            code,
            reason: reason.as_str().to_owned(),
            hint: None,
            retryable: code.is_retryable(),
            retry_after_ms: code.is_retryable().then_some(500),
            request_id: request_id.to_owned(),
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The reason, when this build knows it.
    pub fn known_reason(&self) -> Option<Reason> {
        Reason::parse(&self.reason)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.detail, self.reason)
    }
}

impl std::error::Error for Problem {}
