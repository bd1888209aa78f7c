//! The words and signs of an expression.

use crate::error::Error;

/// The longest expression.
const LIMIT_BYTES: usize = 4096;

/// A word or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or keyword, as written.
    Word(String),
    /// `#name`
    Name(String),
    /// `:value`
    Value(String),
    /// A whole number.
    Number(usize),
    /// `( ) [ ] , . + -` and the comparisons.
    Sign(&'static str),
}

const SIGNS: [&str; 14] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-"];

/// Splits an expression.
pub(super) fn split(text: &str, kind: &str) -> Result<Vec<Token>, Error> {
    let refused = |why: String| Error::validation(format!("Invalid {kind}: {why}"));
    if text.trim().is_empty() {
        return Err(refused("The expression can not be empty;".to_owned()));
    }
    if text.len() > LIMIT_BYTES {
        let why = format!("Expression size has exceeded the maximum allowed size; expression size: {}", text.len());
        return Err(refused(why));
    }
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (token, length) = if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let start = usize::from(matches!(first, '#' | ':'));
            let length = start + rest[start..].find(|c| !is_word(c)).unwrap_or(rest.len() - start);
            let word = &rest[..length];
            let token = match first {
                '#' if length > 1 => Token::Name(word.to_owned()),
                ':' if length > 1 => Token::Value(word.to_owned()),
                c if c.is_ascii_digit() => match word.parse() {
                    Ok(number) => Token::Number(number),
                    Err(_) => return Err(syntax(kind, word, rest)),
                },
                c if is_word(c) => Token::Word(word.to_owned()),
                _ => return Err(syntax(kind, &first.to_string(), rest)),
            };
            (token, length)
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// A token that cannot stand where it does.
pub(super) fn syntax(kind: &str, token: &str, near: &str) -> Error {
    let near: String = near.chars().take(20).collect();
    Error::validation(format!("Invalid {kind}: Syntax error; token: \"{token}\", near: \"{near}\""))
}

impl Token {
    /// Returns the token as it was written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}
