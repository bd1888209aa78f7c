//! Access tokens, and requests that are signed instead of carrying one: how they are issued and checked.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode, Uri};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use tokio::sync::Mutex;

use super::directory::{Consumer, Directory, SigningToken};
use super::key::{Issuer, KeyPair, Known, PublicKey, PublicKeys};
use super::oauth1::{self, Signed};
use super::{Caller, Claims, Identity};
use crate::Environment;
use crate::clock::Clock;
use crate::error::{Error, Refusal};
use crate::http::{BaseUrl, Called};
use crate::seal::KeyRing;

const ISSUER: &str = "hookyard";
const PURPOSE: &str = "access token";
/// The beginning of the ids of those for whom the task function signs.
const SCRIPT: &str = "function:";

/// Issues access tokens with the keys of a ring of its own.
#[derive(Clone)]
pub struct Signer {
    ring: KeyRing,
    issuer: Issuer,
    public: PublicKeys,
    clock: Clock,
    /// The key that was published last.
    published: Arc<Mutex<Option<PublicKey>>>,
}

impl Signer {
    /// Signs with the ring that the variable `TOKEN_KEYS_SECRET` names.
    pub fn new(environment: &Environment, issuer: Issuer) -> Result<Self, Error> {
        let ring = KeyRing::new(&environment.aws, environment.config.required("TOKEN_KEYS_SECRET")?);
        let public = PublicKeys::new(environment.table("TOKEN_KEYS_TABLE")?);
        Ok(Self { ring, issuer, public, clock: environment.clock.clone(), published: Arc::default() })
    }

    /// Issues a token that is valid for `lifetime_s` seconds.
    pub async fn issue(&self, identity: impl Into<Identity>, lifetime_s: i64) -> Result<String, Error> {
        let keys = self.ring.keys().await?;
        let missing = || Error::new("sign a token", "the current key is missing");
        let pair = KeyPair::new(self.issuer, &keys.derive(keys.current(), PURPOSE).ok_or_else(missing)?);
        self.publish(&pair.public).await?;
        let now = self.clock.now().as_second();
        let claims = Claims::of(identity.into());
        let claims = Claims { iss: ISSUER.to_owned(), iat: now, exp: now + lifetime_s, ..claims };
        let header = Header { kid: Some(pair.public.id()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &pair.private).map_err(Error::cannot("sign a token"))
    }

    /// Publishes a key unless this process has done so.
    async fn publish(&self, key: &PublicKey) -> Result<(), Error> {
        let mut published = self.published.lock().await;
        if published.as_ref() != Some(key) {
            self.public.publish(self.issuer, key, self.clock.now()).await?;
            *published = Some(key.clone());
        }
        Ok(())
    }
}

/// Checks who a request comes from: by its access token, or by its signature. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokens {
    keys: PublicKeys,
    directory: Directory,
    base_url: BaseUrl,
    clock: Clock,
}

/// What of a request says who it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    method: &'a Method,
    uri: &'a Uri,
    /// The path and query that the client has called, if they are not those of the route.
    called: Option<&'a Called>,
    headers: &'a HeaderMap,
}

impl<'a> Sent<'a> {
    /// Takes it of a request.
    pub fn of<B>(request: &'a http::Request<B>) -> Self {
        let called = request.extensions().get::<Called>();
        Self { method: request.method(), uri: request.uri(), called, headers: request.headers() }
    }

    /// Takes it of the parts of a request.
    pub fn of_parts(parts: &'a http::request::Parts) -> Self {
        let called = parts.extensions.get::<Called>();
        Self { method: &parts.method, uri: &parts.uri, called, headers: &parts.headers }
    }
}

