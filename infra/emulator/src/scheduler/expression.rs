//! `at(…)`, `rate(…)` and `cron(…)`, as EventBridge Scheduler reads them.

use croner::Cron;
use croner::parser::CronParser;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Instants in a daylight-saving gap that are skipped in a row, before a schedule counts as over.
const MAX_SKIPPED: usize = 10_000;

/// When a schedule is due.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// Once, on this local time.
    At(DateTime),
    /// Repeatedly, at this interval.
    Rate(SignedDuration),
    /// Whenever the local time matches.
    Cron(Box<Cron>),
}

impl Expression {
    /// Parses an expression; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (kind, argument) = text
            .strip_suffix(')')
            .and_then(|text| text.split_once('('))
            .ok_or("it must be at(…), rate(…) or cron(…)")?;
        match kind {
            "at" => at(argument),
            "rate" => rate(argument),
            "cron" => cron(argument),
            _ => Err("it must be at(…), rate(…) or cron(…)".to_owned()),
        }
    }

    /// The first instant at or after `from`; a one-time schedule is due even when its time has passed.
    pub(crate) fn first(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::At(time) => zone.to_timestamp(*time).ok(),
            Self::Rate(_) => Some(from),
            Self::Cron(cron) => next_match(cron, from, zone, true),
        }
    }

    /// The first instant after `after`; a rate counts from `start`.
    pub(crate) fn next(&self, after: Timestamp, start: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::At(_) => None,
            Self::Rate(period) => {
                let passed = after.duration_since(start).as_millis().max(0);
                let period = period.as_millis();
                let whole = i64::try_from((passed / period + 1) * period).ok()?;
                start.checked_add(SignedDuration::from_millis(whole)).ok()
            }
            Self::Cron(cron) => next_match(cron, after, zone, false),
        }
    }
}

fn at(argument: &str) -> Result<Expression, String> {
    let wrong = || format!("{argument:?} is not a time as in at(2030-12-31T23:59:59)");
    let parsed = DateTime::strptime("%Y-%m-%dT%H:%M:%S", argument);
    // `strptime` also accepts shorter fields.
    let exact = parsed.ok().filter(|_| argument.len() == "2030-12-31T23:59:59".len());
    exact.map(Expression::At).ok_or_else(wrong)
}

fn rate(argument: &str) -> Result<Expression, String> {
    let wrong = || format!("{argument:?} is not a rate as in rate(5 minutes)");
    let (count, unit) = argument.trim().split_once(' ').ok_or_else(wrong)?;
    let count: u32 = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    let minutes: i64 = match unit.trim() {
        "minute" | "minutes" => 1,
        "hour" | "hours" => 60,
        "day" | "days" => 24 * 60,
        _ => return Err(wrong()),
    };
    let period = i64::from(count).checked_mul(minutes * 60).ok_or_else(wrong)?;
    Ok(Expression::Rate(SignedDuration::from_secs(period)))
}

fn cron(argument: &str) -> Result<Expression, String> {
    let fields: Vec<_> = argument.split_whitespace().collect();
    let &[minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
        return Err("cron needs six fields: minutes hours day-of-month month day-of-week year".to_owned());
    };
    if (days == "?") == (weekdays == "?") {
        return Err("cron needs \"?\" as either day-of-month or day-of-week".to_owned());
    }
    let pattern = format!("0 {minutes} {hours} {days} {months} {weekdays} {years}");
    let parser = CronParser::builder().alternative_weekdays(true).sloppy_ranges(true).build();
    let cron = parser.parse(&pattern).map_err(|error| error.to_string())?;
    Ok(Expression::Cron(Box::new(cron)))
}

