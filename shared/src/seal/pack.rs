//! Values made small before they are sealed, as what is sealed cannot be compressed any more.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// From which size a value of an item is worth the time that compressing takes: DynamoDB counts each KB of an item that
/// begins, and the rest of an item takes half of the first.
pub(crate) const OF_ITEMS: usize = 256;
/// The same for the content of an event: EventBridge counts every 64 KB that begin.
pub(crate) const OF_EVENTS: usize = 4 * 1024;
/// The first level at which names that are in the dictionary take little room; the levels after it gain 2 %.
const LEVEL: u32 = 3;

thread_local! {
    /// What compressing needs is larger than most values, so that it is kept.
    static COMPRESS: RefCell<Compress> = RefCell::new(new_compress());
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// How many times as long most values are as what they are packed into.
const EXPANSION: usize = 4;

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// What records have in common, as if it came before each value: the names of their fields in JSON, and usual values.
///
/// It is part of the format: what was packed after it can only be unpacked after it.
const DICTIONARY: &[u8] = br#"text/plain; charset=utf-8","description":"","created_at":"2026-01-01T00:00:00Z","updated_at":"","html_url":"https://api.github.com/","full_name":"","owner":{"login":"","type":"User"},"sender":{"user":{"name":"","email":"","number":,"title":"","body":"","state":"open","message":"","amount":,"currency":"","url":"","data":{"object":{"repository":{"private":false,"labels":[],"functionName":"","dispatcherName":"","onFailure":"fail","dependencies":[],"retry":{"attempts":0,"delaySeconds":0,"backoff":"fixed"}},"status":"succeeded","attempts":[{"attempt":1,"requestedAt":"","startedAt":"","finishedAt":"","record":{"kind":"task","id":""}}],"output":{"steps":[{"action":{"type":"task","name":"","eventId":"","dispatcherId":"","stepBudget":,"outcomeBudget":,"endings":1,"retries":[],"version":1,"expiresAt":17,"command":{"id":"-requested","type":"task.requested","step":{"error":null,"tenantId":"default","time":"2026-","content":{"platform":"github","channelId":"","headers":{"accept":"*/*","content-type":"application/json","user-agent":"GitHub-Hookshot/","x-github-delivery":"","x-github-event":"","x-hub-signature":""},"payload":{"trace":{"correlationId":"","causationId":"","depth":0,"budget":10000},"creation_timestamp":17,"event":{"id":""#;

/// Packs a value into at most one byte more than it has; it is compressed from a size on.
pub(crate) fn pack(value: &[u8], compressed_from: usize) -> Vec<u8> {
    if value.len() >= compressed_from
        && let Some(packed) = COMPRESS.with_borrow_mut(|compress| deflated(compress, value))
    {
        return packed;
    }
    [&[PLAIN], value].concat()
}

/// Compresses a value; `None` if that does not make it smaller.
fn deflated(compress: &mut Compress, value: &[u8]) -> Option<Vec<u8>> {
    compress.reset();
    compress.set_dictionary(DICTIONARY).ok()?;
    // Room for a value that becomes longer, too: a stream that is not written to its end leaves less room for those after it.
    let mut packed = Vec::with_capacity(value.len() + value.len() / 256 + 64);
    packed.push(DEFLATED);
    let status = compress.compress_vec(value, &mut packed, FlushCompress::Finish);
    if !matches!(status, Ok(Status::StreamEnd)) {
        *compress = new_compress();
        return None;
    }
    (packed.len() <= value.len()).then_some(packed)
}

fn new_compress() -> Compress {
    Compress::new(Compression::new(LEVEL), false)
}

/// Returns a value that was packed; `None` for what was not.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&PLAIN, value) => Some(value.to_vec()),
        (&DEFLATED, deflated) => DECOMPRESS.with_borrow_mut(|decompress| inflated(decompress, deflated)),
        _ => None,
    }
}

fn inflated(decompress: &mut Decompress, deflated: &[u8]) -> Option<Vec<u8>> {
    decompress.reset(false);
    decompress.set_dictionary(DICTIONARY).ok()?;
    let mut value = Vec::with_capacity(EXPANSION * deflated.len());
    loop {
        let rest = deflated.get(usize::try_from(decompress.total_in()).ok()?..)?;
        match decompress.decompress_vec(rest, &mut value, FlushDecompress::None).ok()? {
            Status::StreamEnd => return Some(value),
            _ if value.len() == value.capacity() => value.reserve(value.len().max(EXPANSION)),
            // It ends too early.
            Status::Ok | Status::BufError => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_becomes_shorter() {
        let text = r#"{"name": "value"}"#.repeat(1_000);
        assert!(pack(text.as_bytes(), OF_ITEMS).len() < text.len() / 10);
    }

    #[test]
    fn what_records_have_in_common_takes_no_room() {
        let envelope = r#"{"id":"1","type":"github.push","tenantId":"default","content":{"platform":"github","channelId":"2",
            "headers":{"content-type":"application/json","x-github-event":"push","x-github-delivery":"3"},
            "payload":{"repository":{"full_name":"a/b","private":false,"owner":{"login":"a","id":1,"type":"User"}},
            "sender":{"login":"a","type":"User"}}},"trace":{"correlationId":"1","depth":0}}"#;
        let packed = pack(envelope.as_bytes(), OF_ITEMS);
        assert!(packed.len() < envelope.len() / 3, "{} of {}", packed.len(), envelope.len());
        assert_eq!(unpack(&packed), Some(envelope.as_bytes().to_vec()));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(value in prop::collection::vec(any::<u8>(), 0..3 * OF_ITEMS)) {
            let packed = pack(&value, OF_ITEMS);
            prop_assert!(packed.len() <= value.len() + 1);
            prop_assert_eq!(unpack(&packed), Some(value));
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }
}
