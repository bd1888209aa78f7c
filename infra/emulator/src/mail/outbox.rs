//! The outbox: mails as rows of the journal.

use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders as _};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::letter::Letter;

/// The most mails that are kept, the newest; those that are still to be relayed stay as well.
const KEPT: i64 = 1000;

/// A mail in the outbox.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// The id that `SendEmail` answered.
    pub message_id: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The sender, perhaps with a name.
    pub from: String,
    /// Who is in `To`.
    pub to: Vec<String>,
    /// Who is in `Cc`.
    pub cc: Vec<String>,
    /// Who gets it without being named in it.
    pub bcc: Vec<String>,
    /// Where answers go.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The body as text, if it has one.
    pub text: Option<String>,
    /// The body as HTML, if it has one.
    pub html: Option<String>,
    /// The attachments, without their contents.
    pub attachments: Vec<MailAttachment>,
    /// How far it has come for each recipient.
    pub recipients: Vec<MailRecipient>,
}

/// An attachment of a mail in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailAttachment {
    /// The name of the file.
    pub name: String,
    /// The media type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The size of the file.
    pub size_bytes: usize,
}

/// How far a mail has come for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRecipient {
    /// The address.
    pub address: String,
    /// How far it has come.
    pub status: RecipientStatus,
    /// How often it was offered to the SMTP server.
    pub attempts: u32,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far a mail has come for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecipientStatus {
    /// It is in the outbox, and goes nowhere else.
    Kept,
    /// It is still to be relayed.
    Waiting,
    /// The SMTP server took it.
    Relayed,
    /// It cannot be relayed.
    Failed,
}

/// A mail as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) accepted_at: Timestamp,
    pub(super) letter: Letter,
    pub(super) recipients: Vec<MailRecipient>,
    /// When it is offered to the SMTP server again; never if there is nobody left to get it.
    pub(super) due_at: Option<Timestamp>,
}

impl Kept {
    pub(super) fn new(id: String, letter: Letter, is_relayed: bool, now: Timestamp) -> Self {
        let status = if is_relayed { RecipientStatus::Waiting } else { RecipientStatus::Kept };
        let mut addresses: Vec<String> = Vec::new();
        for address in letter.recipients() {
            if !addresses.iter().any(|known| known == address) {
                addresses.push(address.to_owned());
            }
        }
        let recipient = |address| MailRecipient { address, status, attempts: 0, error: None };
        let recipients = addresses.into_iter().map(recipient).collect();
        Self { id, accepted_at: now, letter, recipients, due_at: is_relayed.then_some(now) }
    }

    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO mail (message_id, accepted_at_ms, letter, recipients, due_at_ms, raw)
                   VALUES (?, ?, ?, ?, ?, ?)";
        let row = params![
            self.id,
            self.accepted_at.as_millisecond(),
            to_json(&self.letter)?,
            to_json(&self.recipients)?,
            self.due_at.map(Timestamp::as_millisecond),
            self.letter.raw,
        ];
        let last = connection.prepare_cached(sql)?.insert(row)?;
        let sql = "DELETE FROM mail WHERE id <= ? AND due_at_ms IS NULL";
        connection.prepare_cached(sql)?.execute([last - KEPT])?;
        Ok(())
    }

    /// Writes how far it has come.
    pub(super) fn update(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE mail SET recipients = ?, due_at_ms = ? WHERE message_id = ?";
        let due_at_ms = self.due_at.map(Timestamp::as_millisecond);
        connection.prepare_cached(sql)?.execute(params![to_json(&self.recipients)?, due_at_ms, self.id])?;
        Ok(())
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
        let mut letter: Letter = from_json(row, 2)?;
        letter.raw = row.get(5)?;
        Ok(Self {
            id: row.get(0)?,
            accepted_at: time(row.get(1)?),
            letter,
            recipients: from_json(row, 3)?,
            due_at: row.get::<_, Option<i64>>(4)?.map(time),
        })
    }

    fn shown(self) -> Mail {
        let Self { id: message_id, accepted_at, letter, recipients, .. } = self;
        let parsed = MessageParser::default().parse(&letter.raw);
        let parsed = parsed.as_ref();
        let whole = |text: std::borrow::Cow<'_, str>| text.into_owned();
        let is_html =
            |parsed: &mail_parser::Message<'_>| parsed.html_part(0).is_some_and(mail_parser::MessagePart::is_text_html);
        let is_text = |parsed: &mail_parser::Message<'_>| {
            parsed.text_part(0).is_some_and(|part| part.is_text() && !part.is_text_html())
        };
        let reply_to = parsed.and_then(mail_parser::Message::reply_to).into_iter().flat_map(mail_parser::Address::iter);
        Mail {
            message_id,
            accepted_at,
            reply_to: reply_to.filter_map(|address| address.address()).map(str::to_owned).collect(),
            text: parsed.filter(|parsed| is_text(parsed)).and_then(|parsed| parsed.body_text(0)).map(whole),
            html: parsed.filter(|parsed| is_html(parsed)).and_then(|parsed| parsed.body_html(0)).map(whole),
            attachments: parsed.into_iter().flat_map(mail_parser::Message::attachments).map(attachment).collect(),
            from: letter.from,
            to: letter.to,
            cc: letter.cc,
            bcc: letter.bcc,
            subject: letter.subject,
            recipients,
        }
    }
}

fn attachment(part: &mail_parser::MessagePart<'_>) -> MailAttachment {
    let kind = part.content_type().map(|kind| match kind.subtype() {
        Some(subtype) => format!("{}/{subtype}", kind.ctype()),
        None => kind.ctype().to_owned(),
    });
    MailAttachment {
        name: part.attachment_name().unwrap_or_default().to_owned(),
        kind: kind.unwrap_or_default(),
        size_bytes: part.contents().len(),
    }
}

const COLUMNS: &str = "message_id, accepted_at_ms, letter, recipients, due_at_ms, raw";

/// Reads the newest mails, the newest first.
pub(super) fn newest(limit: usize, connection: &Connection) -> rusqlite::Result<Vec<Mail>> {
    let sql = format!("SELECT {COLUMNS} FROM mail ORDER BY id DESC LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([i64::try_from(limit).unwrap_or(KEPT)], |row| Kept::read(row).map(Kept::shown))?;
    rows.collect()
}

/// Reads a mail with its headers.
pub(super) fn raw(id: &str, connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT raw FROM mail WHERE message_id = ?";
    connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()
}

/// Reads the mails that are due to be relayed, and when the next one is.
pub(super) fn due(
    now: Timestamp,
    limit: usize,
    connection: &Connection,
) -> rusqlite::Result<(Vec<Kept>, Option<Timestamp>)> {
    let sql = format!("SELECT {COLUMNS} FROM mail WHERE due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![now.as_millisecond(), limit], Kept::read)?;
    let due = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let sql = "SELECT min(due_at_ms) FROM mail WHERE due_at_ms > ?";
    let next: Option<i64> = connection.prepare_cached(sql)?.query_row([now.as_millisecond()], |row| row.get(0))?;
    Ok((due, next.and_then(|ms| Timestamp::from_millisecond(ms).ok())))
}

fn to_json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}
