//! The fourth step: one byte of an exported copy of the ledger is changed, and verification names its entry.

use std::ops::Range;
use std::path::Path;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_ledger::{At, Tree, leaf_hash, verify_export};

use super::Chaos;
use super::judge::{self, Head};
use super::step::{Kind, Step};
use crate::instance::unwritable;
use crate::pilot::outcome::export;
use crate::render::style::Paint;

/// Bytes of a block of the archive.
const BLOCK: usize = 512;
/// What is changed in the entry that says how an agent ended.
const WORD: &[u8] = b"KILLED_BY_SIGNAL";
/// What a copy is called in the evidence: as it is, and changed.
const UNTOUCHED: &str = "untouched.tar";
const CHANGED: &str = "changed.tar";
/// The key in the evidence.
pub(super) const KEY: &str = "ledger.vkey";

/// An exported ledger in memory.
pub(super) struct Copy {
    pub(super) bytes: Vec<u8>,
    /// Where each entry is.
    entries: Vec<Range<usize>>,
}

impl Copy {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let entries = entries(&bytes);
        Self { bytes, entries }
    }

    /// Whether it verifies with this key, and its head.
    pub(super) fn verify(&self, vkey: &str) -> Result<Head, String> {
        let report = verify_export(self.bytes.as_slice(), Some(vkey));
        report
            .map(|report| Head { size: report.size, root: report.root.to_string() })
            .map_err(|error| format!("{error} [{}]", error.reason.code()))
    }

    /// The root over its first entries.
    pub(super) fn root_of(&self, size: u64) -> Option<String> {
        let mut tree = Tree::empty();
        for range in self.entries.get(..usize::try_from(size).ok()?)? {
            tree.append(leaf_hash(self.bytes.get(range.clone())?));
        }
        Some(tree.root().to_string())
    }

    /// The same with one bit of this entry turned over: in what it says of how an agent ended, else in its middle. Gives
    /// the place too.
    fn changed(&self, entry: u64) -> Option<(Self, usize)> {
        let range = self.entries.get(usize::try_from(entry).ok()?)?.clone();
        let text = self.bytes.get(range.clone())?;
        let within = text.windows(WORD.len()).position(|part| part == WORD).unwrap_or(text.len() / 2);
        let place = range.start + within;
        let mut bytes = self.bytes.clone();
        *bytes.get_mut(place)? ^= 1;
        Some((Self { bytes, entries: self.entries.clone() }, place))
    }

    /// Put it beside the result.
    pub(super) fn write(&self, folder: &Path, file: &str) -> Result<(), Problem> {
        write(&folder.join(file), &self.bytes)
    }
}

/// Where each entry of an export is: a tar archive, whose files of entries have each behind its length.
fn entries(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + BLOCK) {
        let name = header.get(..100).unwrap_or_default();
        let octal = header.get(124..135).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(size) = octal.and_then(|digits| usize::from_str_radix(digits.trim(), 8).ok()) else { break };
        let content = at + BLOCK..at + BLOCK + size;
        if name.starts_with(b"tile/entries/") {
            found.extend(bundle(bytes, content.clone()));
        }
        at = content.start + size.next_multiple_of(BLOCK);
    }
    found
}

fn bundle(bytes: &[u8], content: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = content.start;
    while at + 2 <= content.end
        && let Some([high, low]) = bytes.get(at..at + 2)
    {
        let start = at + 2;
        at = start + usize::from(u16::from_be_bytes([*high, *low]));
        found.push(start..at);
    }
    found
}

/// Export, change the entry that says that an agent was killed, and verify both.
pub(super) async fn change(chaos: &mut Chaos<'_, '_>) -> Result<Step, Problem> {
    let stage = chaos.run.stage;
    let (folder, vkey) = (stage.evidence(), stage.vkey()?);
    let copy = Copy::of(export(&chaos.run.cast.client).await?);
    chaos.catch_up().await?;
    let missing = || Problem::new(Reason::Defect, "no entry says that an agent was killed", "");
    let entry = chaos.killed_at.ok_or_else(missing)?;
    let (changed, place) = copy.changed(entry).ok_or_else(missing)?;
    copy.write(&folder, UNTOUCHED)?;
    changed.write(&folder, CHANGED)?;
    write(&folder.join(KEY), format!("{vkey}\n").as_bytes())?;
    let named = name_entry(&changed, &vkey);
    let untouched = copy.verify(&vkey);
    say(chaos, &copy, &changed, place, entry, &named, &untouched);
    chaos.head = untouched.clone().ok();
    let facts = judge::Ledger { changed: entry, named, untouched, different: different(&copy, &changed) };
    let code = facts.named.as_ref().map_or("", |(_, code)| code.as_str());
    let happened = format!("verification names entry {entry} ({code}); the untouched copy verifies");
    let proof = format!("interlock verify {CHANGED} --key {KEY}");
    Ok(Step::judged(Kind::LedgerChanged, &facts.faults(), happened, proof))
}

/// The entry that verification names, and the code.
fn name_entry(copy: &Copy, vkey: &str) -> Result<(u64, String), String> {
    match verify_export(copy.bytes.as_slice(), Some(vkey)) {
        Ok(_) => Err("the changed copy verifies".into()),
        Err(error) => match error.at {
            At::Entry(entry) => Ok((entry, error.reason.code().to_owned())),
            At::File(_) | At::End => Err(format!("{error} [{}]", error.reason.code())),
        },
    }
}

