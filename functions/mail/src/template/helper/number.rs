//! Numbers and amounts of money, as a language writes them.

use fixed_decimal::{Decimal, SignDisplay, SignedRoundingMode, UnsignedRoundingMode};
use icu_decimal::DecimalFormatter;
use icu_decimal::options::{DecimalFormatterOptions, GroupingStrategy};
use icu_experimental::dimension::currency::formatter::CurrencyFormatter;
use icu_experimental::dimension::currency::options::{CurrencyFormatterOptions, CurrencyUsage};
use icu_experimental::dimension::percent::formatter::PercentFormatter;
use icu_locale_core::Locale;
use icu_locale_core::preferences::extensions::unicode::keywords::CurrencyType;
use serde_json::Value;

use super::super::input::kind_of;
use super::super::render::Scene;
use super::Arguments;

/// The options of `number`.
pub(super) const NUMBER_OPTIONS: &[&str] = &[
    "currency",
    "currencyDisplay",
    "currencySign",
    "maximumFractionDigits",
    "maximumSignificantDigits",
    "minimumFractionDigits",
    "minimumIntegerDigits",
    "minimumSignificantDigits",
    "signDisplay",
    "style",
    "useGrouping",
];
/// The options of `currency`.
pub(super) const CURRENCY_OPTIONS: &[&str] =
    &["currency", "currencyDisplay", "currencySign", "maximumFractionDigits", "minimumFractionDigits", "signDisplay"];
/// How many fraction digits a number has at most, unless an option says so.
const FRACTION_DIGITS: i16 = 3;
/// The most fraction digits that any currency has.
const CURRENCY_DIGITS: i16 = 4;
/// How long a number in a text may be.
const TEXT_LIMIT_CHARACTERS: usize = 100;

/// How a number is written.
#[derive(Clone, Copy)]
enum Style {
    Decimal,
    Percent,
    Currency,
}

/// How a currency is named.
#[derive(Clone, Copy)]
enum Display {
    Symbol,
    NarrowSymbol,
    Code,
    Name,
}

/// Writes a number; `style`, digits and signs as `Intl.NumberFormat` of JavaScript has them.
pub(super) fn number(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let styles = [("decimal", Style::Decimal), ("percent", Style::Percent), ("currency", Style::Currency)];
    let mut number = decimal(arguments.first())?;
    let locale = &scene.language.locale;
    let written = match arguments.one_of("style", &styles)?.unwrap_or(Style::Decimal) {
        Style::Currency => return currency(scene, arguments),
        Style::Percent => {
            number.multiply_pow10(2);
            number.trim_start();
            round(&mut number, arguments, 0, 0)?;
            let formatter = PercentFormatter::try_new(locale.into(), Default::default());
            formatter.map_err(unwritable)?.format(&number).to_string()
        }
        Style::Decimal => {
            round(&mut number, arguments, 0, FRACTION_DIGITS)?;
            formatter(locale, grouping(arguments)?)?.format(&number).to_string()
        }
    };
    Ok(written.into())
}

/// Writes an amount of money; `currency` is its ISO code.
pub(super) fn currency(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let code = arguments.text("currency")?.ok_or("needs the option `currency`, such as `currency=\"EUR\"`")?;
    let rule = || format!("has as its option `currency` `{code}`, which is not an ISO code such as `EUR`");
    if code.len() != 3 {
        return Err(rule());
    }
    let code = CurrencyType::try_from_str(&code.to_ascii_lowercase()).map_err(|_| rule())?;
    let displays = [
        ("symbol", Display::Symbol),
        ("narrowSymbol", Display::NarrowSymbol),
        ("code", Display::Code),
        ("name", Display::Name),
    ];
    let display = arguments.one_of("currencyDisplay", &displays)?.unwrap_or(Display::Symbol);
    let usages = [("standard", CurrencyUsage::Standard), ("accounting", CurrencyUsage::Accounting)];
    let usage = arguments.one_of("currencySign", &usages)?.unwrap_or_default();
    let mut amount = decimal(arguments.first())?;
    sign(&mut amount, arguments)?;
    let (locale, options) = (&scene.language.locale, CurrencyFormatterOptions::from(usage));
    let written = match display {
        Display::Symbol => with_formatter(CurrencyFormatter::try_new_symbol(locale.into(), code, options), &amount),
        Display::NarrowSymbol => {
            with_formatter(CurrencyFormatter::try_new_symbol_narrow(locale.into(), code, options), &amount)
        }
        Display::Code => with_formatter(CurrencyFormatter::try_new_code(locale.into(), code, options), &amount),
        Display::Name => with_formatter(CurrencyFormatter::try_new_name(locale.into(), code), &amount),
    }?;
    with_digits(written, &amount, locale, arguments).map(Value::from)
}

fn with_formatter<V: icu_decimal::AbstractFormatter>(
    formatter: Result<CurrencyFormatter<V>, icu_provider::DataError>,
    amount: &Decimal,
) -> Result<String, String> {
    Ok(formatter.map_err(unwritable)?.format_fixed_decimal(amount).to_string())
}

