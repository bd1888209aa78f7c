//! Sending a mail: it is made, recorded, handed to the mail service, and the result is recorded.
//!
//! It is recorded before and after, so that no repetition of a command or request sends twice: a recorded result is
//! returned again, and a sending whose result was lost is `unknown`.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::bus::Entry;
use shared::clock::derived_uuid;
use shared::event::fact::{MAIL_FAILED, MAIL_SOURCE, MailChanged};
use shared::event::{Envelope, EventId, EventType, StepError, TenantId, Trace};
use shared::step::{Claimable as _, Once, Policy};
use shared::{Error, Refusal};

use crate::draft::{Draft, MAIL_BYTES, Recipients, Text, rendered_subject};
use crate::fetch::{self, NoFiles, too_large};
use crate::letter::{File, Letter};
use crate::mail::Status;
use crate::services::Services;
use crate::store::mail::{MailRecord, Private, kept_body, kept_content};
use crate::store::service::Handed;
use crate::template::Filling;

/// Sending counts as interrupted after longer than the mail service may take, and may have happened as soon as it began.
const POLICY: Policy = Policy { lease: SignedDuration::from_secs(30), acts_at_once: true };
/// The name of the failure of a mail that the service could not take at the moment.
pub(crate) const THROTTLED: &str = "MailServiceBusy";

/// What a mail is sent for.
#[derive(Debug)]
pub(crate) struct Occasion {
    /// The id of the mail, which another occasion has only if it is the same.
    pub(crate) id: String,
    pub(crate) tenant_id: TenantId,
    /// The client that asks for it.
    pub(crate) creator_id: Option<String>,
    /// What tells the same mail from another one with the same id.
    pub(crate) fingerprint: String,
    /// What facts about the mail go on with.
    pub(crate) trace: Trace,
    /// Where the function is called from outside, if that is known.
    pub(crate) base_url: Option<String>,
    /// Whether the same mail is asked for again when the service is busy; otherwise it fails.
    pub(crate) is_repeated: bool,
}

/// What came of asking for a mail.
pub(crate) type Sent = Result<Once<MailRecord>, Refusal>;

/// Sends a mail unless that was done before; refuses one that cannot be sent as it is.
pub(crate) async fn send(services: &Services, draft: Draft, occasion: Occasion) -> Result<Sent, Error> {
    let Services { mails, clock, .. } = services;
    let earlier = if occasion.is_repeated { mails.find(&occasion.id).await? } else { None };
    if let Some(earlier) = earlier.filter(|earlier| earlier.answer().is_some()) {
        return Ok(same(Once::Done(earlier), &occasion.fingerprint));
    }
    let is_tracked = draft.track_opens;
    if is_tracked && occasion.base_url.is_none() {
        let message = "opens cannot be counted, as BASE_URL is not set, so that the URL of the image is unknown";
        return Ok(Err(Refusal::illegal_state(message)));
    }
    let (letter, mut record) = match prepare(services, draft, &occasion).await? {
        Ok(prepared) => prepared,
        Err(refusal) => return Ok(Err(refusal)),
    };
    record.expires_at = mails.store().expires_at(clock.now());
    let once = Box::pin(mails.once(record, POLICY, async |record: MailRecord| {
        let pixel = occasion.base_url.as_ref().filter(|_| is_tracked).map(|base| open_url(base, &record));
        hand_over(services, letter, record, pixel, occasion.is_repeated).await
    }));
    Ok(same(once.await?, &occasion.fingerprint))
}

/// Returns where opening a mail is counted.
fn open_url(base: &str, record: &MailRecord) -> String {
    format!("{base}/mail/v1/{}{}/open", record.mail_id, record.private.secret)
}

/// Refuses an idempotency key that was used for another mail.
fn same(once: Once<MailRecord>, fingerprint: &str) -> Sent {
    match once {
        Once::Done(record) if record.fingerprint != fingerprint => {
            Err(Refusal::field("Idempotency-Key", "was used for another mail"))
        }
        once => Ok(once),
    }
}

