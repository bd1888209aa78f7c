//! The requests of `fetch` that are made of texts alone: their URLs and headers, read without an object for each part.
//!
//! What is not valid is left to the script's side, which says why.

use std::rc::Rc;

use rquickjs::{Ctx, Error, Exception, Function, Object, Result, String as JsString, Value};
use url::Url;

use super::exchange::FetchRequest;
use super::host::Host;

/// The longest URL.
const MAX_URL_BYTES: usize = 1024 * 1024;
/// How many redirects are followed.
const MAX_REDIRECTS: u8 = 20;
/// What requests are sent as that do not say who sends them, as some servers refuse them otherwise.
const AGENT: &str = "hookyard";
/// The type that a text has by itself.
const TEXT: &str = "text/plain;charset=UTF-8";

/// A name in lower case, and a value.
type Header = [String; 2];

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    functions.set("plainUrl", Function::new(ctx.clone(), url)?)?;
    functions.set("plainHeaders", Function::new(ctx.clone(), headers)?)?;
    functions.set("sendPlain", send(ctx, host.clone())?)
}

/// The URL that is asked for, without its fragment; nothing if it is too long or not valid, or tells a password.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn url(text: JsString<'_>) -> Result<Option<String>> {
    let Some(text) = well_formed(&text)? else { return Ok(None) };
    if text.len() > MAX_URL_BYTES {
        return Ok(None);
    }
    let url =
        Url::parse(&text).ok().filter(|url| url.username().is_empty() && url.password().is_none_or(str::is_empty));
    Ok(url.map(|mut url| {
        url.set_fragment(None);
        url.into()
    }))
}

/// The headers as they are sent, of names and values that follow each other; nothing if one of them is not valid.
fn headers(given: Vec<Value<'_>>) -> Result<Option<Vec<String>>> {
    let mut texts = Vec::with_capacity(given.len());
    for value in given {
        match value.into_string().map(|text| well_formed(&text)).transpose()?.flatten() {
            Some(text) => texts.push(text),
            None => return Ok(None),
        }
    }
    Ok(normalised(texts).map(|headers| headers.into_iter().flatten().collect()))
}

fn send<'js>(ctx: &Ctx<'js>, host: Rc<Host>) -> Result<Function<'js>> {
    let send =
        move |ctx: Ctx<'js>, id: u32, method: String, url: String, headers: Vec<String>, body: Option<String>| {
            let headers = complete(paired(headers), body.is_some());
            let body = body.unwrap_or_default().into_bytes();
            let redirect = "follow".to_owned();
            match host.ask(id, FetchRequest { method, url, headers, redirect, max_redirects: MAX_REDIRECTS, body }) {
                true => Ok(()),
                false => Err(Exception::throw_internal(&ctx, "the journal has no such request")),
            }
        };
    Function::new(ctx.clone(), send)
}

/// The text of a string; nothing if it has half a surrogate pair.
fn well_formed(text: &JsString<'_>) -> Result<Option<String>> {
    match text.to_string() {
        Ok(text) => Ok(Some(text)),
        Err(Error::Utf8(_)) => Ok(None),
        // The engine has thrown already.
        Err(_) => Err(Error::Exception),
    }
}

/// Checks headers and sorts them by their names; those of one name become one, unless they are cookies.
fn normalised(texts: Vec<String>) -> Option<Vec<Header>> {
    let mut headers = Vec::with_capacity(texts.len() / 2);
    for [mut name, value] in paired(texts) {
        if !is_token(&name) || !is_value(&value) {
            return None;
        }
        name.make_ascii_lowercase();
        headers.push([name, value.trim_matches(is_space).to_owned()]);
    }
    headers.sort_by(|one, other| one[0].cmp(&other[0]));
    headers.dedup_by(|[name, value], [before, values]| {
        let joins = name == before && name != "set-cookie";
        if joins {
            values.extend([", ", value.as_str()]);
        }
        joins
    });
    Some(headers)
}

/// Adds the headers that every request has, in their places.
fn complete(mut headers: Vec<Header>, has_text: bool) -> Vec<Header> {
    let header = |name: &str, value: &str| [name.to_owned(), value.to_owned()];
    let place = |headers: &[Header], name: &str| headers.binary_search_by(|header| header[0].as_str().cmp(name)).err();
    if has_text && let Some(at) = place(&headers, "content-type") {
        headers.insert(at, header("content-type", TEXT));
    }
    if place(&headers, "user-agent").is_some() {
        headers.push(header("user-agent", AGENT));
    }
    headers
}

fn paired(texts: Vec<String>) -> Vec<Header> {
    let mut texts = texts.into_iter();
    std::iter::from_fn(|| Some([texts.next()?, texts.next()?])).collect()
}

fn is_token(name: &str) -> bool {
    let is_sign = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
}

/// Whether a text has one byte per character, and no line break inside.
fn is_value(value: &str) -> bool {
    let is_inner = |character: char| character <= '\u{ff}' && !matches!(character, '\0' | '\r' | '\n');
    value.trim_matches(is_space).chars().all(is_inner)
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[&str], expected: Option<&[[&str; 2]]>) {
        let expected = expected.map(|headers| headers.iter().map(|header| header.map(str::to_owned)).collect());
        assert_eq!(normalised(given.iter().map(|text| (*text).to_owned()).collect()), expected, "{given:?}");
    }

    #[test]
    fn headers_are_sorted_and_those_of_one_name_become_one() {
        check(&[], Some(&[]));
        check(
            &["X-B", " 2\r\n", "a", "", "x-b", "3", "x-a", "\u{ff}"],
            Some(&[["a", ""], ["x-a", "\u{ff}"], ["x-b", "2, 3"]]),
        );
        check(
            &["Set-Cookie", "a", "b", "c", "set-cookie", "d"],
            Some(&[["b", "c"], ["set-cookie", "a"], ["set-cookie", "d"]]),
        );
    }

    #[test]
    fn no_header_is_taken_that_is_not_valid() {
        for (name, value) in
            [("", "a"), ("a b", "c"), ("a:", "b"), ("\u{e9}", "a"), ("a", "b\nc"), ("a", "\0"), ("a", "\u{100}")]
        {
            check(&["fine", "x", name, value], None);
        }
    }

    #[test]
    fn what_every_request_has_is_added_in_its_place() {
        let names = |given: &[&str], has_text| {
            let headers = given.iter().map(|name| [(*name).to_owned(), String::new()]).collect();
            complete(headers, has_text).into_iter().map(|[name, _]| name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&[], false), "user-agent");
        assert_eq!(names(&["a", "x"], true), "a content-type x user-agent");
        assert_eq!(names(&["content-type", "user-agent", "x"], true), "content-type user-agent x");
    }
}
