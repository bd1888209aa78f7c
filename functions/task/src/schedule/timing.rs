//! When a schedule is due: instants at an interval from a first one, or the matches of a cron pattern.

use croner::Cron;
use croner::parser::CronParser;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::json::Problem;

/// The shortest interval.
pub(crate) const SHORTEST_INTERVAL_MS: i64 = 1_000;
/// The longest interval: ten years.
pub(crate) const LONGEST_INTERVAL_MS: i64 = 10 * 366 * 24 * 60 * 60 * 1_000;
/// The longest cron pattern.
const CRON_LIMIT_CHARACTERS: usize = 256;
/// The names of patterns that are often used.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
/// How many matches of a cron pattern are counted at most, before a count is only a lower bound.
const COUNTED_MATCHES: usize = 100_000;
/// Between how many matches of a cron pattern the shortest distance is looked for.
const JITTER_SAMPLE: usize = 100;
/// How far back the newest matches are looked for first.
const FIRST_LOOK_BACK: SignedDuration = SignedDuration::from_hours(1);

/// What determines the instants of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Timing {
    /// `init`, and then every so often.
    #[serde(rename_all = "camelCase")]
    Interval {
        /// The distance of two instants, in milliseconds.
        interval_ms: i64,
    },
    /// Whenever the local time matches, from `init` on.
    Cron {
        /// The pattern: five fields, six with seconds, seven with years, or a nickname.
        expression: String,
        /// The IANA name of the time zone.
        timezone: String,
    },
}

/// The instants of a schedule: never before `init`, and strictly before `end`.
#[derive(Clone, Debug)]
pub(crate) struct Instants {
    rule: Rule,
    init: Timestamp,
    end: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Rule {
    Interval(i64),
    Cron(Box<Cron>, TimeZone),
}

/// The instants in a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// How many there are.
    pub(crate) count: u64,
    /// Whether there are more than were counted.
    pub(crate) at_least: bool,
    /// The newest ones, in order.
    pub(crate) newest: Vec<Timestamp>,
}

impl Timing {
    /// Whether a rate in whole minutes expresses it.
    pub(crate) fn whole_minutes(&self) -> Option<i64> {
        match self {
            Self::Interval { interval_ms } if interval_ms % 60_000 == 0 => Some(interval_ms / 60_000),
            _ => None,
        }
    }
}

impl Instants {
    /// Interprets a timing; the problem names the field of [`Timing`] that breaks a rule.
    pub(crate) fn new(timing: &Timing, init: Timestamp, end: Option<Timestamp>) -> Result<Self, Problem> {
        if end.is_some_and(|end| end <= init) {
            return Err(Problem::field("end", "must be after the start"));
        }
        let rule = match timing {
            Timing::Interval { interval_ms } => interval(*interval_ms)?,
            Timing::Cron { expression, timezone } => cron(expression, timezone)?,
        };
        let instants = Self { rule, init, end };
        if let Rule::Cron(..) = instants.rule
            && instants.matching(before(init)).is_none()
        {
            return Err(Problem::field("cron", "must match at least one time from the start on"));
        }
        Ok(instants)
    }

