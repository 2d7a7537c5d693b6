//! SPDX licence expressions, evaluated against a set of licences.
//!
//! `AND` binds tighter than `OR`; `WITH` belongs to the licence before it; the old `MIT/Apache-2.0` means `OR`.

/// Whether a licensee who accepts only `accepted` can satisfy the expression. `None` for one that cannot be read.
pub(super) fn is_satisfied(expression: &str, accepted: &[&str]) -> Option<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut parser = Parser { words: spaced.split_whitespace().collect(), at: 0, accepted };
    let value = parser.any()?;
    (parser.at == parser.words.len()).then_some(value)
}

struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
    accepted: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn take_if(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at).is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Option<bool> {
        let mut value = self.all()?;
        while self.take_if("OR") {
            value |= self.all()?;
        }
        Some(value)
    }

    fn all(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.take_if("AND") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take_if("(") {
            let value = self.any()?;
            return self.take_if(")").then_some(value);
        }
        let mut licence = self.name()?.to_owned();
        if self.take_if("WITH") {
            licence = format!("{licence} WITH {}", self.name()?);
        }
        Some(self.accepted.contains(&licence.as_str()))
    }

    fn name(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.at)?;
        let is_operator =
            ["AND", "OR", "WITH", "(", ")"].iter().any(|taken| word.eq_ignore_ascii_case(taken));
        self.at += 1;
        (!is_operator).then_some(word)
    }
}
