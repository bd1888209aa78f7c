//! What would satisfy a clause that failed.

use serde_json::{Number, Value, json};

use crate::explain::shown;
use crate::number::Range;
use crate::rule::{Clause, Rule};

/// How much of two texts is compared to tell which are near to each other.
const MAX_COMPARED: usize = 64;
/// Below this, every whole number is a double.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// One way to satisfy a clause: by one of its rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    description: String,
    example: Option<Example>,
}

/// What the field would have to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Example {
    /// This value, for one.
    Value(Value),
    /// Absent.
    Absence,
}

impl Remedy {
    /// What satisfies the rule, in words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What satisfies the rule, for one; `None` for the rule that nothing in JSON satisfies, a number beyond all doubles.
    pub fn example(&self) -> Option<&Example> {
        self.example.as_ref()
    }

    /// All of it as one JSON object: `{description}` with an example as `value` or with `"absent": true`.
    pub fn to_json(&self) -> Value {
        let mut json = json!({ "description": self.description });
        match &self.example {
            Some(Example::Value(value)) => json["value"] = value.clone(),
            Some(Example::Absence) => json["absent"] = true.into(),
            None => {}
        }
        json
    }
}

/// Describes the rules of a clause, the nearest to some values first.
pub(crate) fn remedies(clause: &Clause, found: &[Value]) -> Vec<Remedy> {
    let sources = clause.source.as_array().into_iter().flatten();
    let mut remedies: Vec<_> =
        clause.rules.iter().zip(sources).map(|(rule, source)| remedy(rule, source, found)).collect();
    remedies.sort_by(|(one, _), (other, _)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    remedies.into_iter().map(|(_, remedy)| remedy).collect()
}

/// How far something is from the values found: whether it is of another type, and the distance.
type Distance = (bool, f64);

fn remedy(rule: &Rule, source: &Value, found: &[Value]) -> (Distance, Remedy) {
    let example = match rule {
        Rule::Absent => Some(Example::Absence),
        rule => example(rule, source, found).filter(|value| rule.accepts(value)).map(Example::Value),
    };
    let distances = found.iter().map(|leaf| distance(rule, example.as_ref(), leaf));
    let nearest = distances.min_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    (nearest.unwrap_or_default(), Remedy { description: description(rule, source), example })
}

fn description(rule: &Rule, source: &Value) -> String {
    let operator = source.as_object().and_then(|operator| operator.values().next());
    let operand = operator.map(shown).unwrap_or_default();
    let inner =
        operator.and_then(Value::as_object).and_then(|inner| inner.values().next()).map(shown).unwrap_or_default();
    match rule {
        Rule::Null | Rule::Bool(_) => shown(source),
        Rule::Number(_) => format!("the number {source}"),
        Rule::String(_) => format!("the text {}", if source.is_object() { operand } else { shown(source) }),
        Rule::Prefix(_) => format!("a text that starts with {operand}"),
        Rule::Suffix(_) => format!("a text that ends with {operand}"),
        Rule::EqualsIgnoreCase(_) => format!("the text {operand} in upper or lower case"),
        Rule::PrefixIgnoreCase(_) => format!("a text that starts with {inner} in upper or lower case"),
        Rule::SuffixIgnoreCase(_) => format!("a text that ends with {inner} in upper or lower case"),
        Rule::Wildcard(_) => format!("a text like {operand}, in which * stands for any characters"),
        Rule::Numeric(_) => format!("a number {}", comparisons(operator)),
        Rule::Cidr(_) => format!("an IP address in {operand}"),
        Rule::Present => "any value".to_owned(),
        Rule::Absent => "no value: the field is absent".to_owned(),
        Rule::AnythingBut(_) => format!("any value but {operand}"),
    }
}

/// Writes the operand of `numeric` as a person would: `> 0 and <= 5`.
fn comparisons(operand: Option<&Value>) -> String {
    let terms = operand.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let terms = terms.chunks(2).map(|term| match term {
        [Value::String(operator), bound] => format!("{operator} {bound}"),
        _ => String::new(),
    });
    terms.collect::<Vec<_>>().join(" and ")
}

/// Returns a value that the rule may accept: the nearest to those found where that can be told.
fn example(rule: &Rule, source: &Value, found: &[Value]) -> Option<Value> {
    Some(match rule {
        Rule::Null | Rule::Bool(_) | Rule::Number(_) => source.clone(),
        Rule::String(text)
        | Rule::Prefix(text)
        | Rule::Suffix(text)
        | Rule::EqualsIgnoreCase(text)
        | Rule::PrefixIgnoreCase(text)
        | Rule::SuffixIgnoreCase(text) => Value::from(&**text),
        Rule::Wildcard(wildcard) => wildcard.shortest().into(),
        Rule::Numeric(range) => return number_in(*range, found),
        Rule::Cidr(block) => block.example().into(),
        Rule::Present => Value::Bool(true),
        Rule::AnythingBut(rules) => return anything_but(rules, found),
        Rule::Absent => return None,
    })
}

fn number_in(range: Range, found: &[Value]) -> Option<Value> {
    let near = found.iter().find_map(Value::as_f64);
    let numbers = range.examples(near).into_iter().filter_map(number);
    numbers.into_iter().find(|number| Rule::Numeric(range).accepts(number))
}

/// Writes a whole number without a fraction.
fn number(float: f64) -> Option<Value> {
    if float.fract() == 0.0 && float.abs() < MAX_WHOLE {
        return format!("{float:.0}").parse::<i64>().ok().map(Value::from);
    }
    Number::from_f64(float).map(Value::Number)
}

/// Returns a value that none of the rules accepts, of the type of the first value found where that is possible.
///
/// No list of literals has one more than it has, and where texts are excluded by what they look like numbers are not.
fn anything_but(rules: &[Rule], found: &[Value]) -> Option<Value> {
    let texts = std::iter::once("other".to_owned()).chain((1..=rules.len()).map(|at| format!("other{at}")));
    let texts = texts.map(Value::from);
    let numbers = (0..=rules.len()).map(Value::from);
    let accepted = |value: &Value| !rules.iter().any(|rule| rule.accepts(value));
    match found.first() {
        Some(Value::Number(_)) => numbers.chain(texts).find(accepted),
        _ => texts.chain(numbers).find(accepted),
    }
}

/// How far a value is from what the rule asks for.
fn distance(rule: &Rule, example: Option<&Example>, leaf: &Value) -> Distance {
    let Some(Example::Value(example)) = example else { return (true, f64::MAX) };
    match (leaf, example) {
        (Value::String(leaf), Value::String(example)) => {
            let (leaf, example) = (leaf.chars(), example.chars());
            let length = example.clone().count().min(MAX_COMPARED);
            let distance = match rule {
                Rule::Prefix(_) | Rule::PrefixIgnoreCase(_) => edits(leaf.take(length), example),
                Rule::Suffix(_) | Rule::SuffixIgnoreCase(_) => edits(leaf.rev().take(length), example.rev()),
                _ => edits(leaf, example),
            };
            (false, distance)
        }
        (Value::Number(leaf), Value::Number(example)) => {
            (false, leaf.as_f64().zip(example.as_f64()).map_or(f64::MAX, |(leaf, example)| (leaf - example).abs()))
        }
        (Value::Null, Value::Null) | (Value::Bool(_), Value::Bool(_)) => (false, 0.0),
        // A number that was sent as text, and the other way round, is the likeliest mistake.
        (Value::String(text), other) | (other, Value::String(text)) if writes(text, other) => (true, 0.0),
        _ => (true, f64::MAX),
    }
}

/// Whether a text is what would be a plain value without its quotes.
fn writes(text: &str, plain: &Value) -> bool {
    text.len() <= MAX_COMPARED && serde_json::from_str::<Value>(text).is_ok_and(|read| read == *plain)
}

fn edits(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> f64 {
    let (one, other): (String, String) = (one.take(MAX_COMPARED).collect(), other.take(MAX_COMPARED).collect());
    f64::from(u16::try_from(strsim::osa_distance(&one, &other)).unwrap_or(u16::MAX))
}