    /// Returns the first instant after this moment.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = match &self.rule {
            _ if after < self.init => match self.rule {
                Rule::Interval(_) => Some(self.init),
                Rule::Cron(..) => self.matching(before(self.init)),
            },
            Rule::Interval(interval_ms) => {
                let passed = after.as_millisecond() - self.init.as_millisecond();
                let whole = (passed / interval_ms + 1).checked_mul(*interval_ms)?;
                self.init.checked_add(SignedDuration::from_millis(whole)).ok()
            }
            Rule::Cron(..) => self.matching(after),
        };
        next.filter(|next| self.end.is_none_or(|end| *next < end))
    }

    /// Returns the instants after a moment, in order.
    pub(crate) fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |previous| self.next(*previous))
    }

    /// Refuses a delay by which an instant could come after the one that follows it.
    pub(crate) fn check_jitter(&self, jitter_ms: i64) -> Result<(), Problem> {
        let shortest_ms = match &self.rule {
            Rule::Interval(interval_ms) => *interval_ms,
            Rule::Cron(..) => {
                let seen: Vec<Timestamp> = self.after(before(self.init)).take(JITTER_SAMPLE).collect();
                let distances = seen.windows(2).map(|pair| pair[1].as_millisecond() - pair[0].as_millisecond());
                distances.min().unwrap_or(LONGEST_INTERVAL_MS)
            }
        };
        match jitter_ms < shortest_ms {
            true => Ok(()),
            false => {
                Err(Problem::field("jitter", format!("must be less than the {shortest_ms} ms between two instants")))
            }
        }
    }

    /// Looks at the instants after one moment and up to another, and returns the newest ones of them.
    ///
    /// It takes a bounded time, however many there are.
    pub(crate) fn span(&self, after: Timestamp, until: Timestamp, newest: usize) -> Span {
        match &self.rule {
            Rule::Interval(interval_ms) => self.span_of_interval(*interval_ms, after, until, newest),
            Rule::Cron(..) => self.span_of_cron(after, until, newest),
        }
    }

    fn span_of_interval(&self, interval_ms: i64, after: Timestamp, until: Timestamp, newest: usize) -> Span {
        let Some(first) = self.next(after).filter(|first| *first <= until) else {
            return Span { count: 0, at_least: false, newest: Vec::new() };
        };
        let last_ms = self.end.map_or(i64::MAX, |end| end.as_millisecond() - 1).min(until.as_millisecond());
        let count = (last_ms - first.as_millisecond()) / interval_ms + 1;
        let skipped = count.saturating_sub(i64::try_from(newest).unwrap_or(i64::MAX)).max(0);
        let start = first.as_millisecond() + skipped * interval_ms;
        let newest = (0..count - skipped)
            .filter_map(|index| Timestamp::from_millisecond(start + index * interval_ms).ok())
            .collect();
        Span { count: u64::try_from(count).unwrap_or(0), at_least: false, newest }
    }

    fn span_of_cron(&self, after: Timestamp, until: Timestamp, newest: usize) -> Span {
        let within = |after: Timestamp| self.after(after).take_while(|instant| *instant <= until);
        let counted: Vec<Timestamp> = within(after).take(COUNTED_MATCHES + 1).collect();
        if counted.len() <= COUNTED_MATCHES {
            let tail = counted.len().saturating_sub(newest);
            return Span { count: counted.len() as u64, at_least: false, newest: counted[tail..].to_vec() };
        }
        let mut look_back = FIRST_LOOK_BACK;
        loop {
            let from = until.checked_sub(look_back).map_or(after, |from| from.max(after));
            let mut found: Vec<Timestamp> = within(from).take(COUNTED_MATCHES + 1).collect();
            if found.len() > COUNTED_MATCHES {
                // So dense that a shorter look back has them all.
                look_back = SignedDuration::from_secs(i64::try_from(newest).unwrap_or(i64::MAX));
                found = within(until.checked_sub(look_back).map_or(after, |from| from.max(after))).collect();
            }
            if found.len() >= newest || from == after {
                let tail = found.len().saturating_sub(newest);
                return Span { count: COUNTED_MATCHES as u64, at_least: true, newest: found.split_off(tail) };
            }
            look_back = look_back.checked_mul(2).unwrap_or(SignedDuration::MAX);
        }
    }

    /// Returns the first match of the pattern after this moment, wherever `end` is.
    fn matching(&self, after: Timestamp) -> Option<Timestamp> {
        let Rule::Cron(cron, zone) = &self.rule else { return None };
        // Patterns know whole seconds.
        let second = Timestamp::from_second(after.as_millisecond().div_euclid(1_000)).ok()?;
        let found = cron.find_next_occurrence(&second.to_zoned(zone.clone()), false).ok()?;
        Some(found.timestamp())
    }
}

/// The last moment that a wire format tells from this one.
fn before(time: Timestamp) -> Timestamp {
    time.checked_sub(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MIN)
}

fn interval(interval_ms: i64) -> Result<Rule, Problem> {
    match (SHORTEST_INTERVAL_MS..=LONGEST_INTERVAL_MS).contains(&interval_ms) {
        true => Ok(Rule::Interval(interval_ms)),
        false => Err(Problem::field("interval", "must be from one second to ten years")),
    }
}

fn cron(expression: &str, timezone: &str) -> Result<Rule, Problem> {
    if expression.chars().count() > CRON_LIMIT_CHARACTERS {
        return Err(Problem::field("cron", format!("must have at most {CRON_LIMIT_CHARACTERS} characters")));
    }
    let refused = |why: &str| Problem::field("cron", format!("must be a cron pattern: {why}"));
    let pattern = match expression.trim() {
        "@reboot" => return Err(Problem::field("cron", "cannot be `@reboot`, as nothing that runs it starts up")),
        name if name.contains('@') => {
            let known = NICKNAMES.iter().find(|(nickname, _)| *nickname == name);
            known
                .ok_or_else(|| refused(&format!("the nicknames are {}", NICKNAMES.map(|(name, _)| name).join(", "))))?
                .1
        }
        pattern => pattern,
    };
    let cron = CronParser::builder().build().parse(pattern).map_err(|_| refused(&broken_part(pattern)))?;
    let zone = TimeZone::get(timezone);
    let zone =
        zone.map_err(|_| Problem::field("timezone", "must be the IANA name of a time zone, as in Europe/Madrid"))?;
    Ok(Rule::Cron(Box::new(cron), zone))
}

