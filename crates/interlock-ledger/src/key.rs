//! The Ed25519 key that signs checkpoints.

use std::fmt;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};

/// Text that is wiped from memory when dropped.
pub use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;

use crate::LedgerError;
use crate::checkpoint::{Checkpoint, check_origin};
use crate::hash::hex;

/// The signature type of Ed25519 in signed-note.
const NOTE_ED25519: u8 = 1;

/// The signing key of a log. Wiped from memory when dropped; `Debug` shows only the public half.
#[derive(Clone)]
pub struct LogKey(SigningKey);

impl LogKey {
    /// Takes 32 bytes of somebody else's randomness.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads an unencrypted `-----BEGIN PRIVATE KEY-----` file (PKCS#8, RFC 8410), ours or OpenSSL's.
    ///
    /// # Errors
    /// [`LedgerError::KeyInvalid`], without saying more about the contents.
    pub fn from_pem(pem: &str) -> Result<Self, LedgerError> {
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| LedgerError::KeyInvalid)
    }

    /// Writes what [`LogKey::from_pem`] reads: PKCS#8 version 1, which OpenSSL and Go read too. They do not all
    /// read version 2, where the public key is repeated.
    ///
    /// # Errors
    /// [`LedgerError::KeyInvalid`] if the encoder refuses, which no key is known to cause.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, LedgerError> {
        let pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| LedgerError::KeyInvalid)
    }

    /// The verifier key to hand out, `<origin>+<8 hex digits>+<base64>` (signed-note).
    ///
    /// # Errors
    /// [`LedgerError::OriginInvalid`] when the origin cannot name a key.
    pub fn vkey(&self, origin: &str) -> Result<String, LedgerError> {
        check_origin(origin)?;
        Ok(signed_note::new_ed25519_verifier_key(origin, &self.0.verifying_key()))
    }

    /// Signs a tree head as a note (tlog-checkpoint). Ed25519 is deterministic: same head, same bytes.
    ///
    /// # Errors
    /// [`LedgerError::OriginInvalid`] when the origin cannot name a log, [`LedgerError::SizeBeyondLimit`] when no
    /// verifier of ours would accept the size.
    pub fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<String, LedgerError> {
        let text = checkpoint.text()?;
        let signer = NoteSigner::new(&checkpoint.origin, &self.0);
        let mut note = signed_note::Note::new(&text, &[]).map_err(|_| LedgerError::CheckpointMalformed)?;
        note.add_sigs(&[&signer]).map_err(|_| LedgerError::CheckpointMalformed)?;
        String::from_utf8(note.to_bytes()).map_err(|_| LedgerError::CheckpointMalformed)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKey")
            .field("public", &hex(self.0.verifying_key().as_bytes()))
            .finish_non_exhaustive()
    }
}

/// Lends the key to the note code, under the log's name.
struct NoteSigner<'a> {
    name: &'a str,
    id: u32,
    key: &'a SigningKey,
}

impl<'a> NoteSigner<'a> {
    fn new(name: &'a str, key: &'a SigningKey) -> Self {
        let public = [&[NOTE_ED25519], key.verifying_key().as_bytes().as_slice()].concat();
        Self { name, id: signed_note::key_id(name, &public), key }
    }
}

impl signed_note::Signer for NoteSigner<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.key.try_sign(message)?.to_vec())
    }
}
