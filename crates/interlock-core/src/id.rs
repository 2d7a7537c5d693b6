//! Typed identifiers: UUIDv7 values printed as `<prefix>_` and 26 Crockford base-32 characters
//! (docs/messaging.md).
//!
//! Core never draws randomness: an id is derived from the entropy of the envelope that creates the thing,
//! so the same input gives the same dump.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TEXT_LEN: usize = 26;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `{prefix}_` and 26 characters of 0-9 A-Z without I, L, O, U")]
pub struct IdError {
    /// The prefix that was wanted, without the underscore.
    pub prefix: &'static str,
    /// The text as it was given, cut to 64 characters.
    pub text: String,
}

/// What each byte stands for: a digit, or nothing. Small letters count as large ones.
const DIGITS: [Option<u8>; 256] = digits();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, and a byte is less than 256")]
const fn digits() -> [Option<u8>; 256] {
    let mut table = [None; 256];
    let (mut digit, mut left): (u8, &[u8]) = (0, ALPHABET);
    while let [letter, rest @ ..] = left {
        table[*letter as usize] = Some(digit);
        table[letter.to_ascii_lowercase() as usize] = Some(digit);
        (digit, left) = (digit + 1, rest);
    }
    table
}

fn encode(value: u128) -> [u8; TEXT_LEN] {
    let mut text = [b'0'; TEXT_LEN];
    let mut rest = value;
    for place in text.iter_mut().rev() {
        let index = usize::try_from(rest & 31).unwrap_or(0);
        *place = ALPHABET.get(index).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut value: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let digit = DIGITS.get(usize::from(byte)).copied().flatten()?;
        // 26 characters carry 130 bits; the first may only use three of its five.
        if place == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | u128::from(digit);
    }
    Some(value)
}

/// A UUIDv7 value whose time is `at` and whose other bits come from `entropy`, `label` and `n`.
fn derive(at: Timestamp, entropy: &[u8; 32], label: &str, n: u32) -> u128 {
    let mut hash = Sha256::new();
    hash.update(b"interlock id 1");
    hash.update(entropy);
    hash.update(label.as_bytes());
    hash.update(n.to_be_bytes());
    let digest = hash.finalize();
    let random = digest.iter().take(10).fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
    let rand_a = (random >> 68) & 0xFFF;
    let rand_b = random & 0x3FFF_FFFF_FFFF_FFFF;
    (millis(at) << 80) | (7 << 76) | (rand_a << 64) | (2 << 62) | rand_b
}

/// The time of an id: milliseconds, in 48 bits.
fn millis(at: Timestamp) -> u128 {
    u128::try_from(at.as_millis().max(0)).unwrap_or(0) & 0xFFFF_FFFF_FFFF
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The id with these 128 bits.
            pub const fn from_u128(value: u128) -> Self { Self(value) }

            /// The 128 bits.
            pub const fn as_u128(self) -> u128 { self.0 }

            /// The id with these 16 bytes, most significant first; `None` for any other length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                <[u8; 16]>::try_from(bytes).ok().map(|b| Self(u128::from_be_bytes(b)))
            }

            /// The smallest id whose time is `at`.
            pub fn first_at(at: Timestamp) -> Self { Self(millis(at) << 80) }

            /// The 16 bytes, most significant first.
            pub const fn to_bytes(self) -> [u8; 16] { self.0.to_be_bytes() }

            /// The same 128 bits as a UUID's text, for runtimes that need one.
            pub fn to_uuid_text(self) -> String { uuid::Uuid::from_u128(self.0).hyphenated().to_string() }

            /// The id with the bits of this UUID; `None` when the text is none.
            pub fn from_uuid_text(text: &str) -> Option<Self> {
                uuid::Uuid::parse_str(text).ok().map(|uuid| Self(uuid.as_u128()))
            }

            /// The `n`th id of this kind that the envelope with this entropy creates at `at`.
            pub fn derive(at: Timestamp, entropy: &[u8; 32], n: u32) -> Self {
                Self(derive(at, entropy, $prefix, n))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&encode(self.0)).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_")).and_then(decode).map(Self).ok_or_else(|| IdError {
                    prefix: $prefix,
                    text: text.chars().take(64).collect(),
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "_[0-7][0-9A-HJKMNP-TV-Z]{25}$"),
                })
            }
        }
    )*

        /// The id that this text is, of whatever kind, as it is printed; `None` for any other text.
        pub fn any(text: &str) -> Option<String> {
            None $(.or_else(|| text.parse::<$name>().ok().map(|id| id.to_string())))*
        }
    };
}

ids! {
    /// A workspace: the unit of isolation and of ordering.
    WorkspaceId = "ws";
    /// A thread.
    ThreadId = "thr";
    /// A message in a thread.
    MessageId = "msg";
    /// An agent; on the wire agents are called by name.
    AgentId = "agt";
    /// One session of an agent's runtime.
    SessionId = "ses";
    /// A wake: one agent to be woken for one thread.
    WakeId = "wak";
    /// A job of the server's internal queue.
    JobId = "job";
    /// A webhook.
    WebhookId = "whk";
    /// A finding; minted by its reporter.
    FindingId = "fnd";
    /// A denial: one request that was not granted.
    DenialId = "den";
    /// A snapshot of what a workspace has done.
    SnapshotId = "snp";
    /// A command: one request to change something.
    CommandId = "cmd";
}
