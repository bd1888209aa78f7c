//! Credentials: what placeholders such as `$Auth{tag}{token}` and `$Secret{KEY}` resolve to.
//!
//! In: what a run refers to. Out: the data of the auths, or the tokens that are made of it, and the values of secrets;
//! tokens are kept sealed and made anew before they are over, by one run at a time.

pub(crate) mod data;
mod exchange;
mod oauth2;
mod renewal;
mod secret;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Map, Value};
use shared::Error;
use shared::clock::derived_hex24;

use self::renewal::Wanted;
use crate::app::{App, Auth, AuthSetup};
use crate::failure::{Failure, FailureType};
use crate::placeholder::References;
use crate::product::Place;
use crate::services::Services;
use crate::store::credential::Token;
use crate::tag::Tag;

/// How often credentials are read again that were replaced while a token was made of them.
const ATTEMPTS: usize = 5;
/// For how long a token that replaces a refused one is not refused itself: it is not the token that the app objects to.
const REFUSAL_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// The credentials that a run needs.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// The data of auths by tag: a stored token, or the answer of a token action.
    pub(crate) auths: BTreeMap<String, Value>,
    /// The secrets by key.
    pub(crate) secrets: BTreeMap<String, String>,
    /// What no placeholder refers to and nobody may see all the same: the data that tokens were made of.
    pub(crate) hidden: Vec<Value>,
    /// Which attempt got the token of each auth that has one.
    pub(crate) rounds: BTreeMap<String, u64>,
}

