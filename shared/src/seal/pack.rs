//! Values made small before they are sealed, as what is sealed cannot be compressed any more.

use std::cell::RefCell;
use std::io::Read as _;

use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

/// From which size a value is worth the time that compressing takes: DynamoDB counts each KB of an item that begins, and
/// the rest of an item takes half of the first.
const MIN_BYTES: usize = 512;

thread_local! {
    /// What compressing needs is larger than most values, so that it is kept.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// Packs a value into at most one byte more than it has.
pub(crate) fn pack(value: &[u8]) -> Vec<u8> {
    if value.len() >= MIN_BYTES
        && let Some(packed) = COMPRESS.with_borrow_mut(|compress| deflated(compress, value))
    {
        return packed;
    }
    [&[PLAIN], value].concat()
}

/// Compresses a value; `None` if that does not make it smaller.
fn deflated(compress: &mut Compress, value: &[u8]) -> Option<Vec<u8>> {
    compress.reset();
    let mut packed = Vec::with_capacity(value.len());
    packed.push(DEFLATED);
    let status = compress.compress_vec(value, &mut packed, FlushCompress::Finish);
    (status.ok()? == Status::StreamEnd).then_some(packed)
}

/// Returns a value that was packed; `None` for what was not.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&PLAIN, value) => Some(value.to_vec()),
        (&DEFLATED, deflated) => {
            let mut value = Vec::new();
            DeflateDecoder::new(deflated).read_to_end(&mut value).ok()?;
            Some(value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_becomes_shorter() {
        let text = r#"{"name": "value"}"#.repeat(1_000);
        assert!(pack(text.as_bytes()).len() < text.len() / 10);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(value in prop::collection::vec(any::<u8>(), 0..3 * MIN_BYTES)) {
            let packed = pack(&value);
            prop_assert!(packed.len() <= value.len() + 1);
            prop_assert_eq!(unpack(&packed), Some(value));
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }
}
