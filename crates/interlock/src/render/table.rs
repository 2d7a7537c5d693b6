//! Aligned columns, in as many as the terminal has.
//!
//! A column that no row has anything in is left out. Where a terminal is narrower than a row, the text that does not fit is
//! broken between words, and what follows it goes on below.

use std::ops::Range;

use super::safe;
use super::style::{Paint, Style};

/// The space between columns.
const GAP: &str = "  ";
/// Columns before what goes on below.
const INDENT: usize = 4;
/// Columns that a longer text has at least; else it goes below.
const TEXT_WIDTH_MIN: usize = 32;

/// One field of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A field in this paint; the text is made harmless.
    pub(crate) fn new(text: impl AsRef<str>, paint: Paint) -> Self {
        Self { text: safe::line(text.as_ref()), paint }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Paint::Plain)
    }
}

/// Rows under a heading, each column as wide as its widest field. Every row has a field for each column.
pub(crate) fn table<const N: usize>(style: Style, heading: [&str; N], rows: &[[Cell; N]]) -> String {
    let heading = heading.map(|name| Cell::new(name, Paint::Dim));
    let mut is_used = [rows.is_empty(); N];
    for row in rows {
        for (is_used, cell) in is_used.iter_mut().zip(row) {
            *is_used |= !cell.text.is_empty();
        }
    }
    let all = std::iter::once(&heading).chain(rows);
    let used = |row: &[Cell; N]| {
        row.iter().zip(is_used).filter(|(_, is)| *is).map(|(cell, _)| cell.clone()).collect()
    };
    lines(style, &all.map(used).collect::<Vec<_>>())
}

/// `name  value` lines, values below each other; those without a value are left out.
pub(crate) fn fields(style: Style, rows: &[(&str, Cell)]) -> String {
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .filter(|(_, value)| !value.text.is_empty())
        .map(|(name, value)| vec![Cell::new(name, Paint::Dim), value.clone()])
        .collect();
    lines(style, &rows)
}

/// A line that is broken between words, in this paint; what goes on below stands so many columns to the right.
pub(crate) fn hanging(style: Style, indent: usize, text: &str) -> String {
    let room = style.columns().map_or(usize::MAX, |columns| columns.saturating_sub(indent));
    safe::wrapped(text, room).join(&format!("\n{:indent$}", ""))
}

fn lines(style: Style, rows: &[Vec<Cell>]) -> String {
    let mut widths = vec![0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = safe::width(&cell.text).max(*width);
        }
    }
    let parts = parts(&widths, style.columns());
    let mut out = String::new();
    for row in rows {
        for part in &parts {
            let cells = row.get(part.clone()).unwrap_or_default();
            let is_below = part.start > 0;
            if is_below && cells.iter().all(|cell| cell.text.is_empty()) {
                continue;
            }
            let indent = if is_below { INDENT } else { 0 };
            let widths = widths.get(part.clone()).unwrap_or_default();
            line(&mut out, style, indent, cells.iter().zip(widths.iter().copied()));
        }
    }
    out
}

/// Which columns stand side by side, for each line that a row takes.
fn parts(widths: &[usize], columns: Option<usize>) -> Vec<Range<usize>> {
    let columns = columns.unwrap_or(usize::MAX);
    let (mut parts, mut start, mut used) = (Vec::new(), 0, 0);
    for (n, width) in widths.iter().enumerate() {
        let before = if n == start { used } else { used + GAP.len() };
        if n > start && before + (*width).min(TEXT_WIDTH_MIN) > columns {
            parts.push(start..n);
            (start, used) = (n, INDENT + width);
        } else {
            // Beside a text that is broken there is no room.
            used = before + width;
        }
    }
    parts.push(start..widths.len());
    parts
}

/// The cells side by side, each as wide as its column; the last one is broken where it has no room.
fn line<'a>(out: &mut String, style: Style, indent: usize, cells: impl Iterator<Item = (&'a Cell, usize)>) {
    let mut at = indent;
    let mut pending = " ".repeat(indent);
    let mut cells = cells.peekable();
    while let Some((cell, width)) = cells.next() {
        // Padding is written before the next text only, so that no line ends in spaces.
        if !cell.text.is_empty() {
            out.push_str(&pending);
            pending.clear();
            let room = match (style.columns(), cells.peek()) {
                (Some(columns), None) => columns.saturating_sub(at),
                _ => usize::MAX,
            };
            let text =
                if room < usize::MAX { safe::wrapped(&cell.text, room) } else { vec![cell.text.clone()] };
            let painted: Vec<_> = text.iter().map(|text| style.paint(cell.paint, text)).collect();
            out.push_str(&painted.join(&format!("\n{:at$}", "")));
        }
        pending.push_str(&" ".repeat(width.saturating_sub(safe::width(&cell.text))));
        pending.push_str(GAP);
        at += width + GAP.len();
    }
    out.push('\n');
}
