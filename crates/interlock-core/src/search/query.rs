//! What a query says: words that must all occur, "phrases", and beginnings of words.

use super::fields;
use super::words::words;
use crate::limits::{SEARCH_TEXT_BYTES_MAX, SEARCH_WORDS_MAX};
use crate::reason::{Reason, Refusal};
use crate::thread::Message;

/// Words that must follow one another in one text of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// The words; at least one.
    pub words: Vec<String>,
    /// Whether the last of them is only the beginning of a word.
    pub is_prefix: bool,
}

/// A query: all of its phrases must occur, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextQuery {
    /// The phrases.
    pub phrases: Vec<Phrase>,
}

impl TextQuery {
    /// Read a query. What stands between double quotes, and what no space divides, is a phrase; a `*` behind it
    /// stands for any end of its last word. Every other character only divides words.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for one too long, `PARAMETER_INVALID` for one without a word.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > SEARCH_TEXT_BYTES_MAX {
            let detail = format!(
                "the text has {} bytes, at most {SEARCH_TEXT_BYTES_MAX} are searched for",
                text.len()
            );
            return Err(Refusal::new(Reason::LimitExceeded, detail));
        }
        let phrases: Vec<Phrase> =
            pieces(text).into_iter().filter_map(|(text, is_prefix)| phrase(&text, is_prefix)).collect();
        let count: usize = phrases.iter().map(|phrase| phrase.words.len()).sum();
        if count > SEARCH_WORDS_MAX {
            let detail = format!("the text has {count} words, at most {SEARCH_WORDS_MAX} are searched for");
            return Err(Refusal::new(Reason::LimitExceeded, detail));
        }
        if count == 0 {
            let detail = "the text has no word to search for";
            return Err(Refusal::new(Reason::ParameterInvalid, detail).hint("words have letters or digits"));
        }
        Ok(Self { phrases })
    }

    /// Whether a message fits.
    pub fn fits(&self, message: &Message) -> bool {
        let fields = fields(message);
        self.phrases.iter().all(|phrase| fields.iter().any(|field| phrase.is_in(field)))
    }
}

impl Phrase {
    fn is_in(&self, field: &[String]) -> bool {
        field.windows(self.words.len().max(1)).any(|window| {
            let Some((last, before)) = self.words.split_last() else { return false };
            let Some((end, start)) = window.split_last() else { return false };
            start == before && if self.is_prefix { end.starts_with(last.as_str()) } else { end == last }
        })
    }
}

fn phrase(text: &str, is_prefix: bool) -> Option<Phrase> {
    let words = words(text);
    (!words.is_empty()).then_some(Phrase { words, is_prefix })
}

/// The query cut where its quotes and spaces are, each piece with whether a `*` follows it. A quote that is not closed
/// goes to the end.
fn pieces(text: &str) -> Vec<(String, bool)> {
    let mut pieces: Vec<(String, bool)> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (piece, after) = if first == '"' {
            let inner = rest.get(1..).unwrap_or_default();
            inner.split_once('"').unwrap_or((inner, ""))
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
            rest.split_at(end)
        };
        // A star is a wildcard behind the piece only: inside it divides words like any other sign.
        let star = if first == '"' { after.strip_prefix('*') } else { None };
        let is_prefix = star.is_some() || (first != '"' && piece.ends_with('*'));
        pieces.push((piece.to_owned(), is_prefix));
        rest = star.unwrap_or(after).trim_start();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::{Phrase, TextQuery};
    use crate::reason::Reason;

    fn said(text: &str) -> Vec<String> {
        let query = TextQuery::parse(text).unwrap();
        let one = |phrase: &Phrase| {
            format!("{}{}", phrase.words.join(" "), if phrase.is_prefix { "*" } else { "" })
        };
        query.phrases.iter().map(one).collect()
    }

    #[test]
    fn words_phrases_and_beginnings() {
        assert_eq!(said("Parser  broken"), ["parser", "broken"]);
        assert_eq!(said("\"the parser\" bro*"), ["the parser", "bro*"]);
        assert_eq!(said("\"the par\"* x"), ["the par*", "x"]);
        assert_eq!(said("src/lib.rs:12"), ["src lib rs 12"]);
        assert_eq!(said("a\"b c\"d"), ["a", "b c", "d"]);
    }

    #[test]
    fn everything_else_is_literal() {
        assert_eq!(
            said("a AND NOT (b) OR c:d NEAR(e) ^f -g & | ! <-> '"),
            ["a", "and", "not", "b", "or", "c d", "near e", "f", "g"]
        );
        assert_eq!(said("\"not closed"), ["not closed"]);
        assert_eq!(said("x * \"\" \"*\" a*b"), ["x", "a b"]);
    }

    #[test]
    fn what_cannot_be_searched_for() {
        let reason = |text: &str| TextQuery::parse(text).unwrap_err().reason;
        assert_eq!(reason(""), Reason::ParameterInvalid);
        assert_eq!(reason("* -- \"\""), Reason::ParameterInvalid);
        assert!(TextQuery::parse(&"a ".repeat(super::SEARCH_WORDS_MAX)).is_ok());
        assert_eq!(reason(&"a ".repeat(super::SEARCH_WORDS_MAX + 1)), Reason::LimitExceeded);
        assert!(TextQuery::parse(&"a".repeat(super::SEARCH_TEXT_BYTES_MAX)).is_ok());
        assert_eq!(reason(&"a".repeat(super::SEARCH_TEXT_BYTES_MAX + 1)), Reason::LimitExceeded);
    }
}