fn different(one: &Copy, other: &Copy) -> usize {
    let same_length = one.bytes.iter().zip(&other.bytes).filter(|(a, b)| a != b).count();
    same_length + one.bytes.len().abs_diff(other.bytes.len())
}

fn say(
    chaos: &Chaos<'_, '_>,
    copy: &Copy,
    changed: &Copy,
    place: usize,
    entry: u64,
    named: &Result<(u64, String), String>,
    untouched: &Result<Head, String>,
) {
    let word = |copy: &Copy| {
        let part = copy.bytes.get(place..place + WORD.len()).unwrap_or_default();
        String::from_utf8_lossy(part).into_owned()
    };
    let said = format!(
        "byte {place} of a copy, in entry {entry}: {} became {}; the live ledger is not touched",
        word(copy),
        word(changed)
    );
    chaos.tell("changed", Paint::Red, &said);
    let said = match named {
        Ok((named, code)) => {
            format!("that copy does not verify: entry {named} differs from what the log proves [{code}]")
        }
        Err(said) => said.clone(),
    };
    chaos.tell("verify", Paint::Bold, &said);
    let said = match untouched {
        Ok(head) => format!("the untouched copy verifies: {} entries, root {}", head.size, head.root),
        Err(error) => format!("the untouched copy does not verify: {error}"),
    };
    chaos.tell("verify", Paint::Bold, &said);
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Problem> {
    std::fs::write(file, bytes).map_err(|error| unwritable(file, &error))
}

#[cfg(test)]
mod tests {
    use interlock_ledger::{Checkpoint, Hash, LogKey, LogSource, TileAt, canonical, write_export};

    use super::*;

    const ORIGIN: &str = "example.org/log";

    /// A log in memory.
    struct Log {
        note: String,
        entries: Vec<Vec<u8>>,
    }

    impl LogSource for Log {
        type Error = std::convert::Infallible;

        fn checkpoint(&mut self) -> Result<String, Self::Error> {
            Ok(self.note.clone())
        }

        fn tile(&mut self, at: TileAt) -> Result<Vec<u8>, Self::Error> {
            let mut tree = Tree::empty();
            self.entries.iter().for_each(|entry| tree.append(leaf_hash(entry)));
            let tiles = tree.take_changed();
            let tile =
                tiles.into_iter().find(|tile| tile.level == at.level && tile.index == at.index).unwrap();
            Ok(tile.hashes[..at.bytes()].to_vec())
        }

        fn entries(&mut self, first: u64, count: u64) -> Result<Vec<Vec<u8>>, Self::Error> {
            let first = usize::try_from(first).unwrap();
            Ok(self.entries[first..first + usize::try_from(count).unwrap()].to_vec())
        }
    }

    /// An export of so many entries, and its key; the entry in the middle says how an agent ended.
    fn exported(size: usize) -> (Copy, String) {
        let key = LogKey::from_seed([7; 32]);
        let (mut tree, mut prev, mut entries) = (Tree::empty(), Hash::ZERO, Vec::new());
        for index in 0..size {
            let reason = if index == size / 2 { "KILLED_BY_SIGNAL" } else { "NONE" };
            let event = serde_json::json!({"kind": "wake.attempt_failed/1", "reason": reason});
            let prev_hex = prev.hex();
            let entry =
                canonical(&serde_json::json!({"index": index, "prev": prev_hex, "events": [event]})).unwrap();
            prev = leaf_hash(&entry);
            tree.append(prev);
            entries.push(entry);
        }
        let head = Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() };
        let note = key.sign_checkpoint(&head).unwrap();
        let vkey = key.vkey(ORIGIN).unwrap();
        let mut bytes = Vec::new();
        write_export(&mut Log { note, entries }, &vkey, &mut bytes).unwrap();
        (Copy::of(bytes), vkey)
    }

    #[test]
    fn every_entry_is_found_and_the_changed_one_is_named() {
        for size in [1, 3, 300] {
            let (copy, vkey) = exported(size);
            assert_eq!(copy.entries.len(), size);
            let head = copy.verify(&vkey).unwrap();
            assert_eq!(copy.root_of(head.size), Some(head.root));
            assert_eq!(copy.root_of(head.size + 1), None);
            for entry in [0, size / 2, size - 1].map(|entry| entry as u64) {
                let (changed, place) = copy.changed(entry).unwrap();
                assert_eq!(name_entry(&changed, &vkey).map(|(named, _)| named), Ok(entry), "of {size}");
                assert_eq!((different(&copy, &changed), changed.bytes[place]), (1, copy.bytes[place] ^ 1));
                assert_ne!(changed.root_of(head.size), copy.root_of(head.size));
            }
        }
    }

    #[test]
    fn the_word_that_is_changed_is_the_one_that_says_how_an_agent_ended() {
        let (copy, _) = exported(5);
        let (changed, place) = copy.changed(2).unwrap();
        assert_eq!(&changed.bytes[place..place + WORD.len()], b"JILLED_BY_SIGNAL");
    }

    #[test]
    fn an_untouched_copy_names_no_entry() {
        let (copy, vkey) = exported(4);
        assert_eq!(name_entry(&copy, &vkey), Err("the changed copy verifies".into()));
    }
}
