//! The words, values and signs of a statement.

use std::sync::{Arc, LazyLock};

use moka::sync::Cache;

use crate::error::Error;

/// The longest statement, in characters.
const LIMIT: usize = 8192;
/// How many bytes of statements are remembered as they were split.
const REMEMBERED_BYTES: u64 = 1024 * 1024;

/// The statements of late: a caller sends few texts, many times with other parameters.
static REMEMBERED: LazyLock<Cache<String, Arc<[Token]>>> = LazyLock::new(|| {
    let weigh = |text: &String, _: &Arc<[Token]>| u32::try_from(text.len()).unwrap_or(u32::MAX);
    Cache::builder().weigher(weigh).max_capacity(REMEMBERED_BYTES).build()
});

/// A word, value or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or keyword, as written.
    Word(String),
    /// `"name"`
    Name(String),
    /// `'text'`
    Text(String),
    /// A number, as written.
    Number(String),
    Sign(&'static str),
}

const SIGNS: [&str; 23] = [
    "<<", ">>", "<>", "<=", ">=", "!=", "=", "<", ">", "(", ")", "[", "]", "{", "}", ",", ".", ":", "+", "-", "*", "?",
    ";",
];

/// Splits a statement, or remembers how it was split.
pub(super) fn tokens(text: &str) -> Result<Arc<[Token]>, Error> {
    if let Some(tokens) = REMEMBERED.get(text) {
        return Ok(tokens);
    }
    let tokens: Arc<[Token]> = split(text)?.into();
    REMEMBERED.insert(text.to_owned(), tokens.clone());
    Ok(tokens)
}

fn split(text: &str) -> Result<Vec<Token>, Error> {
    if text.chars().nth(LIMIT).is_some() {
        return Err(refused("Member must have length less than or equal to 8192"));
    }
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' => quoted(rest, '"').map(|(name, length)| (Token::Name(name), length))?,
            '\'' => quoted(rest, '\'').map(|(text, length)| (Token::Text(text), length))?,
            digit if digit.is_ascii_digit() => {
                let length = number_length(rest);
                (Token::Number(rest[..length].to_owned()), length)
            }
            word if word.is_ascii_alphabetic() || word == '_' => {
                let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let length = rest.find(is_other).unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            other => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| refused(&format!("Unexpected character `{other}`")))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Reads what is quoted at the start of a text; a quote within it is written twice.
fn quoted(text: &str, quote: char) -> Result<(String, usize), Error> {
    let (mut inner, mut at) = (String::new(), 1);
    loop {
        let length = text[at..].find(quote).ok_or_else(|| refused("a quotation mark is not closed"))?;
        inner.push_str(&text[at..at + length]);
        at += length + 1;
        if !text[at..].starts_with(quote) {
            return Ok((inner, at));
        }
        inner.push(quote);
        at += 1;
    }
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits((length + 1 + sign).min(bytes.len()));
        length += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    length
}

/// The error of a statement that cannot be read.
pub(super) fn refused(why: &str) -> Error {
    Error::validation(format!("Statement wasn't well formed, can't be processed: {why}"))
}

impl Token {
    /// Returns the token as it was written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Number(text) => text.clone(),
            Self::Name(name) => format!("\"{name}\""),
            Self::Text(text) => format!("'{text}'"),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}
