//! The small functions a sample crate is made of, each with a test and a way to break it.

use std::fmt::Display;

use super::rng::Rng;

/// How a function is written at some point of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As its author meant it.
    Sound,
    /// After the change that broke its test.
    Broken,
    /// Right, but not as the formatter would have it.
    Untidy,
    /// Right, but the compiler warns.
    Warned,
}

/// One function with its test.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The name of its test.
    pub(crate) test: String,
    /// Its documentation comment.
    pub(crate) about: String,
    /// Everything between `fn name` and the opening brace.
    pub(crate) signature: String,
    /// The lines of its body.
    pub(crate) body: Vec<String>,
    /// The lines of its body once broken; as many as `body`.
    pub(crate) broken: Vec<String>,
    /// The lines of its test's body.
    pub(crate) asserts: Vec<String>,
    /// What the person who broke it wrote as the commit's subject.
    pub(crate) excuse: String,
    /// How it is written now.
    pub(crate) shape: Shape,
}

/// A body, its broken form, and what the test expects.
struct Draft {
    about: String,
    signature: &'static str,
    body: Vec<String>,
    broken: Vec<String>,
    asserts: Vec<(String, String)>,
    claim: &'static str,
    excuse: &'static str,
}

type Maker = fn(&mut Rng, &str) -> Draft;

/// The kinds of functions: verb, maker.
const KINDS: &[(&str, Maker)] = &[
    ("scale", scale),
    ("limit", limit),
    ("total", total),
    ("label", label),
    ("rounds_per", rounds),
    ("digest", digest),
    ("split", split),
    ("mean", mean),
    ("due_for", due),
    ("quote", quote),
];

/// Makes a random function about a noun, of a kind that `taken` does not hold yet.
pub(crate) fn function(rng: &mut Rng, noun: &str, taken: &mut Vec<&'static str>) -> Option<Function> {
    let free: Vec<_> = KINDS.iter().filter(|(verb, _)| !taken.contains(verb)).collect();
    let (verb, make) = rng.pick(&free)?;
    taken.push(verb);
    let draft = make(rng, noun);
    let name = format!("{verb}_{noun}");
    let call =
        |(arguments, expected): (String, String)| format!("assert_eq!({name}({arguments}), {expected});");
    Some(Function {
        test: format!("{name}_{}", draft.claim),
        about: draft.about,
        signature: draft.signature.to_owned(),
        body: draft.body,
        broken: draft.broken,
        asserts: draft.asserts.into_iter().map(call).collect(),
        excuse: draft.excuse.replace("{}", &format!("`{name}`")),
        shape: Shape::Sound,
        name,
    })
}

fn one(line: String) -> Vec<String> {
    vec![line]
}

fn pair(input: impl Display, expected: impl Display) -> (String, String) {
    (format!("{input}"), format!("{expected}"))
}

fn scale(rng: &mut Rng, noun: &str) -> Draft {
    let (factor, share, value) = (rng.between(2, 19), rng.between(3, 40), rng.between(5, 90));
    Draft {
        about: format!("Scales a {noun} by {factor} and adds the fixed share of {share}."),
        signature: "(value: i64) -> i64",
        body: one(format!("value * {factor} + {share}")),
        broken: one(format!("(value + {share}) * {factor}")),
        asserts: vec![pair(0, share), pair(value, value * factor + share)],
        claim: "adds_the_share",
        excuse: "Factor out the multiplication in {}",
    }
}

fn limit(rng: &mut Rng, noun: &str) -> Draft {
    let (low, span) = (rng.between(1, 30), rng.between(10, 200));
    let high = low + span;
    let above = high + rng.between(1, 50);
    Draft {
        about: format!("Keeps a {noun} between {low} and {high}."),
        signature: "(value: i64) -> i64",
        body: one(format!("value.clamp({low}, {high})")),
        broken: one(format!("value.max({low})")),
        asserts: vec![pair(0, low), pair(low + 1, low + 1), pair(above, high)],
        claim: "has_two_ends",
        excuse: "Drop the upper bound nobody needs from {}",
    }
}

fn total(rng: &mut Rng, noun: &str) -> Draft {
    let floor = rng.between(4, 60);
    let (first, second) = (floor + rng.between(1, 30), floor + rng.between(1, 30));
    Draft {
        about: format!("Adds up every {noun} above {floor}."),
        signature: "(values: &[i64]) -> i64",
        body: one(format!("values.iter().filter(|value| **value > {floor}).sum()")),
        broken: one(format!("values.iter().filter(|value| **value >= {floor}).sum()")),
        asserts: vec![pair("&[]", 0), pair(format!("&[{first}, {floor}, {second}, 1]"), first + second)],
        claim: "leaves_small_ones_out",
        excuse: "Count the border case in {} as well",
    }
}

fn label(rng: &mut Rng, noun: &str) -> Draft {
    let width = rng.between(4, 7);
    let number = rng.between(1, 99);
    let prefix = noun.get(..2).unwrap_or(noun).to_uppercase();
    let wide = usize::try_from(width).unwrap_or(4);
    Draft {
        about: format!("Names a {noun} by its number."),
        signature: "(number: u32) -> String",
        body: one(format!("format!(\"{prefix}-{{number:0{width}}}\")")),
        broken: one(format!("format!(\"{prefix}-{{number:0{}}}\")", width - 1)),
        asserts: vec![pair(number, format!("\"{prefix}-{number:0wide$}\""))],
        claim: "is_padded",
        excuse: "Shorten what {} prints",
    }
}

