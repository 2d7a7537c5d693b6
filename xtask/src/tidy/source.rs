//! Just enough of a Rust reader for the checks: tokens with lines, and what can be told from them.
//!
//! It exists so that a rule about code is never tripped by a comment, a string or a brace in a character literal.
//! It does not parse expressions or types, and it does not expand macros.

use std::ops::RangeInclusive;

/// One token of a Rust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The line it begins on, from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier, keyword or number.
    Word(String),
    /// The inside of a string literal, escapes untouched.
    Text(String),
    /// One character of punctuation.
    Mark(char),
}

impl Token {
    fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    /// The word, if it is one.
    pub(super) fn word(&self) -> Option<&str> {
        if let Kind::Word(word) = &self.kind { Some(word) } else { None }
    }

    /// The inside of the string literal, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }
}

/// The tokens of a file; comments and character literals are left out.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { chars: source.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while let Some(c) = reader.peek(0) {
        reader.step(c);
    }
    reader.tokens
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.take();
        }
    }

    fn step(&mut self, c: char) {
        match (c, self.peek(1)) {
            ('/', Some('/')) => while self.peek(0).is_some_and(|c| c != '\n') && self.take().is_some() {},
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            _ if c.is_alphanumeric() || c == '_' => self.word(),
            _ => {
                if !c.is_whitespace() {
                    self.tokens.push(Token { line: self.line, kind: Kind::Mark(c) });
                }
                self.take();
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.skip(2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                (None, _) => return,
                _ => self.skip(1),
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.take();
        while let Some(c) = self.take() {
            match c {
                '"' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.take());
                }
                _ => text.push(c),
            }
        }
        self.tokens.push(Token { line, kind: Kind::Text(text) });
    }

    fn raw_string(&mut self, hashes: usize) {
        let line = self.line;
        let mut text = String::new();
        self.skip(hashes + 1);
        while let Some(c) = self.take() {
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.skip(hashes);
                break;
            }
            text.push(c);
        }
        self.tokens.push(Token { line, kind: Kind::Text(text) });
    }

    /// A character literal is dropped; the tick of a lifetime is dropped and its name read as a word.
    fn quote(&mut self) {
        self.take();
        if self.peek(0) == Some('\\') {
            self.skip(2);
            while self.take().is_some_and(|c| c != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.skip(2);
        }
    }

    fn word(&mut self) {
        let line = self.line;
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
            self.take();
        }
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let hashes = rest.iter().take_while(|c| **c == '#').count();
        if matches!(word.as_str(), "r" | "br" | "cr") {
            if self.peek(hashes) == Some('"') {
                return self.raw_string(hashes);
            }
            if hashes == 1 {
                // A raw identifier: the name follows as a word of its own.
                return self.skip(1);
            }
        }
        if !(matches!(word.as_str(), "b" | "c") && self.peek(0) == Some('"')) {
            self.tokens.push(Token { line, kind: Kind::Word(word) });
        }
    }
}

/// A path as written, `use` groups expanded: `std::{fs, env::var}` is `std::fs` and `std::env::var`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The line of its last segment.
    pub(super) line: usize,
    /// Its segments; a glob ends with `*`.
    pub(super) segments: Vec<String>,
}

impl Path {
    /// Whether these segments occur in a row; a glob stands for any last segment.
    pub(super) fn names(&self, wanted: &[&str]) -> bool {
        self.segments
            .windows(wanted.len())
            .any(|window| window.iter().zip(wanted).all(|(have, want)| have == want || have == "*"))
    }
}

/// Every path of at least two segments.
pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts =
            tokens.get(at).is_some_and(|token| token.word().is_some()) && is_separator(tokens, at + 1);
        at = if starts { path_tree(tokens, at, &mut Vec::new(), &mut found) } else { at + 1 };
    }
    found
}

fn is_separator(tokens: &[Token], at: usize) -> bool {
    let colon = |at: usize| tokens.get(at).is_some_and(|token| token.is(':'));
    colon(at) && colon(at + 1)
}

/// Reads one tree of a path from `at`, appends what it names, and returns where it ended.
fn path_tree(tokens: &[Token], mut at: usize, prefix: &mut Vec<String>, found: &mut Vec<Path>) -> usize {
    let depth = prefix.len();
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Word(word) => {
                prefix.push(word.clone());
                at += 1;
                if is_separator(tokens, at) {
                    at += 2;
                    continue;
                }
            }
            Kind::Mark('*') => {
                prefix.push("*".to_owned());
                at += 1;
            }
            Kind::Mark('{') => {
                at = path_group(tokens, at + 1, prefix, found);
                prefix.truncate(depth);
                return at;
            }
            _ => {}
        }
        break;
    }
    let line = tokens.get(at.saturating_sub(1)).map_or(0, |token| token.line);
    found.push(Path { line, segments: prefix.clone() });
    prefix.truncate(depth);
    at
}

