//! Twilio: HMAC-SHA-1 of the public URL and the fields of the form, or of a URL that has the hash of the body in it.

use std::collections::BTreeSet;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use crate::credentials::Credentials;
use crate::error::{Error, Unverified};
use crate::fields::Fields;
use crate::header::{delivery_key, is_form};
use crate::payload::{Charset, FORM, Form};
use crate::platform::Platform;
use crate::reading::{Inbound, Reading, Reply};
use crate::signature::mac::{self, Algorithm, Encoding};
use crate::signature::recipe::Recipe;
use crate::signature::{Delivery, Verifier};
use crate::spec::{Credential, SOURCE, Spec, VERIFY_TOKEN};

const SIGNATURE: &str = "x-twilio-signature";
const BODY_HASH: &str = "bodySHA256";
/// An answer without instructions; Twilio logs an error for a form that is not answered with TwiML.
const EMPTY_TWIML: &[u8] = br#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

pub(crate) struct Twilio;

static SPEC: Spec = Spec {
    name: "twilio",
    title: "Twilio webhooks",
    version: "2010-04-01",
    capabilities: SOURCE,
    credentials: &[
        Credential::always("authToken", "The auth token of the account, as the console shows it."),
        VERIFY_TOKEN,
    ],
    content_types: &[FORM, "application/json"],
    proofs: &[SIGNATURE],
};

impl Platform for Twilio {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let key = mac::Key::new(Algorithm::Sha1, credentials.required("authToken")?.as_bytes());
        Ok(Box::new(move |delivery| verify(&key, delivery)))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        let kind = kind(&Fields::of(inbound.payload).unwrap_or_default());
        let reading = Reading::event(inbound, kind, delivery_key(inbound.headers, "i-twilio-idempotency-token"));
        if !is_form(inbound.headers) {
            return Ok(reading);
        }
        let status = StatusCode::OK;
        Ok(reading.answered(Reply { status, content_type: "text/xml", body: EMPTY_TWIML.into() }))
    }
}

/// Names the event by the status that it reports, or by what Twilio calls it.
fn kind(fields: &Fields<'_>) -> Option<String> {
    if let Some(status) = fields.any_text("MessageStatus") {
        return Some(format!("message.{status}"));
    }
    if let Some(event) = fields.any_text("EventType") {
        return Some(conversation_event(event, fields.any_text("Source").as_deref()));
    }
    match fields.any_text("SmsStatus").as_deref() {
        Some("received") => return Some("message.received".to_owned()),
        None if fields.any_text("Body").is_some() && fields.any_text("MessageSid").is_some() => {
            return Some("message.received".to_owned());
        }
        _ => {}
    }
    fields.any_text("CallStatus").map(|status| format!("call.{status}"))
}

/// Names an event of a conversation; only what somebody else has written is a received message.
///
/// `API` is the source of what we send ourselves: if that were a message, the answer to it would be another one.
fn conversation_event(event: String, source: Option<&str>) -> String {
    let is_ours = source.is_some_and(|source| source.eq_ignore_ascii_case("API"));
    if event == "onMessageAdded" && !is_ours { "message.received".to_owned() } else { event }
}

fn verify(key: &mac::Key, delivery: &Delivery<'_>) -> Result<(), Unverified> {
    let signature = delivery.header(SIGNATURE)?;
    let signature = std::str::from_utf8(signature).map_err(|_| Unverified::Mismatch)?;
    let fields = signed_fields(delivery)?;
    let is_right = |url: &String| {
        let expected = key.sign([url.as_bytes(), fields.as_bytes()].into_iter());
        Encoding::Base64.is(&expected, signature)
    };
    Unverified::unless(spellings(delivery.url).iter().any(is_right))
}

/// Returns what is signed after the URL: the fields of a form, or nothing where the URL has the body's hash.
fn signed_fields(delivery: &Delivery<'_>) -> Result<String, Unverified> {
    if let Some(hash) = body_hash(delivery.url) {
        let is_of_body = Encoding::Hex.is(&Sha256::digest(delivery.body), &hash);
        return Unverified::unless(is_of_body).map(|()| String::new());
    }
    if !is_form(delivery.headers) {
        return Err(Unverified::Mismatch);
    }
    let content_type = delivery.headers.get(CONTENT_TYPE).map_or(b"".as_slice(), |value| value.as_bytes());
    let form = Charset::declared(content_type).and_then(|charset| Form::parse(delivery.body, charset));
    let form = form.map_err(|_| Unverified::Mismatch)?;
    // Each value comes after its name; values of one name are sorted and not repeated.
    let mut signed = String::new();
    for (name, values) in form.fields() {
        let values: BTreeSet<&String> = values.iter().collect();
        values.into_iter().for_each(|value| signed.extend([name, value]));
    }
    // Otherwise the signature of a URL alone would verify a form of nothing but separators.
    if signed.is_empty() { Err(Unverified::Mismatch) } else { Ok(signed) }
}

/// Returns the hash of the body that a URL names.
fn body_hash(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, hash) = pairs.into_iter().find(|(name, _)| *name == BODY_HASH)?;
    Some(percent_decode_str(hash).decode_utf8_lossy().into_owned())
}

/// Returns a URL as given, and with or without its port: Twilio may sign either of the two.
fn spellings(url: &str) -> Vec<String> {
    let mut spellings = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else {
        return spellings;
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let other = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => format!("{scheme}://{host}{path}"),
        _ => {
            let port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
            format!("{scheme}://{authority}:{port}{path}")
        }
    };
    spellings.push(other);
    spellings
}

#[cfg(test)]
mod tests;