fn rounds(rng: &mut Rng, noun: &str) -> Draft {
    let room = rng.between(3, 24);
    let full = rng.between(2, 9);
    let amount = room * full + rng.between(1, room - 1);
    Draft {
        about: format!("How many rounds an amount takes when a {noun} holds {room}."),
        signature: "(amount: u32) -> u32",
        body: one(format!("amount.div_ceil({room})")),
        broken: one(format!("amount / {room}")),
        asserts: vec![pair(0, 0), pair(room, 1), pair(amount, full + 1)],
        claim: "rounds_up",
        excuse: "Use a plain division in {}",
    }
}

fn digest(rng: &mut Rng, noun: &str) -> Draft {
    let (start, factor) = (rng.between(1, 50), rng.between(3, 31));
    let modulus = 997;
    let values: Vec<i64> = (0..3).map(|_| rng.between(1, 300)).collect();
    let sound = values.iter().fold(start, |sum, value| (sum * factor + value) % modulus);
    let broken = values.iter().fold(start, |sum, value| (sum + value * factor) % modulus);
    // One more value separates the two in the rare case that they meet.
    let (values, sound) = if sound == broken {
        let next = (sound * factor + 1) % modulus;
        let apart = if next == (broken + factor) % modulus { 2 } else { 1 };
        ([values, vec![apart]].concat(), (sound * factor + apart) % modulus)
    } else {
        (values, sound)
    };
    let folded = |step: &str| {
        vec![
            format!("let step = |sum: i64, value: &i64| {step};"),
            format!("values.iter().fold({start}, step)"),
        ]
    };
    let list: Vec<String> = values.iter().map(ToString::to_string).collect();
    Draft {
        about: format!("A short check number over every {noun}."),
        signature: "(values: &[i64]) -> i64",
        body: folded(&format!("(sum * {factor} + value) % {modulus}")),
        broken: folded(&format!("(sum + value * {factor}) % {modulus}")),
        asserts: vec![pair("&[]", start), pair(format!("&[{}]", list.join(", ")), sound)],
        claim: "depends_on_the_order",
        excuse: "Speed up the loop in {}",
    }
}

fn split(rng: &mut Rng, noun: &str) -> Draft {
    let room = rng.between(4, 30);
    let (whole, rest) = (rng.between(2, 9), rng.between(1, room - 1));
    Draft {
        about: format!("Whole units of {room} in a {noun}, and what is left."),
        signature: "(amount: i64) -> (i64, i64)",
        body: one(format!("(amount / {room}, amount % {room})")),
        broken: one(format!("(amount / {room}, amount - {room})")),
        asserts: vec![pair(whole * room + rest, format!("({whole}, {rest})"))],
        claim: "keeps_the_rest",
        excuse: "Save a division in {}",
    }
}

fn mean(rng: &mut Rng, noun: &str) -> Draft {
    let (middle, spread) = (rng.between(20, 400), rng.between(1, 19));
    Draft {
        about: format!("The average {noun}, if there is any."),
        signature: "(values: &[i64]) -> Option<i64>",
        body: vec![
            "let count = i64::try_from(values.len()).ok()?;".to_owned(),
            "values.iter().sum::<i64>().checked_div(count)".to_owned(),
        ],
        broken: vec![
            "let count = i64::try_from(values.len()).ok()?;".to_owned(),
            "values.iter().sum::<i64>().checked_div(count + 1)".to_owned(),
        ],
        asserts: vec![
            pair("&[]", "None"),
            pair(format!("&[{}, {middle}, {}]", middle - spread, middle + spread), format!("Some({middle})")),
        ],
        claim: "is_in_the_middle",
        excuse: "Stop {} from dividing by zero",
    }
}

fn due(rng: &mut Rng, noun: &str) -> Draft {
    let cycle = rng.between(4, 28);
    let offset = rng.between(0, cycle - 2);
    let day = cycle * rng.between(2, 12) + offset;
    Draft {
        about: format!("Whether a {noun} is due on that day; every {cycle} days."),
        signature: "(day: u32) -> bool",
        body: one(format!("day % {cycle} == {offset}")),
        broken: one(format!("day % {cycle} == {}", offset + 1)),
        asserts: vec![pair(day, "true"), pair(day + 2, "false")],
        claim: "comes_round",
        excuse: "Count days from one in {}",
    }
}

fn quote(rng: &mut Rng, noun: &str) -> Draft {
    let (least, percent, price) = (rng.between(3, 40), rng.between(5, 45), rng.between(2, 90) * 100);
    Draft {
        about: format!("The price of a {noun}: {percent} percent less from {least} pieces on."),
        signature: "(price: i64, pieces: i64) -> i64",
        body: vec![
            format!("if pieces >= {least} {{"),
            format!("    price * (100 - {percent}) / 100"),
            "} else {".to_owned(),
            "    price".to_owned(),
            "}".to_owned(),
        ],
        broken: vec![
            format!("if pieces > {least} {{"),
            format!("    price * (100 - {percent}) / 100"),
            "} else {".to_owned(),
            "    price".to_owned(),
            "}".to_owned(),
        ],
        asserts: vec![
            pair(format!("{price}, 1"), price),
            pair(format!("{price}, {least}"), price * (100 - percent) / 100),
        ],
        claim: "starts_at_the_limit",
        excuse: "Tighten the comparison in {}",
    }
}
