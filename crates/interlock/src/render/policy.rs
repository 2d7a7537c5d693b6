//! The policy constants.

use interlock_api::v1::policy::{ConstantView, PolicySource, PolicyView};

use super::View;
use super::style::Paint;
use super::table::{Cell, table};

/// Where a value comes from.
const DEFAULT: &str = "default";
const CONFIG: &str = "config.toml";

/// Every constant; what somebody has set stands out.
pub(crate) fn show(view: View, policy: &PolicyView) -> String {
    let rows: Vec<_> = policy.constants.iter().map(row).chain([owner(policy)]).collect();
    table(view.style, ["CONSTANT", "VALUE", "DEFAULT", "UNIT", "SOURCE", "MEANING"], &rows)
}

/// The one that is no number.
fn owner(policy: &PolicyView) -> [Cell; 6] {
    let meaning = "Must act where no person opened or leads a thread";
    let (value, source, paint) = match &policy.escalation_owner {
        Some(owner) => (owner.as_str(), CONFIG, Paint::Cyan),
        None => ("nobody", DEFAULT, Paint::Plain),
    };
    [
        Cell::new("escalation_owner", paint),
        Cell::new(value, paint),
        "nobody".into(),
        "name".into(),
        source.into(),
        Cell::new(meaning, Paint::Dim),
    ]
}

fn row(constant: &ConstantView) -> [Cell; 6] {
    let (source, paint) = match constant.source {
        PolicySource::Default => (DEFAULT, Paint::Plain),
        PolicySource::Config => (CONFIG, Paint::Cyan),
    };
    [
        Cell::new(&constant.name, paint),
        Cell::new(constant.value.to_string(), paint),
        constant.default.to_string().into(),
        constant.unit.as_str().into(),
        source.into(),
        Cell::new(constant.meaning.trim_end_matches('.'), Paint::Dim),
    ]
}
