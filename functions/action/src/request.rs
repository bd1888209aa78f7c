//! The HTTP request of a run, from its input.
//!
//! Whatever the input is, the request goes to the host of the base URL: a parameter fills one segment of the path and
//! nothing else, and what is written into a form, a multipart body or XML is escaped as that syntax wants it.

mod body;
mod header;
mod multipart;
mod query;
mod resource;
mod xml;

use std::time::Duration;

use http::Method;
use serde_json::Value;
use shared::event::command::HTTP_METHODS;
use shared::nearest;
use shared::outbound::Request;

pub(crate) use self::header::Headers;
use crate::app::{Action, RequestType};
use crate::failure::Violation;
use crate::input::Input;
use crate::tag::Tag;

/// How long an app may take for everything, redirects included.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The longest body of a request.
const BODY_LIMIT_BYTES: usize = 1024 * 1024;
/// The longest body of an answer.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;
/// The longest URL.
const URL_LIMIT_BYTES: usize = 16 * 1024;

/// Builds the request: `:name` segments of the resource, query, headers, and the body in its type.
pub(crate) fn build(
    base_url: &str,
    action: &Action,
    request_type: RequestType,
    input: &Input,
) -> Result<Request, Vec<Violation>> {
    let mut broken = Broken { action: &action.tag, found: Vec::new() };
    let method =
        method(&action.method).map_err(|rule| broken.rule("method", format!("has the {rule}"))).unwrap_or_default();
    let url = resource::url(base_url, action, input, &mut broken);
    let mut headers = header::of(input, &mut broken);
    let body = body::of(&method, action, request_type, &input.body, &mut headers, &mut broken);
    match url {
        Some(url) if broken.found.is_empty() => {
            let mut request = Request::new(method, url);
            request.headers = headers.into_map();
            request.body = body.unwrap_or_default();
            request.timeout = TIMEOUT;
            request.max_response_bytes = ANSWER_LIMIT_BYTES;
            Ok(request)
        }
        _ => Err(broken.found),
    }
}

/// Reads the name of a method, in whatever case, or says what is wrong with it.
pub(crate) fn method(name: &str) -> Result<Method, String> {
    let known = HTTP_METHODS.iter().find(|known| known.eq_ignore_ascii_case(name));
    known.and_then(|known| known.parse().ok()).ok_or_else(|| nearest::unknown("value", name, HTTP_METHODS))
}

/// Collects the rules that an input breaks.
struct Broken<'a> {
    action: &'a Tag,
    found: Vec<Violation>,
}

impl Broken<'_> {
    /// Notes a rule that a value of the input breaks.
    fn value(&mut self, part: &str, path: &[&str], rule: impl Into<String>) {
        let path: String = path.iter().map(|name| format!("{{{name}}}")).collect();
        self.rule(&format!("${part}{{{}}}{path}", self.action), rule);
    }

    /// Notes a rule that the declaration itself breaks.
    fn rule(&mut self, selector: &str, rule: impl Into<String>) {
        self.found.push(Violation { selector: selector.to_owned(), rule: rule.into() });
    }
}

/// Writes a plain value as text; objects, arrays and null have none.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
