//! The end of an operation or of one of its fields, announced with dates: what a row of the table says, and what answers
//! then say.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// Days between the two dates at least: twelve months.
const NOTICE_DAYS_MIN: i32 = 365;

/// Since when something is deprecated, until when it is served, and where to read what to use instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecation {
    /// The day of the announcement, from its beginning in UTC.
    pub since: Date,
    /// The first day on which it may be gone.
    pub sunset: Date,
    /// The page that says what to use instead, relative to the documentation's root.
    pub page: &'static str,
}

impl Deprecation {
    /// The same in a sentence.
    pub fn sentence(&self) -> String {
        let Self { since, sunset, page } = self;
        format!("Deprecated since {since}, served at least until {sunset}: see {page}.")
    }

    /// What is wrong with it, if anything: people get their notice, and are told where to read on.
    pub fn fault(&self) -> Option<String> {
        let days = self.sunset.since((jiff::Unit::Day, self.since)).map_or(0, |span| span.get_days());
        if days < NOTICE_DAYS_MIN {
            return Some(format!("there are {days} days between its dates, not {NOTICE_DAYS_MIN}"));
        }
        let is_page = self.page.starts_with("docs/")
            && self.page.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_#".contains(&byte));
        (!is_page).then(|| format!("`{}` is no page of the documentation", self.page))
    }
}

/// Who writes a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The caller.
    Request,
    /// Interlock.
    Answer,
}

/// A field of an operation's request or answer that has an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeprecatedField {
    /// Whose field.
    pub side: Side,
    /// Its name; inside another field, after that one's name and a dot. What is in a list has no name of its own.
    pub path: &'static str,
    /// The announcement.
    pub deprecation: Deprecation,
}

impl DeprecatedField {
    /// Whether a request with these parameters makes use of it. One that sends `null` does without.
    pub fn is_used(&self, parameters: &Map<String, Value>) -> bool {
        fn has(value: &Value, names: &[&str]) -> bool {
            match (value, names.split_first()) {
                (Value::Array(items), _) if !names.is_empty() => items.iter().any(|item| has(item, names)),
                (value, None) => !value.is_null(),
                (value, Some((first, rest))) => value.get(first).is_some_and(|inner| has(inner, rest)),
            }
        }
        let names: Vec<&str> = self.path.split('.').collect();
        let Some((first, rest)) = names.split_first() else { return false };
        self.side == Side::Request && parameters.get(*first).is_some_and(|value| has(value, rest))
    }
}

/// An end that a caller is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// The field that it used; none where the operation itself ends.
    pub field: Option<&'static str>,
    /// The announcement.
    pub deprecation: Deprecation,
}

/// The headers of an answer: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) with the earliest of the dates, and a `Link`
/// for each end, whose title names the field.
pub fn headers(notices: &[Notice]) -> Vec<(&'static str, String)> {
    let ends = || notices.iter().map(|notice| notice.deprecation);
    let since = ends().map(|end| end.since).min();
    let sunset = ends().map(|end| end.sunset).min();
    let links = notices.iter().map(|notice| {
        let title = notice.field.map_or_else(String::new, |field| format!("; title=\"{field}\""));
        format!("<{}>; rel=\"deprecation\"; type=\"text/markdown\"{title}", notice.deprecation.page)
    });
    let dates = [
        since.map(|since| ("deprecation", format!("@{}", second(since)))),
        sunset.map(|sunset| ("sunset", sunset.strftime("%a, %d %b %Y 00:00:00 GMT").to_string())),
    ];
    dates.into_iter().flatten().chain(links.map(|link| ("link", link))).collect()
}

/// The first second of a day, in UTC.
fn second(day: Date) -> i64 {
    let start: DateTime = day.at(0, 0, 0, 0);
    start.to_zoned(TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::{DeprecatedField, Deprecation, Notice, Side, headers};

    const OLD: Deprecation =
        Deprecation { since: date(2026, 11, 28), sunset: date(2027, 11, 28), page: "docs/compatibility.md" };

    fn said(notices: &[Notice]) -> Vec<String> {
        headers(notices).into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn headers_are_those_of_the_standards() {
        assert_eq!(
            said(&[Notice { field: None, deprecation: OLD }]),
            [
                "deprecation: @1795824000",
                "sunset: Sun, 28 Nov 2027 00:00:00 GMT",
                "link: <docs/compatibility.md>; rel=\"deprecation\"; type=\"text/markdown\"",
            ]
        );
        assert_eq!(
            OLD.sentence(),
            "Deprecated since 2026-11-28, served at least until 2027-11-28: see docs/compatibility.md."
        );
        assert_eq!(said(&[]), [""; 0]);
    }

    #[test]
    fn of_several_ends_the_earliest_dates_are_told_and_each_field_is_named() {
        let late = Deprecation { since: date(2026, 11, 1), sunset: date(2028, 1, 1), page: "docs/wakes.md" };
        assert_eq!(
            said(&[
                Notice { field: Some("a"), deprecation: OLD },
                Notice { field: Some("b.c"), deprecation: late }
            ]),
            [
                "deprecation: @1793491200",
                "sunset: Sun, 28 Nov 2027 00:00:00 GMT",
                "link: <docs/compatibility.md>; rel=\"deprecation\"; type=\"text/markdown\"; title=\"a\"",
                "link: <docs/wakes.md>; rel=\"deprecation\"; type=\"text/markdown\"; title=\"b.c\"",
            ]
        );
    }

    #[test]
    fn a_field_is_used_where_it_is_sent_with_a_value() {
        let uses = |path: &'static str, request: Value| {
            let field = DeprecatedField { side: Side::Request, path, deprecation: OLD };
            field.is_used(request.as_object().unwrap())
        };
        assert!(uses("a", json!({"a": false})) && uses("a", json!({"a": [], "b": 1})));
        assert!(!uses("a", json!({"b": {"a": 1}})) && !uses("a", json!({"a": null})));
        assert!(uses("a.b", json!({"a": {"b": 1}})) && uses("a.b", json!({"a": [{}, {"b": 1}]})));
        assert!(!uses("a.b", json!({"a": {"c": 1}, "b": 1})) && !uses("a.b", json!({"a": [{"b": null}]})));
        let answers = DeprecatedField { side: Side::Answer, path: "a", deprecation: OLD };
        assert!(!answers.is_used(json!({"a": 1}).as_object().unwrap()));
    }

    #[test]
    fn twelve_months_are_given() {
        assert_eq!(OLD.fault(), None);
        let soon = Deprecation { sunset: date(2027, 11, 27), ..OLD };
        assert_eq!(soon.fault().unwrap(), "there are 364 days between its dates, not 365");
        assert!(Deprecation { sunset: date(2025, 1, 1), ..OLD }.fault().is_some());
        for page in ["elsewhere.md", "docs/a\"b>", "docs/a\nb"] {
            assert!(Deprecation { page, ..OLD }.fault().is_some(), "{page}");
        }
    }
}
