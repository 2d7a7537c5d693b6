//! Where in a JSON text a value stands, so that something can be put there and everything else stays as it is.

/// Where the inside of the object or array at this path begins: just behind its bracket. The text is JSON already; of
/// members with one name the last counts, as it does for whoever reads them.
pub(super) fn inside(text: &str, path: &[&str]) -> Option<usize> {
    let start = skip_space(text.as_bytes(), 0);
    let (open, found) = find(text, start, path)?;
    let is_container = matches!(text.as_bytes().get(open), Some(b'{' | b'['));
    (found && is_container).then_some(open + 1)
}

/// The place of the value at this path, and whether it is there.
fn find(text: &str, value: usize, path: &[&str]) -> Option<(usize, bool)> {
    let Some((first, rest)) = path.split_first() else { return Some((value, true)) };
    let bytes = text.as_bytes();
    if bytes.get(value) != Some(&b'{') {
        return None;
    }
    let (mut at, mut found) = (skip_space(bytes, value + 1), None);
    while bytes.get(at) == Some(&b'"') {
        let end = string_end(bytes, at)?;
        let name: String = serde_json::from_str(text.get(at..end)?).ok()?;
        let colon = skip_space(bytes, end);
        let member = skip_space(bytes, colon + 1);
        if name == *first {
            found = Some(member);
        }
        at = skip_space(bytes, value_end(bytes, member)?);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
    }
    find(text, found?, rest)
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// Behind the string that begins here.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Behind the value that begins here.
fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                // The end of what holds this value.
                if depth == 0 {
                    return Some(at);
                }
                depth -= 1;
                at += 1;
            }
            b',' if depth == 0 => return Some(at),
            _ => at += 1,
        }
        let is_whole = depth == 0 && matches!(bytes.get(start), Some(b'"' | b'{' | b'['));
        if is_whole {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_whatever_stands_around_it() {
        let cases: [(&str, &[&str], Option<&str>); 9] = [
            ("{}", &[], Some("}")),
            (" { \"hooks\" : { \"Stop\" : [ 1 ] } }", &["hooks", "Stop"], Some(" 1 ] } }")),
            (
                "{\"a\":\"\\\"hooks\\\": {\",\"b\":[{\"hooks\":{}}],\"n\":-1.5e3,\"hooks\":{\"x\":1}}",
                &["hooks"],
                Some("\"x\":1}}"),
            ),
            ("{\"hooks\":{},\"hooks\":{\"second\":1}}", &["hooks"], Some("\"second\":1}}")),
            ("{\"h\\u006foks\":{\"x\":1}}", &["hooks"], Some("\"x\":1}}")),
            ("{\"hooks\":null}", &["hooks"], None),
            ("{\"hooks\":[]}", &["hooks", "Stop"], None),
            ("{\"other\":1}", &["hooks"], None),
            ("[]", &["hooks"], None),
        ];
        for (text, path, wanted) in cases {
            assert_eq!(inside(text, path).and_then(|at| text.get(at..)), wanted, "{text}");
        }
    }
}
