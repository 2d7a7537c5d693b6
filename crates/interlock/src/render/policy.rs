//! The policy constants.

use interlock_api::v1::policy::{ConstantView, PolicySource, PolicyView};

use super::View;
use super::style::Paint;
use super::table::{Cell, table};

/// Every constant; what somebody has set stands out.
pub(crate) fn show(view: View, policy: &PolicyView) -> String {
    let rows: Vec<_> = policy.constants.iter().map(row).collect();
    let constants = table(view.style, ["CONSTANT", "VALUE", "DEFAULT", "UNIT", "SOURCE", "MEANING"], &rows);
    let owner = policy.escalation_owner.as_ref().map_or_else(String::new, |owner| {
        format!("\nescalation_owner  {owner}  must act where no person opened or leads a thread\n")
    });
    format!("{constants}{owner}")
}

fn row(constant: &ConstantView) -> [Cell; 6] {
    let (source, paint) = match constant.source {
        PolicySource::Default => ("default", Paint::Plain),
        PolicySource::Config => ("config.toml", Paint::Cyan),
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
