//! Payloads that somebody may have written and kept: messages as they are posted, and the ledger's events.
//!
//! The tests take each of these files and give it back as it is. What is frozen of them is a copy, so that neither a
//! changed nor a removed file passes unnoticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The folder of each kind, below the frozen contract, and the files that the tests take, below the repository.
pub(super) const KINDS: [(&str, &str); 2] = [
    ("messages", "crates/interlock-server/tests/it/payloads"),
    ("events", "crates/interlock-core/tests/it/golden"),
];

/// Every file of a folder with its bytes; none of one that is not there.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("`{}` cannot be read", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, fs::read(&path).with_context(|| format!("`{}` cannot be read", path.display()))?);
    }
    Ok(files)
}

/// What is frozen and was changed or removed since, each in a line.
pub(super) fn lost(now: &Path, frozen: &Path) -> Result<Vec<String>> {
    let there = files(now)?;
    let lost = files(frozen)?.into_iter().filter_map(|(name, bytes)| match there.get(&name) {
        Some(same) if *same == bytes => None,
        Some(_) => Some(format!("{}: `{name}` is frozen and was changed", now.display())),
        None => Some(format!("{}: `{name}` is frozen and is gone", now.display())),
    });
    Ok(lost.collect())
}

/// Freeze every file that there is now.
pub(super) fn freeze(now: &Path, frozen: &Path) -> Result<()> {
    fs::create_dir_all(frozen)?;
    for (name, bytes) in files(now)? {
        let file = frozen.join(&name);
        fs::write(&file, bytes).with_context(|| format!("`{}` cannot be written", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{KINDS, files, freeze, lost};
    use crate::shell;

    #[test]
    fn what_is_frozen_is_neither_changed_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (now, frozen) = (folder.path().join("now"), folder.path().join("frozen"));
        fs::create_dir(&now).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(now.join(name), name).unwrap();
        }
        assert_eq!(lost(&now, &frozen).unwrap(), [""; 0], "nothing is frozen yet");
        freeze(&now, &frozen).unwrap();
        fs::write(now.join("d"), "more").unwrap();
        assert_eq!(lost(&now, &frozen).unwrap(), [""; 0], "more files break nothing");
        fs::write(now.join("b"), "B").unwrap();
        fs::remove_file(now.join("c")).unwrap();
        let lost = lost(&now, &frozen).unwrap();
        assert_eq!(lost.len(), 2, "{lost:?}");
        assert!(lost[0].contains("`b` is frozen and was changed"), "{lost:?}");
        assert!(lost[1].contains("`c` is frozen and is gone"), "{lost:?}");
    }

    #[test]
    fn every_payload_of_the_last_freeze_is_still_taken() {
        for (kind, now) in KINDS {
            let frozen = shell::root().join("docs/reference/v1").join(kind);
            assert!(!files(&frozen).unwrap().is_empty(), "no {kind} are frozen");
            assert_eq!(lost(&shell::root().join(now), &frozen).unwrap(), [""; 0]);
        }
    }
}
