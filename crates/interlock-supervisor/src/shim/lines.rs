//! The output of a runtime that speaks in events: cut into lines, read, and written down as people read it.
//!
//! Standard output and standard error come through one pipe: the program's words on why it gives up stand on the second.
//! A line that is written at once and is no longer than a pipe's buffer arrives in one piece, and the events that decide
//! anything are short; a longer one that is torn apart is taken for words.

use std::sync::mpsc::Sender;

use interlock_core::agent::Runtime;

use super::Event;
use crate::runtime::{Reader, Said};

/// Bytes of one line; of a longer one the rest is left out.
const EVENT_LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Lines as they come.
#[derive(Debug)]
pub(super) struct Lines {
    reader: Reader,
    rest: Vec<u8>,
    is_cut: bool,
}

impl Lines {
    /// Of a runtime that has events.
    pub(super) fn of(runtime: Runtime) -> Option<Self> {
        Reader::of(runtime).map(|reader| Self { reader, rest: Vec::new(), is_cut: false })
    }

    /// Take the next bytes; what they mean goes to `events`, what the log gets comes back.
    pub(super) fn take(&mut self, bytes: &[u8], events: &Sender<Event>) -> Vec<u8> {
        let mut text = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, is_whole) =
                part.strip_suffix(b"\n").map_or((part, false), |content| (content, true));
            let room = EVENT_LINE_BYTES_MAX.saturating_sub(self.rest.len());
            self.is_cut |= content.len() > room;
            self.rest.extend_from_slice(content.get(..content.len().min(room)).unwrap_or_default());
            if is_whole {
                text.extend(self.line(events));
            }
        }
        text
    }

    /// The end of the output: the last line may have no end, and everything told so far is told.
    pub(super) fn finish(&mut self, events: &Sender<Event>) -> Vec<u8> {
        let text = if self.rest.is_empty() { Vec::new() } else { self.line(events) };
        // The loop is gone only when the process is about to be.
        let _unheard = events.send(Event::Heard(self.reader.heard()));
        text
    }

    fn line(&mut self, events: &Sender<Event>) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.rest);
        let is_cut = std::mem::take(&mut self.is_cut);
        let line = self.reader.line(&String::from_utf8_lossy(&bytes));
        match line.said {
            Some(Said::Began(session_id)) => drop(events.send(Event::Began(session_id))),
            Some(Said::Hopeless(fault)) => drop(events.send(Event::Hopeless(fault))),
            None => {}
        }
        let mut text = line.text.unwrap_or_default().into_bytes();
        if is_cut {
            text.extend_from_slice(b" [cut]");
        }
        if !text.is_empty() {
            text.push(b'\n');
        }
        text
    }
}
