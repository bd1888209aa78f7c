//! What an app must keep to be saved: every rule that is broken is said with the path of the field.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::Value;
use shared::event::command::RETRIES_LIMIT;
use shared::json::{self, Problem};

use super::auth::AuthSetup;
use super::resource::{check_base_url, check_url};
use super::{App, Auth, FieldType, PlainType};
use crate::placeholder;
use crate::retry::RetryPolicy;

/// The most bytes of an app, or of an action, as JSON.
pub(crate) const SIZE_LIMIT_BYTES: usize = 350 * 1024;
/// The most characters of a name.
pub(crate) const NAME_LIMIT_CHARACTERS: usize = 200;
/// The most characters of a description.
pub(crate) const DESCRIPTION_LIMIT_CHARACTERS: usize = 4_000;
/// The most characters of a key of a field, a constant or a variable.
pub(crate) const KEY_LIMIT_CHARACTERS: usize = 200;
/// The most environments, auths, and constants or variables.
pub(crate) const PART_LIMIT: usize = 200;
/// How deep a value may nest.
pub(crate) const VALUE_DEPTH_LIMIT: usize = 20;
const LAG_LIMIT_MS: u64 = 24 * 60 * 60 * 1_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
const EXPIRY_LIMIT: u64 = 100_000;

/// Says which rule an app breaks, and where.
pub(crate) fn check(app: &App) -> Result<(), Problem> {
    check_name_and_description(&app.name, &app.description)?;
    each(
        "envs",
        &app.envs,
        |env| env.slug.to_string(),
        "slug",
        |env| {
            check_name("env_name", &env.env_name)?;
            check_base_url(&env.base_url).map_err(|rule| Problem::field("base_url", rule))
        },
    )?;
    each("auths", &app.auths, |auth| auth.tag.to_string(), "tag", check_auth)?;
    each(
        "constants",
        &app.constants,
        |constant| constant.key.clone(),
        "key",
        |constant| {
            check_key("key", &constant.key)?;
            check_description(&constant.description)?;
            check_value("value", constant.kind, &constant.value)
        },
    )?;
    each(
        "variables",
        &app.variables,
        |variable| variable.key.clone(),
        "key",
        |variable| {
            check_key("key", &variable.key)?;
            check_description(&variable.description)
        },
    )?;
    if let Some(retries) = &app.retries {
        check_retries(retries).map_err(|problem| problem.within("retries"))?;
    }
    if let Some(health) = &app.health {
        if !(MINUTE_MS..=DAY_MS).contains(&health.interval) || health.interval % MINUTE_MS != 0 {
            let rule = format!("must be whole minutes in milliseconds, from {MINUTE_MS} to {DAY_MS}");
            return Err(Problem::field("health.interval", rule));
        }
        if health.retries > RETRIES_LIMIT {
            return Err(Problem::field("health.retries", format!("must be at most {RETRIES_LIMIT}")));
        }
    }
    check_size(app)
}

/// Says which actions an app names that `has` does not know.
pub(crate) fn warnings(app: &App, has: impl Fn(&crate::tag::Tag) -> bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, auth) in app.auths.iter().enumerate() {
        if let AuthSetup::CredentialAccess { action_tag, .. } = &auth.setup
            && !has(action_tag)
        {
            warnings.push(format!("`auths[{index}].action_tag`: the app has no action `{action_tag}` yet"));
        }
    }
    if let Some(health) = app.health.as_ref().filter(|health| !has(&health.action_tag)) {
        warnings.push(format!("`health.action_tag`: the app has no action `{}` yet", health.action_tag));
    }
    warnings
}

/// Returns the actions that an app names.
pub(crate) fn named_actions(app: &App) -> BTreeSet<crate::tag::Tag> {
    let of_auths = app.auths.iter().filter_map(|auth| match &auth.setup {
        AuthSetup::CredentialAccess { action_tag, .. } => Some(action_tag.clone()),
        _ => None,
    });
    of_auths.chain(app.health.as_ref().map(|health| health.action_tag.clone())).collect()
}

