//! What the code promises a page for: error reasons and limits, both ways.

use std::collections::BTreeMap;

use super::Finding;
use super::documents::Page;
use super::source::{self, Kind, Token};
use super::tree::Tree;
use super::workspace::Workspace;

const REASONS: &str = "crates/interlock-core/src/reason.rs";
const PAGES: &str = "docs/errors/";
/// The page that lists the others.
const INDEX: &str = "README";
const SECTIONS: [&str; 3] = ["Meaning", "Causes", "What to do"];
const LIMITS: &str = "crates/interlock-core/src/limits.rs";
const LIMITS_PAGE: &str = "docs/limits.md";

/// Reasons without a page, pages without a reason, and pages without their sections.
pub(super) fn check(tree: &Tree, _: &Workspace) -> Vec<Finding> {
    let Some(text) = tree.text(REASONS) else { return Vec::new() };
    let tokens = source::tokens(text);
    let reasons = names(&tokens);
    let mut found = Vec::new();
    for (reason, line) in &reasons {
        let page = format!("{PAGES}{reason}.md");
        if tree.text(&page).is_none() {
            let remedy = format!("write {page} with {}", SECTIONS.join(", "));
            found.push(Finding::new(REASONS, *line, format!("reason `{reason}` has no page"), remedy));
        }
    }
    let pages = tree.with_suffix(".md").filter_map(|(path, text)| {
        let name = path.strip_prefix(PAGES)?.strip_suffix(".md")?;
        (is_name(name) && name != INDEX).then_some((path, name, text))
    });
    for (path, name, text) in pages {
        if !reasons.contains_key(name) {
            let remedy = format!("name it in {REASONS}, or delete the page");
            found.push(Finding::new(path, 1, format!("there is no reason `{name}`"), remedy));
        }
        let headings = Page::read(text).headings;
        for section in SECTIONS.iter().filter(|section| !headings.iter().any(|heading| heading == *section)) {
            found.push(Finding::new(
                path,
                1,
                format!("the page has no heading `{section}`"),
                "add the section",
            ));
        }
    }
    found
}

/// The reasons by name, with their lines: the entries of `reasons! { ... }`, or those of the whole file without it.
fn names(tokens: &[Token]) -> BTreeMap<&str, usize> {
    let entries = source::macro_body(tokens, "reasons").unwrap_or(tokens);
    let pairs = entries.iter().filter_map(|token| match &token.kind {
        Kind::Word(name) | Kind::Text(name) if is_name(name) => Some((name.as_str(), token.line)),
        _ => None,
    });
    pairs.collect()
}

fn is_name(text: &str) -> bool {
    text.len() >= 4
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Limits that the reference page does not name.
pub(super) fn check_limits(tree: &Tree, _: &Workspace) -> Vec<Finding> {
    let tokens = source::tokens(tree.text(LIMITS).unwrap_or_default());
    let page = tree.text(LIMITS_PAGE).unwrap_or_default();
    let is_listed =
        |name: &str| page.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    let limits = tokens.windows(3).filter_map(|window| match window {
        [public, constant, name] if public.word() == Some("pub") && constant.word() == Some("const") => {
            Some((name.line, name.word()?))
        }
        _ => None,
    });
    limits
        .filter(|(_, name)| is_name(name) && !is_listed(name))
        .map(|(line, name)| {
            let wrong = format!("limit `{name}` is not listed");
            Finding::new(LIMITS, line, wrong, format!("add its row to {LIMITS_PAGE}"))
        })
        .collect()
}
