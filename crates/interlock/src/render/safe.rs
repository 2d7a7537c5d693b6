//! Untrusted text made harmless: nothing an agent writes may move a cursor, hide a line or set a title.

use std::fmt::Write as _;

/// The text on one line: every control character is shown, not obeyed.
pub(crate) fn line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => push(&mut out, c),
        }
        out
    })
}

/// The text on its own lines: line ends and tabs stay, other control characters are shown.
pub(crate) fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\n' | '\t' => out.push(c),
            _ => push(&mut out, c),
        }
        out
    })
}

/// A program's output: as [`lines`], with its colours left out.
pub(crate) fn output(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let parameters = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        if let Some(after) = parameters.strip_prefix('m') {
            rest = after;
        } else {
            plain.push_str("\u{1b}[");
            rest = after;
        }
    }
    plain.push_str(rest);
    lines(&plain)
}

/// The first line that says something, cut to `width_max` columns.
pub(crate) fn summary(text: &str, width_max: usize) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    cut(&line(first), width_max)
}

/// The text cut to `width_max` columns, with a mark where it was cut.
pub(crate) fn cut(text: &str, width_max: usize) -> String {
    if width(text) <= width_max {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += char_width(*c);
        used <= width_max
    });
    let mut kept: String = kept.collect();
    kept.push('…');
    kept
}

/// A text that is harmless already on lines of so many columns at most, broken between words; a longer word has a line of
/// its own.
pub(crate) fn wrapped(text: &str, width_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { continue };
        if last.is_empty() {
            word.clone_into(last);
        } else if width(last) + 1 + width(word) <= width_max {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The columns a text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        // Combining marks, joiners and selectors sit on the character before them.
        0x300..=0x36F | 0x200B..=0x200D | 0x20D0..=0x20FF | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F680..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

fn push(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let _infallible = match code {
        0..=0x1F | 0x7F..=0x9F => write!(out, "\\x{code:02x}"),
        // Marks that turn the reading direction, and line ends that are not ours.
        0x200E | 0x200F | 0x061C | 0x2028..=0x202E | 0x2066..=0x2069 | 0xFEFF => {
            write!(out, "\\u{{{code:x}}}")
        }
        _ => {
            out.push(c);
            Ok(())
        }
    };
}
