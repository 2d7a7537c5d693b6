//! The compiler warnings a sample crate can have.

use super::function::{Function, Shape};
use super::rng::Rng;

/// A compiler warning somebody left behind.
pub(crate) struct Slip {
    /// The lint.
    pub(crate) rule: &'static str,
    /// The text the compiler points at, alone on its line.
    pub(crate) mark: String,
    /// An import the module gets.
    pub(crate) import: Option<String>,
    /// The function that came with it.
    pub(crate) function: Function,
}

/// Makes a function that works and makes the compiler warn, in a way it knows how to mend.
pub(crate) fn slip(rng: &mut Rng, noun: &str) -> Slip {
    let (step, value) = (rng.between(3, 40), rng.between(1, 90));
    let name = format!("shift_{noun}");
    let (rule, import, body): (_, Option<&str>, Vec<String>) = match rng.index(5) {
        0 => (
            "unused_mut",
            None,
            vec![format!("let mut shifted = value + {step};"), "shifted.max(0)".to_owned()],
        ),
        1 => (
            "unused_imports",
            Some("use std::collections::BTreeMap;"),
            vec![format!("(value + {step}).max(0)")],
        ),
        2 => (
            "unused_parens",
            None,
            vec![format!("let shifted = (value + {step});"), "shifted.max(0)".to_owned()],
        ),
        3 => (
            "unused_parens",
            None,
            vec![
                "let mut shifted = 0;".to_owned(),
                format!("if (value > -{step}) {{"),
                format!("    shifted = value + {step};"),
                "}".to_owned(),
                "shifted".to_owned(),
            ],
        ),
        _ => (
            "while_true",
            None,
            vec![
                format!("let mut shifted = value + {step};"),
                "while true {".to_owned(),
                "    if shifted >= 0 {".to_owned(),
                "        break;".to_owned(),
                "    }".to_owned(),
                "    shifted = 0;".to_owned(),
                "}".to_owned(),
                "shifted".to_owned(),
            ],
        ),
    };
    let mark = match (rule, import) {
        (_, Some(line)) => line.to_owned(),
        ("while_true", _) => "while true {".to_owned(),
        _ => body
            .iter()
            .find(|line| line.contains("mut shifted = value") || line.contains('('))
            .cloned()
            .unwrap_or_default(),
    };
    let function = Function {
        test: format!("{name}_moves_on"),
        about: format!("Moves a {noun} on by {step}, never below zero."),
        signature: "(value: i64) -> i64".to_owned(),
        broken: body.clone(),
        body,
        asserts: vec![
            format!("assert_eq!({name}({value}), {});", value + step),
            format!("assert_eq!({name}(-{}), 0);", step * 2),
        ],
        excuse: String::new(),
        shape: Shape::Warned,
        name,
    };
    Slip { rule, mark, import: import.map(str::to_owned), function }
}
