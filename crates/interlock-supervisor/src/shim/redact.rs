//! Takes secrets out of a stream of bytes, also where chunks cut them in two.

/// What stands where a secret was.
const MARK: &[u8] = b"[redacted]";
/// Shorter values are too common to be secrets: hiding `1` or `yes` everywhere would hide the log.
pub(crate) const SECRET_BYTES_MIN: usize = 4;
/// A stream that ends within a secret keeps this much of it to itself.
const PARTIAL_BYTES_MIN: usize = 8;

/// The state between two chunks: bytes held back because a secret may begin with them.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    /// Longest first, so that of two secrets that begin alike the longer one is found.
    secrets: Vec<Vec<u8>>,
    is_first: Vec<bool>,
    held: Vec<u8>,
}

impl Redactor {
    /// A redactor of these secrets, also as JSON writes them.
    pub(crate) fn new(secrets: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        let mut secrets: Vec<Vec<u8>> =
            secrets.flat_map(|secret| [escaped(&secret), Some(secret)]).flatten().collect();
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        let firsts: Vec<u8> = secrets.iter().filter_map(|secret| secret.first().copied()).collect();
        let is_first = (0..=u8::MAX).map(|byte| firsts.contains(&byte)).collect();
        Self { secrets, is_first, held: Vec::new() }
    }

    /// A text that is complete, without the secrets in it.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut redactor = Self { held: Vec::new(), ..self.clone() };
        let mut out = Vec::new();
        redactor.push(text.as_bytes(), &mut out);
        redactor.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The next chunk; gives to `out` what is sure by now.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let joined;
        let mut rest = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(chunk);
            joined = std::mem::take(&mut self.held);
            joined.as_slice()
        };
        while let Some(at) = rest.iter().position(|byte| self.may_begin(*byte)) {
            let (plain, candidate) = rest.split_at(at);
            out.extend_from_slice(plain);
            // A longer secret that is not complete yet goes before a shorter one that is.
            if let Some(secret) =
                self.secrets.iter().find(|s| s.starts_with(candidate) || candidate.starts_with(s))
            {
                let Some(after) = candidate.get(secret.len()..) else {
                    self.held = candidate.to_vec();
                    return;
                };
                out.extend_from_slice(MARK);
                rest = after;
            } else if let Some((first, after)) = candidate.split_first() {
                out.push(*first);
                rest = after;
            }
        }
        out.extend_from_slice(rest);
    }

    /// The end of the stream.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        while !held.is_empty() {
            // What was held back for a longer secret may hold a shorter one.
            let secrets = self.secrets.iter().filter(|secret| secret.len() <= held.len());
            if let Some(secret) = secrets.into_iter().find(|secret| held.starts_with(secret)) {
                out.extend_from_slice(MARK);
                held.drain(..secret.len());
            } else if held.len() >= PARTIAL_BYTES_MIN && self.secrets.iter().any(|s| s.starts_with(&held)) {
                out.extend_from_slice(MARK);
                held.clear();
            } else {
                out.extend(held.drain(..1));
            }
        }
    }

    fn may_begin(&self, byte: u8) -> bool {
        self.is_first.get(usize::from(byte)).copied().unwrap_or(false)
    }
}

/// A secret as it stands in a string of JSON; nothing where that is no other form.
fn escaped(secret: &[u8]) -> Option<Vec<u8>> {
    let text = serde_json::to_string(std::str::from_utf8(secret).ok()?).ok()?;
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (inner.as_bytes() != secret).then(|| inner.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &[&str], text: &str, want: &str) {
        for size in 1..=text.len().max(1) {
            let mut redactor = Redactor::new(secrets.iter().map(|s| s.as_bytes().to_vec()));
            let mut out = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                redactor.push(chunk, &mut out);
            }
            redactor.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), want, "in chunks of {size}");
        }
    }

    #[test]
    fn secrets_are_taken_out_however_the_stream_is_cut() {
        check(&["hunter2"], "the word is hunter2, hunter2", "the word is [redacted], [redacted]");
        check(&["hunter2"], "hunthunter2hunter", "hunt[redacted]hunter");
        check(&["aaab"], "aaaaab", "aa[redacted]");
        check(&["abcd", "abcdef"], "abcdef abcdeg abcd", "[redacted] [redacted]eg [redacted]");
        check(&["abcdxyz", "bcde"], "abcde", "a[redacted]");
        check(&["a\"b\nc"], r#"{"x":"a\"b\nc"} a"b c"#, r#"{"x":"[redacted]"} a"b c"#);
        check(&[], "nothing to hide", "nothing to hide");
        check(&["yes"], "yes and yes", "yes and yes");
        check(&["a-long-secret-value"], "cut short: a-long-secret-v", "cut short: [redacted]");
    }
}
