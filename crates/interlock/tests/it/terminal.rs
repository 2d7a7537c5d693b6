//! A terminal, as a person has one: what is typed goes to whoever has it in the foreground, and Ctrl-C interrupts it.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::Chars;
use std::sync::{Arc, Mutex, PoisonError};

use crate::wait::until;

/// What programs ask a terminal, and what it replies: where the cursor is, and what kind of terminal it is.
const ASKED: [(&[u8], &[u8]); 2] = [(b"\x1b[6n", b"\x1b[1;1R"), (b"\x1b[c", b"\x1b[?1;2c")];

/// A command in a terminal of its own, which `script` of util-linux makes.
pub(crate) struct Terminal {
    child: Child,
    keys: Arc<Mutex<ChildStdin>>,
    /// What was written to it.
    written: Arc<Mutex<Vec<u8>>>,
    /// How much of the screen was looked at.
    seen: usize,
}

impl Terminal {
    /// Run a shell script; `script` brings the environment and the folder.
    pub(crate) fn start(script: &mut Command, file: &str) -> Self {
        script.args(["-q", "-e", "-c", &format!("stty rows 40 cols 120; exec sh '{file}'"), "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut output, keys) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let (written, keys) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(keys)));
        let (shared, replies) = (Arc::clone(&written), Arc::clone(&keys));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shared.lock().unwrap().extend_from_slice(&bytes[..count]);
                for (_, reply) in ASKED.iter().filter(|(question, _)| has(&bytes[..count], question)) {
                    // Whoever asked may be gone by now.
                    let _gone = replies.lock().unwrap().write_all(reply);
                }
            }
        });
        Self { child, keys, written, seen: 0 }
    }

    /// Press keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.lock().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Wait until this stands on the screen, below what was looked at before; gives everything up to and with it.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) -> String {
        let found = until(&format!("`{text}` on the screen"), || {
            // A script that has ended shows no more than there is now.
            let is_over = matches!(self.child.try_wait(), Ok(Some(_)));
            let screen = screen(&self.written.lock().unwrap());
            let new = &screen[self.seen..];
            match new.find(text) {
                Some(at) => Some(Ok(new[..at + text.len()].to_owned())),
                None => is_over.then(|| Err(screen.clone())),
            }
        });
        let part = found.unwrap_or_else(|screen| panic!("`{text}` never came:\n{screen}"));
        self.seen += part.len();
        part
    }

    /// Wait for the end; gives the exit code.
    pub(crate) fn ends(mut self) -> Option<i32> {
        until("the end of a script", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the screen:\n{}",
                screen(&self.written.lock().unwrap_or_else(PoisonError::into_inner))
            );
        }
        // Nothing to end when it has ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The text as somebody sees it: a cursor that moves to the right leaves a gap, other orders to the terminal are no text.
/// What is cut off at the end is left out until the rest of it comes.
fn screen(written: &[u8]) -> String {
    let whole = match std::str::from_utf8(written) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&written[..error.valid_up_to()]).unwrap(),
    };
    let mut seen = String::new();
    let mut chars = whole.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match order(&mut chars) {
                Some((number, 'C')) => seen += &" ".repeat(number),
                Some((number, 'G')) => {
                    let column = seen.chars().rev().take_while(|c| *c != '\n').count();
                    seen += &" ".repeat((number - 1).saturating_sub(column));
                }
                // Somewhere else on the screen.
                Some((_, 'H')) => seen.push('\n'),
                Some(_) => {}
                None => break,
            },
            '\n' | '\t' => seen.push(c),
            c if c.is_control() => {}
            c => seen.push(c),
        }
    }
    seen
}

/// One order after its first character: its number, and what it is; `None` when it is cut off.
fn order(chars: &mut Chars<'_>) -> Option<(usize, char)> {
    match chars.next()? {
        '[' => {
            let mut number = String::new();
            loop {
                match chars.next()? {
                    end @ '@'..='~' => return Some((number.parse().unwrap_or(1), end)),
                    c => number.push(c),
                }
            }
        }
        '(' => chars.next().map(|_| (1, '(')),
        // A title, a colour, a note to the terminal: up to a bell, or to another order.
        ']' => chars.find(|c| matches!(c, '\u{7}' | '\u{1b}')).and_then(|end| match end {
            '\u{1b}' => chars.next().map(|_| (1, ']')),
            _ => Some((1, ']')),
        }),
        c => Some((1, c)),
    }
}

#[test]
fn a_screen_has_what_somebody_sees() {
    let written = b"a\x1b[2Cb\x1b[C\x1b[1;31mred\x1b[0m\r\nx:\x1b[5Gy\x1b[?25l\x1b7\x1b(B\x0f\x1b]0;t\x07\x1b]11;?\x1b\\!\xe2";
    assert_eq!(screen(written), "a  b red\nx:  y!");
    assert_eq!(screen(b"a\x1b[3"), "a");
}
