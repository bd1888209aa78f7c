//! What a script has read from outside, in the order in which it read it: enough to run it again without the outside.

use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::calls::{Call, CallError, CallKind};
use super::exchange::{FetchError, FetchRequest, FetchResponse, at_once};
use super::stop::Reason;

/// How much a script may read before its journal is given up.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// The size of a packed journal, which must fit into a record of 400 KB as text.
const MAX_PACKED_BYTES: usize = 256 * 1024;

/// What became of the recording of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recording {
    /// Nothing was recorded: it was not asked for, or the script did not end in the sandbox.
    #[default]
    Off,
    /// A packed journal.
    Kept(Bytes),
    /// The script has read more than a journal holds.
    TooLarge,
    /// It ran in a realm that earlier tasks had used, so that a journal would not be all that it depends on.
    Warm,
}

/// A journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    /// When the script was started, in milliseconds since 1970.
    pub(crate) started_ms: i64,
    /// What its random values come from, if it asked for any.
    pub(crate) seed: Option<[u8; 32]>,
    /// The readings of the clock.
    #[serde(with = "at_once")]
    readings: Vec<u8>,
    /// The requests and calls as they were asked for.
    #[serde(with = "at_once")]
    asked: Vec<u8>,
    /// What the event loop has handed to the script.
    #[serde(with = "at_once")]
    events: Vec<u8>,
    /// After how many checks the script was stopped, and why.
    pub(crate) stopped: Option<(u64, Reason)>,
}

/// Readings of the clock: so many that found no change, and one by which it had advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Readings {
    pub(super) unchanged: u64,
    pub(super) advance_us: u64,
}

/// A request or a call as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The number of the request, or that of the call.
    pub(crate) id: u32,
    pub(crate) what: What,
    pub(crate) body_bytes: usize,
    body_hash: [u8; 32],
}

/// What a script asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// A request.
    Request { method: String, url: String },
    /// A call.
    Call(CallKind),
}

/// What the event loop hands to a script.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A timer was due.
    Timer(u32),
    /// A request has ended.
    Fetched {
        /// Which one.
        fetch: u32,
        /// How.
        result: Result<FetchResponse, FetchError>,
    },
    /// A call has ended.
    Called {
        /// Which one.
        call: u32,
        /// How.
        result: Result<String, CallError>,
    },
    /// The script was stopped while it waited.
    Stopped(Reason),
}

impl Asked {
    pub(super) fn request(id: u32, request: &FetchRequest) -> Self {
        let what = What::Request { method: request.method.clone(), url: request.url.clone() };
        Self::new(id, what, &request.body)
    }

    pub(super) fn call(id: u32, call: &Call) -> Self {
        Self::new(id, What::Call(call.kind), call.body.as_bytes())
    }

    fn new(id: u32, what: What, body: &[u8]) -> Self {
        let body_hash = if body.is_empty() { [0; 32] } else { Sha256::digest(body).into() };
        Self { id, what, body_bytes: body.len(), body_hash }
    }

    /// How much longer its entry is than that of another one.
    pub(super) fn text_bytes(&self) -> usize {
        match &self.what {
            What::Request { method, url } => method.len() + url.len(),
            What::Call(_) => 0,
        }
    }

    /// It in words.
    pub(crate) fn text(&self) -> String {
        let what = match &self.what {
            What::Request { method, url } => format!("{method} {url}"),
            What::Call(CallKind::Publish) => "the publication of an event".to_owned(),
            What::Call(CallKind::StartTask) => "the start of a task".to_owned(),
        };
        match self.body_bytes {
            0 => what,
            bytes => format!("{what} with a body of {bytes} bytes"),
        }
    }
}

impl Journal {
    /// An empty journal.
    pub(super) fn new(started_ms: i64) -> Self {
        Self { started_ms, ..Self::default() }
    }

    /// Reads a packed journal; `None` if it is not one.
    pub(crate) fn unpack(packed: &[u8]) -> Option<Self> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(2 * MAX_BYTES).ok()?;
        DeflateDecoder::new(packed).take(limit).read_to_end(&mut bytes).ok()?;
        postcard::from_bytes(&bytes).ok()
    }

    pub(super) fn pack(&self) -> Recording {
        let packed = postcard::to_stdvec(self).ok().and_then(|bytes| deflated(&bytes));
        match packed.filter(|packed| packed.len() <= MAX_PACKED_BYTES) {
            Some(packed) => Recording::Kept(packed.into()),
            None => Recording::TooLarge,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.readings.len() + self.asked.len() + self.events.len()
    }

    pub(super) fn add_readings(&mut self, readings: Readings) {
        append(&mut self.readings, &readings);
    }

    pub(super) fn add_asked(&mut self, asked: &Asked) {
        append(&mut self.asked, asked);
    }

    pub(super) fn add_event(&mut self, event: &Event) {
        append(&mut self.events, event);
    }

    pub(super) fn readings(&self) -> Entries<'_, Readings> {
        Entries::new(&self.readings)
    }

    /// The requests and calls in their order.
    pub(crate) fn asked(&self) -> Entries<'_, Asked> {
        Entries::new(&self.asked)
    }

    /// The events in their order.
    pub(crate) fn events(&self) -> Entries<'_, Event> {
        Entries::new(&self.events)
    }

    /// How often the script has read the clock.
    pub(crate) fn clock_readings(&self) -> u64 {
        self.readings().map(|readings| readings.unchanged + 1).sum()
    }
}

