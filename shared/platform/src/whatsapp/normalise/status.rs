//! The delivery status of our messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Line;
use crate::fields::Fields;
use crate::message::{DeliveryStatus, StatusUpdate};
use crate::reading::{DedupKey, Kind, Update};

#[derive(Deserialize)]
struct Fault {
    code: Option<i64>,
    title: Option<String>,
    message: Option<String>,
    error_data: Option<FaultData>,
}

#[derive(Deserialize)]
struct FaultData {
    details: Option<String>,
}

/// The type of a status that is about a message; without a type it is that, too.
const MESSAGE: &str = "message";

/// Reads a status: the delivery status of a message, or an event of its own, such as `payment.captured`.
pub(super) fn read<'a>(line: &Line, part: &'a RawValue) -> Result<Update<'a>, String> {
    let fields = Fields::of(part)?;
    let word = fields.id("status")?;
    let subject = fields.text("type")?.unwrap_or_else(|| MESSAGE.to_owned());
    match fields.required::<DeliveryStatus>("status") {
        Ok(status) if subject == MESSAGE => delivery(line, part, &fields, status),
        _ => Ok(event(part, &subject, &word)),
    }
}

/// The same status of the same thing may come again, with another time or other details.
fn event<'a>(part: &'a RawValue, subject: &str, word: &str) -> Update<'a> {
    let key = format!("{subject}.{word}:{}", hex::encode(Sha256::digest(part.get())));
    let kind = Kind::Event { name: Some(format!("{subject}.{word}")) };
    Update { key: DedupKey::id(key), kind, payload: Cow::Borrowed(part) }
}

fn delivery<'a>(
    line: &Line,
    part: &'a RawValue,
    fields: &Fields<'_>,
    status: DeliveryStatus,
) -> Result<Update<'a>, String> {
    let id = fields.id("id")?;
    // In a group, each participant reads the message.
    let participant = fields.text("recipient_participant_id")?;
    let suffix = participant.as_ref().map(|id| format!(":{id}")).unwrap_or_default();
    let key = format!("status:{id}:{}{suffix}", fields.id("status")?);
    let faults: Vec<Fault> = fields.optional("errors")?.unwrap_or_default();
    let update = StatusUpdate {
        status,
        recipient_id: fields.text("recipient_id")?.or(fields.text("recipient_user_id")?),
        timestamp: fields.milliseconds("timestamp")?,
        error: error(&faults),
        metadata: metadata(line, fields, participant)?,
        message_id: id,
    };
    Ok(Update { key: DedupKey::id(key), kind: Kind::Status(update), payload: Cow::Borrowed(part) })
}

fn metadata(line: &Line, fields: &Fields<'_>, participant: Option<String>) -> Result<Map<String, Value>, String> {
    let members = [
        ("phoneNumberId", line.phone_number_id.clone().map(Value::from)),
        ("participantId", participant.map(Value::from)),
        ("conversation", fields.value("conversation")?),
        ("pricing", fields.value("pricing")?),
        ("errors", fields.value("errors")?),
        ("callbackData", fields.value("biz_opaque_callback_data")?),
    ];
    let known = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(known.collect())
}

/// Describes all faults in one line.
fn error(faults: &[Fault]) -> Option<String> {
    let lines: Vec<String> = faults.iter().map(Fault::line).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

impl Fault {
    /// Describes the fault in one line: its code, its title and its details.
    fn line(&self) -> String {
        let title = self.title.as_deref().or(self.message.as_deref());
        let details = self.error_data.as_ref().and_then(|data| data.details.as_deref());
        let details = details.filter(|details| Some(*details) != title);
        let code = self.code.map(|code| code.to_string());
        let parts = [code.as_deref(), title, details];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}
