//! Publishing on the event bus.
//!
//! What a run hands on from one step to another is as secret on the bus as in its own table. So the content of commands,
//! of answers to them and of facts that repeat a part of them is sealed: on the bus it is a text, beside which `sealed`
//! is true, and the function that takes the event opens it.

mod request;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::aws::Aws;
use crate::clock;
use crate::error::Error;
use crate::event::command::COMMAND_SOURCE;
use crate::event::step::{STEP_FINISHED, STEP_SOURCE};
use crate::event::{
    Answer, Envelope, EventId, EventType, Received, StepError, StepFinished, StepId, StepRequested, Trace,
};
use crate::gather::Gatherer;
use crate::seal::pack::{OF_EVENTS, pack, unpack};
use crate::seal::{self, Keys, Seal, Sealed};
pub(crate) use request::Entries;
use request::{Outcome, Ready};

/// The size limit of one `PutEvents` request, which is also the most that one entry can have.
///
/// Source: Amazon EventBridge user guide, on calculating the size of a `PutEvents` entry.
pub const ENTRY_LIMIT_BYTES: usize = 256 * 1024;
/// The most entries in one `PutEvents` request.
pub const BATCH_LIMIT: usize = 10;

/// How often entries that the bus did not take are sent again, and the pause before the first repetition.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// One event as the bus takes it, known to fit.
#[derive(Clone)]
pub struct Entry {
    source: String,
    detail_type: String,
    detail: Detail,
}

/// The envelope of an event.
#[derive(Clone)]
enum Detail {
    /// As it goes onto the bus.
    Clear(Arc<str>),
    /// Its content is still to be sealed.
    ToSeal { head: Arc<Envelope<()>>, head_bytes: usize, packed_content: Arc<[u8]> },
}

/// An envelope on the bus whose content is sealed.
#[derive(Serialize)]
struct SealedEnvelope<'a> {
    #[serde(flatten)]
    envelope: Envelope<&'a str>,
    sealed: bool,
}

/// What an envelope on the bus says of its content.
#[derive(Deserialize)]
struct Mark {
    #[serde(default)]
    sealed: Value,
}

/// An event that is larger than the bus takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event has {size_bytes} bytes, the bus takes {ENTRY_LIMIT_BYTES}")]
pub struct TooLarge {
    /// The size of the entry.
    pub size_bytes: usize,
}

impl Entry {
    /// Builds the entry of an event, whose content can be read on the bus unless it is a command or an answer to one.
    pub fn fact<C: Serialize>(source: &str, envelope: &Envelope<C>) -> Result<Self, TooLarge> {
        if is_always_sealed(source) {
            return Self::sealed(source, envelope);
        }
        // Every type that goes into an envelope has string keys and plain numbers, so that this cannot fail.
        let detail = serde_json::to_string(envelope).unwrap_or_default();
        let detail = Detail::Clear(detail.into());
        Self { source: source.to_owned(), detail_type: envelope.kind.to_string(), detail }.checked()
    }

    /// Builds the entry of an event that hands on a part of a run: its content is sealed on the bus.
    pub fn sealed<C: Serialize>(source: &str, envelope: &Envelope<C>) -> Result<Self, TooLarge> {
        Self::to_seal(source, envelope).checked()
    }

    /// Builds the entry of a command; its depth is one more than the event's, and what the step causes has this budget.
    pub fn command<C: Serialize>(
        kind: EventType,
        request: &StepRequested<&Envelope<C>>,
        budget: u64,
    ) -> Result<Self, TooLarge> {
        let id = EventId::new(format!("{}-requested", request.id.record_id()));
        let event = request.event;
        let envelope = Envelope::new(kind, id, event.tenant_id.clone(), event.time, request);
        Self::sealed(COMMAND_SOURCE, &envelope.with_trace(Trace::dispatched_by(event, budget)))
    }

    /// Builds the entry of the answer to a command; an answer that is too large says so instead.
    pub fn step_finished<C>(step: &StepId, answer: &Answer, command: &Envelope<C>, now: jiff::Timestamp) -> Self {
        let build = |answer: Answer| {
            let id = EventId::new(format!("{}-finished", step.record_id()));
            let content = StepFinished { id: step.clone(), answer };
            let envelope = Envelope::new(STEP_FINISHED, id, command.tenant_id.clone(), clock::truncate(now), content);
            Self::to_seal(STEP_SOURCE, &envelope.with_trace(Trace::caused_by(command)))
        };
        let entry = build(answer.clone());
        if entry.size_bytes() <= ENTRY_LIMIT_BYTES {
            return entry;
        }
        let message = format!("the answer has {} bytes, the bus takes {ENTRY_LIMIT_BYTES}", entry.size_bytes());
        build(Answer::failed(StepError::invocation(StepError::OUTPUT_TOO_LARGE, message)))
    }