fn path_group(tokens: &[Token], mut at: usize, prefix: &mut Vec<String>, found: &mut Vec<Path>) -> usize {
    while let Some(token) = tokens.get(at) {
        at = match &token.kind {
            Kind::Mark('}') => return at + 1,
            Kind::Word(word) if word == "as" => at + 2,
            Kind::Word(_) | Kind::Mark('*' | '{') => path_tree(tokens, at, prefix, found),
            _ => at + 1,
        };
    }
    at
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: String,
    /// The line of its `fn`.
    pub(super) line: usize,
    /// Lines from its `fn` to its closing brace, both counted.
    pub(super) lines: usize,
}

/// Every function with a body, nested ones too.
pub(super) fn functions(tokens: &[Token]) -> Vec<Function> {
    let named = tokens.windows(2).enumerate().filter_map(|(at, pair)| match pair {
        [keyword, name] if keyword.word() == Some("fn") => Some((at, keyword.line, name.word()?)),
        _ => None,
    });
    named
        .filter_map(|(at, line, name)| {
            let end = item_end(tokens, at)?;
            end.has_body.then(|| Function { name: name.to_owned(), line, lines: end.line - line + 1 })
        })
        .collect()
}

struct ItemEnd {
    line: usize,
    has_body: bool,
}

/// Where the item that begins at `at` ends: at its `;` or at the brace that closes its first block.
fn item_end(tokens: &[Token], at: usize) -> Option<ItemEnd> {
    let (mut nested, mut braces) = (0_usize, 0_usize);
    for token in tokens.get(at..)? {
        match token.kind {
            Kind::Mark('(' | '[') => nested += 1,
            Kind::Mark(')' | ']') => nested = nested.saturating_sub(1),
            Kind::Mark('{') => braces += 1,
            Kind::Mark('}') => {
                braces = braces.saturating_sub(1);
                if braces == 0 && nested == 0 {
                    return Some(ItemEnd { line: token.line, has_body: true });
                }
            }
            Kind::Mark(';') if nested == 0 && braces == 0 => {
                return Some(ItemEnd { line: token.line, has_body: false });
            }
            _ => {}
        }
    }
    None
}

/// The lines of items that exist only in tests: under `#[cfg(test)]`, `#[test]`, `#[tokio::test]` and the like.
pub(super) fn test_lines(tokens: &[Token]) -> Vec<RangeInclusive<usize>> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.is('#') && tokens.get(at + 1).is_some_and(|next| next.is('[')) {
            let Some(close) = attribute_end(tokens, at + 1) else { continue };
            let words: Vec<&str> =
                tokens.get(at..close).unwrap_or_default().iter().filter_map(Token::word).collect();
            let is_test =
                words.contains(&"test") && !words.contains(&"not") && words.first() != Some(&"cfg_attr");
            if is_test && let Some(end) = item_end(tokens, skip_attributes(tokens, close + 1)) {
                found.push(token.line..=end.line);
            }
        }
    }
    found
}

fn attribute_end(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('[') => depth += 1,
            Kind::Mark(']') if depth == 1 => return Some(at),
            Kind::Mark(']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn skip_attributes(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.is('#')) {
        match attribute_end(tokens, at + 1) {
            Some(close) => at = close + 1,
            None => break,
        }
    }
    at
}

/// A `mod name;` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModuleLine {
    /// Its name.
    pub(super) name: String,
    /// The file named by a `#[path = "..."]` before it.
    pub(super) path: Option<String>,
}

/// Every `mod name;` line of a file.
pub(super) fn module_lines(tokens: &[Token]) -> Vec<ModuleLine> {
    let mut found = Vec::new();
    let mut path = None;
    for (at, token) in tokens.iter().enumerate() {
        match (token.word(), tokens.get(at + 1), tokens.get(at + 2)) {
            (Some("path"), Some(equals), Some(value)) if equals.is('=') => {
                path = value.text().map(ToOwned::to_owned);
            }
            (Some("mod"), Some(name), Some(end)) if end.is(';') => {
                let name = name.word().unwrap_or_default().to_owned();
                found.push(ModuleLine { name, path: path.take() });
            }
            _ => {}
        }
    }
    found
}

/// The tokens inside the braces of the invocation `name! { ... }`.
pub(super) fn macro_body<'a>(tokens: &'a [Token], name: &str) -> Option<&'a [Token]> {
    let opens = |window: &[Token]| match window {
        [word, bang, open] => word.word() == Some(name) && bang.is('!') && open.is('{'),
        _ => false,
    };
    let from = tokens.windows(3).position(opens)? + 3;
    let mut depth = 1_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.kind {
            Kind::Mark('{') => depth += 1,
            Kind::Mark('}') if depth == 1 => return tokens.get(from..at),
            Kind::Mark('}') => depth -= 1,
            _ => {}
        }
    }
    None
}
