//! What an answer says of an end, for whoever asked: the headers of [`crate::deprecation`], read back.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use reqwest::header::HeaderMap;

/// The same in a sentence; nothing when the answer speaks of no end.
pub(crate) fn told(headers: &HeaderMap, operation: &str) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let since = first_day(text("deprecation")?)?;
    let links = headers.get_all("link").iter().filter_map(|link| link.to_str().ok());
    let ends: Vec<_> = links.filter_map(end).collect();
    let fields: Vec<_> =
        ends.iter().filter_map(|(_, field)| *field).map(|field| format!("`{field}`")).collect();
    // An operation's own end covers those of its fields.
    let is_own = fields.len() < ends.len() || ends.is_empty();
    let fields = if is_own { String::new() } else { format!("{} of ", fields.join(", ")) };
    let until = text("sunset").and_then(last_day).map(|day| format!(", served at least until {day}"));
    let page = ends.first().map(|(page, _)| format!(": see {page}"));
    Some(format!(
        "{fields}`{operation}` is deprecated since {since}{}{}",
        until.unwrap_or_default(),
        page.unwrap_or_default()
    ))
}

fn first_day(text: &str) -> Option<Date> {
    let second = text.trim().strip_prefix('@')?.parse().ok()?;
    Some(Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC).date())
}

fn last_day(text: &str) -> Option<Date> {
    Some(rfc2822::parse(text).ok()?.date())
}

/// The page of a link that speaks of an end, and the field that it is about.
fn end(link: &str) -> Option<(&str, Option<&str>)> {
    let (page, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let mut attributes = rest.split(';').filter_map(|part| part.trim().split_once('='));
    let is_end = rest.contains("rel=\"deprecation\"");
    let title = attributes.find(|(name, _)| *name == "title").map(|(_, value)| value.trim_matches('"'));
    is_end.then_some((page, title))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::told;
    use crate::deprecation::headers;
    use crate::{Deprecation, Notice};

    const OLD: Deprecation =
        Deprecation { since: date(2026, 11, 28), sunset: date(2027, 12, 1), page: "docs/a.md#b" };

    fn said(notices: &[Notice]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers(notices) {
            map.append(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
        }
        told(&map, "list_threads")
    }

    #[test]
    fn what_a_server_says_of_ends_is_read_back() {
        let of = |field| Notice { field, deprecation: OLD };
        let dates = "is deprecated since 2026-11-28, served at least until 2027-12-01: see docs/a.md#b";
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[of(None)]).unwrap(), format!("`list_threads` {dates}"));
        assert_eq!(said(&[of(Some("limit"))]).unwrap(), format!("`limit` of `list_threads` {dates}"));
        assert_eq!(
            said(&[of(Some("limit")), of(Some("a.b"))]).unwrap(),
            format!("`limit`, `a.b` of `list_threads` {dates}")
        );
        assert_eq!(said(&[of(None), of(Some("limit"))]).unwrap(), format!("`list_threads` {dates}"));
    }

    /// Other servers, and what stands before them, may say less.
    #[test]
    fn what_is_not_said_is_left_out() {
        let mut map = HeaderMap::new();
        map.insert("deprecation", HeaderValue::from_static("@1795824000"));
        map.insert("sunset", HeaderValue::from_static("one day"));
        map.append("link", HeaderValue::from_static("</next>; rel=\"next\""));
        assert_eq!(told(&map, "inbox").unwrap(), "`inbox` is deprecated since 2026-11-28");
        map.insert("deprecation", HeaderValue::from_static("true"));
        assert_eq!(told(&map, "inbox"), None);
    }
}
