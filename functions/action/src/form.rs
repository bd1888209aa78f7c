//! Values as `application/x-www-form-urlencoded`.
//!
//! Members of objects and items of arrays are named as PHP, Rails and Stripe read them and as their clients write them:
//! `a[b]=c` and `a[0]=c`. `null` is an empty field, and what is empty has none.

use std::fmt::Write as _;

use form_urlencoded::byte_serialize;
use serde_json::{Map, Value};

/// The longest form. A name is repeated with everything that is in its value, so that a form can be far longer than the
/// values that it is made of.
const LIMIT_BYTES: usize = 1024 * 1024;

/// Writes the members of an object as a form, or says what is wrong with them.
pub(crate) fn encoded(fields: &Map<String, Value>) -> Result<String, String> {
    let mut form = String::new();
    let mut add = |name: &str, value: &Value| {
        if !form.is_empty() {
            form.push('&');
        }
        form.extend(byte_serialize(name.as_bytes()));
        form.push('=');
        match value {
            Value::Null => {}
            Value::String(text) => form.extend(byte_serialize(text.as_bytes())),
            other => form.extend(byte_serialize(other.to_string().as_bytes())),
        }
        match form.len() > LIMIT_BYTES {
            true => Err(format!("`body` is longer than {LIMIT_BYTES} bytes as a form")),
            false => Ok(()),
        }
    };
    fields.iter().try_for_each(|(name, value)| each(name, value, &|_| false, &mut add))?;
    Ok(form)
}

/// Visits what is in a value field by field, with the name that each has in a form.
///
/// An object or array that `is_field` says so of is a field as a whole.
pub(crate) fn each<E>(
    name: &str,
    value: &Value,
    is_field: &impl Fn(&Value) -> bool,
    visit: &mut impl FnMut(&str, &Value) -> Result<(), E>,
) -> Result<(), E> {
    nested(&mut name.to_owned(), value, is_field, visit)
}

fn nested<E>(
    name: &mut String,
    value: &Value,
    is_field: &impl Fn(&Value) -> bool,
    visit: &mut impl FnMut(&str, &Value) -> Result<(), E>,
) -> Result<(), E> {
    let outer_bytes = name.len();
    let mut member = |part: &dyn std::fmt::Display, value: &Value| {
        let _ = write!(name, "[{part}]");
        let outcome = nested(name, value, is_field, visit);
        name.truncate(outer_bytes);
        outcome
    };
    match value {
        Value::Object(members) if !is_field(value) => members.iter().try_for_each(|(part, value)| member(part, value)),
        Value::Array(items) if !is_field(value) => {
            items.iter().enumerate().try_for_each(|(index, item)| member(&index, item))
        }
        plain => visit(name, plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
    fn check(body: Value, expected: &str) {
        assert_eq!(encoded(body.as_object().unwrap()).as_deref(), Ok(expected), "{body}");
    }

    #[test]
    fn a_form_has_a_field_for_every_value() {
        check(json!({"Body": "a b&c"}), "Body=a+b%26c");
        check(json!({"a": 1, "b": true, "c": 1.5, "d": null, "e": "é=\n"}), "a=1&b=true&c=1.5&d=&e=%C3%A9%3D%0A");
        check(json!({"a": {"b": "c", "d": {"e": "f"}}}), "a%5Bb%5D=c&a%5Bd%5D%5Be%5D=f");
        check(
            json!({"items": [{"price": "p", "quantity": 2}, "x"]}),
            "items%5B0%5D%5Bprice%5D=p&items%5B0%5D%5Bquantity%5D=2&items%5B1%5D=x",
        );
        check(json!({"a[b]": 1}), "a%5Bb%5D=1");
        check(json!({"a": [], "b": {}, "c": ""}), "c=");
        check(json!({}), "");
    }

    #[test]
    fn a_form_that_is_far_longer_than_its_values_is_refused() {
        let mut body = json!(vec![1; 10_000]);
        for _ in 0..50 {
            body = json!({"n".repeat(1_000): body});
        }
        assert!(encoded(body.as_object().unwrap()).unwrap_err().contains("1048576 bytes"));
    }
}
