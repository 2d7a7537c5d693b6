//! The policy constants on the wire.

use interlock_core::actor::AgentName;
use interlock_core::policy::{Constant, Policy, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `get_policy`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetPolicyParams {}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicySource {
    /// Nobody has set it.
    Default,
    /// `[policy]` in the server's `config.toml`.
    Config,
}

/// One constant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConstantView {
    /// Its name, as `config.toml` has it.
    pub name: String,
    /// Its value on this server.
    pub value: i64,
    /// Its value where none is set.
    pub default: i64,
    /// Where the value comes from.
    pub source: PolicySource,
    /// What it counts.
    pub unit: Unit,
    /// The least value that is taken.
    pub min: i64,
    /// The largest value that is taken.
    pub max: i64,
    /// What it is for.
    pub meaning: String,
}

/// Answer of `get_policy`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PolicyView {
    /// Every constant of waking, guarding and jobs, in the order of the reference.
    pub constants: Vec<ConstantView>,
    /// Who must act in a blocked thread whose opener and coordinators cannot; absent = whoever opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation_owner: Option<AgentName>,
}

impl PolicyView {
    /// Every constant of this policy; `is_set` tells which of them somebody has set.
    pub fn of(policy: &Policy, is_set: impl Fn(&str) -> bool) -> Self {
        let view = |(constant, value): (&Constant, i64)| ConstantView {
            name: constant.name.to_owned(),
            value,
            default: constant.default,
            source: if is_set(constant.name) { PolicySource::Config } else { PolicySource::Default },
            unit: constant.unit,
            min: constant.min,
            max: constant.max,
            meaning: constant.meaning.trim().to_owned(),
        };
        let escalation_owner = policy.escalation_owner.clone();
        Self { constants: policy.values().map(view).collect(), escalation_owner }
    }
}
