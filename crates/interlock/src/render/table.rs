//! Aligned columns.

use super::safe;
use super::style::{Paint, Style};

/// The space between columns.
const GAP: &str = "  ";

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
    lines(style, std::iter::once(&heading).chain(rows))
}

/// `name  value` lines, values below each other; those without a value are left out.
pub(crate) fn fields(style: Style, rows: &[(&str, Cell)]) -> String {
    let rows: Vec<[Cell; 2]> = rows
        .iter()
        .filter(|(_, value)| !value.text.is_empty())
        .map(|(name, value)| [Cell::new(name, Paint::Dim), value.clone()])
        .collect();
    lines(style, rows.iter())
}

fn lines<'a, const N: usize>(style: Style, rows: impl Iterator<Item = &'a [Cell; N]> + Clone) -> String {
    let mut widths = [0; N];
    for row in rows.clone() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = safe::width(&cell.text).max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        let mut pending = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Padding is written before the next text only, so that no line ends in spaces.
            if !cell.text.is_empty() {
                line.push_str(&pending);
                line.push_str(&style.paint(cell.paint, &cell.text));
                pending.clear();
            }
            pending.push_str(&" ".repeat(width.saturating_sub(safe::width(&cell.text))));
            pending.push_str(GAP);
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}
