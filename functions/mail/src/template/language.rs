//! The languages that a template is filled in for.

use icu_calendar::{Date, Gregorian};
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::M;
use icu_locale_core::Locale;

/// The language of templates that are filled in without one, and of what is not there in another.
const DEFAULT: &str = "EN";
/// How a month is written where no language is known.
const MONTH_WITHOUT_LANGUAGE: &str = "M01";

/// A language, perhaps with a region and a script.
#[derive(Debug, Clone)]
pub(crate) struct Language {
    /// By whose rules numbers and times are written.
    pub(super) locale: Locale,
    /// The languages of translations, the best first.
    pub(super) tags: Vec<String>,
}

impl Language {
    /// Reads a language tag, `nl`, `NL`, `nl-BE` or `nl_BE`; English if there is none.
    ///
    /// Translations may be in any language; numbers and times are in English if it is none of the CLDR.
    pub(crate) fn parse(tag: Option<&str>) -> Result<Self, String> {
        let tag = tag.filter(|tag| !tag.is_empty()).unwrap_or(DEFAULT).replace('_', "-");
        let rule = || "must be a language tag such as `EN` or `nl-BE`".to_owned();
        let locale = Locale::try_from_str(&tag).map_err(|_| rule())?;
        let language = locale.id.language.as_str().to_owned();
        let mut tags = vec![tag, language, DEFAULT.to_owned()];
        tags.dedup_by(|later, earlier| later.eq_ignore_ascii_case(earlier));
        let locale = if is_known(&locale) { locale } else { Locale::try_from_str(DEFAULT).map_err(|_| rule())? };
        Ok(Self { locale, tags })
    }
}

fn is_known(locale: &Locale) -> bool {
    let january = Date::try_new_gregorian(2000, 1, 1);
    let formatter = FixedCalendarDateTimeFormatter::<Gregorian, M>::try_new(locale.into(), M::long());
    match (january, formatter) {
        (Ok(january), Ok(formatter)) => formatter.format(&january).to_string() != MONTH_WITHOUT_LANGUAGE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_read_and_the_next_best_is_known() {
        let check = |tag: Option<&str>, locale: &str, tags: &[&str]| {
            let language = Language::parse(tag).unwrap();
            assert_eq!(
                (language.locale.to_string().as_str(), language.tags),
                (locale, tags.iter().map(|tag| (*tag).to_owned()).collect())
            );
        };
        check(None, "en", &["EN"]);
        check(Some(""), "en", &["EN"]);
        check(Some("NL"), "nl", &["NL", "EN"]);
        check(Some("nl_BE"), "nl-BE", &["nl-BE", "nl", "EN"]);
        check(Some("zh-Hant-TW"), "zh-Hant-TW", &["zh-Hant-TW", "zh", "EN"]);
        check(Some("tlh"), "en", &["tlh", "EN"]);
        for wrong in ["n", "english!", "nl-", "{{x}}", "en\0"] {
            assert!(Language::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
