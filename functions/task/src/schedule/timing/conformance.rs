//! The conformance cases of the Open Cron Pattern Specification, versions 1.0 to 1.4.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Instants, Timing};

fn instants(pattern: &str) -> Result<Instants, String> {
    let timing = Timing::Cron { expression: pattern.to_owned(), timezone: "UTC".to_owned() };
    let init = "2025-01-01T00:00:00Z".parse().unwrap();
    Instants::new(&timing, init, None).map_err(|problem| problem.to_string())
}

fn utc(local: &str) -> Timestamp {
    let local: DateTime = local.parse().unwrap();
    local.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn matches(instants: &Instants, local: &str) -> bool {
    let time = utc(local);
    instants.next(time - SignedDuration::from_secs(1)) == Some(time)
}

#[test]
fn patterns_match_the_times_that_they_must_match_and_no_others() {
    let check = |pattern: &str, must: &[&str], must_not: &[&str]| {
        let instants = instants(pattern).unwrap();
        for local in must {
            assert!(matches(&instants, local), "{pattern} must match {local}");
        }
        for local in must_not {
            assert!(!matches(&instants, local), "{pattern} must not match {local}");
        }
    };
    // 1.0
    check("15 10 * * *", &["2025-03-10T10:15"], &["2025-03-10T10:14"]);
    check("30 8 * jan Mon", &["2025-01-06T08:30"], &["2025-02-03T08:30"]);
    let quarters = ["2025-03-10T09:05", "2025-03-10T09:20", "2025-03-10T09:35", "2025-03-10T09:50"];
    check("5-59/15 9 * * *", &quarters, &["2025-03-10T09:15"]);
    check("0 12 1 * MON", &["2025-10-01T12:00", "2025-10-06T12:00"], &["2025-10-07T12:00"]);
    check("0 12 * * MON", &["2025-10-06T12:00"], &["2025-10-07T12:00"]);
    check("0 12 1-31 * MON", &["2025-10-06T12:00", "2025-10-07T12:00"], &["2025-10-08T11:00"]);
    // 1.1
    check("@yearly", &["2026-01-01T00:00"], &["2026-01-02T00:00"]);
    check("@annually", &["2026-01-01T00:00"], &["2026-01-02T00:00"]);
    check("@monthly", &["2026-02-01T00:00"], &["2026-02-02T00:00"]);
    check("@weekly", &["2025-10-05T00:00"], &["2025-10-06T00:00"]);
    check("@daily", &["2025-10-07T00:00"], &["2025-10-07T00:01"]);
    check("@midnight", &["2025-10-07T00:00"], &["2025-10-07T00:01"]);
    check("@hourly", &["2025-10-07T10:00"], &["2025-10-07T10:01"]);
    // 1.2
    check("15 10 * * *", &["2025-03-10T10:15:00"], &["2025-03-10T10:15:30"]);
    check("30 15 10 * * *", &["2025-03-10T10:15:30"], &["2025-03-10T10:15:29"]);
    check("0 15 10 * * * 2025", &["2025-03-10T10:15:00"], &["2026-03-10T10:15:00"]);
    check("0 0 0 1 1 * 1970-2199/2", &["2026-01-01T00:00:00"], &["2025-01-01T00:00:00"]);
    // 1.3
    check("0 0 L * *", &["2025-02-28T00:00"], &["2025-02-27T00:00"]);
    check("0 0 * * FRI#L", &["2025-02-28T00:00"], &["2025-02-21T00:00"]);
    check("0 0 * * TUE#3", &["2025-06-17T00:00"], &["2025-06-10T00:00"]);
    check("0 12 15W * *", &["2025-06-16T12:00"], &["2025-06-15T12:00"]);
    check("0 12 1W * *", &["2025-02-03T12:00"], &["2025-02-01T12:00"]);
    // 1.4
    let or = ["2025-09-01T12:00", "2025-09-08T12:00", "2025-10-01T12:00"];
    check("0 12 1 * MON", &or, &["2025-10-07T12:00"]);
    check("0 12 1 * +MON", &["2025-09-01T12:00"], &["2025-09-08T12:00", "2025-10-01T12:00"]);
}

#[test]
fn a_nickname_is_the_pattern_that_it_stands_for() {
    let start = utc("2025-01-01T00:00");
    let first = |pattern: &str| instants(pattern).unwrap().after(start).take(400).collect::<Vec<_>>();
    assert_eq!(first("@daily"), first("0 0 * * *"));
    assert_eq!(first(" @hourly "), first("0 * * * *"));
}

#[test]
fn what_is_not_a_pattern_is_refused() {
    for pattern in [
        "60 0 * * *",
        "0 0 10-5 * *",
        "0 0 /30 * *",
        "@Daily",
        "@DAILY",
        "@daily 0 0 * * *",
        "0 0 * * * @daily",
        "@fortnightly",
        "0 12 1-15W * *",
        "0 12 +1 * MON",
        "0 12 1 * MON+",
        "? 12 * * *",
        "0 ? * * *",
        "0 0 1 ? *",
        "* * * *",
        "* * * * * * * *",
        "0 0 0 * *",
        "a b c d e",
    ] {
        assert!(instants(pattern).is_err_and(|error| error.starts_with("`cron` must be a cron pattern")), "{pattern}");
    }
    // They are patterns, of which no schedule can be made.
    let check = |pattern: &str, rule: &str| assert_eq!(instants(pattern).unwrap_err(), rule, "{pattern}");
    check("* * 31 2 *", "`cron` must match at least one time from the start on");
    check("0 0 0 1 1 * 1969", "`cron` must match at least one time from the start on");
    check("@reboot", "`cron` cannot be `@reboot`, as nothing that runs it starts up");
}

/// The first instants after a moment in New York, where the clocks go forward at 2:00 on 8 March 2026 and back at 2:00
/// on 1 November.
fn check_new_york(pattern: &str, after: &str, expected: &[&str]) {
    let timing = Timing::Cron { expression: pattern.to_owned(), timezone: "America/New_York".to_owned() };
    let init = "2026-01-01T00:00:00Z".parse().unwrap();
    let instants = Instants::new(&timing, init, None).unwrap();
    let found: Vec<String> =
        instants.after(after.parse().unwrap()).take(expected.len()).map(|instant| instant.to_string()).collect();
    assert_eq!(found, expected, "{pattern} {after}");
}

#[test]
fn a_fixed_time_that_the_clocks_skip_comes_at_the_first_moment_after_it() {
    let around = ["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"];
    check_new_york("30 2 * * *", "2026-03-07T00:00:00Z", &around);
    check_new_york("30 2 8 3 *", "2026-03-07T00:00:00Z", &["2026-03-08T07:00:00Z", "2027-03-08T07:30:00Z"]);
    check_new_york("0 3 * * *", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T07:00:00Z"]);
}

#[test]
fn a_fixed_time_that_the_clocks_repeat_comes_once() {
    let around = ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"];
    check_new_york("30 1 * * *", "2026-10-31T00:00:00Z", &around);
    // Also if only the second one is still to come.
    check_new_york("30 1 * * *", "2026-11-01T06:00:00Z", &["2026-11-02T06:30:00Z"]);
}

#[test]
fn intervals_follow_the_time_that_passes() {
    let forward = ["2026-03-08T06:00:00Z", "2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"];
    check_new_york("*/30 * * * *", "2026-03-08T05:30:00Z", &forward);
    let back = [
        "2026-11-01T05:00:00Z",
        "2026-11-01T05:30:00Z",
        "2026-11-01T06:00:00Z",
        "2026-11-01T06:30:00Z",
        "2026-11-01T07:00:00Z",
    ];
    check_new_york("*/30 * * * *", "2026-11-01T04:30:00Z", &back);
}