    fn to_seal<C: Serialize>(source: &str, envelope: &Envelope<C>) -> Self {
        let content = serde_json::to_vec(&envelope.content).unwrap_or_default();
        let head = envelope.with_content(());
        let head_bytes = sealed_json(&head, "").len();
        let detail =
            Detail::ToSeal { head: Arc::new(head), head_bytes, packed_content: pack(&content, OF_EVENTS).into() };
        Self { source: source.to_owned(), detail_type: envelope.kind.to_string(), detail }
    }

    fn checked(self) -> Result<Self, TooLarge> {
        match self.size_bytes() {
            size_bytes if size_bytes > ENTRY_LIMIT_BYTES => Err(TooLarge { size_bytes }),
            _ => Ok(self),
        }
    }

    /// Returns the envelope as JSON, with its content in clear text.
    pub fn detail(&self) -> String {
        let (head, content) = match &self.detail {
            Detail::Clear(detail) => return detail.to_string(),
            Detail::ToSeal { head, packed_content, .. } => (head, unpack(packed_content)),
        };
        let content: Value = content.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        serde_json::to_string(&head.with_content(content)).unwrap_or_default()
    }

    /// Returns the most bytes that the entry has on the bus, as EventBridge counts them, without a `Time`.
    pub fn size_bytes(&self) -> usize {
        let detail_bytes = match &self.detail {
            Detail::Clear(detail) => detail.len(),
            Detail::ToSeal { head_bytes, packed_content, .. } => {
                head_bytes + seal::sealed_text_bytes(packed_content.len())
            }
        };
        self.source.len() + self.detail_type.len() + detail_bytes
    }

    /// Returns the envelope as it goes onto the bus.
    async fn on_bus(&self, seal: &Seal) -> Result<Arc<str>, Error> {
        match &self.detail {
            Detail::Clear(detail) => Ok(detail.clone()),
            Detail::ToSeal { .. } => self.on_bus_with(seal, &*seal.keys().await?),
        }
    }

    /// Returns the envelope as it goes onto the bus, sealed with these keys if it is to be sealed.
    pub fn on_bus_with(&self, seal: &Seal, keys: &Keys) -> Result<Arc<str>, Error> {
        let (head, packed_content) = match &self.detail {
            Detail::Clear(detail) => return Ok(detail.clone()),
            Detail::ToSeal { head, packed_content, .. } => (head, packed_content),
        };
        let record_id = record_id(&self.source, head.kind.as_str(), head.tenant_id.as_str(), head.id.as_str());
        let sealed = seal.seal_with(keys, &record_id, packed_content)?;
        Ok(sealed_json(head, sealed.as_str()).into())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} of {})", self.detail_type, self.source)
    }
}

fn sealed_json(head: &Envelope<()>, content: &str) -> String {
    serde_json::to_string(&SealedEnvelope { envelope: head.with_content(content), sealed: true }).unwrap_or_default()
}

/// What the content of an event is sealed for: for this event alone.
fn record_id(source: &str, kind: &str, tenant: &str, id: &str) -> String {
    // Texts alone cannot fail.
    serde_json::to_string(&("event", source, kind, tenant, id)).unwrap_or_default()
}

/// Reads the envelope of an event that came from the bus, and opens its content; one that had to be sealed and is not is
/// refused.
pub async fn open(seal: &Seal, source: &str, detail: &str) -> Result<Received, Error> {
    match read(source, detail)? {
        (envelope, Some(sealed)) => opened(&*seal.keys_with(sealed.key_version()).await?, source, envelope, &sealed),
        (envelope, None) => Ok(envelope),
    }
}

/// Reads the envelope of an event that came from the bus, and opens its content with these keys.
pub fn open_with(keys: &Keys, source: &str, detail: &str) -> Result<Received, Error> {
    match read(source, detail)? {
        (envelope, Some(sealed)) => opened(keys, source, envelope, &sealed),
        (envelope, None) => Ok(envelope),
    }
}

