//! The end of an operation, announced with dates: what a row of the table says, and what every answer then says.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Days between the two dates at least: twelve months.
const NOTICE_DAYS_MIN: i32 = 365;

/// Since when an operation is deprecated, until when it is served, and where to read what to use instead.
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
    /// The headers of every answer of the operation: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`.
    pub fn headers(&self) -> [(&'static str, String); 3] {
        [
            ("deprecation", format!("@{}", second(self.since))),
            ("sunset", self.sunset.strftime("%a, %d %b %Y 00:00:00 GMT").to_string()),
            ("link", format!("<{}>; rel=\"deprecation\"; type=\"text/markdown\"", self.page)),
        ]
    }

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

/// The first second of a day, in UTC.
fn second(day: Date) -> i64 {
    let start: DateTime = day.at(0, 0, 0, 0);
    start.to_zoned(TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::Deprecation;

    const OLD: Deprecation =
        Deprecation { since: date(2026, 11, 28), sunset: date(2027, 11, 28), page: "docs/compatibility.md" };

    #[test]
    fn headers_are_those_of_the_standards() {
        assert_eq!(
            OLD.headers().map(|(name, value)| format!("{name}: {value}")),
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
