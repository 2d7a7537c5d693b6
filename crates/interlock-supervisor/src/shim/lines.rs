//! Output cut into lines, however it comes in.

/// Bytes of one line; of a longer one the rest is left out.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One stream's lines as they come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
    is_cut: bool,
}

impl Lines {
    /// Take the next bytes; `each` is given every line that is whole now, and whether something of it was left out.
    pub(super) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&str, bool)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, is_whole) =
                part.strip_suffix(b"\n").map_or((part, false), |content| (content, true));
            let room = LINE_BYTES_MAX.saturating_sub(self.rest.len());
            self.is_cut |= content.len() > room;
            self.rest.extend_from_slice(content.get(..content.len().min(room)).unwrap_or_default());
            if is_whole {
                self.give(&mut each);
            }
        }
    }

    /// The end of the stream: the last line may have no end.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&str, bool)) {
        if !self.rest.is_empty() {
            self.give(&mut each);
        }
    }

    fn give(&mut self, each: &mut impl FnMut(&str, bool)) {
        let bytes = std::mem::take(&mut self.rest);
        each(&String::from_utf8_lossy(&bytes), std::mem::take(&mut self.is_cut));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "one\n\ntwo \u{e9}\nthree";
        for size in 1..=text.len() {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                lines.take(chunk, |line, _| got.push(line.to_owned()));
            }
            lines.finish(|line, _| got.push(line.to_owned()));
            assert_eq!(got, ["one", "", "two \u{e9}", "three"], "in chunks of {size}");
        }
    }

    #[test]
    fn of_a_line_that_is_too_long_the_rest_is_left_out() {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for _ in 0..5 {
            lines.take(&vec![b'x'; 1024 * 1024], |_, _| panic!("it has no end yet"));
        }
        lines.take(b"\nnext\n", |line, is_cut| got.push((line.len(), is_cut)));
        assert_eq!(got, [(LINE_BYTES_MAX, true), (4, false)]);
    }
}
