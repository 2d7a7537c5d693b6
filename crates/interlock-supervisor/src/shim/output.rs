//! What the agent prints: read as fast as it comes, understood where its runtime speaks in events, and logged.
//!
//! Such a runtime has two pipes: its events are on standard output, and what it or its tools say on standard error can
//! neither tear one apart nor pass for one. Everything else prints through one pipe, so that its log keeps the order.

use std::io;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};

use interlock_core::agent::Runtime;
use interlock_core::text::last_words;

use super::Event;
use super::lines::Lines;
use super::log::Log;
use super::redact::Redactor;
use crate::runtime::{Heard, Line, Reader, Said};

/// Bytes read from the agent at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait to be understood; then the agent waits.
const CHUNKS_MAX: usize = 4;

/// Which of the agent's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Its standard output, or both in one.
    Out,
    /// Its standard error.
    Err,
}

/// Whether this runtime's streams are told apart.
pub(super) fn is_split(runtime: Runtime) -> bool {
    Reader::of(runtime).is_some()
}

/// Take in these streams until their ends; gives nothing and fails at nothing: what happens goes to `events`.
pub(super) fn follow(
    streams: Vec<(Source, io::PipeReader)>,
    runtime: Runtime,
    redactor: &Redactor,
    log: Option<Log>,
    events: Sender<Event>,
) {
    let (chunks, inbox) = sync_channel(CHUNKS_MAX);
    for (source, pipe) in streams {
        let chunks = chunks.clone();
        std::thread::spawn(move || pump(source, pipe, &chunks));
    }
    drop(chunks);
    let mut output = Output {
        reader: Reader::of(runtime),
        last: Last::default(),
        out: Stream { lines: Lines::default(), redactor: redactor.clone() },
        err: Stream { lines: Lines::default(), redactor: redactor.clone() },
        log,
        events,
    };
    std::thread::spawn(move || {
        let mut is_first = true;
        for (source, bytes) in inbox {
            if std::mem::take(&mut is_first) {
                output.tell(Event::Output);
            }
            output.take(source, &bytes);
        }
        output.finish();
    });
}

fn pump(source: Source, mut pipe: impl io::Read, chunks: &SyncSender<(Source, Vec<u8>)>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                let bytes = chunk.get(..count).unwrap_or_default().to_vec();
                if chunks.send((source, bytes)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[derive(Debug)]
struct Stream {
    lines: Lines,
    redactor: Redactor,
}

/// The last line that says something, as the log has it.
#[derive(Debug, Default)]
struct Last {
    lines: Lines,
    words: Option<String>,
}

impl Last {
    fn take(&mut self, sure: &[u8]) {
        let Self { lines, words } = self;
        lines.take(sure, |line, _| *words = last_words(line).or_else(|| words.take()));
    }

    fn finish(&mut self) -> Option<String> {
        let Self { lines, words } = self;
        lines.finish(|line, _| *words = last_words(line).or_else(|| words.take()));
        words.take()
    }
}

#[derive(Debug)]
struct Output {
    /// Understands the runtime's events, if it has any.
    reader: Option<Reader>,
    /// What it printed last, where it has no events.
    last: Last,
    out: Stream,
    err: Stream,
    log: Option<Log>,
    events: Sender<Event>,
}

impl Output {
    /// The loop is gone only when the process is about to be; then nobody needs to hear.
    fn tell(&self, event: Event) {
        drop(self.events.send(event));
    }

    fn take(&mut self, source: Source, bytes: &[u8]) {
        self.log(source, |stream, reader, events, sure| match reader {
            Some(reader) => {
                let Stream { lines, redactor } = stream;
                lines.take(bytes, |line, is_cut| {
                    let text = understood(source, reader, line, is_cut, redactor, events);
                    redactor.push(&text, sure);
                });
            }
            None => stream.redactor.push(bytes, sure),
        });
    }

    fn finish(&mut self) {
        for source in [Source::Out, Source::Err] {
            self.log(source, |stream, reader, events, sure| {
                let Stream { lines, redactor } = stream;
                if let Some(reader) = reader {
                    lines.finish(|line, is_cut| {
                        let text = understood(source, reader, line, is_cut, redactor, events);
                        redactor.push(&text, sure);
                    });
                }
                redactor.finish(sure);
            });
        }
        if let Some(reader) = &self.reader {
            self.tell(Event::Heard(reader.heard()));
        } else if let Some(words) = self.last.finish() {
            self.tell(Event::Heard(Heard { last_message: Some(words), ..Heard::default() }));
        }
        self.write(Log::finish);
        self.tell(Event::OutputClosed);
    }

    /// Write what `make` comes to.
    fn log(
        &mut self,
        source: Source,
        make: impl FnOnce(&mut Stream, Option<&mut Reader>, &Sender<Event>, &mut Vec<u8>),
    ) {
        let mut sure = Vec::new();
        let stream = match source {
            Source::Out => &mut self.out,
            Source::Err => &mut self.err,
        };
        make(stream, self.reader.as_mut(), &self.events, &mut sure);
        if self.reader.is_none() {
            self.last.take(&sure);
        }
        self.write(|log| log.append(&sure));
    }

    /// Write into the log while there is one: a full disk ends the log and not the agent.
    fn write(&mut self, write: impl FnOnce(&mut Log) -> io::Result<()>) {
        if let Some(log) = &mut self.log
            && let Err(error) = write(log)
        {
            self.log = None;
            self.tell(Event::Unlogged(error.to_string()));
        }
    }
}

/// What a line means goes to `events`, what the log gets comes back.
fn understood(
    source: Source,
    reader: &mut Reader,
    line: &str,
    is_cut: bool,
    hide: &Redactor,
    events: &Sender<Event>,
) -> Vec<u8> {
    let Line { said, text } = match source {
        Source::Out => reader.line(line, hide),
        Source::Err => reader.words(line),
    };
    match said {
        Some(Said::Began(session)) => drop(events.send(Event::Began(session))),
        Some(Said::Hopeless(fault)) => drop(events.send(Event::Hopeless(fault))),
        None => {}
    }
    let mut text = text.unwrap_or_default();
    if is_cut {
        // A secret may have been cut in two with it.
        text = hide.hide(&text);
        text.push_str(" [cut]");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_something_is_kept() {
        for (printed, want) in [
            ("one\ntwo\n", Some("two")),
            ("one\n two", Some("two")),
            ("one\n\n \t\n\r\n", Some("one")),
            ("one\u{0}\u{7}\r\n", Some("one")),
            ("caf\u{e9}\n", Some("caf\u{e9}")),
            ("\n \n", None),
            ("", None),
        ] {
            for size in 1..=printed.len().max(1) {
                let mut last = Last::default();
                printed.as_bytes().chunks(size).for_each(|chunk| last.take(chunk));
                assert_eq!(last.finish().as_deref(), want, "{printed:?} in chunks of {size}");
            }
        }
    }

    #[test]
    fn what_an_agent_without_events_printed_last_is_heard_without_secrets() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (events, inbox) = std::sync::mpsc::channel();
        let redactor = Redactor::new([b"sesame!".to_vec()]);
        io::Write::write_all(&mut writer, b"first\nsesame! opens\n\n").unwrap();
        drop(writer);
        follow(vec![(Source::Out, reader)], Runtime::Command, &redactor, None, events);
        let heard = inbox.iter().find_map(|event| match event {
            Event::Heard(heard) => Some(heard),
            _ => None,
        });
        let last_message = Some("[redacted] opens".to_owned());
        assert_eq!(heard, Some(Heard { last_message, ..Heard::default() }));
    }
}