/// Matches local times, then finds their instants: one that a clock change skips is not due, one that it repeats
/// is due only the first time.
fn next_match(cron: &Cron, from: Timestamp, zone: &TimeZone, inclusive: bool) -> Option<Timestamp> {
    let mut local = zone.to_datetime(from);
    let mut inclusive = inclusive;
    for _ in 0..MAX_SKIPPED {
        local = cron.find_next_occurrence(&local, inclusive).ok()?;
        let ambiguous = zone.to_ambiguous_timestamp(local);
        if !matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            let instant = ambiguous.earlier().ok()?;
            if instant > from || (inclusive && instant == from) {
                return Some(instant);
            }
        }
        inclusive = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    /// The instants after `from`, until `expected` is through.
    fn check(expression: &str, zone_name: &str, from: &str, expected: &[&str]) {
        let parsed = Expression::parse(expression).unwrap();
        let zone = zone(zone_name);
        let mut after: Timestamp = from.parse().unwrap();
        for expected in expected {
            let next = parsed.next(after, from.parse().unwrap(), &zone).unwrap();
            assert_eq!(next.to_string(), *expected, "{expression} after {after}");
            after = next;
        }
    }

    #[test]
    fn cron_means_what_aws_documents() {
        let from = "2030-01-01T00:00:00Z"; // a Tuesday
        check("cron(0 10 * * ? *)", "UTC", from, &["2030-01-01T10:00:00Z", "2030-01-02T10:00:00Z"]);
        check("cron(15 12 * * ? *)", "UTC", from, &["2030-01-01T12:15:00Z"]);
        check("cron(0 18 ? * MON-FRI *)", "UTC", "2030-01-04T19:00:00Z", &["2030-01-07T18:00:00Z"]);
        check("cron(0 8 1 * ? *)", "UTC", from, &["2030-01-01T08:00:00Z", "2030-02-01T08:00:00Z"]);
        check("cron(0/15 * * * ? *)", "UTC", from, &["2030-01-01T00:15:00Z", "2030-01-01T00:30:00Z"]);
        check("cron(0 9 ? * 2#1 *)", "UTC", from, &["2030-01-07T09:00:00Z", "2030-02-04T09:00:00Z"]);
        check("cron(0 0 L * ? *)", "UTC", from, &["2030-01-31T00:00:00Z", "2030-02-28T00:00:00Z"]);
        check("cron(0 0 ? * 6L *)", "UTC", from, &["2030-01-25T00:00:00Z"]);
        check("cron(0 0 5W * ? *)", "UTC", from, &["2030-01-04T00:00:00Z"]);
        check("cron(0 0 1 1 ? 2032)", "UTC", from, &["2032-01-01T00:00:00Z"]);
        check("cron(0 0 ? * 1 *)", "UTC", from, &["2030-01-06T00:00:00Z"]);
        check("cron(0 20 * * ? *)", "Asia/Kolkata", from, &["2030-01-01T14:30:00Z"]);
    }

    #[test]
    fn a_time_that_the_clock_change_skips_is_skipped_and_a_repeated_one_comes_once() {
        let spring = "2030-03-30T12:00:00Z";
        check("cron(30 2 * * ? *)", "Europe/Berlin", spring, &["2030-04-01T00:30:00Z"]);
        let autumn = "2030-10-26T12:00:00Z";
        let expected = ["2030-10-27T00:30:00Z", "2030-10-28T01:30:00Z"];
        check("cron(30 2 * * ? *)", "Europe/Berlin", autumn, &expected);
    }

    #[test]
    fn a_rate_counts_from_its_start() {
        let from = "2030-01-01T00:00:30Z";
        check("rate(5 minutes)", "UTC", from, &["2030-01-01T00:05:30Z", "2030-01-01T00:10:30Z"]);
        check("rate(1 hour)", "UTC", from, &["2030-01-01T01:00:30Z"]);
        check("rate(2 days)", "UTC", from, &["2030-01-03T00:00:30Z"]);
        let rate = Expression::parse("rate(5 minutes)").unwrap();
        let (start, late) = (from.parse().unwrap(), "2030-01-01T01:02:00Z".parse().unwrap());
        let next = rate.next(late, start, &TimeZone::UTC).unwrap();
        assert_eq!(next.to_string(), "2030-01-01T01:05:30Z");
    }

    #[test]
    fn a_time_is_local_to_its_zone() {
        let at = Expression::parse("at(2030-07-01T12:00:00)").unwrap();
        let first = at.first(Timestamp::MIN, &zone("America/New_York")).unwrap();
        assert_eq!(first.to_string(), "2030-07-01T16:00:00Z");
        assert!(at.next(first, first, &TimeZone::UTC).is_none());
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "at()",
            "at(2030-01-01)",
            "at(2030-13-01T00:00:00)",
            "at(2030-1-1T00:00:00)",
            "rate(0 minutes)",
            "rate(5)",
            "rate(5 seconds)",
            "rate(-1 hours)",
            "every(5 minutes)",
            "cron(* * * * *)",
            "cron(* * * * * *)",
            "cron(* * ? * ? *)",
            "cron(61 * * * ? *)",
            "rate(5 minutes",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(at|rate|cron)\\([0-9A-Z*?/,#LW a-z:T-]{0,40}\\)") {
            if let Ok(expression) = Expression::parse(&text) {
                let from = "2030-01-01T00:00:00Z".parse().unwrap();
                if let Some(next) = expression.next(from, from, &TimeZone::UTC) {
                    proptest::prop_assert!(next > from);
                }
            }
        }
    }
}
