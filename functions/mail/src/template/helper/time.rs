//! Times and spans of time, as a language writes them.

mod pattern;

use fixed_decimal::Decimal;
use icu_datetime::fieldsets::builder::{DateFields, FieldSetBuilder, ZoneStyle};
use icu_datetime::input::{Date, DateTime, Time, TimeZone as NamedZone, UtcOffset, ZonedDateTime};
use icu_datetime::options::{Length, SubsecondDigits, TimePrecision, YearStyle};
use icu_datetime::preferences::HourCycle;
use icu_experimental::relativetime::options::Numeric;
use icu_experimental::relativetime::{RelativeTimeFormatter, RelativeTimeFormatterOptions};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};
use serde_json::Value;
use shared::nearest;

use self::pattern::{Moment, Width, Widths};
use super::super::input::kind_of;
use super::super::render::Scene;
use super::Arguments;
use super::number::{decimal, unwritable};

/// The options of `datetime`.
pub(super) const DATETIME_OPTIONS: &[&str] = &[
    "dateStyle",
    "day",
    "fractionalSecondDigits",
    "hour",
    "hour12",
    "hourCycle",
    "minute",
    "month",
    "second",
    "timeStyle",
    "timeZone",
    "timeZoneName",
    "weekday",
    "year",
];
/// The options of `relativetime`.
pub(super) const RELATIVE_OPTIONS: &[&str] = &["numeric", "range", "style"];
/// The time at which a template is filled in.
const NOW: &str = "now";

/// Writes a time; the options say which parts and how, as `Intl.DateTimeFormat` of JavaScript has them.
pub(super) fn datetime(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let time = instant(arguments.first(), scene.now)?;
    let zone = match arguments.text("timeZone")? {
        Some(name) => time_zone(name).map_err(|rule| format!("has an option `timeZone` that {rule}"))?,
        None => scene.time_zone.clone(),
    };
    let time = time.to_zoned(zone);
    let parts = Parts::read(arguments)?;
    let mut preferences = icu_datetime::DateTimeFormatterPreferences::from(&scene.language.locale);
    if let Some(cycle) = hour_cycle(arguments)? {
        preferences.hour_cycle = Some(cycle);
    }
    pattern::write(preferences, parts.fields, &parts.widths, &civil(&time)?).map(Value::from)
}

/// Returns a time zone of the IANA by its name, or the rule that the name breaks.
pub(in crate::template) fn time_zone(name: &str) -> Result<TimeZone, String> {
    let is_name = name.len() <= 64 && name.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    let known = if is_name { TimeZone::get(name).ok() } else { None };
    known.ok_or_else(|| "must be a time zone of the IANA such as `Europe/Brussels`".to_owned())
}

/// Reads a time: milliseconds since 1970, or a text as ISO 8601 has it; one without an offset is in UTC.
fn instant(value: &Value, now: Timestamp) -> Result<Timestamp, String> {
    match value {
        Value::Number(number) => {
            #[expect(clippy::cast_possible_truncation, reason = "a number that is too large is no time")]
            let milliseconds = number.as_i64().or_else(|| number.as_f64().map(|float| float as i64));
            let time = milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
            time.ok_or_else(|| format!("takes a time, not {number}"))
        }
        Value::String(text) if text == NOW => Ok(now),
        Value::String(text) => {
            let civil = || text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
            let time = text.parse::<Timestamp>().ok().or_else(|| civil().map(|time| time.timestamp()));
            time.ok_or_else(|| format!("takes a time such as `2026-01-02T03:04:05Z`, not the text `{text}`"))
        }
        value => Err(format!("takes a time, not {}", kind_of(value))),
    }
}

fn civil(time: &Zoned) -> Result<Moment, String> {
    let zone = NamedZone::from_iana_id(time.time_zone().iana_name().unwrap_or_default());
    let offset = UtcOffset::try_from_seconds(time.offset().seconds()).map_err(unwritable)?;
    let small = |number: i8| u8::try_from(number).unwrap_or_default();
    let nanosecond = u32::try_from(time.subsec_nanosecond()).unwrap_or_default();
    let date = Date::try_new_gregorian(time.year().into(), small(time.month()), small(time.day()));
    let time = Time::try_new(small(time.hour()), small(time.minute()), small(time.second()), nanosecond);
    let local = DateTime { date: date.map_err(unwritable)?, time: time.map_err(unwritable)? };
    let zone = zone.with_offset(Some(offset)).at_date_time(local);
    Ok(ZonedDateTime { date: local.date, time: local.time, zone })
}

