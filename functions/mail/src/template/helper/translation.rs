//! Translations: `t` and the texts that it finds.

mod part;

use std::collections::BTreeSet;

use fixed_decimal::Decimal;
use handlebars::JsonRender as _;
use icu_plurals::{PluralCategory, PluralRules};
use serde_json::Value;
use shared::nearest;

use self::part::{Format, Part, parts};
use super::super::input::kind_of;
use super::super::render::{Scene, Translations, VALUE_LIMIT_BYTES};
use super::number::{decimal, unwritable};
use super::trial::{self, Known};
use super::{Arguments, LANGUAGE_UNITS};

/// How deep texts may stand in each other, by `$t(key)`.
const NESTING_LIMIT: usize = 8;
/// How many keys are named that may be meant.
const OTHERS_LISTED: usize = 6;

/// Returns the text of a key in the best language that has it, with what is between its braces filled in.
pub(super) fn translate(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    fill(scene, key(arguments)?, arguments, 1).map(Value::from)
}

fn key<'a>(arguments: &Arguments<'a>) -> Result<&'a str, String> {
    let key = arguments.first();
    key.as_str().ok_or_else(|| format!("takes the key of a translation, not {}", kind_of(key)))
}

fn find<'a>(scene: &'a Scene, key: &str, arguments: &Arguments<'_>) -> Result<&'a str, String> {
    let count = arguments.options.get("count").map(|count| decimal(count)).transpose()?;
    for language in &scene.language.tags {
        for key in variants(scene, key, count.as_ref(), arguments)? {
            let Some(texts) = scene.translations.get(&key) else { continue };
            let found = texts.iter().find(|(known, _)| known.replace('_', "-").eq_ignore_ascii_case(language));
            if let Some((_, text)) = found {
                return Ok(text);
            }
        }
    }
    let asked = scene.language.tags.join(" or ");
    let others = others(key, &scene.translations).join(", ");
    Err(match others.is_empty() {
        true => format!("finds no text in {asked}: {}", unknown_key(key, &scene.translations)),
        false => format!("finds no text in {asked}: there is only {others}"),
    })
}

/// Says of a key, and of the same for a context or a count, in which languages it has texts.
fn others(key: &str, translations: &Translations) -> Vec<String> {
    let begins = format!("{key}_");
    let others = translations.iter().filter(|(known, _)| *known == key || known.starts_with(&begins));
    let described = others.map(|(known, texts)| {
        let languages: Vec<&str> = texts.keys().map(String::as_str).collect();
        format!("`{known}` in {}", languages.join(" and "))
    });
    described.take(OTHERS_LISTED).collect()
}

/// Says that there is no such key, and which one may be meant.
fn unknown_key(key: &str, translations: &Translations) -> String {
    match nearest::nearest(key, translations.keys().map(String::as_str)) {
        Some(nearest) => format!("unknown key `{key}`: did you mean `{nearest}`?"),
        None => format!("unknown key `{key}`: `translations` has no such key"),
    }
}

/// Returns a key as it is and as it is for a context and a count, the most special one first.
fn variants(
    scene: &Scene,
    key: &str,
    count: Option<&Decimal>,
    arguments: &Arguments<'_>,
) -> Result<Vec<String>, String> {
    let mut suffixes = Vec::new();
    if let Some(count) = count {
        let is_ordinal = arguments.flag("ordinal")?.unwrap_or(false);
        let locale = &scene.language.locale;
        let rules = match is_ordinal {
            true => PluralRules::try_new_ordinal(locale.into()),
            false => PluralRules::try_new_cardinal(locale.into()),
        };
        let kind = if is_ordinal { "_ordinal" } else { "" };
        if count.absolute.is_zero() {
            suffixes.push(format!("{kind}_zero"));
        }
        suffixes.push(format!("{kind}_{}", name(rules.map_err(unwritable)?.category_for(count))));
    }
    suffixes.push(String::new());
    let with_context = arguments.text("context")?.map(|context| format!("{key}_{context}"));
    let keys = with_context.into_iter().chain([key.to_owned()]);
    Ok(keys.flat_map(|key| suffixes.iter().map(move |suffix| format!("{key}{suffix}"))).collect())
}

fn name(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}