impl Tokens {
    /// Reads the tables of the keys and of those who sign.
    pub fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            keys: PublicKeys::new(environment.table("TOKEN_KEYS_TABLE")?),
            directory: Directory::new(environment)?,
            base_url: environment.base_url(),
            clock: environment.clock.clone(),
        })
    }

    /// Returns those who sign.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Returns the published keys.
    pub fn keys(&self) -> &PublicKeys {
        &self.keys
    }

    /// Checks the credentials of a request, and the tenant that the request names.
    pub async fn caller(&self, sent: Sent<'_>) -> Result<Caller, Refusal> {
        match oauth1::is_signed(sent.headers) {
            true => Box::pin(self.signer(sent)).await?.acting_for(sent.headers),
            false => self.check(sent.headers).await,
        }
    }

    /// Checks the credentials of a request if it has some; any other kind of credentials is not for us.
    pub async fn caller_if_sent(&self, sent: Sent<'_>) -> Result<Option<Caller>, Refusal> {
        let mut values = sent.headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str().unwrap_or_default());
        let is_ours = |value: &str| {
            let scheme = value.split(' ').next().unwrap_or_default();
            scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")
        };
        if values.any(is_ours) { self.caller(sent).await.map(Some) } else { Ok(None) }
    }

    /// Checks a request that a client signs to get a token, without one or with one that it has; returns the client.
    pub async fn consumer(&self, sent: Sent<'_>) -> Result<Consumer, Refusal> {
        self.signed(sent).await.map(|(consumer, _)| consumer)
    }

    /// Returns who has signed a request.
    async fn signer(&self, sent: Sent<'_>) -> Result<Caller, Refusal> {
        let (consumer, token) = self.signed(sent).await?;
        let token = token.ok_or_else(oauth1::unknown_token)?;
        let owner = self.directory.owner(&token, &consumer).await?.ok_or_else(oauth1::unknown_token)?;
        Ok(Caller { claims: Claims::of(owner) })
    }

    /// Checks a signed request, and returns the client and the token that it was signed with.
    async fn signed(&self, sent: Sent<'_>) -> Result<(Consumer, Option<SigningToken>), Refusal> {
        let signed = Signed::read(sent.headers)?;
        let consumer = self.directory.consumer(&signed.consumer_key).await?.ok_or_else(oauth1::unknown_consumer)?;
        let token = match &signed.token {
            Some(token) => Some(self.directory.token(token).await?.ok_or_else(oauth1::unknown_token)?),
            None => None,
        };
        let is_of_consumer = |token: &SigningToken| {
            let is_client = token.application_id == consumer.client_id && token.tenant_id == consumer.tenant_id;
            is_client && token.application_stamp == consumer.secret_hash
        };
        if !token.as_ref().is_none_or(is_of_consumer) {
            return Err(oauth1::unknown_token());
        }
        let token_secret = token.as_ref().map_or("", |token| &token.token_secret);
        self.check_signature(&signed, sent, &consumer, token_secret).await?;
        Ok((consumer, token))
    }

    /// Checks time, signature and nonce, so that nobody but those who hold the secrets makes us write anything.
    async fn check_signature(
        &self,
        signed: &Signed,
        sent: Sent<'_>,
        consumer: &Consumer,
        token_secret: &str,
    ) -> Result<(), Refusal> {
        let now = self.clock.now();
        if signed.timestamp_s.abs_diff(now.as_second()) > oauth1::WINDOW_S.unsigned_abs() {
            let rule = format!("`oauth_timestamp` must be within {} seconds of the time here", oauth1::WINDOW_S);
            return Err(oauth1::invalid_signature(rule));
        }
        let called = sent.called.cloned().unwrap_or_else(|| Called::new(sent.uri.clone()));
        let urls = self.base_url.may_be_called(sent.headers, &called);
        let is_signed = |url: &String| signed.is_signed_with(sent.method, url, &consumer.secret, token_secret);
        if !urls.iter().any(is_signed) {
            let urls = urls.join("` or `");
            let message = format!("the signature is not the one of `{} {urls}` with these secrets", sent.method);
            return Err(oauth1::invalid_signature(message));
        }
        let timestamp = signed.timestamp_s.to_string();
        let token = signed.token.as_deref().unwrap_or_default();
        let nonce = [&consumer.client_id, token, &timestamp, &signed.nonce];
        match self.directory.use_nonce(&nonce, now, 2 * oauth1::WINDOW_S + 1).await? {
            true => Ok(()),
            false => Err(oauth1::duplicate()),
        }
    }

    /// Checks the access token of a request, and the tenant that the request names.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = bearer(headers)?;
        let unknown =
            |message: &str| Refusal::new(StatusCode::UNAUTHORIZED, 117, "ACCESS_TOKEN_UNKNOWN_EXCEPTION", message);
        let id = decode_header(token).ok().and_then(|header| header.kid);
        let id = id.ok_or_else(|| unknown("the access token is not one of ours"))?;
        let now = self.clock.now();
        let known = self.keys.find(&id, now).await?;
        let known = known.ok_or_else(|| unknown("the key of the access token is no longer valid"))?;
        let claims = decode::<Claims>(token, &known.key, &validation());
        let claims = claims.map_err(|_| unknown("the access token is not one of ours"))?.claims;
        if !may_say(&known, &claims) {
            return Err(unknown("the access token is not one of ours"));
        }
        if claims.exp <= now.as_second() {
            let message = "the access token has expired";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, 118, "ACCESS_TOKEN_EXPIRED_EXCEPTION", message));
        }
        Caller { claims }.acting_for(headers)
    }
}

/// Tells whether the issuer of a token issues such tokens: the task function signs for scripts alone.
fn may_say(known: &Known, claims: &Claims) -> bool {
    match known.issuer {
        Issuer::Auth => true,
        Issuer::Task => {
            let is_script = claims.sub.starts_with(SCRIPT) && claims.application.is_none();
            is_script && !claims.administrator && !claims.user
        }
    }
}

/// Only our algorithm and issuer; the expiry is checked against our own clock.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["iss", "exp", "sub"]);
    validation.validate_exp = false;
    validation
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(Refusal::no_token("the request has several `Authorization` headers"));
    }
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        return Ok(token.trim());
    }
    Err(Refusal::no_token("the request needs `Authorization: Bearer <access token>`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_header_is_a_token() {
        let check = |value: &str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(bearer(&headers).ok(), expected, "{value}");
        };
        check("Bearer abc", Some("abc"));
        check("bearer abc", Some("abc"));
        check("Bearer ", None);
        check("Basic abc", None);
        check("abc", None);
        assert!(bearer(&HeaderMap::new()).is_err());
    }
}