fn check_auth(auth: &Auth) -> Result<(), Problem> {
    check_name_and_description(&auth.name, &auth.description)?;
    match &auth.setup {
        AuthSetup::CredentialAccess { expiry, .. } if !(1..=EXPIRY_LIMIT).contains(expiry) => {
            return Err(Problem::field("expiry", format!("must be from 1 to {EXPIRY_LIMIT}")));
        }
        AuthSetup::OAuth2 { token_url, scopes } => {
            check_url(token_url).map_err(|rule| Problem::field("token_url", rule))?;
            let is_scope = |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
            if scopes.len() > PART_LIMIT {
                return Err(Problem::field("scopes", format!("must be at most {PART_LIMIT}")));
            }
            if let Some(index) = scopes.iter().position(|scope| !is_scope(scope)) {
                return Err(Problem::field(&format!("scopes[{index}]"), "must be printable ASCII without spaces"));
            }
        }
        AuthSetup::ApiKey { name, place } if place == "header" => check_header_name("key_name", name)?,
        AuthSetup::ApiKey { name, .. } => check_key("key_name", name)?,
        _ => {}
    }
    for (name, value) in &auth.headers {
        check_header_name(&format!("headers.{name}"), name)?;
        check_added(&format!("headers.{name}"), value)?;
    }
    for (name, value) in &auth.query {
        check_key(&format!("query.{name}"), name)?;
        check_added(&format!("query.{name}"), value)?;
    }
    Ok(())
}

/// Checks what an auth adds to requests: a text that can have placeholders.
fn check_added(path: &str, text: &str) -> Result<(), Problem> {
    if text.chars().any(char::is_control) {
        return Err(Problem::field(path, "must not have control characters"));
    }
    check_placeholders(path, &Value::String(text.to_owned()))
}

/// Checks that the placeholders of a value can be read.
pub(crate) fn check_placeholders(path: &str, value: &Value) -> Result<(), Problem> {
    placeholder::references(value).map(drop).map_err(|violation| Problem::field(path, violation.rule))
}

fn check_retries(retries: &RetryPolicy) -> Result<(), Problem> {
    if retries.max > RETRIES_LIMIT {
        return Err(Problem::field("max", format!("must be at most {RETRIES_LIMIT}")));
    }
    for (status, policy) in &retries.policy {
        if !(100..=599).contains(status) {
            return Err(Problem::field(&format!("policy.{status}"), "is not an HTTP status"));
        }
        if policy.lag > LAG_LIMIT_MS {
            return Err(Problem::field(&format!("policy.{status}.lag"), format!("must be at most {LAG_LIMIT_MS}")));
        }
    }
    Ok(())
}

/// Checks each part of a list, and that no two have the same name.
pub(crate) fn each<T>(
    list: &str,
    parts: &[T],
    name: impl Fn(&T) -> String,
    name_field: &str,
    check: impl Fn(&T) -> Result<(), Problem>,
) -> Result<(), Problem> {
    if parts.len() > PART_LIMIT {
        return Err(Problem::field(list, format!("must be at most {PART_LIMIT}")));
    }
    let mut names = BTreeSet::new();
    for (index, part) in parts.iter().enumerate() {
        let path = format!("{list}[{index}]");
        check(part).map_err(|problem| problem.within(&path))?;
        let name = name(part);
        if !names.insert(name.clone()) {
            return Err(Problem::field(
                &format!("{path}.{name_field}"),
                format!("is `{name}`, which stands there twice"),
            ));
        }
    }
    Ok(())
}

/// Checks a name and a description for people.
pub(crate) fn check_name_and_description(name: &str, description: &str) -> Result<(), Problem> {
    check_name("name", name)?;
    check_description(description)
}

pub(crate) fn check_name(path: &str, name: &str) -> Result<(), Problem> {
    check_length(path, name, NAME_LIMIT_CHARACTERS)?;
    match name.chars().any(char::is_control) {
        true => Err(Problem::field(path, "must not have control characters")),
        false => Ok(()),
    }
}

