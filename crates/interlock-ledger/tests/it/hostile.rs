//! Damaged and malicious exports: every bit, every length, and what a stranger would try.

use interlock_ledger::{
    At, Checkpoint, Hash, LogKey, Reason, TREE_SIZE_MAX, VerifyError, leaf_hash, verify_export,
};
use proptest::prelude::*;
use tar::{EntryType, Header};

use crate::world::{Log, ORIGIN, envelope, key, vkey};

fn reject(export: &[u8]) -> VerifyError {
    verify_export(export, Some(&vkey())).unwrap_err()
}

/// Where each entry, with its length, lies in an export.
fn entry_ranges(export: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut archive = tar::Archive::new(export);
    let mut ranges = Vec::new();
    for file in archive.entries().unwrap() {
        let file = file.unwrap();
        if !file.path().unwrap().starts_with("tile/entries") {
            continue;
        }
        let mut at = usize::try_from(file.raw_file_position()).unwrap();
        let end = at + usize::try_from(file.size()).unwrap();
        while at < end {
            let next = at + 2 + usize::from(u16::from_be_bytes([export[at], export[at + 1]]));
            ranges.push(at..next);
            at = next;
        }
    }
    ranges
}

fn flipped(export: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = export.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn every_flipped_bit_is_found() {
    let export = Log::of(2, 2).export();
    let ranges = entry_ranges(&export);
    assert_eq!(ranges.len(), 2);
    for bit in 0..export.len() * 8 {
        let bytes = flipped(&export, bit);
        let error = reject(&bytes);
        if let Some(index) = ranges.iter().position(|range| range.contains(&(bit / 8))) {
            assert_eq!(error.at, At::Entry(index as u64), "bit {bit}: {error}");
        }
        // Without a trusted key, a stranger's export is still consistent with itself or refused.
        if bit % 8 == 0 {
            assert!(verify_export(bytes.as_slice(), None).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn every_truncation_is_found() {
    let export = Log::of(2, 2).export();
    for length in 0..export.len() {
        let error = reject(&export[..length]);
        assert_eq!(error.reason, Reason::ExportTruncated, "{length} of {}: {error}", export.len());
    }
}

#[test]
fn nothing_may_follow() {
    let mut export = Log::of(2, 2).export();
    let file = file("more", b"bytes");
    let at_end = export.len() - 1024;
    let mut longer = export.clone();
    longer.splice(at_end..at_end, file);
    let unexpected = VerifyError { reason: Reason::ExportUnexpectedFile, at: At::File("more".to_owned()) };
    assert_eq!(reject(&longer), unexpected);
    export.push(0);
    assert_eq!(reject(&export), VerifyError { reason: Reason::ExportMalformed, at: At::End });
}

#[test]
fn files_out_of_place_are_named() {
    let export = Log::of(300, 300).export();
    let mut without_checkpoint = export.clone();
    without_checkpoint.drain(1024..2048);
    let error = reject(&without_checkpoint);
    assert_eq!(error.reason, Reason::ExportUnexpectedFile);
    assert_eq!(error.at, At::File("tile/0/001.p/44".to_owned()));
    let closed = [&export[..2048], &[0; 1024]].concat();
    assert_eq!(reject(&closed).reason, Reason::ExportTruncated);
}

#[test]
fn tar_extensions_are_not_followed() {
    let export = Log::of(2, 2).export();
    let special = |kind, path: &str, size| {
        let mut header = Header::new_gnu();
        header.set_path(path).unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    for kind in [
        EntryType::GNULongName,
        EntryType::XHeader,
        EntryType::GNUSparse,
        EntryType::Symlink,
        EntryType::Directory,
    ] {
        for size in [0, 1 << 20, 1 << 60] {
            let bytes = [special(kind, "././@LongLink", size), export.clone()].concat();
            assert_eq!(reject(&bytes).reason, Reason::ExportUnexpectedFile, "{kind:?}");
            let named = [special(kind, "vkey", size), export.clone()].concat();
            assert_eq!(reject(&named).reason, Reason::ExportMalformed, "{kind:?}");
        }
    }
}

#[test]
fn claimed_sizes_cost_nothing() {
    // A stranger signs whatever they like with their own key.
    for size in [1 << 20, TREE_SIZE_MAX - 1, TREE_SIZE_MAX] {
        let head = Checkpoint { origin: ORIGIN.to_owned(), size, root: Hash::ZERO };
        let note = key().sign_checkpoint(&head).unwrap();
        let bytes =
            [file("vkey", format!("{}\n", vkey()).as_bytes()), file("checkpoint", note.as_bytes())].concat();
        assert_eq!(reject(&bytes).reason, Reason::ExportTruncated);
    }
    let mut huge = Header::new_ustar();
    huge.set_path("vkey").unwrap();
    huge.set_size(u64::MAX);
    huge.set_cksum();
    assert_eq!(reject(huge.as_bytes()).reason, Reason::ExportMalformed);
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    for bytes in
        [b"[".repeat(65_535), b"{\"a\":".repeat(10_000), [b"[".repeat(30_000), b"]".repeat(30_000)].concat()]
    {
        let mut log = Log::default();
        log.push(bytes);
        log.store();
        log.sign();
        let refused = VerifyError { reason: Reason::EntryNotCanonical, at: At::Entry(0) };
        assert_eq!(log.verify(), Err(refused));
    }
}

#[test]
fn kinds_are_limited() {
    let mut log = Log::default();
    let mut prev = Hash::ZERO;
    for index in 0..5_000 {
        let kind = format!("kind.number_{index}/1");
        let text =
            String::from_utf8(envelope(index, &prev)).unwrap().replace("thread.message_posted/1", &kind);
        prev = leaf_hash(text.as_bytes());
        log.push(text.into_bytes());
    }
    log.store();
    log.sign();
    let limit = VerifyError { reason: Reason::ExportLimitExceeded, at: At::Entry(4_096) };
    assert_eq!(log.verify(), Err(limit));
}

#[test]
fn a_failing_reader_is_not_blamed_on_the_log() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk on fire"))
        }
    }
    assert_eq!(verify_export(Failing, None).unwrap_err().reason, Reason::ExportUnreadable);
}

#[test]
fn a_forged_export_vouches_only_for_itself() {
    let mut log = Log::of(3, 3);
    let stranger = LogKey::from_seed([9; 32]);
    log.checkpoint = stranger.sign_checkpoint(&log.head()).unwrap();
    let mut bytes = Vec::new();
    interlock_ledger::write_export(&mut log, &stranger.vkey(ORIGIN).unwrap(), &mut bytes).unwrap();
    assert!(verify_export(bytes.as_slice(), None).unwrap().key_from_file);
    assert_eq!(reject(&bytes).reason, Reason::CheckpointSignatureInvalid);
}

/// A file of a tar as we write them.
fn file(path: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_path(path).unwrap();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut file = [header.as_bytes().as_slice(), bytes].concat();
    file.resize(file.len().next_multiple_of(512), 0);
    file
}

proptest! {
    #[test]
    fn random_bytes_never_verify(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(verify_export(bytes.as_slice(), None).is_err());
    }

    #[test]
    fn flipped_bits_in_a_tiled_export_are_found(size in 257_u64..300, pick in any::<prop::sample::Index>()) {
        let export = Log::of(size, size).export();
        let bit = pick.index(export.len() * 8);
        let error = reject(&flipped(&export, bit));
        if let Some(index) = entry_ranges(&export).iter().position(|range| range.contains(&(bit / 8))) {
            prop_assert_eq!(error.at, At::Entry(index as u64));
        }
    }

    #[test]
    fn spliced_exports_never_verify(cut in any::<prop::sample::Index>(), length in 1_usize..3000, insert in prop::collection::vec(any::<u8>(), 0..600)) {
        let export = Log::of(5, 5).export();
        let from = cut.index(export.len());
        let to = (from + length).min(export.len());
        let mut spliced = export.clone();
        spliced.splice(from..to, insert);
        prop_assume!(spliced != export);
        reject(&spliced);
    }
}
