//! Verification of requests before they are read: signatures over their raw bytes, compared in constant time.

pub(crate) mod mac;
pub mod recipe;

use http::HeaderMap;
use jiff::Timestamp;

use crate::error::Unverified;
use crate::time;

/// The most signatures of one request that are checked; senders add a second one while they rotate a secret.
const CANDIDATE_LIMIT: usize = 16;

/// A request as received, before it is verified.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The public URL that it was sent to, with its query, for schemes that sign it.
    pub url: &'a str,
    /// When it was received.
    pub now: Timestamp,
}

/// Checks deliveries with one secret.
pub type Verifier = Box<dyn Fn(&Delivery<'_>) -> Result<(), Unverified> + Send + Sync>;

impl<'a> Delivery<'a> {
    /// Returns the value of a header that must occur exactly once.
    pub(crate) fn header(&self, name: &str) -> Result<&'a [u8], Unverified> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) if !value.is_empty() => Ok(value.as_bytes()),
            _ => Err(Unverified::Header(name.to_owned())),
        }
    }

    /// Returns the value of a timestamp header, if it is close enough to now in either direction.
    pub(crate) fn fresh_timestamp(&self, name: &str, tolerance_s: u32) -> Result<&'a [u8], Unverified> {
        let text = self.header(name)?;
        self.fresh(name, text, tolerance_s).map(|()| text)
    }

    /// Checks that a time, from the header of this name, is close enough to now.
    pub(crate) fn fresh(&self, name: &str, text: &[u8], tolerance_s: u32) -> Result<(), Unverified> {
        let time = std::str::from_utf8(text).ok().and_then(time::parse);
        let time = time.ok_or_else(|| Unverified::Timestamp(name.to_owned()))?;
        // In whole seconds, as most senders count in these.
        match self.now.as_second().abs_diff(time.as_second()) <= u64::from(tolerance_s) {
            true => Ok(()),
            false => Err(Unverified::Stale { tolerance_s }),
        }
    }

    /// Returns the signatures in a header, which may come in several lines or in a list with spaces or commas.
    ///
    /// Each one starts with `prefix`, which is cut off; items of a list without it belong to other schemes.
    pub(crate) fn signatures(&self, name: &str, prefix: &str) -> Result<impl Iterator<Item = &'a str>, Unverified> {
        if !self.headers.contains_key(name) {
            return Err(Unverified::Header(name.to_owned()));
        }
        let lines = self.headers.get_all(name).iter().filter_map(|line| std::str::from_utf8(line.as_bytes()).ok());
        let items = lines.flat_map(items);
        Ok(items.filter_map(move |item| first_item(item.strip_prefix(prefix)?)).take(CANDIDATE_LIMIT))
    }
}

/// Returns the rest of a line from each place where an item of a list begins.
///
/// The rest and not the item, because a prefix may contain a comma itself, as in `v1,<signature>`.
fn items(line: &str) -> impl Iterator<Item = &str> {
    let starts = line.match_indices(is_separator).map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).map(|start| &line[start..])
}

fn first_item(text: &str) -> Option<&str> {
    text.split(is_separator).next().filter(|item| !item.is_empty())
}

fn is_separator(character: char) -> bool {
    matches!(character, ' ' | ',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn delivery(headers: &HeaderMap) -> Delivery<'_> {
        Delivery { headers, body: b"", url: "", now: Timestamp::from_second(1_000).unwrap() }
    }

    #[test]
    fn signatures_are_found_in_lists_and_in_repeated_lines() {
        let check = |lines: &[&str], prefix: &str, expected: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("s", *line)).collect();
            let headers = headers(&lines);
            let found: Vec<_> = delivery(&headers).signatures("s", prefix).unwrap().collect();
            assert_eq!(found, expected, "{lines:?}");
        };
        check(&["sha256=ab"], "sha256=", &["ab"]);
        check(&["ab"], "sha256=", &[]);
        check(&["ab, cd ef"], "", &["ab", "cd", "ef"]);
        check(&["v1,ab v1a,cd v1,ef v2,v1"], "v1,", &["ab", "ef"]);
        check(&["t=5,v1=ab,v0=cd"], "v1=", &["ab"]);
        check(&["a=1", "a=2"], "a=", &["1", "2"]);
        check(&["", "a=", ", ,"], "a=", &[]);
        check(&[&"x ".repeat(100)], "", &["x"; CANDIDATE_LIMIT]);
        let none = HeaderMap::new();
        assert_eq!(delivery(&none).signatures("s", "").err(), Some(Unverified::Header("s".to_owned())));
    }

    #[test]
    fn a_timestamp_is_fresh_within_the_tolerance_on_both_sides() {
        let check = |value: &str, expected: Result<(), Unverified>| {
            let headers = headers(&[("t", value)]);
            assert_eq!(delivery(&headers).fresh_timestamp("t", 300).map(|_| ()), expected, "{value}");
        };
        let stale = Err(Unverified::Stale { tolerance_s: 300 });
        let wrong = Err(Unverified::Timestamp("t".to_owned()));
        check("700", Ok(()));
        check("1300", Ok(()));
        check("699", stale.clone());
        check("1301", stale.clone());
        check("-9223372036854775808", stale.clone());
        check("9223372036854775807", stale.clone());
        check("1000.5", Ok(()));
        check("1970-01-01T00:16:40Z", Ok(()));
        check("Thu, 01 Jan 1970 00:16:40 GMT", Ok(()));
        check("1970-01-01T00:11:39Z", stale);
        check("99999999999999999999", wrong.clone());
        check("now", wrong);
        check("", Err(Unverified::Header("t".to_owned())));
    }

    #[test]
    fn a_repeated_header_is_refused() {
        let headers = headers(&[("t", "1000"), ("t", "1000")]);
        assert_eq!(delivery(&headers).header("t"), Err(Unverified::Header("t".to_owned())));
    }
}