/// Makes the mail, and the record that it leaves.
async fn prepare(
    services: &Services,
    draft: Draft,
    occasion: &Occasion,
) -> Result<Result<(Letter, MailRecord), Refusal>, Error> {
    let Services { sender, outbound, clock, ids, .. } = services;
    let Some(sender) = sender else {
        let message = "mails cannot be sent, as no sender is configured (`MailFrom` of the template)";
        return Ok(Err(Refusal::illegal_state(message)));
    };
    let from = match draft.from {
        Some(from) if from.address() != sender.address() => {
            let rule = format!("must have the address {}, from which mails are sent", sender.address());
            return Ok(Err(Refusal::field("from", rule)));
        }
        from => from.unwrap_or_else(|| sender.clone()),
    };
    let made = match made(services, &occasion.tenant_id, &draft.text, clock.now()).await? {
        Ok(made) => made,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let files = match fetch::files(outbound, draft.attachments).await {
        Ok(files) => files,
        Err(NoFiles::Refused(refusal)) => return Ok(Err(refusal)),
        Err(NoFiles::Unreachable(message)) => return Ok(Err(unreachable(message))),
    };
    let Made { subject, body, template } = made;
    let (to, cc, bcc, reply_to) = (draft.to, draft.cc, draft.bcc, draft.reply_to);
    let letter = Letter { from, to, cc, bcc, reply_to, subject, body, files };
    if letter.size_bytes() > MAIL_BYTES {
        return Ok(Err(too_large()));
    }
    let record = record(occasion, &letter, &draft.text, template, ids.secret(), clock.now());
    Ok(Ok((letter, record)))
}

/// Subject and body, and the id and the name of the template that they were made of.
struct Made {
    subject: String,
    body: String,
    template: Option<(String, String)>,
}

async fn made(
    services: &Services,
    tenant: &TenantId,
    text: &Text,
    now: Timestamp,
) -> Result<Result<Made, Refusal>, Error> {
    let text = match text {
        Text::Plain { subject, body } => {
            return Ok(Ok(Made { subject: subject.clone(), body: body.clone(), template: None }));
        }
        Text::Template(text) => text,
    };
    let Some(template) = services.templates.find(tenant, &text.id_or_name).await? else {
        return Ok(Err(Refusal::unknown("template", &text.id_or_name)));
    };
    let (language, time_zone) = (text.language.as_deref(), text.time_zone.as_deref());
    let filling = Filling { inputs: &text.content, language, time_zone, now };
    let outputs = match template.resolve(&filling) {
        Ok(outputs) => outputs,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let output = |name: &str| {
        let output = outputs.get(name).and_then(Value::as_str).map(str::to_owned);
        output.ok_or_else(|| {
            Refusal::illegal_argument(format!("the template `{}` has no output `{name}`", template.name))
        })
    };
    Ok(output("subject").and_then(|subject| {
        let (id, name) = (template.id.clone(), template.name.clone());
        Ok(Made { subject: rendered_subject(&subject), body: output("body")?, template: Some((id, name)) })
    }))
}

fn unreachable(message: String) -> Refusal {
    Refusal { message, ..Refusal::unavailable() }
}

fn record(
    occasion: &Occasion,
    letter: &Letter,
    text: &Text,
    template: Option<(String, String)>,
    secret: String,
    now: Timestamp,
) -> MailRecord {
    let texts = |list: &[crate::address::Mailing]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (template_id, template_name) = template.unzip();
    let (language, time_zone, content) = match text {
        Text::Plain { .. } => (None, None, None),
        Text::Template(text) => (text.language.clone(), text.time_zone.clone(), kept_content(&text.content)),
    };
    let private = Private {
        secret,
        from: letter.from.to_string(),
        recipients: Recipients { to: texts(&letter.to), cc: texts(&letter.cc), bcc: texts(&letter.bcc) },
        reply_to: texts(&letter.reply_to),
        subject: letter.subject.clone(),
        body: kept_body(&letter.body),
        language,
        time_zone,
        content,
        attachments: letter.files.iter().map(|File { name, .. }| name.clone()).collect(),
        error: None,
        history: Vec::new(),
    };
    MailRecord {
        mail_id: occasion.id.clone(),
        tenant_id: occasion.tenant_id.clone(),
        created_at: now.as_millisecond(),
        updated_at: now.as_millisecond(),
        status: Status::Queued,
        views: 0,
        creator_id: occasion.creator_id.clone(),
        template_id,
        template_name,
        message_id: None,
        fingerprint: occasion.fingerprint.clone(),
        trace: occasion.trace.clone(),
        private,
        claim: None,
        expires_at: 0,
        version: 1,
    }
}

/// Hands a mail to the service, and returns its record with the result.
async fn hand_over(
    services: &Services,
    letter: Letter,
    mut record: MailRecord,
    pixel: Option<String>,
    is_repeated: bool,
) -> Result<MailRecord, Error> {
    let Services { mails, service, clock, .. } = services;
    let now = clock.now();
    let made = tokio::task::spawn_blocking(move || letter.mime(now, pixel.as_deref()).map(|mime| (letter, mime)));
    let (letter, mime) = match made.await.map_err(Error::cannot("write a mail"))? {
        Ok(made) => made,
        Err(message) => {
            record.failed(Status::Failed, StepError::bad_request(message), clock.now());
            return Ok(record);
        }
    };
    let handed = service.send(&record.mail_id, &letter, mime).await?;
    let now = clock.now();
    match handed {
        Handed::Accepted(message_id) => record.sent(message_id, now),
        Handed::Throttled(message) if is_repeated => {
            mails.withdraw(&record).await?;
            return Err(Error::new("send a mail", message));
        }
        Handed::Throttled(message) => record.failed(Status::Failed, StepError::invocation(THROTTLED, message), now),
        Handed::Refused { code, message } => {
            let message = format!("the mail service refused the mail: {code}: {message}");
            record.failed(Status::Failed, StepError::invocation("MailRefused", message), now);
        }
        Handed::Unknown(message) => {
            let message = format!("{message}, so that nobody knows whether the mail was sent");
            record.failed(Status::Unknown, StepError::invocation(StepError::OUTCOME_UNKNOWN, message), now);
        }
    }
    tracing::info!(mail_id = record.mail_id, status = ?record.status, "mail handed over");
    Ok(record)
}

/// Builds the fact that a mail was not sent, if it was not.
pub(crate) fn failure(record: &MailRecord, now: Timestamp) -> Option<Entry> {
    let kind = match record.status {
        Status::Failed => "failed",
        Status::Unknown => "unknown",
        _ => return None,
    };
    let Recipients { to, cc, bcc } = &record.private.recipients;
    let addresses = [to, cc, bcc].into_iter().flatten();
    let content = MailChanged {
        mail_id: record.mail_id.clone(),
        template_name: record.template_name.clone(),
        recipients: addresses.cloned().collect(),
        kind: Some(kind.to_owned()),
        reason: record.private.error.clone(),
        time: now,
    };
    fact(record, MAIL_FAILED, "failed", content, now)
}

/// Builds a fact about a mail; the same one has the same id, whenever it is built.
pub(crate) fn fact(
    record: &MailRecord,
    kind: EventType,
    occurrence: &str,
    content: MailChanged,
    now: Timestamp,
) -> Option<Entry> {
    let parts = [b"mail".as_slice(), record.mail_id.as_bytes(), kind.as_str().as_bytes(), occurrence.as_bytes()];
    let id = EventId::new(derived_uuid(&parts).to_string());
    let event = Envelope::new(kind, id, record.tenant_id.clone(), shared::clock::truncate(now), content);
    // Addresses are as secret on the bus as in the table.
    Entry::sealed(MAIL_SOURCE, &event.with_trace(record.trace.clone())).ok()
}
