//! Finding messages by their words: what a word is, what a query says, and whether a message fits it.
//!
//! An index of words only proposes; what is said here decides, so that every store answers alike. Deliberately
//! absent: word stems, ranking, and a syntax that could be wrong.

mod query;
mod terms;
mod words;

pub use query::{Phrase, TextQuery};
pub use terms::{Term, Terms, terms_of};
pub use words::words;

use crate::thread::Message;

/// The version of what is put into an index; an index of another version is made anew.
pub const INDEX_VERSION: u32 = 1;

/// The searched texts of a message, each with its words: the body, and each text and number in the data.
pub fn fields(message: &Message) -> Vec<Vec<String>> {
    let mut fields = vec![words(&message.text.body)];
    // Written by us from an object; empty text stands for none.
    if let Ok(data) = serde_json::from_str(&message.text.data) {
        collect(&data, &mut fields);
    }
    fields
}

fn collect(value: &serde_json::Value, fields: &mut Vec<Vec<String>>) {
    match value {
        serde_json::Value::String(text) => fields.push(words(text)),
        serde_json::Value::Number(number) => fields.push(words(&number.to_string())),
        serde_json::Value::Array(list) => list.iter().for_each(|one| collect(one, fields)),
        serde_json::Value::Object(map) => map.values().for_each(|one| collect(one, fields)),
        serde_json::Value::Null | serde_json::Value::Bool(_) => {}
    }
}
