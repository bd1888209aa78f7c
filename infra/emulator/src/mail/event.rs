//! What happens to mails, as SES publishes it on the default bus.
//!
//! Source: Amazon SES developer guide, "SES events schema reference"; the details are those of event publishing.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::outbox::Kept;
use crate::arn::{ACCOUNT, arn, random_id};

/// Something that happened to a mail, for one recipient.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Happened {
    /// The recipient's server took it.
    Delivered { address: String, response: String },
    /// It cannot be delivered.
    Bounced { address: String, bounce: Bounce },
    /// The recipient marked it as spam.
    Complained { address: String },
}

/// Why a mail cannot be delivered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bounce {
    /// `Permanent` or `Transient`.
    pub(super) kind: &'static str,
    pub(super) sub_kind: &'static str,
    /// The enhanced status code.
    pub(super) status: &'static str,
    pub(super) diagnostic: String,
}

impl Happened {
    /// The type as an event destination names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "DELIVERY",
            Self::Bounced { .. } => "BOUNCE",
            Self::Complained { .. } => "COMPLAINT",
        }
    }

    fn detail(&self, now: &str) -> (&'static str, &'static str, &'static str, Value) {
        let feedback_id = random_id();
        match self {
            Self::Delivered { address, response } => {
                let delivery = json!({
                    "timestamp": now, "processingTimeMillis": 0, "recipients": [address], "smtpResponse": response,
                    "reportingMTA": "localhost",
                });
                ("Email Delivered", "Delivery", "delivery", delivery)
            }
            Self::Bounced { address, bounce } => {
                let Bounce { kind, sub_kind, status, diagnostic } = bounce;
                let recipient = json!({"emailAddress": address, "action": "failed", "status": status, "diagnosticCode": diagnostic});
                let bounce = json!({
                    "bounceType": kind, "bounceSubType": sub_kind, "bouncedRecipients": [recipient],
                    "timestamp": now, "feedbackId": feedback_id, "reportingMTA": "dsn; localhost",
                });
                ("Email Bounced", "Bounce", "bounce", bounce)
            }
            Self::Complained { address } => {
                let complaint = json!({
                    "complainedRecipients": [{"emailAddress": address}], "timestamp": now, "feedbackId": feedback_id,
                    "complaintFeedbackType": "abuse",
                });
                ("Email Complaint Received", "Complaint", "complaint", complaint)
            }
        }
    }
}

/// Builds the entry of the event, as `PutEvents` takes one.
pub(super) fn entry(kept: &Kept, happened: &Happened, now: Timestamp) -> Value {
    let letter = &kept.letter;
    let (detail_type, event_type, member, what) = happened.detail(&milliseconds(now));
    let mut tags = json!(letter.tags);
    if let Some(name) = &letter.configuration_set {
        tags["ses:configuration-set"] = json!([name]);
    }
    let mail = json!({
        "timestamp": milliseconds(kept.accepted_at), "source": letter.from, "sendingAccountId": ACCOUNT,
        "messageId": kept.id, "destination": letter.recipients().collect::<Vec<_>>(), "headersTruncated": false,
        "headers": [], "commonHeaders": {"from": [letter.from], "to": letter.to, "subject": letter.subject},
        "tags": tags,
    });
    let mut detail = json!({"eventType": event_type, "mail": mail});
    detail[member] = what;
    let set = letter.configuration_set.as_ref().map(|name| arn("ses", &format!("configuration-set/{name}")));
    json!({
        "Source": "aws.ses", "DetailType": detail_type, "Detail": detail.to_string(),
        "Resources": set.into_iter().collect::<Vec<_>>(),
    })
}

fn milliseconds(time: Timestamp) -> String {
    format!("{time:.3}")
}
