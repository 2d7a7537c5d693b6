//! What an agent prints: the last 64 KiB of it, in one file a wake that can be read at any time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of output that are kept.
pub(crate) const LOG_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an attempt's heading.
const HEADING_BYTES_MAX: usize = 2 * 1024;

/// The log of a wake. The file grows to twice what is kept, then it is replaced by a shorter one: so it is bounded
/// whatever is printed, and whoever reads it meanwhile reads on in the file that they opened.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    file_len: usize,
    heading: Vec<u8>,
    /// The last bytes written, at least [`LOG_BYTES_MAX`] of them if there were so many.
    tail: Vec<u8>,
    dropped: u64,
}

impl Log {
    /// Open the log of a wake; what earlier attempts printed stays as long as there is room.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let len = file.metadata()?.len();
        let keep = u64::try_from(LOG_BYTES_MAX).unwrap_or(u64::MAX);
        file.seek(SeekFrom::Start(len.saturating_sub(keep)))?;
        let mut tail = Vec::new();
        (&mut file).take(keep).read_to_end(&mut tail)?;
        let file_len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(Self { path: path.to_owned(), file, file_len, heading: Vec::new(), tail, dropped: 0 })
    }

    /// Begin an attempt with its heading, which stays even when the attempt's first output does not.
    pub(crate) fn begin(&mut self, heading: &str) -> io::Result<()> {
        let mut line: String = heading.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        while line.len() > HEADING_BYTES_MAX {
            line.pop();
        }
        line.push('\n');
        if self.tail.last().is_some_and(|last| *last != b'\n') {
            self.append(b"\n")?;
        }
        self.append(line.as_bytes())?;
        self.heading = line.into_bytes();
        self.dropped = 0;
        Ok(())
    }

    /// Add output.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tail.extend_from_slice(bytes);
        if self.file_len.saturating_add(bytes.len()) > 2 * LOG_BYTES_MAX {
            return self.shorten();
        }
        self.file.write_all(bytes)?;
        self.file_len += bytes.len();
        Ok(())
    }

    /// The attempt is over: leave no more than is to be kept.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.file_len > LOG_BYTES_MAX + self.heading.len() { self.shorten() } else { Ok(()) }
    }

    fn shorten(&mut self) -> io::Result<()> {
        let excess = self.tail.len().saturating_sub(LOG_BYTES_MAX);
        // Not in the midst of a character.
        let middle = self.tail.iter().skip(excess).take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
        self.tail.drain(..excess + middle);
        self.dropped = self.dropped.saturating_add(u64::try_from(excess + middle).unwrap_or(u64::MAX));
        let mut fresh = self.path.clone().into_os_string();
        fresh.push(".new");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&fresh)?;
        let mut content = Vec::new();
        if !self.tail.starts_with(&self.heading) {
            content.extend_from_slice(&self.heading);
        }
        content.extend_from_slice(format!("[{} bytes left out]\n", self.dropped).as_bytes());
        content.extend_from_slice(&self.tail);
        file.write_all(&content)?;
        std::fs::rename(&fresh, &self.path)?;
        self.file_len = content.len();
        self.file = file;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_the_heading_and_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = Log::open(&path).unwrap();
        log.begin("attempt 1").unwrap();
        for n in 0..40_000 {
            log.append(format!("line {n} \u{e9}\n").as_bytes()).unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() <= 2 * 64 * 1024 + 4096);
        }
        log.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("attempt 1\n[") && text.ends_with("line 39999 \u{e9}\n"));
        assert!(text.len() > 60 * 1024 && text.len() < 66 * 1024, "{}", text.len());
    }

    #[test]
    fn attempts_follow_each_other_in_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        for n in 1..=2 {
            let mut log = Log::open(&path).unwrap();
            log.begin(&format!("attempt {n}\nx")).unwrap();
            log.append(b"no line end").unwrap();
            log.finish().unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "attempt 1 x\nno line end\nattempt 2 x\nno line end");
    }
}
