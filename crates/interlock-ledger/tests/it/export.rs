//! Exports of sound logs verify; exports of logs that were touched name what was touched.

use std::collections::BTreeMap;
use std::io::Read as _;

use interlock_ledger::{
    At, ExportError, Hash, LedgerError, LogKey, Reason, Report, Resource, VerifyError, leaf_hash,
    verify_export, write_export,
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::world::{Log, ORIGIN, envelope, leaf, vkey};

fn file(reason: Reason, path: &str) -> VerifyError {
    VerifyError { reason, at: At::File(path.to_owned()) }
}

fn entry(reason: Reason, index: u64) -> VerifyError {
    VerifyError { reason, at: At::Entry(index) }
}

/// Names and contents as a general tar reader sees them.
fn unpacked(export: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(export);
    let files = archive.entries().unwrap().map(|file| {
        let mut file = file.unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    files.collect()
}

#[test]
fn sound_logs_verify_at_every_boundary() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513, 700] {
        let mut log = Log::of(size, 100);
        let kinds = if size == 0 { vec![] } else { vec![("thread.message_posted/1".to_owned(), size)] };
        let expected = Report {
            origin: ORIGIN.to_owned(),
            size,
            root: log.head().root,
            key_from_file: false,
            kinds: BTreeMap::from_iter(kinds),
        };
        let export = log.export();
        assert_eq!(verify_export(export.as_slice(), Some(&vkey())), Ok(expected.clone()), "size {size}");
        let self_vouched = Report { key_from_file: true, ..expected };
        assert_eq!(verify_export(export.as_slice(), None), Ok(self_vouched), "size {size}");
    }
}

#[test]
fn two_levels_of_full_tiles_verify() {
    let report = Log::of(65_536 + 257, 4_096).verify().unwrap();
    assert_eq!(report.size, 65_793);
}

#[test]
fn files_are_those_of_tlog_tiles() {
    let mut log = Log::of(600, 600);
    let files = unpacked(&log.export());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "vkey",
        "checkpoint",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/0/000",
        "tile/entries/000",
        "tile/0/001",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ];
    assert_eq!(names, expected);
    assert!(names[2..].iter().all(|name| Resource::parse(name).is_some()));
    assert_eq!(files[0].1, format!("{}\n", vkey()).into_bytes());
    assert_eq!(files[1].1, log.checkpoint.into_bytes());
    let bundle = &files[8].1;
    let first = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
    assert_eq!(bundle[2..2 + first], log.entries[512]);
    assert_eq!(files[2].1[..32], *leaf_hash(&log.entries[512]).as_bytes());
}

#[test]
fn same_log_same_bytes() {
    let export = Log::of(3, 1).export();
    assert_eq!(export, Log::of(3, 3).export());
    let digest: [u8; 32] = Sha256::digest(&export).into();
    assert_eq!(
        Hash::from_bytes(digest).hex(),
        "94feaa1fa64a9395cd4b399818d18b7cb02b901c92bb00290c6c2c766003ac8d"
    );
}

#[test]
fn a_store_with_holes_gives_no_export() {
    let export = |log: &mut Log| write_export(log, &vkey(), Vec::new()).map(drop);
    let mut no_entry = Log::of(3, 3);
    no_entry.entries.pop();
    assert!(matches!(export(&mut no_entry), Err(ExportError::Source(_))));
    let mut no_tile = Log::of(3, 3);
    no_tile.tiles.clear();
    assert!(matches!(export(&mut no_tile), Err(ExportError::Source(_))));
    let mut long_entry = Log::of(3, 3);
    long_entry.entries[1] = vec![b' '; 65_536];
    assert!(
        matches!(export(&mut long_entry), Err(ExportError::Incomplete { path }) if path == "tile/entries/000.p/3")
    );
    let mut unsigned = Log::of(3, 3);
    unsigned.checkpoint.clear();
    assert!(matches!(export(&mut unsigned), Err(ExportError::Checkpoint(LedgerError::CheckpointMalformed))));
}

#[test]
fn a_changed_entry_is_named() {
    for (size, changed) in [(1, 0), (300, 0), (300, 255), (300, 256), (300, 299), (513, 511)] {
        let mut log = Log::of(size, size);
        let position = usize::try_from(changed).unwrap();
        log.entries[position] = envelope(changed, &leaf(99));
        assert_eq!(log.verify(), Err(entry(Reason::EntryHashMismatch, changed)), "{changed} of {size}");
    }
}

#[test]
fn exchanged_entries_are_named() {
    let mut log = Log::of(300, 300);
    log.entries.swap(17, 280);
    assert_eq!(log.verify(), Err(entry(Reason::EntryHashMismatch, 17)));
}

