//! The pattern of a language for some parts of a time, with each part as wide as a template asks for.

use icu_calendar::Gregorian;
use icu_datetime::fieldsets::builder::FieldSetBuilder;
use icu_datetime::fieldsets::enums::CompositeFieldSet;
use icu_datetime::input::{TimeZoneInfo, ZonedDateTime};
use icu_datetime::pattern::{
    DateTimePattern, DayPeriodNameLength, FixedCalendarDateTimeNames, MonthNameLength, WeekdayNameLength,
    YearNameLength,
};
use icu_datetime::{DateTimeFormatterPreferences, FixedCalendarDateTimeFormatter};
use icu_time::zone::models::AtTime;
use writeable::TryWriteable as _;

use super::super::number::unwritable;

/// A time as clocks of a zone show it.
pub(super) type Moment = ZonedDateTime<Gregorian, TimeZoneInfo<AtTime>>;

/// How wide a part is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Numeric,
    TwoDigits,
    Long,
    Short,
    Narrow,
}

/// How wide the parts are written; those that are absent as the language has them.
#[derive(Debug, Default)]
pub(super) struct Widths {
    pub(super) weekday: Option<Width>,
    pub(super) year: Option<Width>,
    pub(super) month: Option<Width>,
    pub(super) day: Option<Width>,
    pub(super) hour: Option<Width>,
    pub(super) minute: Option<Width>,
    pub(super) second: Option<Width>,
}

/// A run of the same letter in a pattern.
type Field = (char, usize);

/// Writes a time in the pattern of a language.
pub(super) fn write(
    preferences: DateTimeFormatterPreferences,
    fields: FieldSetBuilder,
    widths: &Widths,
    time: &Moment,
) -> Result<String, String> {
    let fields =
        fields.build_composite().map_err(|error| format!("cannot write these parts of a time together: {error}"))?;
    let formatter = FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(preferences, fields);
    let usual = formatter.map_err(unwritable)?.format(time).pattern().to_string();
    let (pattern, parts) = adjusted(&usual, widths);
    let pattern = DateTimePattern::try_from_pattern_str(&pattern).map_err(unwritable)?;
    let names = FixedCalendarDateTimeNames::<Gregorian, CompositeFieldSet>::try_new(preferences);
    let mut names = names.map_err(unwritable)?;
    for field in parts {
        include(&mut names, field)?;
    }
    names
        .with_pattern_unchecked(&pattern)
        .format(time)
        .try_write_to_string()
        .map(std::borrow::Cow::into_owned)
        .map_err(|(error, _)| unwritable(error))
}

/// Returns a pattern with the widths that are asked for, and its fields.
fn adjusted(pattern: &str, widths: &Widths) -> (String, Vec<Field>) {
    let (mut adjusted, mut fields) = (String::with_capacity(pattern.len()), Vec::new());
    let mut is_quoted = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' {
            is_quoted = !is_quoted;
        }
        if is_quoted || !character.is_ascii_alphabetic() {
            adjusted.push(character);
            continue;
        }
        let mut length = 1;
        while characters.next_if_eq(&character).is_some() {
            length += 1;
        }
        let length = wide(character, length, widths);
        adjusted.extend(std::iter::repeat_n(character, length));
        fields.push((character, length));
    }
    (adjusted, fields)
}

/// Returns how often the letter of a field stands for the width that is asked for.
///
/// What a language writes as a name stays one, and a number stays a number.
fn wide(letter: char, length: usize, widths: &Widths) -> usize {
    let named = |width: Option<Width>| match width {
        Some(Width::Long) => 4,
        Some(Width::Short) => 3,
        Some(Width::Narrow) => 5,
        _ => length,
    };
    let at_least_two = |width: Option<Width>| if width == Some(Width::TwoDigits) { length.max(2) } else { length };
    match letter {
        'E' | 'c' => named(widths.weekday),
        'M' | 'L' if length >= 3 => named(widths.month),
        'M' | 'L' => at_least_two(widths.month),
        'd' => at_least_two(widths.day),
        'y' => match widths.year {
            Some(Width::TwoDigits) => 2,
            Some(_) => 1,
            None => length,
        },
        'h' | 'H' | 'K' | 'k' => at_least_two(widths.hour),
        'm' => at_least_two(widths.minute),
        's' => at_least_two(widths.second),
        _ => length,
    }
}

/// Loads the names that a field is written with.
fn include(
    names: &mut FixedCalendarDateTimeNames<Gregorian, CompositeFieldSet>,
    (letter, length): Field,
) -> Result<(), String> {
    let month = |[numeric, abbreviated, wide, narrow]: [MonthNameLength; 4]| match length {
        0..=2 => numeric,
        3 => abbreviated,
        4 => wide,
        _ => narrow,
    };
    let loaded = match letter {
        'M' => {
            use MonthNameLength::{Abbreviated, Narrow, Numeric, Wide};
            names.include_month_names(month([Numeric, Abbreviated, Wide, Narrow])).map(drop)
        }
        'L' => {
            use MonthNameLength::{StandaloneAbbreviated, StandaloneNarrow, StandaloneNumeric, StandaloneWide};
            let lengths = [StandaloneNumeric, StandaloneAbbreviated, StandaloneWide, StandaloneNarrow];
            names.include_month_names(month(lengths)).map(drop)
        }
        'E' => {
            let length = match length {
                4 => WeekdayNameLength::Wide,
                5 => WeekdayNameLength::Narrow,
                6 => WeekdayNameLength::Short,
                _ => WeekdayNameLength::Abbreviated,
            };
            names.include_weekday_names(length).map(drop)
        }
        'c' => {
            let length = match length {
                4 => WeekdayNameLength::StandaloneWide,
                5 => WeekdayNameLength::StandaloneNarrow,
                6 => WeekdayNameLength::StandaloneShort,
                _ => WeekdayNameLength::StandaloneAbbreviated,
            };
            names.include_weekday_names(length).map(drop)
        }
        'a' | 'b' => {
            let length = match length {
                4 => DayPeriodNameLength::Wide,
                5 => DayPeriodNameLength::Narrow,
                _ => DayPeriodNameLength::Abbreviated,
            };
            names.include_day_period_names(length).map(drop)
        }
        'G' => {
            let length = match length {
                4 => YearNameLength::Wide,
                5 => YearNameLength::Narrow,
                _ => YearNameLength::Abbreviated,
            };
            names.include_year_names(length).map(drop)
        }
        'z' if length == 4 => names.include_time_zone_specific_long_names_with_fallback().map(drop),
        'z' => names.include_time_zone_specific_short_names_with_fallback().map(drop),
        'v' if length == 4 => names.include_time_zone_generic_long_names_with_fallback().map(drop),
        'v' => names.include_time_zone_generic_short_names_with_fallback().map(drop),
        'O' => names.include_time_zone_localized_offset_names_with_fallback().map(drop),
        _ => Ok(()),
    };
    loaded.map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_as_wide_as_asked_for_and_stays_a_name_or_a_number() {
        let widths = Widths {
            weekday: Some(Width::Short),
            month: Some(Width::Long),
            day: Some(Width::TwoDigits),
            year: Some(Width::TwoDigits),
            ..Widths::default()
        };
        let check = |pattern: &str, expected: &str| assert_eq!(adjusted(pattern, &widths).0, expected, "{pattern}");
        check("EEEE, MMMM d, y 'at d' h a", "EEE, MMMM dd, yy 'at d' h a");
        check("y年M月d日EEEE", "yy年M月dd日EEE");
        check("d. LLL y", "dd. LLLL yy");
    }
}
