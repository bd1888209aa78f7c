//! Relays the mails of the outbox to an SMTP server, for each recipient by itself.
//!
//! A mail that was relayed just before the process ended, and not yet marked so, is relayed again: SMTP has nothing by
//! which a server could tell. Its `Message-ID` stays the same.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::event::{Bounce, Happened};
use super::outbox::{self, Kept, RecipientStatus};
use super::smtp::{Failure, Smtp};
use super::{deliveries, keep};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::journal::{Journal, Refused};
use crate::template::Stack;

/// How many mails are offered to the server at once.
const CONCURRENT: usize = 4;
/// The pause before the second attempt, which doubles each time, and the longest one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// How long a mail is offered; SES gives up after the same time.
const PATIENCE: SignedDuration = SignedDuration::from_hours(14);

/// What relays the mails.
pub(super) struct Relay {
    stack: Arc<Stack>,
    journal: Arc<Journal>,
    clock: Clock,
    bus: Arc<Bus>,
    smtp: Smtp,
    news: Arc<Notify>,
}

impl Relay {
    pub(super) fn new(
        stack: Arc<Stack>,
        journal: Arc<Journal>,
        clock: Clock,
        bus: Arc<Bus>,
        smtp: Smtp,
        news: Arc<Notify>,
    ) -> Self {
        Self { stack, journal, clock, bus, smtp, news }
    }

    /// Relays until the journal is closed.
    pub(super) async fn run(self) {
        loop {
            let now = self.clock.now();
            let found = self.journal.write(move |connection| outbox::due(now, CONCURRENT, connection)).await;
            let Ok((due, next)) = found else { return };
            if due.is_empty() {
                self.wait(next).await;
                continue;
            }
            let relayed: Vec<_> =
                stream::iter(due).map(|kept| self.relay(kept)).buffer_unordered(CONCURRENT).collect().await;
            if relayed.into_iter().any(|written| written.is_err()) {
                return;
            }
        }
    }

    async fn wait(&self, next: Option<Timestamp>) {
        match next {
            None => self.news.notified().await,
            Some(next) => tokio::select! {
                () = self.news.notified() => {}
                () = self.clock.sleep_until(next) => {}
            },
        }
    }

    /// Offers a mail to everybody who has not got it yet, and writes down what came of it.
    async fn relay(&self, mut kept: Kept) -> Result<(), Refused> {
        let is_last = self.clock.now().duration_since(kept.accepted_at) >= PATIENCE;
        let (mut happened, mut attempts) = (Vec::new(), 0);
        for recipient in &mut kept.recipients {
            if recipient.status != RecipientStatus::Waiting {
                continue;
            }
            recipient.attempts += 1;
            attempts = attempts.max(recipient.attempts);
            let address = recipient.address.clone();
            match self.smtp.relay(kept.letter.sender(), &address, &kept.letter.raw).await {
                Ok(response) => {
                    (recipient.status, recipient.error) = (RecipientStatus::Relayed, None);
                    happened.push(Happened::Delivered { address, response });
                }
                Err(failure) => {
                    tracing::warn!(message_id = kept.id, error = failure.message, "a mail could not be relayed");
                    recipient.error = Some(failure.message.clone());
                    if failure.is_permanent || is_last {
                        recipient.status = RecipientStatus::Failed;
                        happened.push(Happened::Bounced { address, bounce: bounce(&failure) });
                    }
                }
            }
        }
        let now = self.clock.now();
        let is_left = kept.recipients.iter().any(|recipient| recipient.status == RecipientStatus::Waiting);
        kept.due_at = is_left.then(|| now.checked_add(pause(attempts)).unwrap_or(now));
        let deliveries = deliveries(&self.stack, &self.bus, &kept, &happened, now);
        keep(&self.journal, &self.bus, deliveries, move |connection| kept.update(connection)).await
    }
}

fn bounce(failure: &Failure) -> Bounce {
    let (kind, status) = if failure.is_permanent { ("Permanent", "5.0.0") } else { ("Transient", "4.0.0") };
    Bounce { kind, sub_kind: "General", status, diagnostic: format!("smtp; {}", failure.message) }
}

/// Returns the pause after so many attempts.
fn pause(attempts: u32) -> SignedDuration {
    let doubled = attempts.saturating_sub(1).min(16);
    FIRST_PAUSE.checked_mul(1 << doubled).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let pauses: Vec<i64> = [1, 2, 3, 7, 8, 100].into_iter().map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 320, 600, 600]);
    }
}
