//! Labels: what a supervisor says of itself, and what an agent asks of the supervisor that runs it.

use std::fmt;

use crate::limits::LABEL_CHARS_MAX;

/// A word about a supervisor, such as the machine it runs on or what that machine has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Why a text is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label: 1 to {LABEL_CHARS_MAX} of a-z 0-9 `_` `-` `.`, beginning with a letter or digit")]
pub struct LabelError(String);

impl Label {
    /// The label with this text.
    ///
    /// # Errors
    /// When it has other characters, too many of them, or none.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = text.len() <= LABEL_CHARS_MAX
            && text.chars().next().is_some_and(is_plain)
            && text.chars().all(|c| is_plain(c) || "_-.".contains(c));
        if fits { Ok(Self(text.to_owned())) } else { Err(LabelError(text.chars().take(80).collect())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        Self::parse(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl schemars::JsonSchema for Label {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$"})
    }
}
