//! Values made small before they are sealed, as what is sealed cannot be compressed any more.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// From which size a value is worth the time that compressing takes.
const MIN_BYTES: usize = 4 * 1024;

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// Packs a value into at most one byte more than it has.
pub(crate) fn pack(value: &[u8]) -> Vec<u8> {
    if value.len() >= MIN_BYTES {
        let mut encoder = DeflateEncoder::new(vec![DEFLATED], Compression::fast());
        // Writing into memory does not fail; if it did, the value would be packed as it is.
        let packed = encoder.write_all(value).and_then(|()| encoder.finish());
        if let Ok(packed) = packed
            && packed.len() <= value.len()
        {
            return packed;
        }
    }
    [&[PLAIN], value].concat()
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