fn hour_cycle(arguments: &Arguments<'_>) -> Result<Option<HourCycle>, String> {
    match arguments.flag("hour12")? {
        Some(true) => Ok(Some(HourCycle::Clock12)),
        Some(false) => Ok(Some(HourCycle::Clock24)),
        None => {
            arguments.one_of("hourCycle", &[("h11", HourCycle::H11), ("h12", HourCycle::H12), ("h23", HourCycle::H23)])
        }
    }
}

/// Which parts of a time are written, and how.
struct Parts {
    fields: FieldSetBuilder,
    widths: Widths,
}

impl Parts {
    fn read(arguments: &Arguments<'_>) -> Result<Self, String> {
        let zones = [
            ("short", ZoneStyle::SpecificShort),
            ("long", ZoneStyle::SpecificLong),
            ("shortOffset", ZoneStyle::LocalizedOffsetShort),
            ("longOffset", ZoneStyle::LocalizedOffsetLong),
            ("shortGeneric", ZoneStyle::GenericShort),
            ("longGeneric", ZoneStyle::GenericLong),
        ];
        let zone = arguments.one_of("timeZoneName", &zones)?;
        let is_styled = ["dateStyle", "timeStyle"].iter().any(|name| arguments.options.contains_key(name));
        let (mut fields, widths) = if is_styled { styled(arguments)? } else { chosen(arguments)? };
        fields.zone_style = zone.or(fields.zone_style);
        Ok(Self { fields, widths })
    }
}

/// Reads `dateStyle` and `timeStyle`, which go with no other parts.
fn styled(arguments: &Arguments<'_>) -> Result<(FieldSetBuilder, Widths), String> {
    let parts = ["weekday", "year", "month", "day", "hour", "minute", "second", "fractionalSecondDigits"];
    if let Some(part) = parts.iter().find(|part| arguments.options.contains_key(*part)) {
        return Err(format!("has the option `{part}`, which does not go with `dateStyle` and `timeStyle`"));
    }
    let dates = [
        ("full", (DateFields::YMDE, Length::Long)),
        ("long", (DateFields::YMD, Length::Long)),
        ("medium", (DateFields::YMD, Length::Medium)),
        ("short", (DateFields::YMD, Length::Short)),
    ];
    let times = [
        ("full", (TimePrecision::Second, Some(ZoneStyle::SpecificLong))),
        ("long", (TimePrecision::Second, Some(ZoneStyle::SpecificShort))),
        ("medium", (TimePrecision::Second, None)),
        ("short", (TimePrecision::Minute, None)),
    ];
    let date = arguments.one_of("dateStyle", &dates)?;
    let mut fields = FieldSetBuilder::new();
    fields.date_fields = date.map(|(fields, _)| fields);
    fields.length = date.map(|(_, length)| length);
    let time = arguments.one_of("timeStyle", &times)?;
    fields.time_precision = time.map(|(precision, _)| precision);
    fields.zone_style = time.and_then(|(_, zone)| zone);
    Ok((fields, Widths::default()))
}