/// Fills in a text.
///
/// The text is the author's; what arguments say is never read as a part of it. Whether anything is escaped, the braces
/// around the call decide.
fn fill(scene: &Scene, key: &str, arguments: &Arguments<'_>, depth: usize) -> Result<String, String> {
    if depth > NESTING_LIMIT {
        return Err(format!("finds texts in each other more than {NESTING_LIMIT} deep at `{key}`"));
    }
    let text = find(scene, key, arguments)?;
    let mut filled = String::new();
    for part in parts(text).map_err(|rule| format!("finds a text of `{key}` that {rule}"))? {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Nested(key) => {
                scene.charge(LANGUAGE_UNITS).map_err(|error| error.to_string())?;
                filled.push_str(&fill(scene, key, arguments, depth + 1)?);
            }
            Part::Argument(name, format) => {
                let value = argument(name, arguments).ok_or_else(|| not_given(name, key))?;
                let value = match format {
                    Some(format) => format.signature.run(scene, &format.arguments(value))?,
                    None => value.clone(),
                };
                match value {
                    Value::Array(_) | Value::Object(_) => filled.push_str(&value.to_string()),
                    value => filled.push_str(&value.render()),
                }
            }
        }
        if filled.len() > VALUE_LIMIT_BYTES {
            return Err(format!("makes a text of more than {VALUE_LIMIT_BYTES} bytes"));
        }
    }
    Ok(filled)
}

fn not_given(name: &str, key: &str) -> String {
    format!("is not given `{name}`, which the text of `{key}` needs")
}

/// Returns an argument by its name, or a member of one, `order.total`.
fn argument<'a>(name: &str, arguments: &Arguments<'a>) -> Option<&'a Value> {
    let mut parts = name.split('.');
    let found = arguments.options.get(parts.next()?).copied()?;
    parts.try_fold(found, |value, part| value.get(part))
}

impl Format<'_> {
    fn arguments<'a>(&'a self, value: &'a Value) -> Arguments<'a> {
        let options = self.options.iter().map(|(name, value)| (*name, value)).collect();
        Arguments { parameters: vec![value], options }
    }
}

/// Checks a text as far as that can be done without arguments: its parts, the keys in it, and how arguments are written.
pub(in crate::template) fn check_text(scene: &Scene, text: &str) -> Result<(), String> {
    for part in parts(text)? {
        match part {
            Part::Argument(_, Some(format)) => {
                let options = format.options.iter().map(|(name, value)| (*name, Known::Value(value.clone())));
                let tried = trial::run(format.signature, scene, &[Known::Nothing], &options.collect());
                tried.map_err(|rule| format!("has a format whose {rule}"))?;
            }
            Part::Nested(key) if !is_known(key, &scene.translations) => {
                return Err(format!("names the {}", unknown_key(key, &scene.translations)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A call of `t` as it is written, with a key that is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::template) struct TextCall {
    /// The key.
    pub(in crate::template) key: String,
    /// The names of the arguments.
    pub(in crate::template) arguments: BTreeSet<String>,
}

/// Checks that there is a text for a call, and that it is given what each text needs that it can find.
pub(in crate::template) fn check_call(call: &TextCall, translations: &Translations) -> Result<(), String> {
    let TextCall { key, arguments } = call;
    if !is_known(key, translations) {
        return Err(format!("names the {}", unknown_key(key, translations)));
    }
    // With a context or a count it depends on these which texts are found.
    let texts = match ["context", "count"].iter().any(|name| arguments.contains(*name)) {
        true => None,
        false => translations.get(key),
    };
    for text in texts.into_iter().flat_map(|texts| texts.values()) {
        for part in parts(text).unwrap_or_default() {
            let Part::Argument(name, _) = part else { continue };
            let name = name.split('.').next().unwrap_or(name);
            if !arguments.contains(name) {
                return Err(not_given(name, key));
            }
        }
    }
    Ok(())
}

fn is_known(key: &str, translations: &Translations) -> bool {
    let begins = format!("{key}_");
    translations.keys().any(|known| known == key || known.starts_with(&begins))
}

/// Tries a call without looking for its text.
pub(super) fn tried(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let count = arguments.options.get("count").map(|count| decimal(count)).transpose()?;
    variants(scene, key(arguments)?, count.as_ref(), arguments)?;
    Ok("".into())
}
