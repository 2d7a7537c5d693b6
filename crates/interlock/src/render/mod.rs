//! What people read: pure functions from answers to text.

pub(crate) mod agent;
pub(crate) mod delivery;
pub(crate) mod denial;
pub(crate) mod escalation;
pub(crate) mod event;
pub(crate) mod explain;
pub(crate) mod inspect;
pub(crate) mod job;
pub(crate) mod message;
pub(crate) mod policy;
pub(crate) mod review;
pub(crate) mod safe;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod style;
pub(crate) mod summary;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod thread;
pub(crate) mod timeline;
pub(crate) mod usage;
pub(crate) mod wake;
pub(crate) mod webhook;
pub(crate) mod when;

use interlock_core::time::Timestamp;

use style::Style;

/// What every rendering needs to know beside its subject.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The colours.
    pub(crate) style: Style,
    /// What relative times relate to.
    pub(crate) now: Timestamp,
}

/// `1 thread`, `2 threads`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// How far from a person it is what agents asked of each other in turn: `, 3 hops from a person`; empty where a person did.
pub(crate) fn hops(hops: u32) -> String {
    match hops {
        0 => String::new(),
        1 => ", 1 hop from a person".into(),
        n => format!(", {n} hops from a person"),
    }
}

/// A person's words in one line, cut where they are many.
pub(crate) fn words(text: &str) -> String {
    safe::cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), 200)
}

/// The line that says how to see more.
pub(crate) fn more(style: Style, next_cursor: Option<&String>) -> String {
    next_cursor.map_or_else(String::new, |cursor| {
        format!("{}\n", style.dim(&format!("more with --cursor {}", safe::line(cursor))))
    })
}
