//! The slow and obvious way to match, as AWS's own matcher describes itself: flatten the event into fields with their
//! array memberships, multiply `$or` out, and try every combination of fields in the order of their names.

use std::collections::BTreeMap;

use serde_json::Value;

/// Which element of which array a field lies in.
type Membership = BTreeMap<usize, usize>;

struct Field<'v> {
    path: String,
    value: &'v Value,
    membership: Membership,
}

pub(crate) fn matches(pattern: &Value, event: &Value) -> bool {
    let mut fields = Vec::new();
    flatten(event, String::new(), &Membership::new(), &mut 0, &mut fields);
    let mut alternatives = alternatives(pattern, "");
    alternatives.iter_mut().any(|alternative| {
        alternative.sort_by(|a, b| a.0.cmp(&b.0));
        satisfied(alternative, &fields, &Membership::new())
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn flatten<'v>(value: &'v Value, path: String, within: &Membership, arrays: &mut usize, fields: &mut Vec<Field<'v>>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                flatten(value, join(&path, name), within, arrays, fields);
            }
        }
        Value::Array(elements) => {
            let array = *arrays;
            *arrays += 1;
            for (index, element) in elements.iter().enumerate() {
                let mut within = within.clone();
                if element.is_object() || element.is_array() {
                    within.insert(array, index);
                }
                flatten(element, path.clone(), &within, arrays, fields);
            }
        }
        value => fields.push(Field { path, value, membership: within.clone() }),
    }
}

fn alternatives<'p>(pattern: &'p Value, path: &str) -> Vec<Vec<(String, &'p [Value])>> {
    let mut all = vec![vec![]];
    for (name, value) in pattern.as_object().unwrap() {
        let of_field = match value {
            Value::Array(branches) if name == "$or" => branches.iter().flat_map(|b| alternatives(b, path)).collect(),
            Value::Array(rules) => vec![vec![(join(path, name), rules.as_slice())]],
            object => alternatives(object, &join(path, name)),
        };
        all = all.iter().flat_map(|left| of_field.iter().map(|right| [left.clone(), right.clone()].concat())).collect();
    }
    all
}

/// Whether the rest of the clauses can be satisfied, given the elements chosen so far.
fn satisfied(clauses: &[(String, &[Value])], fields: &[Field<'_>], chosen: &Membership) -> bool {
    let Some(((path, rules), rest)) = clauses.split_first() else {
        return true;
    };
    let agrees = |field: &&Field<'_>| {
        field.path == *path
            && field.membership.iter().all(|(array, at)| chosen.get(array).is_none_or(|other| other == at))
    };
    let absent = fields.iter().find(agrees).is_none() && rules.iter().any(|rule| rule["exists"] == Value::Bool(false));
    if absent && satisfied(rest, fields, chosen) {
        return true;
    }
    fields.iter().filter(agrees).filter(|field| rules.iter().any(|rule| accepts(rule, field.value))).any(|field| {
        let mut chosen = chosen.clone();
        chosen.extend(field.membership.clone());
        satisfied(rest, fields, &chosen)
    })
}

fn accepts(rule: &Value, value: &Value) -> bool {
    let Value::Object(operator) = rule else {
        return rule == value || rule.is_number() && value.is_number() && rule.as_f64() == value.as_f64();
    };
    let (name, operand) = operator.iter().next().unwrap();
    let text =
        |test: fn(&str, &str) -> bool| operand.as_str().zip(value.as_str()).is_some_and(|(rule, v)| test(rule, v));
    match name.as_str() {
        "prefix" => text(|rule, v| v.len() >= rule.len() && v.bytes().zip(rule.bytes()).all(|(a, b)| a == b)),
        "suffix" => {
            text(|rule, v| v.len() >= rule.len() && v.bytes().rev().zip(rule.bytes().rev()).all(|(a, b)| a == b))
        }
        "equals-ignore-case" => text(|rule, v| rule.to_lowercase() == v.to_lowercase()),
        "wildcard" => text(|rule, v| glob(rule.as_bytes(), v.as_bytes())),
        "exists" => *operand == Value::Bool(true),
        "numeric" => value.as_f64().is_some_and(|v| compare(operand.as_array().unwrap(), v)),
        "anything-but" => match operand {
            Value::Object(_) => !each(operand).any(|rule| accepts(&rule, value)),
            Value::Array(items) => !items.iter().any(|item| accepts(item, value)),
            literal => !accepts(literal, value),
        },
        _ => panic!("the oracle does not know {name}"),
    }
}

/// `{"prefix": ["a", "b"]}` as two rules.
fn each(operator: &Value) -> impl Iterator<Item = Value> {
    let (name, operand) = operator.as_object().unwrap().iter().next().unwrap();
    let values = operand.as_array().cloned().unwrap_or_else(|| vec![operand.clone()]);
    values.into_iter().map(|value| Value::Object([(name.clone(), value)].into_iter().collect()))
}

fn compare(terms: &[Value], value: f64) -> bool {
    terms.chunks(2).all(|term| {
        let bound = term[1].as_f64().unwrap();
        match term[0].as_str().unwrap() {
            "=" => value == bound,
            "<" => value < bound,
            "<=" => value <= bound,
            ">" => value > bound,
            _ => value >= bound,
        }
    })
}

fn glob(rule: &[u8], text: &[u8]) -> bool {
    match rule.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}
