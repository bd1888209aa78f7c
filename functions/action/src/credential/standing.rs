//! Whether a token can be used, and what is to be done if not.

use jiff::{SignedDuration, Timestamp};

use crate::failure::Failure;
use crate::store::credential::{Lease, Stored, Token};

/// How long before its end a token is made anew, and which part of its lifetime at most.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
const MARGIN_PART: i32 = 5;
/// How long a failed attempt before the end of a token is left at that.
const EARLY_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// What a run does next for its token.
pub(super) enum Next {
    /// It uses this one.
    Use(Token),
    /// It gets another one, and uses this one if somebody else is at it or if that fails.
    RenewEarly(Token),
    /// It gets one.
    Renew,
    /// It waits for the one who is getting one.
    Wait,
    /// It fails for the reason that the last attempt had.
    Fail(Failure),
}

/// Decides what a run does that found `since` attempts when it began.
///
/// What others have got since then is good enough for it, however soon it ends: it asked for nothing newer.
pub(super) fn next(stored: &Stored, made_for: &str, since: u64, now: Timestamp) -> Next {
    let token = stored.token.as_ref().filter(|token| token.made_for == made_for && token.refused_at.is_none());
    let failed = stored.failed.as_ref().filter(|failed| failed.made_for == made_for);
    let is_leased = stored.lease.as_ref().is_some_and(|lease| lease.is_held(now));
    match token {
        Some(token) if token.round > since || now < renewed_at(token) && !is_from_future(token.obtained_at, now) => {
            return Next::Use(token.clone());
        }
        Some(token) if now < token.expires_at && !is_from_future(token.obtained_at, now) => {
            let has_just_failed =
                failed.is_some_and(|failed| is_held(failed.at, failed.retry_at.max(failed.at + EARLY_PAUSE), now));
            let token = token.clone();
            return if is_leased || has_just_failed { Next::Use(token) } else { Next::RenewEarly(token) };
        }
        _ => {}
    }
    match failed {
        Some(failed) if failed.round > since || is_held(failed.at, failed.retry_at, now) => {
            Next::Fail(failed.failure.clone())
        }
        _ if is_leased => Next::Wait,
        _ => Next::Renew,
    }
}

/// When a token is made anew, so that no run has one that ends on the way.
fn renewed_at(token: &Token) -> Timestamp {
    let lifetime = token.expires_at.duration_since(token.obtained_at);
    token.expires_at - (lifetime / MARGIN_PART).min(MARGIN).max(SignedDuration::ZERO)
}

fn is_held(from: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    now < until && !is_from_future(from, now)
}

/// Tells whether a clock was set back since then, so that what is left of a time cannot be known.
fn is_from_future(time: Timestamp, now: Timestamp) -> bool {
    time.duration_since(now) > Lease::SKEW
}