/// Reads the parts one by one; a date in figures if there is none.
fn chosen(arguments: &Arguments<'_>) -> Result<(FieldSetBuilder, Widths), String> {
    let figures = [("numeric", Width::Numeric), ("2-digit", Width::TwoDigits)];
    let names = [("long", Width::Long), ("short", Width::Short), ("narrow", Width::Narrow)];
    let both = [figures.as_slice(), names.as_slice()].concat();
    let widths = Widths {
        weekday: arguments.one_of("weekday", &names)?,
        year: arguments.one_of("year", &figures)?,
        month: arguments.one_of("month", &both)?,
        day: arguments.one_of("day", &figures)?,
        hour: arguments.one_of("hour", &figures)?,
        minute: arguments.one_of("minute", &figures)?,
        second: arguments.one_of("second", &figures)?,
    };
    let mut fields = FieldSetBuilder::new();
    fields.time_precision = precision(&widths, arguments.whole("fractionalSecondDigits", 1, 9)?)?;
    let has = |width: Option<Width>| width.is_some();
    fields.date_fields = match (has(widths.weekday), has(widths.year), has(widths.month), has(widths.day)) {
        (false, false, false, false) if fields.time_precision.is_some() => None,
        (false, false, false, false) | (false, true, true, true) => Some(DateFields::YMD),
        (true, true, true, true) => Some(DateFields::YMDE),
        (true, false, true, true) => Some(DateFields::MDE),
        (false, false, true, true) => Some(DateFields::MD),
        (true, false, false, true) => Some(DateFields::DE),
        (false, false, false, true) => Some(DateFields::D),
        (true, false, false, false) => Some(DateFields::E),
        (false, true, true, false) => Some(DateFields::YM),
        (false, false, true, false) => Some(DateFields::M),
        (false, true, false, false) => Some(DateFields::Y),
        _ => return Err("cannot write these parts of a date together: add the month and the day".to_owned()),
    };
    let is_long = |width: Option<Width>| width == Some(Width::Long);
    fields.length = Some(match widths.month.or(widths.weekday) {
        Some(Width::Long) => Length::Long,
        Some(Width::Short | Width::Narrow) => Length::Medium,
        None if is_long(widths.weekday) => Length::Long,
        _ => Length::Short,
    });
    let has_year =
        matches!(fields.date_fields, Some(DateFields::YMD | DateFields::YMDE | DateFields::YM | DateFields::Y));
    fields.year_style = has_year.then_some(YearStyle::Full);
    Ok((fields, widths))
}

fn precision(widths: &Widths, fraction_digits: Option<i16>) -> Result<Option<TimePrecision>, String> {
    match (widths.hour, widths.minute, widths.second, fraction_digits) {
        (None, None, None, None) => Ok(None),
        (Some(_), None, None, None) => Ok(Some(TimePrecision::Hour)),
        (Some(_), Some(_), None, None) => Ok(Some(TimePrecision::Minute)),
        (Some(_), Some(_), Some(_), None) => Ok(Some(TimePrecision::Second)),
        (Some(_), Some(_), Some(_), Some(digits)) => {
            let known = SubsecondDigits::VALUES.iter().copied().zip(1..).find(|(_, known)| *known == digits);
            Ok(known.map(|(digits, _)| TimePrecision::Subsecond(digits)))
        }
        _ => Err("cannot write these parts of a time together: add the larger ones".to_owned()),
    }
}

/// A unit of relative times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// The units by their names, each with how many seconds it has at least.
const UNITS: [(&str, Unit, i64); 8] = [
    ("second", Unit::Second, 0),
    ("minute", Unit::Minute, 60),
    ("hour", Unit::Hour, 3_600),
    ("day", Unit::Day, 86_400),
    ("week", Unit::Week, 604_800),
    ("month", Unit::Month, 2_629_746),
    ("quarter", Unit::Quarter, 7_889_238),
    ("year", Unit::Year, 31_556_952),
];

/// How long the name of a unit is.
#[derive(Debug, Clone, Copy)]
enum Style {
    Long,
    Short,
    Narrow,
}

/// Writes how far a time is from now: a number of `range`s, or the time itself.
pub(super) fn relative(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let unit = arguments.text("range")?.map(unit_of).transpose()?;
    let (amount, unit) = match arguments.first() {
        Value::String(text) if decimal(arguments.first()).is_err() => {
            distance(instant(&Value::from(text.as_str()), scene.now)?, scene.now, unit)
        }
        value => (decimal(value)?, unit.unwrap_or(Unit::Day)),
    };
    let styles = [("long", Style::Long), ("short", Style::Short), ("narrow", Style::Narrow)];
    let style = arguments.one_of("style", &styles)?.unwrap_or(Style::Long);
    let numeric = arguments.one_of("numeric", &[("always", Numeric::Always), ("auto", Numeric::Auto)])?;
    let options = RelativeTimeFormatterOptions::default().with_numeric(numeric.unwrap_or_default());
    let formatter = relative_formatter(scene, style, unit, options).map_err(unwritable)?;
    Ok(formatter.format(amount).to_string().into())
}

