//! What an index holds of a message, and what it is asked: sets of terms, without order and without meaning.

use std::collections::BTreeSet;

use super::fields;
use super::query::TextQuery;
use crate::actor::AgentName;
use crate::id::ThreadId;
use crate::limits::SEARCH_WORD_CHARS_MAX;
use crate::thread::Message;

/// Begins a term that is no word. Words never hold it, and both databases take it for part of a word.
const MARK: char = '§';

/// One term that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// Letters, digits and the mark: nothing that a database's query language knows.
    pub text: String,
    /// Whether it is only the beginning of a term.
    pub is_prefix: bool,
}

/// What an index is asked: all of these, and at least one of those unless there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// All of these.
    pub all: BTreeSet<Term>,
    /// One of these.
    pub any: BTreeSet<String>,
}

impl Terms {
    /// Whether nothing is asked: everything fits.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// The words of a query.
    pub fn words(&mut self, query: &TextQuery) {
        for phrase in &query.phrases {
            let last = phrase.words.len().saturating_sub(1);
            self.all.extend(phrase.words.iter().enumerate().map(|(n, word)| {
                let text = kept(word);
                // A word that is cut is asked for as it was kept.
                let is_prefix = phrase.is_prefix && n == last && text.chars().count() < SEARCH_WORD_CHARS_MAX;
                Term { text, is_prefix }
            }));
        }
    }

    /// By this sender.
    pub fn from(&mut self, name: &AgentName) {
        self.all.insert(Term { text: of_sender(name), is_prefix: false });
    }

    /// Of this event type.
    pub fn event_type(&mut self, name: &str) {
        self.all.insert(Term { text: of_event(name), is_prefix: false });
    }

    /// In this thread, or another one that is named so.
    pub fn thread(&mut self, id: ThreadId) {
        self.any.insert(of_thread(id));
    }
}

/// Every term of a message.
pub fn terms_of(message: &Message) -> BTreeSet<String> {
    let mut terms: BTreeSet<String> = fields(message).iter().flatten().map(|word| kept(word)).collect();
    terms.insert(of_sender(&message.head.from));
    terms.insert(of_thread(message.thread_id));
    terms.extend(message.head.event_type.as_deref().map(of_event));
    terms
}

fn kept(word: &str) -> String {
    word.chars().take(SEARCH_WORD_CHARS_MAX).collect()
}

fn of_sender(name: &AgentName) -> String {
    marked('f', name.as_str().as_bytes())
}

fn of_event(name: &str) -> String {
    marked('e', name.as_bytes())
}

fn of_thread(id: ThreadId) -> String {
    marked('t', &id.to_bytes())
}

/// In hex: whatever a name holds, its term has only letters and digits.
fn marked(kind: char, bytes: &[u8]) -> String {
    let mut text = String::from_iter([MARK, kind]);
    for byte in bytes {
        text.extend(
            [byte >> 4, byte & 15].into_iter().filter_map(|half| char::from_digit(u32::from(half), 16)),
        );
    }
    text
}
