//! For how long an app asks not to be called: `Retry-After` (RFC 9110, 10.2.3).

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use jiff::Timestamp;

/// The longest wait that is believed: a year.
const LIMIT_S: f64 = 366.0 * 24.0 * 3600.0;

/// Reads the milliseconds to wait; a date is compared to the app's own clock where its answer has it.
pub(super) fn ms(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match value.parse::<f64>() {
        Ok(seconds) if seconds >= 0.0 => seconds,
        Ok(_) => return None,
        Err(_) => {
            let until = httpdate::parse_http_date(value).ok()?;
            let now = date(headers, DATE).unwrap_or_else(|| now.into());
            until.duration_since(now).map_or(0.0, |wait| wait.as_secs_f64())
        }
    };
    Some((seconds.min(LIMIT_S) * 1000.0).ceil() as u64)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date() {
        let check = |value: &'static str, date: Option<&'static str>, expected: Option<u64>| {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
            let now = "1994-11-06T08:49:00Z".parse().unwrap();
            assert_eq!(ms(&headers, now), expected, "{value} {date:?}");
        };
        check("120", None, Some(120_000));
        check(" 0 ", None, Some(0));
        check("1.5", None, Some(1_500));
        check("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(37_000));
        check("Sunday, 06-Nov-94 08:49:37 GMT", None, Some(37_000));
        check("Sun Nov  6 08:49:37 1994", None, Some(37_000));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some("Sun, 06 Nov 1994 08:49:30 GMT"), Some(7_000));
        check("Sun, 06 Nov 1994 08:48:00 GMT", None, Some(0));
        check("99999999999999999999999", None, Some(31_622_400_000));
        for broken in ["", "-1", "soon", "NaN", "Sun, 06 Nov"] {
            check(broken, None, None);
        }
    }
}
