//! The host functions of a script for time zones.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rquickjs::{Ctx, Function, Object, Result};

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("zoneOffset", Function::new(ctx.clone(), offset)?)?;
    host.set("zoneName", Function::new(ctx.clone(), |name: String| zone(&name).and_then(|zone| name_of(&zone)))?)?;
    let system = || name_of(&TimeZone::system()).unwrap_or_else(|| "UTC".to_owned());
    host.set("systemZone", Function::new(ctx.clone(), system)?)
}

/// The seconds between UTC and a time zone at a time; nothing if there is no such time zone.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn offset(name: String, ms: f64) -> Option<i32> {
    let zone = zone(&name)?;
    // Far from the years that the time zones know, the nearest of these counts.
    #[expect(clippy::cast_possible_truncation, reason = "a time in JavaScript is an integer below 2^53")]
    let time = Timestamp::from_millisecond(ms as i64).unwrap_or(if ms < 0.0 { Timestamp::MIN } else { Timestamp::MAX });
    Some(zone.to_offset(time).seconds())
}

fn zone(name: &str) -> Option<TimeZone> {
    match name.eq_ignore_ascii_case("UTC") {
        true => Some(TimeZone::UTC),
        false => TimeZone::get(name).ok(),
    }
}

fn name_of(zone: &TimeZone) -> Option<String> {
    zone.iana_name().map(str::to_owned)
}