/// Reads the credentials that placeholders refer to at a place; a token that is over, or soon will be, is asked for anew.
///
/// The auth of the access tag is among `references.auths` where a placeholder means it without naming it.
pub(crate) async fn load(
    services: &Services,
    place: &Place,
    app: &App,
    references: &References,
) -> Result<Result<Credentials, Failure>, Error> {
    let secrets = match secret::usable(services, place, &references.secrets).await? {
        Ok(secrets) => secrets,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut credentials = Credentials { secrets, ..Credentials::default() };
    for tag in &references.auths {
        let Some(auth) = app.auths.iter().find(|auth| auth.tag.as_str() == tag) else {
            let message = format!("the app `{}` has no auth `{tag}`", app.tag);
            return Ok(Err(Failure::new(FailureType::NotFound, message)));
        };
        if let Err(failure) = add(services, place, app, auth, &mut credentials).await? {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(credentials))
}

/// Forgets the token of an auth that the app has refused (401); returns whether another one can be had, so that it is
/// worth trying once more.
///
/// A token that others have replaced since these credentials were loaded stays, as does one that has just replaced a
/// refused one.
pub(crate) async fn refused(
    services: &Services,
    place: &Place,
    auth: &str,
    credentials: &Credentials,
) -> Result<bool, Error> {
    let (Some(&round), Ok(auth)) = (credentials.rounds.get(auth), Tag::parse(auth)) else {
        return Ok(false);
    };
    let store = &services.credentials;
    for _ in 0..ATTEMPTS {
        let Some(former) = store.get(place, &auth).await? else { return Ok(false) };
        let Some(token) = former.token.clone().filter(|token| token.round == round) else { return Ok(true) };
        let now = services.clock.now();
        if token.refused_at.is_some() {
            return Ok(true);
        }
        let is_recent = |at| now.duration_since(at).abs() < REFUSAL_PAUSE;
        if token.replaces_refused_at.is_some_and(is_recent) {
            return Ok(false);
        }
        let mut next = former.clone();
        next.token = Some(Token { refused_at: Some(now), ..token });
        if store.replace(place, &auth, &next, &former).await? {
            return Ok(true);
        }
    }
    Ok(true)
}

/// Returns the headers and the fields of the query that an auth adds to every request, with placeholders over its
/// credentials: those that it declares, or what is usual for its kind.
pub(crate) fn additions(auth: &Auth) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    if !auth.headers.is_empty() || !auth.query.is_empty() {
        return (auth.headers.clone(), auth.query.clone());
    }
    let one = |name: &str, value: String| BTreeMap::from([(name.to_owned(), value)]);
    let (none, tag) = (BTreeMap::new(), &auth.tag);
    match &auth.setup {
        AuthSetup::OAuth2 { .. } => (one("Authorization", format!("Bearer $Auth{{{tag}}}{{access_token}}")), none),
        AuthSetup::Basic {} => (one("Authorization", format!("Basic $Auth{{{tag}}}{{{ENCODED}}}")), none),
        AuthSetup::ApiKey { name, place } if place == "query" => (none, one(name, format!("$Auth{{{tag}}}{{key}}"))),
        AuthSetup::ApiKey { name, .. } => (one(name, format!("$Auth{{{tag}}}{{key}}")), none),
        AuthSetup::TokenAccess {} | AuthSetup::CredentialAccess { .. } => (none.clone(), none),
    }
}

/// The member beside the user name and password of a Basic auth: both as the header has them.
const ENCODED: &str = "encoded";

/// Adds the credentials of one auth.
async fn add(
    services: &Services,
    place: &Place,
    app: &App,
    auth: &Auth,
    credentials: &mut Credentials,
) -> Result<Result<(), Failure>, Error> {
    for _ in 0..ATTEMPTS {
        let stored = services.credentials.get(place, &auth.tag).await?;
        // What was stored for another app must not reach this one.
        let Some(stored) = stored.filter(|stored| stored.app == place.app) else {
            return Ok(Err(not_configured(place, auth)));
        };
        let data = match data::resolved(services, place, auth, &stored.data).await? {
            Ok(data) => data,
            Err(failure) => return Ok(Err(failure)),
        };
        if let AuthSetup::CredentialAccess { .. } | AuthSetup::OAuth2 { .. } = auth.setup {
            let made_for = made_for(place, app, auth, &data);
            let wanted = Wanted { services, place, app, auth, data: &data, made_for };
            let token = match Box::pin(renewal::token(&wanted, stored)).await? {
                None => continue,
                Some(Ok(token)) => token,
                Some(Err(failure)) => return Ok(Err(failure)),
            };
            credentials.rounds.insert(auth.tag.to_string(), token.round);
            credentials.auths.insert(auth.tag.to_string(), token.value);
            credentials.hidden.push(data.into());
            return Ok(Ok(()));
        }
        credentials.auths.insert(auth.tag.to_string(), as_sent(auth, data));
        return Ok(Ok(()));
    }
    let message = format!("the credentials of the auth `{}` are being changed", auth.tag);
    Ok(Err(Failure::new(FailureType::ServiceUnavailable, message)))
}

/// Returns data that is itself what placeholders are walked in.
fn as_sent(auth: &Auth, mut data: Map<String, Value>) -> Value {
    if matches!(auth.setup, AuthSetup::Basic {}) {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        let encoded = STANDARD.encode(format!("{}:{}", text("username"), text("password")));
        data.insert(ENCODED.to_owned(), encoded.into());
    }
    data.into()
}

/// Identifies what a token is made of and for: where any of it changes, the token is of no use any more.
fn made_for(place: &Place, app: &App, auth: &Auth, data: &Map<String, Value>) -> String {
    let how = match &auth.setup {
        AuthSetup::OAuth2 { token_url, scopes } => format!("{token_url}\n{}", scopes.join(" ")),
        AuthSetup::CredentialAccess { action_tag, expiry, period } => format!("{action_tag}\n{expiry} {period}"),
        AuthSetup::TokenAccess {} | AuthSetup::ApiKey { .. } | AuthSetup::Basic {} => String::new(),
    };
    let data = serde_json::to_vec(data).unwrap_or_default();
    let base_url = data::base_url(place, app).unwrap_or_default();
    derived_hex24(&[place.app_env.as_str().as_bytes(), base_url.as_bytes(), how.as_bytes(), &data])
}

fn not_configured(place: &Place, auth: &Auth) -> Failure {
    let Place { access_tag, env, .. } = place;
    let message =
        format!("no credentials are stored for the auth `{}` of `{access_tag}` in the environment `{env}`", auth.tag);
    Failure::new(FailureType::NotFound, message)
}
