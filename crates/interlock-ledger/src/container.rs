//! The tar file of an export, in the one form we write: plain ustar, fixed metadata, no directories.
//!
//! Reading compares whole header blocks with the ones we would have written, so there is nothing to interpret and no
//! bit that may differ. A general tar reader would follow long-name and sparse extensions that a stranger controls.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use tar::{EntryType, Header};

use crate::verify_error::{At, Reason, VerifyError};

const BLOCK: usize = 512;

/// Longest part of a foreign file name that is repeated in an error.
const NAME_SHOWN_MAX: usize = 100;

/// Writes one file with its padding.
pub(crate) fn write_file<W: Write>(out: &mut W, path: &str, bytes: &[u8]) -> io::Result<()> {
    out.write_all(header(path, bytes.len() as u64)?.as_bytes())?;
    out.write_all(bytes)?;
    let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
    io::copy(&mut io::repeat(0).take(padding as u64), out).map(drop)
}

/// Writes the two empty blocks that end a tar file.
pub(crate) fn write_end<W: Write>(out: &mut W) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()
}

fn header(path: &str, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Reads an export file by file, each under the name the caller expects next.
pub(crate) struct Files<R> {
    input: BufReader<R>,
    /// The current file; empty after the last one.
    path: String,
    left: u64,
    padding: u64,
}

impl<R: Read> Files<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input: BufReader::new(input), path: String::new(), left: 0, padding: 0 }
    }

    /// Moves to the next file, which must be `path` and hold `sizes` bytes; gives its size.
    pub(crate) fn open(
        &mut self,
        path: &str,
        sizes: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, VerifyError> {
        path.clone_into(&mut self.path);
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        let found = Header::from_byte_slice(&block);
        let size = found.entry_size().ok().filter(|size| sizes.contains(size));
        let expected = size.and_then(|size| header(path, size).ok());
        match (size, expected) {
            (Some(size), Some(expected)) if expected.as_bytes() == &block => {
                self.left = size;
                self.padding = size.next_multiple_of(BLOCK as u64) - size;
                Ok(size)
            }
            _ => Err(self.unexpected(found)),
        }
    }

    /// Bytes of the current file not read yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Fills `buffer` from the current file.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<(), VerifyError> {
        self.left =
            self.left.checked_sub(buffer.len() as u64).ok_or_else(|| self.error(Reason::ExportMalformed))?;
        self.fill(buffer)
    }

    /// Reads the rest of the current file, whose size the caller has bounded in [`Files::open`].
    pub(crate) fn read_rest(&mut self) -> Result<Vec<u8>, VerifyError> {
        let size = usize::try_from(self.left).map_err(|_| self.error(Reason::ExportMalformed))?;
        let mut bytes = vec![0; size];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    /// Ends the current file: nothing may be left, and the padding must be empty.
    pub(crate) fn close(&mut self) -> Result<(), VerifyError> {
        if self.left > 0 {
            return Err(self.error(Reason::ExportMalformed));
        }
        let mut padding = [0; BLOCK];
        let length = usize::try_from(self.padding).unwrap_or(BLOCK);
        let Some(padding) = padding.get_mut(..length) else {
            return Err(self.error(Reason::ExportMalformed));
        };
        self.fill(padding)?;
        if padding.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(self.error(Reason::ExportMalformed)) }
    }

    /// Ends the export: the two empty blocks, then nothing.
    pub(crate) fn finish(mut self) -> Result<(), VerifyError> {
        self.path.clear();
        let mut block = [0; BLOCK];
        for _ in 0..2 {
            self.fill(&mut block)?;
            if block != [0; BLOCK] {
                return Err(self.unexpected(Header::from_byte_slice(&block)));
            }
        }
        match self.input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(self.error(Reason::ExportMalformed)),
            Err(_) => Err(self.error(Reason::ExportUnreadable)),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), VerifyError> {
        self.input.read_exact(buffer).map_err(|error| {
            let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
            self.error(if is_end { Reason::ExportTruncated } else { Reason::ExportUnreadable })
        })
    }

    /// Says why a header is not the expected one: the end came too early, another file, or damage.
    fn unexpected(&self, found: &Header) -> VerifyError {
        if found.as_bytes() == &[0; BLOCK] {
            return self.error(Reason::ExportTruncated);
        }
        let mut summed = found.clone();
        summed.set_cksum();
        let name = found.path_bytes();
        if summed.as_bytes() != found.as_bytes() || *name == *self.path.as_bytes() {
            return self.error(Reason::ExportMalformed);
        }
        let shown = String::from_utf8_lossy(&name).chars().take(NAME_SHOWN_MAX).collect();
        VerifyError { reason: Reason::ExportUnexpectedFile, at: At::File(shown) }
    }

    fn error(&self, reason: Reason) -> VerifyError {
        let at = if self.path.is_empty() { At::End } else { At::File(self.path.clone()) };
        VerifyError { reason, at }
    }
}