/// Says which part of a cron pattern is not one.
fn broken_part(pattern: &str) -> String {
    let parts: Vec<&str> = pattern.split_whitespace().collect();
    let names = match parts.len() {
        5 => &CRON_PARTS[1..6],
        6 => &CRON_PARTS[..6],
        7 => &CRON_PARTS[..],
        count => return format!("it has five parts, or six with seconds, and this has {count}"),
    };
    let alone = |index: usize| {
        let others = (0..parts.len()).map(|other| if other == index { parts[index] } else { "*" });
        CronParser::builder().build().parse(&others.collect::<Vec<_>>().join(" "))
    };
    match (0..parts.len()).find(|index| alone(*index).is_err()) {
        Some(index) => format!("`{}` cannot be its {}", parts[index], names[index]),
        None => "its parts do not fit together".to_owned(),
    }
}

/// What the parts of a cron pattern are.
const CRON_PARTS: [&str; 7] = ["second", "minute", "hour", "day of the month", "month", "day of the week", "year"];

#[cfg(test)]
mod conformance;

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(expression: &str, zone: &str) -> Timing {
        Timing::Cron { expression: expression.to_owned(), timezone: zone.to_owned() }
    }

    #[test]
    fn instants_are_whole_intervals_from_the_first_one_and_before_the_end() {
        let check = |interval_ms: i64, init: &str, end: Option<&str>, after: &str, expected: Option<&str>| {
            let instants = Instants::new(&Timing::Interval { interval_ms }, time(init), end.map(time)).unwrap();
            assert_eq!(instants.next(time(after)), expected.map(time), "{interval_ms} {init} {end:?} {after}");
        };
        let init = "2026-01-01T00:00:00.500Z";
        check(1_500, init, None, "2025-01-01T00:00:00Z", Some(init));
        check(1_500, init, None, init, Some("2026-01-01T00:00:02Z"));
        check(1_500, init, None, "2026-01-01T00:00:01.999Z", Some("2026-01-01T00:00:02Z"));
        check(1_500, init, Some("2026-01-01T00:00:02Z"), init, None);
        check(1_500, init, Some("2026-01-01T00:00:02.001Z"), init, Some("2026-01-01T00:00:02Z"));
        check(LONGEST_INTERVAL_MS, init, None, "9998-01-01T00:00:00Z", None);
    }

    #[test]
    fn what_has_no_instants_is_refused() {
        let check = |timing: &Timing, end: Option<&str>, expected: &str| {
            let refused = Instants::new(timing, time("2026-01-01T00:00:00Z"), end.map(time)).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{refused}");
        };
        let minute = Timing::Interval { interval_ms: 60_000 };
        check(&minute, Some("2026-01-01T00:00:00Z"), "`end` must be after the start");
        check(&Timing::Interval { interval_ms: 0 }, None, "`interval` must be from one second");
        check(&Timing::Interval { interval_ms: i64::MAX }, None, "`interval` must be from one second");
        check(&cron("0 0 30 2 *", "UTC"), None, "`cron` must match at least one time");
        check(&cron("* * *", "UTC"), None, "`cron` must be a cron pattern");
        check(&cron("", "UTC"), None, "`cron` must be a cron pattern");
        check(&cron("* * * * *", "Europe/Atlantis"), None, "`timezone` must be the IANA name");
    }

    #[test]
    fn a_span_counts_all_and_returns_the_newest() {
        let check = |timing: &Timing, until: &str, count: u64, newest: &[&str]| {
            let init = time("2026-01-01T00:00:00Z");
            let span = Instants::new(timing, init, None).unwrap().span(init, time(until), 2);
            let newest: Vec<Timestamp> = newest.iter().map(|text| time(text)).collect();
            assert_eq!((span.count, span.newest), (count, newest), "{timing:?} {until}");
        };
        let second = Timing::Interval { interval_ms: 1_000 };
        check(&second, "2026-01-01T00:00:00.999Z", 0, &[]);
        check(&second, "2027-01-01T00:00:00Z", 31_536_000, &["2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"]);
        check(&cron("@hourly", "UTC"), "2026-01-01T05:00:01Z", 5, &["2026-01-01T04:00:00Z", "2026-01-01T05:00:00Z"]);
        let newest = ["2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"];
        check(&cron("* * * * * *", "UTC"), "2027-01-01T00:00:00Z", 100_000, &newest);
    }
}
