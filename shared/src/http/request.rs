//! What routes take from a request: its body within limits, the address that it came from, its idempotency key.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;

use super::{BODY_LIMIT_BYTES, BodyLimit};
use crate::error::Refusal;
use crate::{encoding, json};

/// A JSON body; what is wrong with one is said with the path of the field.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            // Clients name a type of their own where they send nothing.
            return Err(match request.body().is_end_stream() {
                true => Refusal::empty_body(),
                false => Refusal::unsupported_media_type("application/json"),
            });
        }
        let encoding = encoding::declared(request.headers());
        let limit = request.extensions().get::<BodyLimit>().map_or(BODY_LIMIT_BYTES, |limit| limit.0);
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        if encoding.is_empty() {
            return json::read(&bytes).map(Self);
        }
        json::read(&encoding::decoded(&encoding, &bytes, limit)?).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Refusal> {
        match request.body().is_end_stream() {
            true => Ok(None),
            false => <Self as FromRequest<S>>::from_request(request, state).await.map(Some),
        }
    }
}

/// A body as it was sent, within the route's limit.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
                Refusal::too_large("the body is larger than this route takes")
            } else {
                Refusal::body_format("the body broke off")
            }
        })?;
        Ok(Self(bytes))
    }
}

/// The address that a request came from, as far as it is known: that of the last machine in front of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceAddress(Option<IpAddr>);

impl SourceAddress {
    /// Takes an address; of IPv6 the network, of whose addresses its owner has any number.
    pub fn new(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        }))
    }

    /// Returns the address, if it is known.
    pub fn get(self) -> Option<IpAddr> {
        self.0
    }
}

impl<S: Sync> FromRequestParts<S> for SourceAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(None)))
    }
}

/// The header `Idempotency-Key`: the same key means the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Option<HeaderValue>);

impl IdempotencyKey {
    /// The longest key, in bytes.
    const LIMIT_BYTES: usize = 255;

    /// Returns the key, if the request has one.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.0.as_ref().map(HeaderValue::as_bytes)
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        if parts.headers.get_all("idempotency-key").iter().count() > 1 {
            return Err(Refusal::field("Idempotency-Key", "must be sent once"));
        }
        match parts.headers.get("idempotency-key") {
            Some(key) if !(1..=Self::LIMIT_BYTES).contains(&key.len()) => {
                Err(Refusal::field("Idempotency-Key", format!("must have 1 to {} bytes", Self::LIMIT_BYTES)))
            }
            key => Ok(Self(key.cloned())),
        }
    }
}

/// Tells whether the content type is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn an_idempotency_key_has_one_to_255_bytes() {
        let check = async |key: &str, expected: bool| {
            let request = Request::builder().header("idempotency-key", key).body(Body::empty()).unwrap();
            let found = IdempotencyKey::from_request_parts(&mut request.into_parts().0, &()).await;
            assert_eq!(found.is_ok_and(|found| found.as_bytes() == Some(key.as_bytes())), expected, "{key}");
        };
        check("k", true).await;
        check(&"k".repeat(255), true).await;
        check(&"k".repeat(256), false).await;
        check("", false).await;
    }

    #[tokio::test]
    async fn a_body_may_be_compressed() {
        use std::io::Write as _;

        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let check = async |encoding: &str, bytes: Vec<u8>, expected: Result<Value, u16>| {
            let request = Request::builder().header(CONTENT_TYPE, "application/json");
            let request = request.header("content-encoding", encoding).body(Body::from(bytes)).unwrap();
            let read = <JsonBody<Value> as FromRequest<()>>::from_request(request, &()).await;
            assert_eq!(read.map(|body| body.0).map_err(|refusal| refusal.status.as_u16()), expected, "{encoding}");
        };
        let body = b"{\"a\": 1}".as_slice();
        let read = serde_json::json!({"a": 1});
        check("", body.to_vec(), Ok(read.clone())).await;
        check("gzip", gzip(body), Ok(read)).await;
        check("gzip", body.to_vec(), Err(400)).await;
        check("compress", body.to_vec(), Err(415)).await;
        check("gzip", gzip(&vec![b' '; BODY_LIMIT_BYTES + 1]), Err(413)).await;
    }

    #[tokio::test]
    async fn a_request_without_any_body_is_told_so_whatever_its_content_type() {
        let check = async |content_type: Option<&str>, body: &'static str, status: u16, code: u32| {
            let request =
                content_type.into_iter().fold(Request::builder(), |request, value| request.header(CONTENT_TYPE, value));
            let request = request.body(Body::from(body)).unwrap();
            let refusal = <JsonBody<Value> as FromRequest<()>>::from_request(request, &()).await.unwrap_err();
            assert_eq!((refusal.status.as_u16(), refusal.code), (status, code), "{content_type:?} {body}");
        };
        check(None, "", 400, 13).await;
        check(Some("application/json"), "", 400, 13).await;
        check(None, "{}", 415, 22).await;
        check(Some("application/x-www-form-urlencoded"), "", 400, 13).await;
        check(Some("text/plain"), "{}", 415, 22).await;
        let nothing = Request::builder().body(Body::empty()).unwrap();
        let read = <JsonBody<Value> as OptionalFromRequest<()>>::from_request(nothing, &()).await;
        assert!(read.is_ok_and(|body| body.is_none()));
        let broken = Request::builder().header(CONTENT_TYPE, "application/json").body(Body::from("{")).unwrap();
        assert!(<JsonBody<Value> as OptionalFromRequest<()>>::from_request(broken, &()).await.is_err());
    }

    #[test]
    fn the_addresses_of_a_network_are_one_source() {
        let same = |one: &str, other: &str| {
            SourceAddress::new(one.parse().unwrap()) == SourceAddress::new(other.parse().unwrap())
        };
        assert!(same("192.0.2.1", "192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9") && !same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    }

    #[test]
    fn json_content_types_are_recognised() {
        let check = |value: &str, expected| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{value}");
        };
        check("application/json", true);
        check("Application/JSON; charset=utf-8", true);
        check("application/cloudevents+json", true);
        check("text/plain", false);
        check("application/jsonp", false);
        assert!(!is_json(&HeaderMap::new()));
    }
}