pub(crate) fn check_description(description: &str) -> Result<(), Problem> {
    check_length("description", description, DESCRIPTION_LIMIT_CHARACTERS)?;
    let is_wrong = |char: char| char.is_control() && !matches!(char, '\n' | '\r' | '\t');
    match description.chars().any(is_wrong) {
        true => Err(Problem::field("description", "must not have control characters other than line breaks and tabs")),
        false => Ok(()),
    }
}

fn check_length(path: &str, text: &str, limit: usize) -> Result<(), Problem> {
    match text.chars().count() > limit {
        true => Err(Problem::field(path, format!("must have at most {limit} characters"))),
        false => Ok(()),
    }
}

/// Checks the key of a field, a constant or a variable, which placeholders and selectors write in braces.
pub(crate) fn check_key(path: &str, key: &str) -> Result<(), Problem> {
    let is_key = (1..=KEY_LIMIT_CHARACTERS).contains(&key.chars().count())
        && !key.chars().any(|char| char.is_control() || matches!(char, '{' | '}'));
    let rule = || format!("must have 1 to {KEY_LIMIT_CHARACTERS} printable characters other than `{{` and `}}`");
    is_key.then_some(()).ok_or_else(|| Problem::field(path, rule()))
}

/// The headers that the HTTP client writes itself.
const OWN_HEADERS: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"];

/// Checks the name of a header.
pub(crate) fn check_header_name(path: &str, name: &str) -> Result<(), Problem> {
    let is_own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
    match http::HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) if is_own => Err(Problem::field(path, format!("must not be `{name}`, which is written by the client"))),
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::field(path, "must be the name of a header")),
    }
}

/// Checks that a value is of a type; what has placeholders is known only in a run.
pub(crate) fn check_value(path: &str, kind: FieldType, value: &Value) -> Result<(), Problem> {
    if json::depth(value) > VALUE_DEPTH_LIMIT {
        return Err(Problem::field(path, format!("must nest at most {VALUE_DEPTH_LIMIT} levels")));
    }
    kind.check(value).map_err(|rule| Problem::field(path, rule))
}

/// Checks that a record fits into its item.
pub(crate) fn check_size(record: &impl serde::Serialize) -> Result<(), Problem> {
    match json::size_bytes(record) > SIZE_LIMIT_BYTES {
        true => Err(Problem::field("", format!("must have at most {SIZE_LIMIT_BYTES} bytes"))),
        false => Ok(()),
    }
}

impl FieldType {
    /// Says which rule a value breaks that is not of this type.
    pub(crate) fn check(self, value: &Value) -> Result<(), String> {
        if !self.is_array {
            return self.plain.check(value).map_err(str::to_owned);
        }
        let Value::Array(elements) = value else { return Err("must be an array".to_owned()) };
        for (index, element) in elements.iter().enumerate() {
            self.plain
                .check(element)
                .map_err(|rule| format!("{rule} in each element, but does not in element {index}"))?;
        }
        Ok(())
    }
}

impl PlainType {
    fn check(self, value: &Value) -> Result<(), &'static str> {
        let text = |is_valid: fn(&str) -> bool| value.as_str().is_some_and(is_valid);
        let (is_valid, rule) = match self {
            Self::Any => (true, ""),
            Self::String => (value.is_string(), "must be a string"),
            Self::NoSpacesString => {
                (text(|text| !text.contains(char::is_whitespace)), "must be a string without spaces")
            }
            Self::EmailString => (text(is_email), "must be an email address"),
            Self::NumberString => (text(is_number), "must be a number written as a string"),
            Self::Number | Self::Float | Self::Double => (value.is_number(), "must be a number"),
            Self::Uuid => (text(is_uuid), "must be a UUID"),
            Self::Array => (value.is_array(), "must be an array"),
            Self::Object => (value.is_object(), "must be an object"),
            Self::Boolean => (value.is_boolean(), "must be true or false"),
        };
        if is_valid { Ok(()) } else { Err(rule) }
    }
}

fn is_email(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(|char: char| char.is_whitespace() || char == '@');
    text.split_once('@').is_some_and(|(name, host)| is_part(name) && is_part(host))
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Joins a part of a path and the problem in it.
pub(crate) fn within(outer: impl Display) -> impl FnOnce(Problem) -> Problem {
    move |problem| problem.within(&outer.to_string())
}
