//! The quick way to the RFC 8785 form for what entries nearly always are: text, booleans and small integers.
//!
//! JSON as `serde_json` writes it differs from that form in the order of members, and in numbers that are no small
//! integers. So the members are sorted, and whatever could differ otherwise is left to the general canonicalizer:
//! `null` too, since a number that is none is written as one.

use std::ops::Range;

/// Digits of an integer that a double holds for certain.
const DIGITS_MAX: usize = 15;
/// Objects and arrays inside each other.
const DEPTH_MAX: u32 = 32;

/// Compact JSON with its members sorted; `None` when sorting is not all that it needs.
pub(crate) fn sorted(json: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { json, at: 0 };
    let mut out = Vec::with_capacity(json.len());
    reader.value(&mut out, DEPTH_MAX)?;
    (reader.at == json.len()).then_some(out)
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
}

/// A member: its key's place in the source, and its own place in what was written of its object.
struct Member {
    key: Range<usize>,
    whole: Range<usize>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn value(&mut self, out: &mut Vec<u8>, depth: u32) -> Option<()> {
        let start = self.at;
        match self.peek()? {
            b'{' => return self.object(out, depth.checked_sub(1)?),
            b'[' => return self.array(out, depth.checked_sub(1)?),
            b'"' => self.text()?,
            b't' => self.at += "true".len(),
            b'f' => self.at += "false".len(),
            _ => self.integer()?,
        }
        out.extend_from_slice(self.json.get(start..self.at)?);
        Some(())
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: u32) -> Option<()> {
        self.take(b'{')?;
        let start = out.len();
        let mut members: Vec<Member> = Vec::with_capacity(16);
        while self.peek()? != b'}' {
            if !members.is_empty() {
                self.take(b',')?;
            }
            let key = self.at;
            self.text()?;
            let key = key..self.at;
            self.take(b':')?;
            let begin = out.len() - start;
            out.extend_from_slice(self.json.get(key.start..self.at)?);
            self.value(out, depth)?;
            members.push(Member { key, whole: begin..out.len() - start });
        }
        self.take(b'}')?;
        let key = |member: &Member| self.json.get(member.key.clone()).unwrap_or_default();
        // Only plain ASCII keys sort by their bytes as they do by their UTF-16 units.
        if members.iter().any(|member| !key(member).is_ascii() || key(member).contains(&b'\\')) {
            return None;
        }
        members.sort_unstable_by(|a, b| text_of(key(a)).cmp(text_of(key(b))));
        if members.windows(2).any(|two| matches!(two, [a, b] if key(a) == key(b))) {
            return None;
        }
        let written = out.split_off(start);
        let parts = members.iter().map(|member| written.get(member.whole.clone()).unwrap_or_default());
        join(out, [b'{', b'}'], parts);
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: u32) -> Option<()> {
        self.take(b'[')?;
        out.push(b'[');
        let mut is_first = true;
        while self.peek()? != b']' {
            if !std::mem::take(&mut is_first) {
                self.take(b',')?;
                out.push(b',');
            }
            self.value(out, depth)?;
        }
        self.take(b']')?;
        out.push(b']');
        Some(())
    }

    /// Past a text with its quotes.
    fn text(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            let rest = self.json.get(self.at..)?;
            self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            match self.peek()? {
                b'"' => return self.take(b'"'),
                _ => self.at += 2,
            }
        }
    }

    /// Past an integer that a double holds.
    fn integer(&mut self) -> Option<()> {
        let _sign = self.take(b'-');
        let digits = self.json.get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        let ends = matches!(self.peek(), None | Some(b',' | b'}' | b']'));
        ((1..=DIGITS_MAX).contains(&digits) && ends).then_some(())
    }
}

/// A key without its quotes: they would sort as characters.
fn text_of(key: &[u8]) -> &[u8] {
    key.get(1..key.len().saturating_sub(1)).unwrap_or_default()
}

fn join<'a>(out: &mut Vec<u8>, [open, close]: [u8; 2], parts: impl Iterator<Item = &'a [u8]>) {
    out.push(open);
    for (n, part) in parts.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(part);
    }
    out.push(close);
}