/// Reads an envelope as it is on the bus, and its sealed content if that is sealed.
fn read(source: &str, detail: &str) -> Result<(Received, Option<Sealed>), Error> {
    let envelope: Received = serde_json::from_str(detail).map_err(Error::cannot("read an event"))?;
    let Mark { sealed } = serde_json::from_str(detail).map_err(Error::cannot("read an event"))?;
    if sealed == true {
        let content: Cow<'_, str> = serde_json::from_str(envelope.content.get()).unwrap_or_default();
        let sealed = Sealed::from_text(&content);
        return Ok((envelope, Some(sealed)));
    }
    match is_always_sealed(source) {
        true => Err(Error::new("open the content of an event", "it is not sealed")),
        false => Ok((envelope, None)),
    }
}

fn opened(keys: &Keys, source: &str, mut envelope: Received, sealed: &Sealed) -> Result<Received, Error> {
    let record_id = record_id(source, envelope.kind.as_str(), envelope.tenant_id.as_str(), envelope.id.as_str());
    let packed = seal::open(keys, &record_id, sealed).map_err(Error::cannot("open the content of an event"))?;
    // The text of a serde error can quote the input, so that it must not become a cause here.
    let damaged = || Error::new("open the content of an event", "it is damaged");
    let json = String::from_utf8(unpack(&packed).ok_or_else(damaged)?).map_err(|_| damaged())?;
    envelope.content = RawValue::from_string(json).map_err(|_| damaged())?;
    Ok(envelope)
}

/// Whether the events of a source are sealed whatever they are about: commands, and answers to them.
fn is_always_sealed(source: &str) -> bool {
    [COMMAND_SOURCE, STEP_SOURCE].contains(&source)
}

/// The event bus.
#[derive(Debug, Clone)]
pub struct Bus {
    entries: Gatherer<Entries>,
    name: Arc<str>,
    seal: Seal,
}

impl Bus {
    /// Returns the bus of this name, on which contents are sealed with `seal`.
    pub fn new(aws: &Aws, name: &str, seal: Seal) -> Self {
        Self { entries: aws.entries.clone(), name: name.into(), seal }
    }

