//! Free text lives beside the log: the ledger holds a salted digest of it, so that text can be erased
//! later without breaking the chain (docs/ledger.md).

use std::borrow::Cow;
use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::Digest as _;

use crate::limits::LAST_MESSAGE_BYTES_MAX;

/// Sixteen bytes that keep a digest of short text from being guessed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// The `n`th salt that the envelope with this entropy makes.
    pub fn derive(entropy: &[u8; 32], n: u32) -> Self {
        let mut hash = sha2::Sha256::new();
        hash.update(b"interlock salt 1");
        hash.update(entropy);
        hash.update(n.to_be_bytes());
        let mut salt = [0; 16];
        for (to, from) in salt.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(salt)
    }
}

/// A SHA-256 value, lower-case hex on the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest with this hex text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        // Of another length nothing is decoded at all.
        let is_whole = text.len() == 2 * bytes.len();
        let decoded = is_whole.then(|| HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes))?;
        decoded.ok().map(|_| Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEXLOWER.encode_mut_str(&self.0, &mut [0; 64]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a digest is 64 hex digits"))
    }
}

fn parts_digest(domain: &[u8], parts: &[&[u8]]) -> Digest {
    let mut hash = sha2::Sha256::new();
    hash.update(domain);
    for part in parts {
        // Lengths keep ("ab","c") and ("a","bc") apart.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    Digest(hash.finalize().into())
}

/// The salted digest of a text's parts.
pub fn digest(salt: &Salt, parts: &[&[u8]]) -> Digest {
    let mut all: Vec<&[u8]> = vec![&salt.0];
    all.extend_from_slice(parts);
    parts_digest(b"interlock text 1", &all)
}

/// The text without what terminals obey and do not show: colours, moves of the cursor, titles.
pub fn without_escapes(text: &str) -> String {
    let mut shown = Shown::default();
    vte::Parser::new().advance(&mut shown, text.as_bytes());
    shown.0
}

/// What a terminal would show, and where its lines end.
#[derive(Default)]
struct Shown(String);

impl vte::Perform for Shown {
    fn print(&mut self, c: char) {
        self.0.push(c);
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\n' | b'\t') {
            self.0.push(char::from(byte));
        }
    }
}

/// What is kept of an agent's last words: of long ones the beginning, and no control characters but the ends of lines and
/// tabs. Nothing where nothing is left.
pub fn last_words(text: &str) -> Option<String> {
    let mut kept = String::new();
    let shown = without_escapes(text);
    for c in shown.trim().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')) {
        if kept.len() + c.len_utf8() > LAST_MESSAGE_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// A digest without salt, for values that are compared; what is secret in them must be hard to guess by itself.
pub fn fingerprint(domain: &str, parts: &[&[u8]]) -> Digest {
    parts_digest(domain.as_bytes(), parts)
}

#[cfg(test)]
mod tests {
    use super::last_words;

    /// Programs colour what they print, and the letters of a colour are no words.
    #[test]
    fn of_last_words_what_a_terminal_obeys_is_left_out() {
        for (said, kept) in [
            ("\u{1b}[32mok\u{1b}[0m", Some("ok")),
            ("\u{1b}[1;38;5;196mred\u{1b}[m and plain", Some("red and plain")),
            ("\u{1b}]0;a title\u{7}built\u{1b}[K", Some("built")),
            ("\u{1b}]8;;https://example.org\u{1b}\\a link\u{1b}]8;;\u{1b}\\", Some("a link")),
            ("one\n\ttwo \u{2713} [32m", Some("one\n\ttwo \u{2713} [32m")),
            ("cut \u{1b}[3", Some("cut")),
            ("\u{1b}[2J\u{1b}[H\u{7}", None),
        ] {
            assert_eq!(last_words(said).as_deref(), kept, "{said:?}");
        }
    }
}
