//! Values made small before they are sealed, as what is sealed cannot be compressed any more.

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

/// From which size a value of an item is worth the time that compressing takes: DynamoDB counts each KB of an item that
/// begins, and the rest of an item takes half of the first.
pub(crate) const OF_ITEMS: usize = 256;
/// The same for the content of an event: EventBridge counts every 64 KB that begin.
pub(crate) const OF_EVENTS: usize = 4 * 1024;
/// The levels after it take twice the time for 2 % of room.
const LEVEL: i32 = 3;

/// What records have in common: the names of their fields in JSON and usual values, and how often each letter occurs.
///
/// It is part of the format: what was packed with it can only be unpacked with it. The example `dictionary` has made it.
const DICTIONARY: &[u8] = include_bytes!("dictionary.zstd");

static TO_PACK: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static TO_UNPACK: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    /// What compressing needs is larger than most values, so that it is kept.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;

/// Packs a value into at most one byte more than it has; it is compressed from a size on.
pub(crate) fn pack(value: &[u8], compressed_from: usize) -> Vec<u8> {
    if value.len() >= compressed_from
        && let Ok(mut packed) = compressed(value)
        && packed.len() < value.len()
    {
        packed.insert(0, COMPRESSED);
        return packed;
    }
    [&[PLAIN], value].concat()
}

fn compressed(value: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| match kept {
        Some(compressor) => compressor.compress(value),
        None => kept.insert(new_compressor()?).compress(value),
    })
}

fn new_compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&TO_PACK)?;
    // There is one dictionary only.
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    Ok(compressor)
}

/// Returns a value that was packed; `None` for what was not.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&PLAIN, value) => Some(value.to_vec()),
        (&COMPRESSED, compressed) => decompressed(compressed).ok(),
        _ => None,
    }
}

fn decompressed(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let length = Decompressor::upper_bound(compressed).ok_or(io::ErrorKind::InvalidData)?;
    DECOMPRESSOR.with_borrow_mut(|kept| match kept {
        Some(decompressor) => decompressor.decompress(compressed, length),
        None => kept.insert(Decompressor::with_prepared_dictionary(&TO_UNPACK)?).decompress(compressed, length),
    })
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
