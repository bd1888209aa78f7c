//! Refresh tokens that are replaced each time they are used: what the use of one means.

use jiff::Timestamp;

/// For how long a replaced token may be used again, in milliseconds, for clients that refresh twice at once or lost the answer.
const GRACE_MS: i64 = 30_000;

/// How far a login or a session has come: its tokens are numbered, and one of them is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The number of the valid token.
    pub generation: u32,
    /// When it became valid, in milliseconds since 1970.
    pub rotated_at_ms: i64,
    /// When no token can be used any more, in seconds since 1970.
    pub ends_at_s: i64,
}

/// What the use of a refresh token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is the valid one: the next one takes its place.
    Rotate,
    /// It was valid a moment ago: its successor is returned again.
    Repeat,
    /// It was replaced long ago: somebody else has it, so that all of them must end.
    Stolen,
    /// There is no such token.
    Unknown,
    /// It was not used for too long.
    Expired,
}

impl Rotation {
    /// Decides what the use of a token means.
    pub fn judge(&self, generation: u32, now: Timestamp) -> Use {
        let age_ms = now.as_millisecond() - self.rotated_at_ms;
        match self.generation.checked_sub(generation) {
            None => Use::Unknown,
            Some(_) if now.as_second() >= self.ends_at_s => Use::Expired,
            Some(0) => Use::Rotate,
            Some(1) if age_ms <= GRACE_MS => Use::Repeat,
            Some(_) => Use::Stolen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_judged_by_its_number() {
        let rotation = Rotation { generation: 5, rotated_at_ms: 1_000_000, ends_at_s: 5_000 };
        let check = |generation, now_ms, expected| {
            let now = Timestamp::from_millisecond(now_ms).unwrap();
            assert_eq!(rotation.judge(generation, now), expected, "{generation} at {now_ms}");
        };
        check(5, 1_000_000, Use::Rotate);
        check(5, 4_999_999, Use::Rotate);
        check(5, 5_000_000, Use::Expired);
        check(4, 1_030_000, Use::Repeat);
        check(4, 1_030_001, Use::Stolen);
        check(3, 1_000_001, Use::Stolen);
        check(6, 1_000_001, Use::Unknown);
        check(6, 5_000_000, Use::Unknown);
    }
}