    /// Publishes the entries; every one is durable when this returns `Ok`.
    ///
    /// They share requests with what others publish at the same moment. An error means that at least one entry was not
    /// taken after several attempts; others may have been, so the caller publishes all of them again.
    pub async fn publish(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut left = Vec::with_capacity(entries.len());
        for entry in entries {
            let detail = entry.on_bus(&self.seal).await?;
            let (source, detail_type) = (entry.source, entry.detail_type);
            left.push(Arc::new(Ready { bus: self.name.clone(), source, detail_type, detail }));
        }
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let refused = self.put(&mut left).await?;
            if left.is_empty() {
                break;
            }
            if attempt == ATTEMPTS {
                return Err(Error::new(format!("publish {} events", left.len()), refused.join(", ")));
            }
            tokio::time::sleep(pause).await;
            pause *= 4;
        }
        Ok(())
    }

    /// Puts the entries once, leaves those that were not taken, and returns why each of them was not.
    async fn put(&self, left: &mut Vec<Arc<Ready>>) -> Result<Vec<String>, Error> {
        let answers = self.entries.ask_all(left.clone()).await.map_err(Error::cannot("publish events"))?;
        let mut refused = Vec::new();
        let mut entries = std::mem::take(left).into_iter();
        for (outcome, entry) in answers.into_iter().zip(&mut entries) {
            match outcome {
                Outcome::Taken => {}
                Outcome::Refused(code) => {
                    refused.push(code);
                    left.push(entry);
                }
                Outcome::Failed(failure) => return Err(Error::new("publish events", failure)),
            }
        }
        Ok(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DispatcherId, TenantId};

    fn answer(output_bytes: usize) -> (StepId, Answer, Envelope<()>) {
        let (event_id, dispatcher_id) = (EventId::new("e"), DispatcherId::new("d"));
        let step = StepId { event_id: event_id.clone(), dispatcher_id, step: "s".to_owned(), attempt: 1 };
        let kind = EventType::known("http.requested");
        let command = Envelope::new(kind, event_id, TenantId::new("t"), jiff::Timestamp::UNIX_EPOCH, ());
        (step, Answer { output: Some(noise(output_bytes).into()), ..Answer::waiting() }, command)
    }

    /// Text that begins with `xxx` and cannot be compressed much.
    fn noise(size_bytes: usize) -> String {
        let mut state = 1_u64;
        let chars = (3..size_bytes).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'#' + u8::try_from((state >> 33) % 56).unwrap())
        });
        "xxx".chars().chain(chars).collect()
    }

    fn keys() -> Keys {
        Keys::parse(r#"{"current": "1", "1": "first key material"}"#).unwrap()
    }

    fn on_bus(entry: &Entry) -> Value {
        let Detail::ToSeal { head, packed_content, .. } = &entry.detail else { panic!("{entry:?} is not sealed") };
        let id = record_id(&entry.source, head.kind.as_str(), head.tenant_id.as_str(), head.id.as_str());
        let sealed = seal::seal(&keys(), [7; 12], &id, packed_content).unwrap();
        let text = sealed_json(head, sealed.as_str());
        assert!(entry.source.len() + entry.detail_type.len() + text.len() <= entry.size_bytes(), "{entry:?}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_a_step_hands_on_is_not_readable_on_the_bus() {
        for output_bytes in [100, 100_000] {
            let (step, answer, command) = answer(output_bytes);
            let entry = Entry::step_finished(&step, &answer, &command, command.time);
            let detail = on_bus(&entry);
            let text = detail.to_string();
            assert!(
                !text.contains("xxx") && !text.contains("waiting") && !format!("{entry:?}").contains("xxx"),
                "{text}"
            );
            assert_eq!((&detail["type"], &detail["sealed"]), (&"step.finished".into(), &true.into()));
            let opened = open_with(&keys(), STEP_SOURCE, &text).unwrap();
            assert_eq!(serde_json::to_value(&opened).unwrap(), serde_json::from_str::<Value>(&entry.detail()).unwrap());
            assert_eq!(opened.content::<StepFinished>().unwrap().answer, answer);
        }
    }

    #[test]
    fn a_sealed_content_opens_in_its_own_event_only() {
        let (step, answer, command) = answer(10);
        let detail = on_bus(&Entry::step_finished(&step, &answer, &command, command.time));
        for (name, other) in [("id", "other"), ("tenantId", "other"), ("type", "http.requested"), ("content", "1.AAAA")]
        {
            let mut changed = detail.clone();
            changed[name] = other.into();
            assert!(open_with(&keys(), STEP_SOURCE, &changed.to_string()).is_err(), "{name}");
        }
        assert!(open_with(&keys(), COMMAND_SOURCE, &detail.to_string()).is_err());
        let mut clear = detail;
        clear["content"] = serde_json::json!({"status": "succeeded"});
        clear["sealed"] = false.into();
        let clear = clear.to_string();
        for source in [STEP_SOURCE, COMMAND_SOURCE] {
            assert!(open_with(&keys(), source, &clear).unwrap_err().chain().contains("not sealed"));
        }
        assert!(open_with(&keys(), "hookyard.custom", &clear).is_ok(), "facts need not be sealed");
    }

    #[test]
    fn the_largest_output_of_a_step_fits_on_the_bus_in_whatever_it_is_written() {
        let (step, mut answer, command) = answer(0);
        for output in [noise(crate::event::STEP_OUTPUT_LIMIT_BYTES - 2), "\u{e000}".repeat(43_000)] {
            answer.output = Some(output.into());
            let entry = Entry::step_finished(&step, &answer, &command, command.time);
            assert!(!entry.detail().contains("OutputTooLarge"), "{} bytes", entry.size_bytes());
        }
    }

    #[test]
    fn an_entry_over_the_limit_is_refused() {
        let (_, answer, command) = answer(ENTRY_LIMIT_BYTES);
        let fact = |answer: &Answer| {
            let kind = command.kind.clone();
            Entry::fact(
                "s",
                &Envelope::new(kind, command.id.clone(), command.tenant_id.clone(), command.time, answer.clone()),
            )
        };
        assert!(fact(&Answer::waiting()).is_ok());
        assert!(fact(&answer).unwrap_err().size_bytes > ENTRY_LIMIT_BYTES);
    }

    #[test]
    fn an_answer_over_the_limit_says_so() {
        let detail = |output_bytes| {
            let (step, answer, command) = answer(output_bytes);
            Entry::step_finished(&step, &answer, &command, command.time).detail()
        };
        assert!(detail(100).contains("xxx"));
        let too_large = detail(2 * ENTRY_LIMIT_BYTES);
        assert!(too_large.contains("OutputTooLarge") && too_large.contains(r#""step":"s""#));
    }
}
