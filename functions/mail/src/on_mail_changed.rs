//! What the mail service reports of a mail: it is recorded, and published as a fact.
//!
//! Source: Amazon SES developer guide, "SES events schema reference" and "Contents of event data".

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shared::Error;
use shared::event::EventType;
use shared::event::fact::{MAIL_BOUNCED, MAIL_COMPLAINED, MAIL_DELIVERED, MAIL_FAILED, MailChanged};

use crate::mail::{Occurrence, Status};
use crate::send::fact;
use crate::services::Services;
use crate::store::service::MAIL_TAG;

/// What is read of an event; everything else that it has is left aside.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    event_type: String,
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Delivery>,
    reject: Option<Reject>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    timestamp: Option<Timestamp>,
    #[serde(default)]
    destination: Vec<String>,
    #[serde(default)]
    tags: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
    timestamp: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complained_recipients: Vec<Recipient>,
    complaint_feedback_type: Option<String>,
    timestamp: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    #[serde(default)]
    recipients: Vec<String>,
    smtp_response: Option<String>,
    timestamp: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Reject {
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
    diagnostic_code: Option<String>,
}

/// Records what happened to a mail, and publishes it.
///
/// A mail that is not known is another's, or was deleted: its retention is over.
pub(crate) async fn handle(services: &Services, detail: Value) -> Result<(), Error> {
    let Services { mails, bus, clock, .. } = services;
    // The event is the mail service's own, so that one without what it documents is worth the dead-letter queue.
    let report = Report::deserialize(detail).map_err(Error::cannot("read an event of the mail service"))?;
    let id = report.mail.tags[MAIL_TAG][0].as_str().map(str::to_owned);
    let now = clock.now();
    let (Some(id), Some((kind, occurrence))) = (id, occurrence(&report, now)) else {
        tracing::info!(event_type = report.event_type, "an event of the mail service is about nothing of ours");
        return Ok(());
    };
    let record = mails.store().happened(&id, &report.mail.message_id, &occurrence, now).await?;
    let Some(record) = record else {
        tracing::info!(mail_id = id, event_type = report.event_type, "the mail of an event is not known");
        return Ok(());
    };
    let what = serde_json::to_string(&occurrence).map_err(Error::cannot("write what happened to a mail"))?;
    let content = MailChanged {
        mail_id: id,
        template_name: record.template_name.clone(),
        recipients: occurrence.recipients,
        kind: occurrence.bounce,
        reason: occurrence.reason,
        time: Timestamp::from_millisecond(occurrence.timestamp).unwrap_or(now),
    };
    // Published also when it was recorded before: the process may have ended in between.
    bus.publish(fact(&record, kind, &what, content, now).into_iter().collect()).await
}

/// Reads what happened, if it is anything that is recorded.
fn occurrence(report: &Report, now: Timestamp) -> Option<(EventType, Occurrence)> {
    let Report { mail, .. } = report;
    let addresses = |list: &[Recipient]| list.iter().map(|recipient| recipient.email_address.clone()).collect();
    let at = |time: Option<Timestamp>| time.or(mail.timestamp).unwrap_or(now).as_millisecond();
    let nothing = Occurrence { kind: Status::Sent, recipients: Vec::new(), timestamp: 0, bounce: None, reason: None };
    let (kind, occurrence) = match (report.event_type.as_str(), report) {
        ("Bounce", Report { bounce: Some(bounce), .. }) => {
            let reason = bounce.bounced_recipients.iter().find_map(|recipient| recipient.diagnostic_code.clone());
            let (recipients, timestamp) = (addresses(&bounce.bounced_recipients), at(bounce.timestamp));
            let kind = Some(bounce.bounce_type.to_ascii_lowercase());
            (MAIL_BOUNCED, Occurrence { kind: Status::Bounced, recipients, timestamp, bounce: kind, reason })
        }
        ("Complaint", Report { complaint: Some(complaint), .. }) => {
            let (recipients, timestamp) = (addresses(&complaint.complained_recipients), at(complaint.timestamp));
            let reason = complaint.complaint_feedback_type.clone();
            (MAIL_COMPLAINED, Occurrence { kind: Status::Complained, recipients, timestamp, reason, ..nothing })
        }
        ("Delivery", Report { delivery: Some(delivery), .. }) => {
            let (recipients, timestamp) = (delivery.recipients.clone(), at(delivery.timestamp));
            let reason = delivery.smtp_response.clone();
            (MAIL_DELIVERED, Occurrence { kind: Status::Delivered, recipients, timestamp, reason, ..nothing })
        }
        ("Reject", Report { reject: Some(reject), .. }) => {
            let (recipients, reason) = (mail.destination.clone(), reject.reason.clone());
            (MAIL_FAILED, Occurrence { kind: Status::Failed, recipients, timestamp: at(None), reason, ..nothing })
        }
        _ => return None,
    };
    Some((kind, occurrence))
}