/// Packs bytes with the tables of the one before, as making and clearing new ones costs more than most journals.
fn deflated(bytes: &[u8]) -> Option<Vec<u8>> {
    static KEPT: Mutex<Option<Compress>> = Mutex::new(None);
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept_before = kept().take();
    let mut compress = kept_before.unwrap_or_else(|| Compress::new(Compression::fast(), false));
    compress.reset();
    let mut packed = Vec::with_capacity(bytes.len() / 2 + 64);
    loop {
        let read = usize::try_from(compress.total_in()).ok()?;
        match compress.compress_vec(bytes.get(read..)?, &mut packed, FlushCompress::Finish).ok()? {
            Status::StreamEnd => break,
            Status::Ok | Status::BufError => packed.reserve(packed.len().max(64)),
        }
    }
    *kept() = Some(compress);
    Some(packed)
}

fn append(bytes: &mut Vec<u8>, value: &impl Serialize) {
    // Appending to memory does not fail, and neither do these types.
    if let Ok(longer) = postcard::to_extend(value, std::mem::take(bytes)) {
        *bytes = longer;
    }
}

/// The entries of a part of a journal, up to the first that cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a, T> {
    rest: &'a [u8],
    entry: std::marker::PhantomData<T>,
}

impl<'a, T> Entries<'a, T> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, entry: std::marker::PhantomData }
    }
}

impl<T> Entries<'_, T> {
    /// Leaves out so many bytes.
    pub(super) fn after(self, bytes: usize) -> Self {
        Self { rest: self.rest.get(bytes..).unwrap_or_default(), ..self }
    }

    /// How many bytes have not been read.
    pub(super) fn left_bytes(&self) -> usize {
        self.rest.len()
    }
}

impl<T: DeserializeOwned> Iterator for Entries<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (entry, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.rest = rest;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn journal(urls: &[String], advances: &[u64], bodies: &[Vec<u8>]) -> Journal {
        let mut journal = Journal { started_ms: 5, seed: Some([7; 32]), ..Journal::default() };
        for (fetch, url) in (0..).zip(urls) {
            let what = What::Request { method: "GET".to_owned(), url: url.clone() };
            journal.add_asked(&Asked::new(fetch, what, &[]));
        }
        for advance_us in advances {
            journal.add_readings(Readings { unchanged: 3, advance_us: *advance_us });
        }
        for (fetch, body) in (0..).zip(bodies) {
            let (status_text, url, headers) = (String::new(), String::new(), vec![("a".to_owned(), "b".to_owned())]);
            let result = Ok(FetchResponse { status: 200, status_text, url, headers, body: body.clone().into() });
            journal.add_event(&Event::Timer(fetch));
            journal.add_event(&Event::Fetched { fetch, result });
        }
        journal
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(urls: Vec<String>, advances: Vec<u64>, bodies: Vec<Vec<u8>>) {
            let journal = journal(&urls, &advances, &bodies);
            let Recording::Kept(packed) = journal.pack() else { panic!("it is small") };
            let again = Journal::unpack(&packed).unwrap();
            prop_assert_eq!(&again, &journal);
            let texts: Vec<_> = urls.iter().map(|url| format!("GET {url}")).collect();
            prop_assert_eq!(again.asked().map(|asked| asked.text()).collect::<Vec<_>>(), texts);
            prop_assert_eq!(again.readings().map(|readings| readings.advance_us).collect::<Vec<_>>(), advances);
            prop_assert_eq!(again.events().count(), 2 * bodies.len());
        }

        #[test]
        fn whatever_is_unpacked_makes_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Journal::unpack(&bytes);
            let _ = Entries::<Event>::new(&bytes).count();
        }
    }

    #[test]
    fn what_stays_too_large_when_packed_is_given_up() {
        let noise =
            |length: usize| (0..length / 32).flat_map(|index| Sha256::digest(index.to_le_bytes())).collect::<Vec<u8>>();
        assert!(matches!(journal(&[], &[], &[noise(MAX_PACKED_BYTES / 2)]).pack(), Recording::Kept(_)));
        assert_eq!(journal(&[], &[], &[noise(MAX_PACKED_BYTES + 1024)]).pack(), Recording::TooLarge);
    }
}