fn unit_of(name: &str) -> Result<Unit, String> {
    let singular = name.strip_suffix('s').unwrap_or(name);
    let found = UNITS.iter().find(|(known, ..)| *known == singular).map(|(_, unit, _)| *unit);
    let known = UNITS.iter().map(|(known, ..)| *known);
    found.ok_or_else(|| format!("has as its option `range` the {}", nearest::unknown("unit", name, known)))
}

/// Returns a distance in whole units, in the largest that it has one of unless a unit is given.
fn distance(time: Timestamp, now: Timestamp, unit: Option<Unit>) -> (Decimal, Unit) {
    let seconds = time.as_second() - now.as_second();
    let usual = UNITS.iter().rev().filter(|(_, unit, _)| *unit != Unit::Quarter);
    let largest = usual.clone().find(|(.., least)| seconds.abs() >= *least);
    let given = unit.and_then(|unit| UNITS.iter().find(|(_, known, _)| *known == unit));
    let (_, unit, least) = given.or(largest).copied().unwrap_or(("second", Unit::Second, 0));
    (Decimal::from(seconds / least.max(1)), unit)
}

fn relative_formatter(
    scene: &Scene,
    style: Style,
    unit: Unit,
    options: RelativeTimeFormatterOptions,
) -> Result<RelativeTimeFormatter, icu_provider::DataError> {
    let new = match (style, unit) {
        (Style::Long, Unit::Second) => RelativeTimeFormatter::try_new_long_second,
        (Style::Long, Unit::Minute) => RelativeTimeFormatter::try_new_long_minute,
        (Style::Long, Unit::Hour) => RelativeTimeFormatter::try_new_long_hour,
        (Style::Long, Unit::Day) => RelativeTimeFormatter::try_new_long_day,
        (Style::Long, Unit::Week) => RelativeTimeFormatter::try_new_long_week,
        (Style::Long, Unit::Month) => RelativeTimeFormatter::try_new_long_month,
        (Style::Long, Unit::Quarter) => RelativeTimeFormatter::try_new_long_quarter,
        (Style::Long, Unit::Year) => RelativeTimeFormatter::try_new_long_year,
        (Style::Short, Unit::Second) => RelativeTimeFormatter::try_new_short_second,
        (Style::Short, Unit::Minute) => RelativeTimeFormatter::try_new_short_minute,
        (Style::Short, Unit::Hour) => RelativeTimeFormatter::try_new_short_hour,
        (Style::Short, Unit::Day) => RelativeTimeFormatter::try_new_short_day,
        (Style::Short, Unit::Week) => RelativeTimeFormatter::try_new_short_week,
        (Style::Short, Unit::Month) => RelativeTimeFormatter::try_new_short_month,
        (Style::Short, Unit::Quarter) => RelativeTimeFormatter::try_new_short_quarter,
        (Style::Short, Unit::Year) => RelativeTimeFormatter::try_new_short_year,
        (Style::Narrow, Unit::Second) => RelativeTimeFormatter::try_new_narrow_second,
        (Style::Narrow, Unit::Minute) => RelativeTimeFormatter::try_new_narrow_minute,
        (Style::Narrow, Unit::Hour) => RelativeTimeFormatter::try_new_narrow_hour,
        (Style::Narrow, Unit::Day) => RelativeTimeFormatter::try_new_narrow_day,
        (Style::Narrow, Unit::Week) => RelativeTimeFormatter::try_new_narrow_week,
        (Style::Narrow, Unit::Month) => RelativeTimeFormatter::try_new_narrow_month,
        (Style::Narrow, Unit::Quarter) => RelativeTimeFormatter::try_new_narrow_quarter,
        (Style::Narrow, Unit::Year) => RelativeTimeFormatter::try_new_narrow_year,
    };
    new((&scene.language.locale).into(), options)
}