#[test]
fn a_changed_tile_is_named() {
    // Every tile of a log with one full and two partial ones.
    for (level, index, path) in [(0, 0, "tile/0/000"), (0, 1, "tile/0/001.p/44"), (1, 0, "tile/1/000.p/1")] {
        let mut log = Log::of(300, 300);
        log.tiles.get_mut(&(level, index)).unwrap().hashes[5] ^= 1;
        assert_eq!(log.verify(), Err(file(Reason::TileMismatch, path)));
    }
}

#[test]
fn rewritten_history_does_not_verify() {
    let mut forged = Log::of(300, 300);
    forged.entries[10] = envelope(10, &leaf_hash(&forged.entries[8]));
    forged.rebuild_tiles();
    assert_eq!(forged.verify(), Err(entry(Reason::EntryPrevMismatch, 10)));

    let mut forged = Log::of(300, 300);
    let mut prev = leaf_hash(&forged.entries[9]);
    for index in 10..300_u64 {
        let text =
            String::from_utf8(envelope(index, &prev)).unwrap().replace("post_message", "forge_message");
        prev = leaf_hash(text.as_bytes());
        forged.entries[usize::try_from(index).unwrap()] = text.into_bytes();
    }
    forged.rebuild_tiles();
    assert_eq!(forged.verify(), Err(file(Reason::RootMismatch, "checkpoint")));
    // Whoever has the key can do it: that is what witnesses are for.
    forged.sign();
    assert_eq!(forged.verify().unwrap().size, 300);
}

#[test]
fn entries_must_be_well_formed_even_when_signed() {
    let sound = String::from_utf8(envelope(0, &Hash::ZERO)).unwrap();
    let with = |from: &str, to: &str| {
        assert!(sound.contains(from), "{from} is not in {sound}");
        let mut log = Log::default();
        log.push(sound.replacen(from, to, 1).into_bytes());
        log.store();
        log.sign();
        log.verify().map(drop)
    };
    let because = |reason| Err(entry(reason, 0));
    assert_eq!(with("{", "{"), Ok(()));
    assert_eq!(with("{", "{ "), because(Reason::EntryNotCanonical));
    assert_eq!(with("\"v\":1", "\"v\":1.0"), because(Reason::EntryNotCanonical));
    assert_eq!(with("\"v\":1", "\"v\":1,\"v\":1"), because(Reason::EntryNotCanonical));
    assert_eq!(with("\"v\":1", "\"v\":9007199254740993"), because(Reason::EntryNotCanonical));
    assert_eq!(with("\"v\":1", "\"w\":\"\\u0041\""), because(Reason::EntryNotCanonical));
    assert_eq!(with("}", ""), because(Reason::EntryNotCanonical));
    assert_eq!(with("\"index\":0", "\"index\":1"), because(Reason::EntryIndexMismatch));
    assert_eq!(with("\"index\":0", "\"index\":\"0\""), because(Reason::EntryIndexMismatch));
    assert_eq!(with("\"prev\":\"0", "\"prev\":\"1"), because(Reason::EntryPrevMismatch));
    assert_eq!(with("\"kind\":\"thread", "\"kink\":\"thread"), because(Reason::EntryMalformed));
    assert_eq!(with("\"events\"", "\"eventt\""), because(Reason::EntryMalformed));
    let long = format!("\"kind\":\"{}", "a".repeat(200));
    assert_eq!(with("\"kind\":\"thread", &long), because(Reason::ExportLimitExceeded));
}

#[test]
fn another_key_or_log_is_refused() {
    let export = Log::of(3, 3).export();
    let verify = |vkey: &str| verify_export(export.as_slice(), Some(vkey)).err();
    let other_key = LogKey::from_seed([8; 32]).vkey(ORIGIN).unwrap();
    assert_eq!(verify(&other_key), Some(file(Reason::CheckpointSignatureInvalid, "checkpoint")));
    let other_log = LogKey::from_seed([7; 32]).vkey("interlock.test/ws_02").unwrap();
    assert_eq!(verify(&other_log), Some(file(Reason::CheckpointOriginMismatch, "checkpoint")));
    assert_eq!(verify("nonsense"), Some(file(Reason::VerifierKeyInvalid, "checkpoint")));
}

#[test]
fn reasons_have_one_code_each() {
    let codes: std::collections::BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    let error = entry(Reason::EntryHashMismatch, 17);
    assert_eq!(error.to_string(), "entry 17: the entry differs from what the log proves");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_log_verifies_and_any_changed_entry_is_named(size in 1_u64..700, batch in 1_u64..300, pick in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut log = Log::of(size, batch);
        prop_assert!(log.verify().is_ok());
        let index = pick.index(log.entries.len());
        let at = pick.index(log.entries[index].len());
        log.entries[index][at] ^= 1 << bit;
        prop_assert_eq!(log.verify(), Err(entry(Reason::EntryHashMismatch, index as u64)));
    }
}
