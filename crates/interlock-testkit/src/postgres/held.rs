//! A transaction that stays open.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::{QUIETLY, psql};

/// An open transaction with its locks; both end with it.
#[derive(Debug)]
pub struct Held(Child);

impl Held {
    pub(super) fn begin(url: &str, text: &str) -> Self {
        let mut command = Command::new(psql());
        command.args(QUIETLY).args(["-d", url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let words = format!("BEGIN; {text};\n\\echo held\n");
        child.stdin.as_mut().unwrap().write_all(words.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n", "`{text}`");
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It ends at the end of its input, and takes the transaction with it.
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}
