//! Translations: `t` and the texts that it finds.

use std::collections::BTreeMap;

use fixed_decimal::Decimal;
use handlebars::JsonRender as _;
use icu_plurals::{PluralCategory, PluralRules};
use serde_json::Value;
use shared::nearest;

use super::super::input::kind_of;
use super::super::render::{Scene, Translations, VALUE_LIMIT_BYTES};
use super::number::{decimal, unwritable};
use super::{Arguments, number, time};

/// Returns the text of a key in the best language that has it, with what is between its braces filled in.
pub(super) fn translate(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let Value::String(key) = arguments.first() else {
        return Err(format!("takes the key of a translation, not {}", kind_of(arguments.first())));
    };
    let text = find(scene, key, arguments)?;
    fill(scene, key, text, arguments).map(Value::from)
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
    Err(format!("finds no text in {}: {}", scene.language.tags.join(" or "), unknown_key(key, &scene.translations)))
}

/// Says that there is no such key, and which one may be meant.
pub(in crate::template) fn unknown_key(key: &str, translations: &Translations) -> String {
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

/// Fills in the arguments of a text, `{{name}}` and `{{name, number}}`.
///
/// The text is the author's and may be markup; arguments are not, so that in `{{{t …}}}` they are escaped here.
fn fill(scene: &Scene, key: &str, text: &str, arguments: &Arguments<'_>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((place, after)) = after.split_once("}}") else { break };
        filled.push_str(before);
        let (name, format) = match place.split_once(',') {
            Some((name, format)) => (name.trim(), Some(format.trim())),
            None => (place.trim(), None),
        };
        let value = argument(name, arguments)
            .ok_or_else(|| format!("is not given `{name}`, which the text of `{key}` needs"))?;
        let value = match format {
            Some(format) => formatted(scene, value, format, arguments)?,
            None => value.clone(),
        };
        let value = match value {
            Value::Array(_) | Value::Object(_) => value.to_string(),
            value => value.render(),
        };
        filled.push_str(&if arguments.is_raw { handlebars::html_escape(&value) } else { value });
        if filled.len() > VALUE_LIMIT_BYTES {
            return Err(format!("makes a text of more than {VALUE_LIMIT_BYTES} bytes"));
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Returns an argument by its name, or a member of one, `order.total`.
fn argument<'a>(name: &str, arguments: &Arguments<'a>) -> Option<&'a Value> {
    let mut parts = name.split('.');
    let found = arguments.options.get(parts.next()?).copied()?;
    parts.try_fold(found, |value, part| value.get(part))
}

/// Writes an argument as its text asks for, `number(minimumFractionDigits: 2)` or `currency(EUR)`.
fn formatted(scene: &Scene, value: &Value, format: &str, arguments: &Arguments<'_>) -> Result<Value, String> {
    let (name, options) = match format.split_once('(') {
        Some((name, options)) => (name.trim(), options.trim_end().trim_end_matches(')')),
        None => (format, ""),
    };
    let default = match name {
        "currency" => "currency",
        "relativetime" => "range",
        _ => "style",
    };
    let options: Vec<(&str, Value)> = options
        .split(';')
        .filter(|option| !option.trim().is_empty())
        .map(|option| option.split_once(':').unwrap_or((default, option)))
        .map(|(name, value)| (name.trim(), Value::from(value.trim().trim_matches(['"', '\'']))))
        .collect();
    let options: BTreeMap<&str, &Value> = options.iter().map(|(name, value)| (*name, value)).collect();
    let known = match name {
        "number" => number::NUMBER_OPTIONS,
        "currency" => number::CURRENCY_OPTIONS,
        "datetime" => time::DATETIME_OPTIONS,
        "relativetime" => time::RELATIVE_OPTIONS,
        name => {
            let known = ["number", "currency", "datetime", "relativetime"];
            return Err(format!("has a text with the {}", nearest::unknown("format", name, known)));
        }
    };
    if let Some(option) = options.keys().find(|option| !known.contains(option)) {
        return Err(format!("has a text with the {}", nearest::unknown("option", option, known.iter().copied())));
    }
    let arguments = Arguments { parameters: vec![value], options, is_raw: arguments.is_raw };
    match name {
        "number" => number::number(scene, &arguments),
        "currency" => number::currency(scene, &arguments),
        "datetime" => time::datetime(scene, &arguments),
        _ => time::relative(scene, &arguments),
    }
}