/// Writes an amount with the digits that the options ask for in place of those that the currency has.
fn with_digits(
    written: String,
    amount: &Decimal,
    locale: &Locale,
    arguments: &Arguments<'_>,
) -> Result<String, String> {
    if !["minimumFractionDigits", "maximumFractionDigits"].iter().any(|name| arguments.options.contains_key(name)) {
        return Ok(written);
    }
    let formatter = formatter(locale, GroupingStrategy::Auto)?;
    let with = |digits: i16| {
        let mut number = Decimal::new(Default::default(), amount.absolute.clone());
        half_expand(&mut number, -digits);
        number.pad_end(-digits);
        formatter.format(&number).to_string()
    };
    let found = (0..=CURRENCY_DIGITS).rev().map(|digits| (digits, with(digits)));
    let found = found.into_iter().find(|(_, number)| written.contains(number.as_str()));
    let Some((digits, usual)) = found else { return Ok(written) };
    let mut wanted = Decimal::new(Default::default(), amount.absolute.clone());
    let (low, high) = fraction_digits(arguments, digits, digits)?;
    half_expand(&mut wanted, -high);
    wanted.trim_end();
    wanted.pad_end(-low);
    Ok(written.replacen(&usual, &formatter.format(&wanted).to_string(), 1))
}

fn formatter(locale: &Locale, grouping: GroupingStrategy) -> Result<DecimalFormatter, String> {
    DecimalFormatter::try_new(locale.into(), DecimalFormatterOptions::from(grouping)).map_err(unwritable)
}

/// Reads a number, or a text that is one.
pub(super) fn decimal(value: &Value) -> Result<Decimal, String> {
    let text = match value {
        // Without an exponent, which not every reader of numbers knows.
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.len() <= TEXT_LIMIT_CHARACTERS => text.clone(),
        value => return Err(format!("takes a number, not {}", kind_of(value))),
    };
    Decimal::try_from_str(&text).map_err(|_| format!("takes a number, not the text `{text}`"))
}

fn grouping(arguments: &Arguments<'_>) -> Result<GroupingStrategy, String> {
    let strategies = [
        ("always", GroupingStrategy::Always),
        ("auto", GroupingStrategy::Auto),
        ("min2", GroupingStrategy::Min2),
        ("true", GroupingStrategy::Always),
        ("false", GroupingStrategy::Never),
    ];
    match arguments.options.get("useGrouping") {
        Some(Value::Bool(true)) => Ok(GroupingStrategy::Always),
        Some(Value::Bool(false)) => Ok(GroupingStrategy::Never),
        _ => Ok(arguments.one_of("useGrouping", &strategies)?.unwrap_or_default()),
    }
}

/// Rounds a number to the digits that the options ask for.
fn round(number: &mut Decimal, arguments: &Arguments<'_>, low: i16, high: i16) -> Result<(), String> {
    let least = arguments.whole("minimumSignificantDigits", 1, 21)?;
    let most = arguments.whole("maximumSignificantDigits", 1, 21)?;
    if least.is_some() || most.is_some() {
        let (least, most) = (least.unwrap_or(1), most.unwrap_or(21));
        in_order("SignificantDigits", least, most)?;
        half_expand(number, number.absolute.nonzero_magnitude_start() - most + 1);
        number.trim_end();
        let start = number.absolute.nonzero_magnitude_start();
        number.pad_end((start - least + 1).min(0));
    } else {
        let (low, high) = fraction_digits(arguments, low, high)?;
        half_expand(number, -high);
        number.trim_end();
        number.pad_end(-low);
    }
    if let Some(digits) = arguments.whole("minimumIntegerDigits", 1, 21)? {
        number.pad_start(digits);
    }
    sign(number, arguments)
}

fn fraction_digits(arguments: &Arguments<'_>, low: i16, high: i16) -> Result<(i16, i16), String> {
    let least = arguments.whole("minimumFractionDigits", 0, 20)?;
    let most = arguments.whole("maximumFractionDigits", 0, 20)?;
    let digits = match (least, most) {
        (Some(least), None) => (least, high.max(least)),
        (None, Some(most)) => (low.min(most), most),
        (least, most) => (least.unwrap_or(low), most.unwrap_or(high)),
    };
    in_order("FractionDigits", digits.0, digits.1)?;
    Ok(digits)
}

fn in_order(name: &str, least: i16, most: i16) -> Result<(), String> {
    if least > most {
        return Err(format!("must not have a larger `minimum{name}` than `maximum{name}`"));
    }
    Ok(())
}

fn sign(number: &mut Decimal, arguments: &Arguments<'_>) -> Result<(), String> {
    let displays = [
        ("auto", SignDisplay::Auto),
        ("always", SignDisplay::Always),
        ("exceptZero", SignDisplay::ExceptZero),
        ("negative", SignDisplay::Negative),
        ("never", SignDisplay::Never),
    ];
    if let Some(display) = arguments.one_of("signDisplay", &displays)? {
        number.apply_sign_display(display);
    }
    Ok(())
}

fn half_expand(number: &mut Decimal, position: i16) {
    number.round_with_mode(position, SignedRoundingMode::Unsigned(UnsignedRoundingMode::HalfExpand));
}

/// Says that a language has no rule for it.
pub(super) fn unwritable(error: impl std::fmt::Display) -> String {
    format!("cannot write it in this language: {error}")
}
