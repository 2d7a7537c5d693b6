//! What the moment of a snapshot is called.

use std::fmt;

use crate::limits::STAGE_CHARS_MAX;

/// The name of a moment, such as a stage of a delivery; several snapshots may be of one stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stage(String);

/// Why a text names no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no stage: 1 to {STAGE_CHARS_MAX} of a-z 0-9 `_` `-` `.`, beginning with a letter or digit"
)]
pub struct StageError(String);

impl Stage {
    /// The stage of this name.
    ///
    /// # Errors
    /// When it has other characters, too many of them, or none.
    pub fn parse(text: &str) -> Result<Self, StageError> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = text.len() <= STAGE_CHARS_MAX
            && text.chars().next().is_some_and(is_plain)
            && text.chars().all(|c| is_plain(c) || "_-.".contains(c));
        if fits { Ok(Self(text.to_owned())) } else { Err(StageError(text.chars().take(80).collect())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Stage {
    type Err = StageError;

    fn from_str(text: &str) -> Result<Self, StageError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Stage {
    type Error = StageError;

    fn try_from(text: String) -> Result<Self, StageError> {
        Self::parse(&text)
    }
}

impl From<Stage> for String {
    fn from(stage: Stage) -> Self {
        stage.0
    }
}

impl schemars::JsonSchema for Stage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Stage".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$"})
    }
}
