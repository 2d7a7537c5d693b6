//! Colours, for terminals that want them, and how much room there is.

/// Whether to paint, and how wide lines may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    is_on: bool,
    columns: Option<usize>,
}

/// No terminal is taken to be narrower: lines of fewer columns say nothing.
const COLUMNS_MIN: usize = 40;

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Not at all.
    Plain,
    /// A heading.
    Bold,
    /// Beside the point.
    Dim,
    /// Well.
    Green,
    /// Not well yet.
    Yellow,
    /// Not well.
    Red,
    /// A name.
    Cyan,
}

impl Style {
    /// A style with or without colours, for lines of any width: what is no terminal does not break them.
    pub(crate) const fn new(is_on: bool) -> Self {
        Self { is_on, columns: None }
    }

    /// The same for a terminal of so many columns.
    pub(crate) fn within(self, columns: usize) -> Self {
        Self { columns: Some(columns.max(COLUMNS_MIN)), ..self }
    }

    /// The columns of a line, where they are limited.
    pub(crate) const fn columns(self) -> Option<usize> {
        self.columns
    }

    /// The text in this paint.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Red => "31",
            Paint::Cyan => "36",
            Paint::Plain => return text.to_owned(),
        };
        if self.is_on && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(Paint::Bold, text)
    }

    /// Beside the point.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(Paint::Dim, text)
    }
}
