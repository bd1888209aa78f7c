//! The query string.

use form_urlencoded::{Serializer, parse};
use serde_json::{Map, Value};

use super::{Broken, URL_LIMIT_BYTES, plain};
use crate::form;

/// Joins the queries of the base URL and of the resource with that of the input, whose fields replace theirs.
///
/// `null` is left out. An array of plain values repeats its name, as OpenAPI has it unless told otherwise; members of
/// objects, and what is nested deeper, are named as in forms.
pub(super) fn joined(given: [&str; 2], input: &Map<String, Value>, broken: &mut Broken<'_>) -> String {
    let given = given.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    let mut joined: Vec<&str> = given.filter(|pair| !is_replaced(pair, input)).collect();
    let added = added(input).unwrap_or_else(|TooLong| {
        broken.value("Query", &[], format!("makes the URL longer than {URL_LIMIT_BYTES} bytes"));
        String::new()
    });
    joined.extend(Some(added.as_str()).filter(|added| !added.is_empty()));
    joined.join("&")
}

fn is_replaced(pair: &str, input: &Map<String, Value>) -> bool {
    parse(pair.as_bytes()).next().is_some_and(|(name, _)| input.get(&*name).is_some_and(|value| !value.is_null()))
}

struct TooLong;

fn added(input: &Map<String, Value>) -> Result<String, TooLong> {
    let mut query = String::new();
    let mut add = |name: &str, value: &Value| {
        let Some(text) = plain(value) else { return Ok(()) };
        let start = query.len();
        Serializer::for_suffix(&mut query, start).append_pair(name, &text);
        if start > 0 {
            query.insert(start, '&');
        }
        if query.len() > URL_LIMIT_BYTES { Err(TooLong) } else { Ok(()) }
    };
    for (name, value) in input {
        match value {
            Value::Array(items) if items.iter().all(|item| plain(item).is_some() || item.is_null()) => {
                items.iter().try_for_each(|item| add(name, item))?;
            }
            value => form::each(name, value, &|_| false, &mut add)?,
        }
    }
    Ok(query)
}
