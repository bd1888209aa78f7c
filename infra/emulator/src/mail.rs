//! SES v2: mails are kept in an outbox, and relayed to an SMTP server where there is one.
//!
//! `SendEmail` is answered once the mail is durable. What becomes of a mail is published on the default bus, as the
//! configuration set that its sender named asks for. Without an SMTP server every mail counts as delivered when it is in
//! the outbox, except those to the addresses of SES's mailbox simulator, which bounce or complain.

mod event;
mod letter;
mod outbox;
mod relay;
mod simulator;
mod smtp;

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use self::event::Happened;
use self::letter::Letter;
use self::outbox::Kept;
use crate::arn::random_id;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::delivery::row::Delivery;
use crate::journal::{Journal, Refused};
use crate::template::Stack;
use crate::wire::Reply;

pub use self::outbox::{Mail, MailAttachment, MailRecipient, RecipientStatus};
pub use self::smtp::{Smtp, UnusableSmtp};

/// The mail service.
pub(crate) struct Mails {
    stack: Arc<Stack>,
    clock: Clock,
    journal: Arc<Journal>,
    bus: Arc<Bus>,
    smtp: Option<Smtp>,
    /// Tells the relay that there is a new mail.
    news: Arc<Notify>,
}

/// The operation that a REST request asks for.
pub(crate) fn operation(method: &str, path: &str) -> Option<&'static str> {
    match (method, path.trim_end_matches('/')) {
        ("POST", "/v2/email/outbound-emails") => Some("SendEmail"),
        _ => None,
    }
}

impl Mails {
    pub(crate) fn new(
        stack: Arc<Stack>,
        clock: Clock,
        journal: Arc<Journal>,
        bus: Arc<Bus>,
        smtp: Option<Smtp>,
    ) -> Self {
        Self { stack, clock, journal, bus, smtp, news: Arc::default() }
    }

    /// Starts to relay, beginning with what an earlier process left behind; does nothing without an SMTP server.
    pub(crate) fn start(&self) -> Option<AbortHandle> {
        let smtp = self.smtp.clone()?;
        let (journal, clock, bus) = (self.journal.clone(), self.clock.clone(), self.bus.clone());
        let relay = relay::Relay::new(self.stack.clone(), journal, clock, bus, smtp, self.news.clone());
        Some(tokio::spawn(relay.run()).abort_handle())
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, operation: &str, body: &[u8]) -> Reply {
        let answered = match operation {
            "SendEmail" => self.send(body).await,
            _ => Err(Reply::error(400, "BadRequestException", format!("SES's {operation} is not supported here"))),
        };
        answered.unwrap_or_else(|reply| reply)
    }

    async fn send(&self, body: &[u8]) -> Result<Reply, Reply> {
        let now = self.clock.now();
        let id = message_id(now);
        let letter = Letter::read(body, &id, now)?;
        if let Some(name) = &letter.configuration_set
            && !self.stack.configuration_sets.contains_key(name)
        {
            let message = format!("Configuration set <{name}> does not exist.");
            return Err(Reply::error(404, "NotFoundException", message));
        }
        let is_relayed = self.smtp.is_some();
        let kept = Kept::new(id.clone(), letter, is_relayed, now);
        let happened = if is_relayed { Vec::new() } else { simulator::happened(&kept) };
        let deliveries = deliveries(&self.stack, &self.bus, &kept, &happened, now);
        keep(&self.journal, &self.bus, deliveries, move |connection| kept.insert(connection))
            .await
            .map_err(|Refused| Reply::internal("the mail could not be made durable"))?;
        self.news.notify_one();
        Ok(Reply::ok(&json!({"MessageId": id})))
    }

    /// Returns the newest mails in the outbox, the newest first.
    pub(crate) async fn outbox(&self, limit: usize) -> Vec<Mail> {
        // A closed or broken journal lists nothing.
        self.journal.write(move |connection| outbox::newest(limit, connection)).await.unwrap_or_default()
    }

    /// Returns a mail as it was sent, with its headers.
    pub(crate) async fn raw(&self, id: String) -> Option<Vec<u8>> {
        self.journal.write(move |connection| outbox::raw(&id, connection)).await.ok().flatten()
    }
}

/// Builds the deliveries of what has happened to a mail, as far as its configuration set publishes it.
fn deliveries(stack: &Stack, bus: &Bus, kept: &Kept, happened: &[Happened], now: Timestamp) -> Vec<Delivery> {
    let published = kept.letter.configuration_set.as_ref().and_then(|name| stack.configuration_sets.get(name));
    let published = published.map(Vec::as_slice).unwrap_or_default();
    let is_published = |happened: &&Happened| published.iter().any(|kind| kind == happened.kind());
    let events = happened.iter().filter(is_published);
    events.flat_map(|happened| bus.of_aws(&event::entry(kept, happened, now))).collect()
}

/// Writes a change of the outbox together with the deliveries of what it is about.
async fn keep(
    journal: &Journal,
    bus: &Bus,
    mut deliveries: Vec<Delivery>,
    change: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
) -> Result<(), Refused> {
    let write = move |connection: &Connection| {
        change(connection)?;
        deliveries.iter_mut().try_for_each(|delivery| delivery.insert(connection))?;
        Ok(deliveries)
    };
    let queue = bus.deliveries();
    journal.write_then(write, move |rows| queue.committed(rows)).await
}

/// Draws the id of a message, in the form that SES gives them.
fn message_id(now: Timestamp) -> String {
    format!("0100{:012x}-{}-000000", now.as_millisecond().max(0), random_id())
}
