//! Documents that must exist, and links between documents that must lead somewhere.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Finding;
use super::tree::Tree;
use super::workspace::Workspace;

const REQUIRED: [&str; 7] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "docs/glossary.md",
];

/// Missing documents and broken relative links.
pub(super) fn check(tree: &Tree, _: &Workspace) -> Vec<Finding> {
    let missing = REQUIRED.iter().filter(|path| tree.text(path).is_none_or(|text| text.trim().is_empty()));
    let mut found: Vec<Finding> =
        missing.map(|path| Finding::new(*path, 1, "the document is missing", "write it")).collect();
    let pages: BTreeMap<&str, Page> =
        tree.with_suffix(".md").map(|(path, text)| (path, Page::read(text))).collect();
    for (path, page) in &pages {
        for link in &page.links {
            if let Some((wrong, remedy)) = broken(tree, &pages, path, &link.target) {
                found.push(Finding::new(*path, link.line, wrong, remedy));
            }
        }
    }
    found
}

fn broken(tree: &Tree, pages: &BTreeMap<&str, Page>, from: &str, target: &str) -> Option<(String, String)> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(path) = resolve(from, file) else {
        return Some((format!("link `{target}` leads out of the repository"), "link within it".to_owned()));
    };
    if !tree.exists(&path) {
        return Some((format!("link `{target}`: there is no `{path}`"), "mend the path".to_owned()));
    }
    let page = pages.get(path.as_str())?;
    let is_there = anchor.is_empty() || page.anchors.iter().any(|slug| slug == anchor);
    (!is_there).then(|| {
        (format!("link `{target}`: `{path}` has no heading `#{anchor}`"), "mend the anchor".to_owned())
    })
}

/// The path from the root that `link` in `from` leads to; `None` when it leaves the root.
pub(super) fn resolve(from: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(from.to_owned());
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let base = if link.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(link.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What a Markdown file offers and asks for.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Texts of its headings.
    pub(super) headings: Vec<String>,
    /// What `#...` can lead to.
    pub(super) anchors: Vec<String>,
    /// Its links and images.
    pub(super) links: Vec<Link>,
}

/// A link or image.
#[derive(Debug)]
pub(super) struct Link {
    /// The line it stands on.
    pub(super) line: usize,
    /// Where it leads.
    pub(super) target: String,
    /// What it is called.
    pub(super) text: String,
}

impl Page {
    /// Reads a Markdown text.
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        let mut is_in_link = false;
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.headings.extend(heading.take()),
                Event::Text(words) | Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                    if let Some(link) = page.links.last_mut().filter(|_| is_in_link) {
                        link.text.push_str(&words);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    let line = text.get(..range.start).map_or(1, |before| before.matches('\n').count() + 1);
                    page.links.push(Link { line, target: dest_url.to_string(), text: String::new() });
                    is_in_link = true;
                }
                Event::End(TagEnd::Link | TagEnd::Image) => is_in_link = false,
                Event::Html(html) | Event::InlineHtml(html) => page.anchors.extend(html_anchors(&html)),
                _ => {}
            }
        }
        page.anchors.extend(slugs(&page.headings));
        page
    }
}

/// GitHub's anchors of these headings, in order: a repeated one gets `-1`, `-2`, ...
pub(super) fn slugs(headings: &[String]) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let number = |heading: &String| {
        let slug = slug(heading);
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    };
    headings.iter().map(number).collect()
}

/// Lower case; letters, digits, `-` and `_` stay; a space becomes `-`; the rest goes.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn html_anchors(html: &str) -> Vec<String> {
    let after = |key: &'static str| html.split(key).skip(1).filter_map(|rest| rest.split('"').next());
    after(" id=\"").chain(after(" name=\"")).map(ToOwned::to_owned).collect()
}
