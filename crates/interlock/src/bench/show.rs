//! The report as people read it.

use super::report::{Report, Row};
use crate::render::style::{Paint, Style};
use crate::render::table::{Cell, table};

/// A table with one line a goal, after what it was measured on.
pub(crate) fn text(style: Style, report: &Report) -> String {
    if report.rows.is_empty() {
        return String::new();
    }
    let heading = ["CASE", "CLIENTS", "MEASURED", "P50", "P95", "P99", "ANCHOR", "RATIO", "GOAL", "MET", ""];
    let rows: Vec<_> = report.rows.iter().map(line).collect();
    format!("{}\n{}", report.machine.text(), table(style, heading, &rows))
}

fn line(row: &Row) -> [Cell; 11] {
    let unit = if row.unit == "per_s" { "/s" } else { row.unit };
    let has_spread = row.goal.of != "value";
    let ms = |value: f64| if has_spread { format!("{value:.2} ms") } else { String::new() };
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let (met, paint) = match row.met {
        Some(true) => ("yes", Paint::Green),
        Some(false) => ("no", Paint::Red),
        None => ("?", Paint::Dim),
    };
    [
        Cell::from(row.case),
        Cell::from(if row.clients > 0 { row.clients.to_string() } else { String::new() }),
        Cell::from(format!("{} {unit}", row.value)),
        Cell::from(ms(row.p50)),
        Cell::from(ms(row.p95)),
        Cell::from(ms(row.p99)),
        Cell::from(optional(row.anchor)),
        Cell::from(optional(row.ratio)),
        Cell::from(format!("{} {}", row.goal.op, row.goal.limit)),
        Cell::new(met, paint),
        Cell::new(&row.why, Paint::Dim),
    ]
}
