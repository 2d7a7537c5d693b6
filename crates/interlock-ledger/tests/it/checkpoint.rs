//! Keys and signed tree heads. The golden note was made with Python's `hashlib` and OpenSSL's Ed25519.

use interlock_ledger::{
    CHECKPOINT_BYTES_MAX, Checkpoint, Hash, LedgerError, LogKey, TREE_SIZE_MAX, open_checkpoint,
};

use crate::world::{Log, ORIGIN, key, vkey};

#[test]
fn golden() {
    let log = Log::of_leaves(3);
    assert_eq!(vkey(), "interlock.test/ws_01+ac6de663+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs");
    let expected = concat!(
        "interlock.test/ws_01\n3\nm0ll+LIgukL3A5rQeByWbPkLsa6hWoBYbWNLMiqx9M4=\n\n",
        "— interlock.test/ws_01 rG3mY1fYmRmFO4JCKxkw1SYNUOSso+45CJJQ2iM0EyAbJeQW3oYjQ6ZMhxqMtpymMIE72O9eddSQWKkGQg7q",
        "vCjecQQ=\n",
    );
    assert_eq!(log.checkpoint, expected);
    assert_eq!(open_checkpoint(&log.checkpoint, &vkey()), Ok(log.head()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (note, vkey) = (Log::of_leaves(3).checkpoint, vkey());
    let flips = |text: &str, check: &dyn Fn(&str) -> bool| {
        for position in 0..text.len() * 8 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[position / 8] ^= 1 << (position % 8);
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(check(&flipped), "bit {position}: {flipped}");
            }
        }
    };
    flips(&note, &|flipped| open_checkpoint(flipped, &vkey).is_err());
    flips(&vkey, &|flipped| open_checkpoint(&note, flipped).is_err());
}

#[test]
fn another_key_is_refused() {
    let note = Log::of_leaves(3).checkpoint;
    let other = LogKey::from_seed([8; 32]).vkey(ORIGIN).unwrap();
    let invalid = LedgerError::CheckpointSignatureInvalid(ORIGIN.to_owned());
    assert_eq!(open_checkpoint(&note, &other), Err(invalid));
}

#[test]
fn a_checkpoint_about_another_log_is_refused() {
    // The key of this log signs, under its own name, the head of another.
    let text = "other.test/ws_02\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let seed = [0x07; 32];
    let note = signed_by_hand(text, seed);
    let found = "other.test/ws_02".to_owned();
    let mismatch = LedgerError::CheckpointOriginMismatch { expected: ORIGIN.to_owned(), found };
    assert_eq!(open_checkpoint(&note, &vkey()), Err(mismatch));
}

#[test]
fn extension_lines_and_giants_are_refused() {
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let extended = signed_by_hand(&format!("{ORIGIN}\n0\n{root}\nextension\n"), [7; 32]);
    assert_eq!(open_checkpoint(&extended, &vkey()), Err(LedgerError::CheckpointMalformed));
    let giant = signed_by_hand(&format!("{ORIGIN}\n{}\n{root}\n", u64::MAX), [7; 32]);
    assert_eq!(open_checkpoint(&giant, &vkey()), Err(LedgerError::SizeBeyondLimit(u64::MAX)));
    let long = format!("{}\n", "a".repeat(CHECKPOINT_BYTES_MAX));
    assert_eq!(open_checkpoint(&long, &vkey()), Err(LedgerError::CheckpointMalformed));
}

#[test]
fn a_witness_signature_does_not_disturb() {
    let log = Log::of_leaves(3);
    let cosigned = format!("{}— witness.test AAAAAAAAAAAA\n", log.checkpoint);
    assert_eq!(open_checkpoint(&cosigned, &vkey()), Ok(log.head()));
}

#[test]
fn origins_that_cannot_name_a_log_are_refused() {
    for origin in ["", " ", "a b", "a+b", "a\nb", "a\tb", "a\u{7}b", &"a".repeat(256)] {
        let head = Checkpoint { origin: origin.to_owned(), size: 0, root: Hash::EMPTY_ROOT };
        assert!(matches!(key().vkey(origin), Err(LedgerError::OriginInvalid(_))), "{origin:?}");
        assert!(matches!(key().sign_checkpoint(&head), Err(LedgerError::OriginInvalid(_))), "{origin:?}");
    }
    let head = Checkpoint { origin: ORIGIN.to_owned(), size: TREE_SIZE_MAX + 1, root: Hash::EMPTY_ROOT };
    assert_eq!(key().sign_checkpoint(&head), Err(LedgerError::SizeBeyondLimit(TREE_SIZE_MAX + 1)));
}

#[test]
fn keys_survive_pem_and_stay_out_of_debug() {
    let pem = key().to_pem().unwrap();
    // RFC 8410 section 7: the prefix of every Ed25519 key in PKCS#8 version 1, then the seed.
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let body = encode(&[prefix.as_slice(), &[7; 32]].concat());
    assert_eq!(*pem, format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"));
    let read = LogKey::from_pem(&pem).unwrap();
    assert_eq!(read.vkey(ORIGIN), key().vkey(ORIGIN));
    assert_eq!(
        LogKey::from_pem("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n").err(),
        Some(LedgerError::KeyInvalid)
    );
    assert!(!format!("{:?}", key()).contains("0707"), "the seed is in {:?}", key());
}

/// Signs any text under our name, which the crate itself refuses to do.
fn signed_by_hand(text: &str, seed: [u8; 32]) -> String {
    let signing = ed25519_dalek::SigningKey::from_bytes(&seed);
    let public = [&[1], signing.verifying_key().as_bytes().as_slice()].concat();
    let secret = [&[1], seed.as_slice()].concat();
    let id = signed_note::key_id(ORIGIN, &public);
    let skey = format!("PRIVATE+KEY+{ORIGIN}+{id:08x}+{}", encode(&secret));
    let signer = signed_note::StandardSigner::new(&skey).unwrap();
    let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    String::from_utf8(note.to_bytes()).unwrap()
}

fn encode(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes)
}
