//! From the JSON of a rule to the [`Rule`].

use serde_json::{Map, Number, Value};

use crate::cidr::Cidr;
use crate::number::{Bound, Double, Range};
use crate::rule::Rule;
use crate::wildcard::Wildcard;

/// Why a rule was refused; the caller knows at which field.
pub(crate) type Refused = String;

/// Names that mean, or may come to mean, an operator, so that they cannot be fields directly inside `$or`.
pub(crate) const RESERVED: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "html",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Reads one element of a field's array.
pub(crate) fn rule(value: &Value) -> Result<Rule, Refused> {
    match value {
        Value::Array(_) => {
            Err("a rule must be a string, number, true, false, null or an operator, not an array".into())
        }
        Value::Object(operator) => {
            let (name, operand) = only_entry(operator)?;
            apply(name, operand)
        }
        literal => equal_to(literal),
    }
}

fn equal_to(literal: &Value) -> Result<Rule, Refused> {
    Ok(match literal {
        Value::Bool(bool) => Rule::Bool(*bool),
        Value::String(text) => Rule::String(text.as_str().into()),
        Value::Number(number) => Rule::Number(double(number)?),
        _ => Rule::Null,
    })
}

fn only_entry(operator: &Map<String, Value>) -> Result<(&str, &Value), Refused> {
    let mut entries = operator.iter();
    match (entries.next(), entries.next()) {
        (Some((name, operand)), None) => Ok((name, operand)),
        (None, _) => Err("an operator object must not be empty".into()),
        _ => Err("only one operator is allowed in an object; write several objects in the array".into()),
    }
}

fn apply(name: &str, operand: &Value) -> Result<Rule, Refused> {
    match (name, operand) {
        ("exactly", _) => text(name, operand).map(Rule::String),
        ("prefix", Value::Object(inner)) => ignoring_case(name, inner).map(Rule::PrefixIgnoreCase),
        ("suffix", Value::Object(inner)) => ignoring_case(name, inner).map(Rule::SuffixIgnoreCase),
        ("prefix" | "suffix" | "equals-ignore-case" | "wildcard", _) => text_rule(name, operand),
        ("cidr", _) => Ok(Rule::Cidr(Cidr::parse(&text(name, operand)?)?)),
        ("exists", Value::Bool(true)) => Ok(Rule::Present),
        ("exists", Value::Bool(false)) => Ok(Rule::Absent),
        ("exists", _) => Err("exists must be true or false".into()),
        ("numeric", Value::Array(terms)) => numeric(terms).map(Rule::Numeric),
        ("numeric", _) => Err("numeric must be an array such as [\">\", 0, \"<=\", 5]".into()),
        ("anything-but", _) => anything_but(operand).map(Rule::AnythingBut),
        _ => Err(format!("unknown operator \"{}\"", shortened(name))),
    }
}

/// The operators on strings that `anything-but` can hold too.
fn text_rule(name: &str, operand: &Value) -> Result<Rule, Refused> {
    let operand = text(name, operand)?;
    Ok(match name {
        "prefix" => Rule::Prefix(operand),
        "suffix" => Rule::Suffix(operand),
        "wildcard" => Rule::Wildcard(Wildcard::parse(&operand)?),
        _ => Rule::EqualsIgnoreCase(operand),
    })
}

fn text(name: &str, operand: &Value) -> Result<Box<str>, Refused> {
    operand.as_str().map(Into::into).ok_or_else(|| format!("{name} must be a string"))
}

fn ignoring_case(name: &str, inner: &Map<String, Value>) -> Result<Box<str>, Refused> {
    match only_entry(inner)? {
        ("equals-ignore-case", operand) => text("equals-ignore-case", operand),
        (other, _) => Err(format!("{name} cannot hold \"{}\", only equals-ignore-case", shortened(other))),
    }
}

fn anything_but(operand: &Value) -> Result<Vec<Rule>, Refused> {
    let Value::Object(inner) = operand else {
        return anything_but_literals(listed(operand));
    };
    let (name, operand) = only_entry(inner)?;
    if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&name) {
        return Err(format!("anything-but cannot hold \"{}\"", shortened(name)));
    }
    let values = listed(operand);
    if values.is_empty() {
        return Err(format!("{name} inside anything-but must not be an empty list"));
    }
    if matches!(name, "prefix" | "suffix") && values.iter().any(|value| value.as_str() == Some("")) {
        return Err(format!("an empty {name} is not allowed inside anything-but"));
    }
    values.iter().map(|value| text_rule(name, value)).collect()
}

fn anything_but_literals(values: &[Value]) -> Result<Vec<Rule>, Refused> {
    if values.is_empty() || !(values.iter().all(Value::is_string) || values.iter().all(Value::is_number)) {
        return Err("anything-but must hold a string, a number, or a list of only strings or only numbers".into());
    }
    values.iter().map(equal_to).collect()
}

/// The values of a list, or a single value as a list of one.
fn listed(operand: &Value) -> &[Value] {
    operand.as_array().map_or(std::slice::from_ref(operand), Vec::as_slice)
}

fn numeric(terms: &[Value]) -> Result<Range, Refused> {
    let lowest = Bound { at: Double::NEGATIVE_INFINITY, open: false };
    let highest = Bound { at: Double::INFINITY, open: false };
    let (lower, upper) = match terms {
        [operator, value] => match comparison(operator)? {
            "=" => return Ok(Range::exactly(operand("=", value)?)),
            ">" => (bound(">", value, true)?, highest),
            ">=" => (bound(">=", value, false)?, highest),
            "<" => (lowest, bound("<", value, true)?),
            _ => (lowest, bound("<=", value, false)?),
        },
        [first, low, second, high] => match (comparison(first)?, comparison(second)?) {
            (lower @ (">" | ">="), upper @ ("<" | "<=")) => {
                (bound(lower, low, lower == ">")?, bound(upper, high, upper == "<")?)
            }
            _ => return Err("a numeric range is a lower bound (> or >=), then an upper bound (< or <=)".into()),
        },
        _ => return Err("numeric takes one comparison, or two for a range".into()),
    };
    Range::between(lower, upper).ok_or_else(|| "the lower bound of a numeric range must be less than the upper".into())
}

fn comparison(operator: &Value) -> Result<&str, Refused> {
    match operator.as_str() {
        Some(name @ ("=" | "<" | "<=" | ">" | ">=")) => Ok(name),
        _ => Err(format!("unknown numeric comparison {}", shortened(&operator.to_string()))),
    }
}

fn bound(comparison: &str, value: &Value, open: bool) -> Result<Bound, Refused> {
    Ok(Bound { at: operand(comparison, value)?, open })
}

fn operand(comparison: &str, value: &Value) -> Result<Double, Refused> {
    let Value::Number(number) = value else {
        return Err(format!("the value of {comparison} must be a number"));
    };
    double(number)
}

fn double(number: &Number) -> Result<Double, Refused> {
    Double::of(number).ok_or_else(|| format!("{number} is too large to be compared"))
}

/// Bounds what an error repeats of its input.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
