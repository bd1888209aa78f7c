//! From a webhook to updates: what is read depends on the webhook's type; a command has none.

mod event;
mod interaction;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{SPEC, TIMESTAMP};
use crate::error::Error;
use crate::reading::{DedupKey, Inbound, Kind, Reading, Reply, Update};

/// Reads a webhook of any type.
pub(super) fn read<'a>(inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
    let webhook = Webhook::parse(inbound)?;
    match webhook.kind.as_deref() {
        None => interaction::command(&webhook).map(silent),
        Some("url_verification") => webhook.challenge(),
        Some("event_callback") => event::read(&webhook),
        Some("app_rate_limited") => Ok(webhook.event()),
        Some("block_actions") => interaction::actions(&webhook).map(silent),
        Some(_) => Ok(silent(webhook.event())),
    }
}

/// The answer to a click or a command would be shown to the user, so that it is empty.
fn silent(reading: Reading<'_>) -> Reading<'_> {
    reading.answered(Reply::empty())
}

/// A webhook, to be read according to its type.
struct Webhook<'a> {
    inbound: Inbound<'a>,
    fields: BTreeMap<String, &'a RawValue>,
    kind: Option<String>,
}

/// The members of most webhooks.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
    trigger_id: Option<String>,
}

impl<'a> Webhook<'a> {
    fn parse(inbound: &Inbound<'a>) -> Result<Self, Error> {
        let fields = object(inbound.payload).map_err(|cause| unknown(&cause))?;
        let mut webhook = Self { inbound: *inbound, fields, kind: None };
        webhook.kind = webhook.read::<Head>()?.kind;
        Ok(webhook)
    }

    /// Reads the whole webhook as a type; an error says what is missing or wrong.
    fn read<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        object(self.inbound.payload).map_err(|cause| unknown(&cause))
    }

    /// The whole webhook without the legacy verification token, which may still be a secret somewhere.
    fn payload(&self) -> Cow<'a, RawValue> {
        self.payload_with(&[])
    }

    /// The same, with other fields.
    fn payload_with(&self, others: &[(&str, &RawValue)]) -> Cow<'a, RawValue> {
        if others.is_empty() && !self.fields.contains_key("token") {
            return Cow::Borrowed(self.inbound.payload);
        }
        let mut fields: BTreeMap<&str, &RawValue> =
            self.fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        fields.remove("token");
        fields.extend(others.iter().copied());
        Cow::Owned(serde_json::value::to_raw_value(&fields).expect("fields with names are an object"))
    }

    /// The webhook as a whole is one event of its type.
    fn event(&self) -> Reading<'a> {
        let trigger_id = self.read::<Head>().ok().and_then(|head| head.trigger_id);
        let key = trigger_id.map_or(DedupKey::Body, DedupKey::id);
        Reading::one(Ok(Update { key, kind: Kind::Event { name: self.kind.clone() }, payload: self.payload() }))
    }

    /// Slack verifies the URL with a text that must be returned.
    fn challenge(&self) -> Result<Reading<'a>, Error> {
        #[derive(Deserialize)]
        struct Question {
            challenge: String,
        }
        Ok(Reading::Handshake(Reply::text(self.read::<Question>()?.challenge)))
    }
}

/// Reads an object; without this check, a list would be taken for its members in their order.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    match raw.get().starts_with('{') {
        true => serde_json::from_str(raw.get()).map_err(|cause| cause.to_string()),
        false => Err("it is not an object".to_owned()),
    }
}

fn unknown(reason: &str) -> Error {
    Error::Body(format!("the body is not a Slack webhook: {reason}"))
}

/// Returns a Slack timestamp, such as `1531420618.000200`, in milliseconds since 1970.
pub(super) fn milliseconds(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    seconds.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(fraction.parse().ok()?)
}
