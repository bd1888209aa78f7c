//! Base64 and hexadecimal: the parts of a text that may be either, and what they read as.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The shortest part that is looked at, in characters: a secret of six bytes takes as many in base64.
const SHORTEST: usize = 8;
/// Takes what was cut out of something longer.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Returns the parts of a text that have nothing but characters of base64.
pub(super) fn runs(text: &[u8]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for (at, byte) in text.iter().chain([&b' ']).enumerate() {
        if !super::is_base64(*byte) {
            if at - start >= SHORTEST {
                runs.push(start..at);
            }
            start = at + 1;
        }
    }
    runs
}

/// Returns what a part of a text reads as, wherever in it base64 or hexadecimal begins.
pub(super) fn readings(run: &[u8]) -> Vec<String> {
    let standard: Vec<u8> = run
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        })
        .collect();
    let from_base64 = (0..4).filter_map(|skipped| {
        let rest = &standard[skipped..];
        // One character alone at the end is no byte.
        let length = if rest.len() % 4 == 1 { rest.len() - 1 } else { rest.len() };
        LENIENT.decode(&rest[..length]).ok()
    });
    let from_hex = (0..2).filter_map(|skipped| {
        let rest = &run[skipped..];
        hex::decode(&rest[..rest.len() / 2 * 2]).ok()
    });
    from_base64.chain(from_hex).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}
