//! What becomes of a mail, and how it is shown.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::draft::Recipients;

/// The most that is remembered of what happened to one mail.
const HISTORY: usize = 200;

/// How far a mail has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MailStatus)]
pub(crate) enum Status {
    /// It is still to be sent.
    Queued,
    /// It is being handed to the mail service.
    Sending,
    /// The mail service took it.
    Sent,
    /// A recipient's server took it.
    Delivered,
    /// It cannot be delivered to a recipient.
    Bounced,
    /// A recipient marked it as spam.
    Complained,
    /// It was not sent.
    Failed,
    /// Nobody knows whether it was sent.
    Unknown,
}

/// Something that happened to a mail after it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = MailOccurrence)]
pub(crate) struct Occurrence {
    /// `delivered`, `bounced`, `complained` or `failed`.
    #[serde(rename = "type")]
    pub(crate) kind: Status,
    /// The addresses that it happened to.
    pub(crate) recipients: Vec<String>,
    /// When, in milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// `permanent`, `transient` or `undetermined`, for a bounce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bounce: Option<String>,
    /// Why, in the words of the one who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Adds what happened; returns whether it is new.
pub(crate) fn remember(history: &mut Vec<Occurrence>, occurrence: Occurrence) -> bool {
    if history.contains(&occurrence) {
        return false;
    }
    history.push(occurrence);
    history.sort_by_key(|occurrence| occurrence.timestamp);
    if history.len() > HISTORY {
        history.remove(0);
    }
    true
}

/// Returns the status of a mail that was sent: of all that happened, what its sender has to know first.
pub(crate) fn status(history: &[Occurrence]) -> Status {
    let worst = [Status::Complained, Status::Bounced, Status::Failed, Status::Delivered];
    let happened = |status: &Status| history.iter().any(|occurrence| occurrence.kind == *status);
    worst.into_iter().find(happened).unwrap_or(Status::Sent)
}

/// A mail.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Mail)]
pub(crate) struct MailView {
    pub(crate) id: String,
    /// The client that sent it; absent for a mail of a dispatcher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creator_id: Option<String>,
    /// The id that the mail service gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aws_message_id: Option<String>,
    pub(crate) subject: String,
    pub(crate) recipients: Recipients,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reply_to: Vec<String>,
    pub(crate) from: String,
    /// The body as HTML, if it has at most 64 KB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    /// What the template was filled in with, if that has at most 32 KB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Map<String, Value>>,
    /// The names of the files beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attachments: Vec<String>,
    /// How often it was opened, if its sender asked for that to be counted.
    pub(crate) views: u64,
    /// How far it has come.
    pub(crate) status: Status,
    /// Why it was not sent, or nobody knows whether it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What happened to it after it was sent, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<Occurrence>,
    /// When it was asked for, in milliseconds since 1970.
    pub(crate) creation_timestamp: i64,
    /// When it changed, in milliseconds since 1970.
    pub(crate) update_timestamp: i64,
}

/// A mail that is not sent yet, or will not be.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = QueuedMail)]
pub(crate) struct QueuedView {
    pub(crate) id: String,
    /// `queued`, `sending` or `failed`.
    pub(crate) status: Status,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    pub(crate) bcc: Vec<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) subject: String,
    /// The body, if it has at most 64 KB.
    pub(crate) html: Option<String>,
    /// Why it was not sent.
    pub(crate) error: Option<String>,
    /// What it is made of.
    pub(crate) template_data: Option<TemplateData>,
    /// When it was asked for, in milliseconds since 1970.
    pub(crate) creation_timestamp: i64,
    /// When it changed, in milliseconds since 1970.
    pub(crate) update_timestamp: i64,
}

/// The template that a mail is made of.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = QueuedMailTemplate)]
pub(crate) struct TemplateData {
    pub(crate) template_id: Option<String>,
    pub(crate) template_name: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) content: Option<Map<String, Value>>,
}

impl From<MailView> for QueuedView {
    fn from(view: MailView) -> Self {
        let MailView { template_id, template_name, language, time_zone, content, .. } = view;
        let is_of_template = template_id.is_some();
        let template_data = TemplateData { template_id, template_name, language, time_zone, content };
        let Recipients { to, cc, bcc } = view.recipients;
        Self {
            id: view.id,
            status: view.status,
            from: view.from,
            to,
            cc,
            bcc,
            reply_to: view.reply_to.into_iter().next(),
            subject: view.subject,
            html: view.body,
            error: view.error,
            template_data: is_of_template.then_some(template_data),
            creation_timestamp: view.creation_timestamp,
            update_timestamp: view.update_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence(kind: Status, timestamp: i64) -> Occurrence {
        Occurrence { kind, recipients: vec!["a@a.test".to_owned()], timestamp, bounce: None, reason: None }
    }

    #[test]
    fn the_worst_is_the_status_in_whatever_order_it_comes() {
        let check = |kinds: &[Status], expected| {
            let mut history = Vec::new();
            for (at, kind) in kinds.iter().enumerate() {
                assert!(remember(&mut history, occurrence(*kind, 100 - i64::try_from(at).unwrap())));
            }
            assert_eq!(status(&history), expected, "{kinds:?}");
            assert!(history.is_sorted_by_key(|occurrence| occurrence.timestamp));
        };
        check(&[], Status::Sent);
        check(&[Status::Delivered], Status::Delivered);
        check(&[Status::Bounced, Status::Delivered], Status::Bounced);
        check(&[Status::Complained, Status::Bounced, Status::Delivered], Status::Complained);
        check(&[Status::Failed], Status::Failed);
    }

    #[test]
    fn what_is_told_twice_is_remembered_once_and_not_without_end() {
        let mut history = Vec::new();
        assert!(remember(&mut history, occurrence(Status::Delivered, 1)));
        assert!(!remember(&mut history, occurrence(Status::Delivered, 1)));
        for at in 2..1000 {
            remember(&mut history, occurrence(Status::Delivered, at));
        }
        assert_eq!((history.len(), history[HISTORY - 1].timestamp), (HISTORY, 999));
    }
}
