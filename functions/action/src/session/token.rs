//! Session tokens and refresh tokens: signed JSON Web Tokens, each with a key, an issuer and an audience of its own.
//!
//! A session token carries the data of the session, sealed for this one session; a refresh token carries which of the
//! refresh tokens of its session it is. Neither is an access token of the API, nor is that one of these.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::TenantId;
use shared::seal::{KeyRing, Keys, Sealed};

use crate::tag::{Slug, Tag};

const ISSUER: &str = "hookyard/sessions";
/// No token of ours is longer: data of the largest size takes less than 12 KB.
const TOKEN_LIMIT_BYTES: usize = 16 * 1024;

/// Where a session is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scope {
    pub(super) tenant: TenantId,
    pub(super) product: Tag,
    pub(super) env: Slug,
    pub(super) tag: Tag,
}

/// What a session token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SessionClaims {
    #[serde(flatten)]
    pub(super) scope: Scope,
    /// The id of the session.
    pub(super) sid: String,
    /// When it was issued, in seconds since 1970.
    pub(super) iat: i64,
    /// When it stops being valid, in seconds since 1970.
    pub(super) exp: i64,
    /// The data, and whose it is.
    pub(super) data: Sealed,
}

/// What a refresh token says. It has no times, so that it is the same however often it is issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefreshClaims {
    #[serde(flatten)]
    pub(super) scope: Scope,
    /// The id of the session.
    pub(super) sid: String,
    /// How many refresh tokens of the session came before it.
    pub(super) generation: u32,
}

/// A kind of token.
pub(super) trait Kind: Serialize + DeserializeOwned + Clone {
    /// What its key is derived for.
    const PURPOSE: &'static str;
    /// Who takes it.
    const AUDIENCE: &'static str;

    /// Returns where it is good.
    fn scope(&self) -> &Scope;
}

impl Kind for SessionClaims {
    const PURPOSE: &'static str = "session token";
    const AUDIENCE: &'static str = "session";

    fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Kind for RefreshClaims {
    const PURPOSE: &'static str = "session refresh token";
    const AUDIENCE: &'static str = "session-refresh";

    fn scope(&self) -> &Scope {
        &self.scope
    }
}

#[derive(Serialize, Deserialize)]
struct Claims<T> {
    iss: String,
    aud: String,
    #[serde(flatten)]
    own: T,
}

/// Writes a token, `<tag>:<jwt>`, with the current key.
pub(super) async fn write<T: Kind>(ring: &KeyRing, claims: &T) -> Result<String, Error> {
    let missing = || Error::new("sign a session token", "the current key is missing");
    write_with(&*ring.keys().await?, claims).ok_or_else(missing)
}

/// Reads a token; `None` if it is not one of ours, or not of this kind.
pub(super) async fn read<T: Kind>(ring: &KeyRing, token: &str) -> Result<Option<T>, Error> {
    let Some(version) = key_version(token) else { return Ok(None) };
    Ok(read_with(&*ring.keys_with(&version).await?, token))
}

fn write_with<T: Kind>(keys: &Keys, claims: &T) -> Option<String> {
    let version = keys.current();
    let key = EncodingKey::from_secret(&keys.derive(version, T::PURPOSE)?);
    let header = Header { kid: Some(version.to_owned()), ..Header::new(Algorithm::HS256) };
    let tag = claims.scope().tag.clone();
    let claims = Claims { iss: ISSUER.to_owned(), aud: T::AUDIENCE.to_owned(), own: claims.clone() };
    Some(format!("{tag}:{}", encode(&header, &claims, &key).ok()?))
}

fn read_with<T: Kind>(keys: &Keys, token: &str) -> Option<T> {
    let (tag, jwt) = split(token);
    let key = DecodingKey::from_secret(&keys.derive(&key_version(token)?, T::PURPOSE)?);
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[T::AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    // The expiry is checked against our own clock.
    validation.validate_exp = false;
    let claims = decode::<Claims<T>>(jwt, &key, &validation).ok()?.claims.own;
    tag.is_none_or(|tag| tag == claims.scope().tag.as_str()).then_some(claims)
}

fn key_version(token: &str) -> Option<String> {
    let short = Some(token).filter(|token| token.len() <= TOKEN_LIMIT_BYTES)?;
    decode_header(split(short).1).ok()?.kid
}

/// Splits a token into its tag, if it has one, and the JWT.
pub(super) fn split(token: &str) -> (Option<&str>, &str) {
    token.split_once(':').map_or((None, token), |(tag, jwt)| (Some(tag), jwt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(current: &str) -> Keys {
        Keys::parse(&format!(r#"{{"current": "{current}", "1": "first key material", "2": "second"}}"#)).unwrap()
    }

    fn claims(tenant: &str, product: &str, env: &str, tag: &str) -> SessionClaims {
        let (product, tag) = (Tag::parse(product).unwrap(), Tag::parse(tag).unwrap());
        let scope = Scope { tenant: TenantId::new(tenant), product, env: Slug::parse(env).unwrap(), tag };
        let data = serde_json::from_str("\"1.c2VhbGVk\"").unwrap();
        SessionClaims { scope, sid: "s".to_owned(), iat: 1, exp: 2, data }
    }

    fn refresh(generation: u32) -> RefreshClaims {
        RefreshClaims { scope: claims("t", "p", "dev", "login").scope, sid: "s".to_owned(), generation }
    }

    #[test]
    fn a_token_of_an_older_key_is_still_ours_and_one_of_a_key_that_is_gone_is_not() {
        let claims = claims("t", "p", "dev", "login");
        let token = write_with(&keys("1"), &claims).unwrap();
        assert!(token.starts_with("login:ey"));
        assert_eq!(read_with(&keys("2"), &token), Some(claims));
        let ring = Keys::parse(r#"{"current": "2", "2": "second"}"#).unwrap();
        assert_eq!(read_with::<SessionClaims>(&ring, &token), None);
    }

    #[test]
    fn the_tag_in_front_is_that_of_the_token_or_left_out() {
        let token = write_with(&keys("1"), &claims("t", "p", "dev", "login")).unwrap();
        let jwt = split(&token).1;
        assert!(read_with::<SessionClaims>(&keys("1"), jwt).is_some());
        for prefix in ["", "logi", "Login", "login:login"] {
            assert_eq!(read_with::<SessionClaims>(&keys("1"), &format!("{prefix}:{jwt}")), None, "{prefix}");
        }
    }

    #[test]
    fn a_token_of_one_kind_is_none_of_the_other() {
        let (session, keys) = (claims("t", "p", "dev", "login"), keys("1"));
        assert_eq!(read_with::<RefreshClaims>(&keys, &write_with(&keys, &session).unwrap()), None);
        assert_eq!(read_with::<SessionClaims>(&keys, &write_with(&keys, &refresh(0)).unwrap()), None);
        assert_eq!(write_with(&keys, &refresh(3)), write_with(&keys, &refresh(3)));
    }

    #[test]
    fn an_unsigned_token_is_not_ours() {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let token = write_with(&keys("1"), &claims("t", "p", "dev", "login")).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        for algorithm in ["none", "HS384", "RS256"] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","kid":"1"}}"#));
            let signature = token.rsplit('.').next().unwrap();
            for forged in [format!("{header}.{payload}."), format!("{header}.{payload}.{signature}")] {
                assert_eq!(read_with::<SessionClaims>(&keys("1"), &forged), None, "{algorithm}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_alteration_of_a_token_is_ours(
            tag in "[a-z]{1,8}", at in any::<prop::sample::Index>(), to in "[A-Za-z0-9._:-]", kind in 0..3,
        ) {
            let token = write_with(&keys("2"), &claims("t", "p", "dev", &tag)).unwrap();
            let at = at.index(token.len());
            let altered = match kind {
                0 => format!("{}{to}{}", &token[..at], &token[at + 1..]),
                1 => format!("{}{to}{}", &token[..at], &token[at..]),
                _ => format!("{}{}", &token[..at], &token[at + 1..]),
            };
            prop_assume!(altered != token);
            prop_assert_eq!(read_with::<SessionClaims>(&keys("2"), &altered), None);
        }

        #[test]
        fn parts_of_two_tokens_make_no_third(
            one in ("[a-z]{1,3}", "[a-z]{1,3}", "[a-z]{3}", "[a-z]{1,3}"),
            two in ("[a-z]{1,3}", "[a-z]{1,3}", "[a-z]{3}", "[a-z]{1,3}"),
        ) {
            let [one, two] = [one, two].map(|(tenant, product, env, tag)| claims(&tenant, &product, &env, &tag));
            prop_assume!(one != two);
            let [left, right] = [&one, &two].map(|claims| write_with(&keys("1"), claims).unwrap());
            prop_assert_eq!(read_with::<SessionClaims>(&keys("1"), &left), Some(one));
            let (head, signature) = (left.rsplit_once('.').unwrap().0, right.rsplit_once('.').unwrap().1);
            prop_assert_eq!(read_with::<SessionClaims>(&keys("1"), &format!("{head}.{signature}")), None);
        }

        #[test]
        fn arbitrary_text_is_not_ours(text in "\\PC{0,60}") {
            prop_assert_eq!(read_with::<SessionClaims>(&keys("1"), &text), None);
        }
    }
}
