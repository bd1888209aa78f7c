//! The data that an access tag gives for an auth: what it must have, and the secrets in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shared::Error;
use shared::json::{DEPTH_LIMIT, depth, size_bytes};

use super::secret;
use crate::app::{App, Auth, AuthSetup};
use crate::failure::{Failure, FailureType, Violation};
use crate::placeholder::{self, References, Sources};
use crate::product::Place;
use crate::services::Services;

/// The largest data of an auth, as JSON.
const LIMIT_BYTES: usize = 64 * 1024;
/// What a text has in it that is not taken as it is.
const SECRET: &str = "$Secret{";

/// Checks the data of an auth before it is stored; the rule that it breaks is about a field of it.
pub(crate) fn check(auth: &Auth, data: &Map<String, Value>) -> Result<(), String> {
    let (known, required): (&[&str], &[&str]) = match auth.setup {
        AuthSetup::TokenAccess {} | AuthSetup::CredentialAccess { .. } => (&[], &[]),
        AuthSetup::OAuth2 { .. } => {
            (&["client_id", "client_secret", "refresh_token", "client_auth", "token_params"], &["client_id"])
        }
        AuthSetup::ApiKey { .. } => (&["key"], &["key"]),
        AuthSetup::Basic {} => (&["username", "password"], &["username", "password"]),
    };
    if data.is_empty() {
        return Err("must have at least one field".to_owned());
    }
    if size_bytes(data) > LIMIT_BYTES || data.values().map(depth).max().unwrap_or_default() >= DEPTH_LIMIT {
        return Err(format!("must have at most {LIMIT_BYTES} bytes as JSON, and {DEPTH_LIMIT} levels"));
    }
    let is_name = |name: &str| !name.is_empty() && !name.contains(['{', '}', '$']);
    if let Some(name) = data.keys().find(|name| !is_name(name)) {
        return Err(format!("has the field `{name}`, which no placeholder can name"));
    }
    if known.is_empty() {
        return Ok(());
    }
    if let Some(name) = data.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("has the {}", shared::nearest::unknown("field", name, known.iter().copied())));
    }
    if let Some(name) = required.iter().find(|name| !data.contains_key(**name)) {
        return Err(format!("needs the field `{name}`"));
    }
    let is_text = |name: &str, value: &Value| match (name, value) {
        ("token_params", Value::Object(params)) => params.values().all(Value::is_string),
        ("client_auth", value) => value == "basic" || value == "body",
        ("token_params", _) => false,
        ("password" | "client_secret", Value::String(_)) => true,
        (_, value) => value.as_str().is_some_and(|text| !text.is_empty()),
    };
    match data.iter().find(|(name, value)| !is_text(name, value)) {
        Some((name, _)) if name == "client_auth" => Err("has a `client_auth` that is not `basic` or `body`".to_owned()),
        Some((name, _)) if name == "token_params" => Err("has `token_params` that are not texts".to_owned()),
        Some((name, _)) => Err(format!("has a `{name}` that is not a text, or is empty")),
        None if auth_is_broken(auth, data) => Err("has a `username` with a colon, which ends it".to_owned()),
        None => Ok(()),
    }
}

/// Tells whether a user name would read as one that is shorter (RFC 7617).
fn auth_is_broken(auth: &Auth, data: &Map<String, Value>) -> bool {
    matches!(auth.setup, AuthSetup::Basic {})
        && data.get("username").and_then(Value::as_str).is_some_and(|name| name.contains(':'))
}

/// Puts the values of secrets in place of `$Secret{…}`, once; a text without it is taken as it is, whatever is in it.
pub(super) async fn resolved(
    services: &Services,
    place: &Place,
    auth: &Auth,
    data: &Map<String, Value>,
) -> Result<Result<Map<String, Value>, Failure>, Error> {
    let mut open = Vec::new();
    data.values().for_each(|value| collect(value, &mut open));
    if open.is_empty() {
        return Ok(Ok(data.clone()));
    }
    let References { auths, default_auth, secrets, session, values } =
        match placeholder::references(&Value::Array(open)) {
            Ok(references) => references,
            Err(violation) => return Ok(Err(unresolvable(auth, violation))),
        };
    if default_auth || session || values || !auths.is_empty() {
        let message = format!("the credentials of the auth `{}` can refer to secrets only", auth.tag);
        return Ok(Err(Failure::new(FailureType::ValidationError, message)));
    }
    let secrets = match secret::usable(services, place, &secrets).await? {
        Ok(secrets) => secrets,
        Err(failure) => return Ok(Err(failure)),
    };
    let sources = sources(services, secrets);
    let filled: Result<_, Violation> =
        data.iter().map(|(name, value)| Ok((name.clone(), filled(value, &sources)?))).collect();
    Ok(filled.map_err(|violation| unresolvable(auth, violation)))
}

/// Returns the base URL of the environment of the app.
pub(super) fn base_url<'a>(place: &Place, app: &'a App) -> Option<&'a str> {
    let env = app.envs.iter().find(|env| env.slug == place.app_env)?;
    Some(&env.base_url)
}

fn collect(value: &Value, open: &mut Vec<Value>) {
    match value {
        Value::String(text) if text.contains(SECRET) => open.push(value.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, open)),
        Value::Object(members) => members.values().for_each(|member| collect(member, open)),
        _ => {}
    }
}

fn filled(value: &Value, sources: &Sources) -> Result<Value, Violation> {
    match value {
        Value::String(text) if text.contains(SECRET) => placeholder::resolve(value, sources),
        Value::Array(items) => items.iter().map(|item| filled(item, sources)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| Ok((name.clone(), filled(member, sources)?)));
            members.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn sources(services: &Services, secrets: BTreeMap<String, String>) -> Sources {
    Sources {
        input: None,
        values: Vec::new(),
        auths: BTreeMap::new(),
        default_auth: None,
        secrets,
        session: None,
        variables: BTreeMap::new(),
        constants: BTreeMap::new(),
        response: None,
        default: None,
        now: services.clock.now(),
    }
}

fn unresolvable(auth: &Auth, violation: Violation) -> Failure {
    let message = format!("the credentials of the auth `{}` cannot be resolved", auth.tag);
    Failure { violations: vec![violation], ..Failure::new(FailureType::ValidationError, message) }
}
