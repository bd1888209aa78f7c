use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const LIMIT_BYTES: usize = 64 * 1024;
/// What Node's `zlib.brotliCompressSync` makes of [`text`].
const BROTLI: &str = "1b8200f81d0976ec840bcf9f10b116617bdbdb3a65687d0a84ad24c9ad0e10c19d416e30";
/// The same of 16 MiB of zeros.
const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe2ffffffff04f00c4611180eefd1f";

fn text() -> Vec<u8> {
    format!(r#"{{"text":"{}"}}"#, "hello ".repeat(20)).into_bytes()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

fn brotli() -> Vec<u8> {
    hex::decode(BROTLI).unwrap()
}

fn with_skipped_frame(frame: Vec<u8>) -> Vec<u8> {
    [b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec(), frame].concat()
}

#[test]
fn each_encoding_is_decoded_under_each_of_its_names() {
    let check = |encoding: &str, bytes: &[u8]| {
        assert_eq!(decoded(encoding, bytes, LIMIT_BYTES), Ok(Bytes::from(text())), "{encoding}");
    };
    check("", &text());
    check("identity", &text());
    check("gzip", &gzip(&text()));
    check(" GZIP ", &gzip(&text()));
    check("x-gzip", &gzip(&text()));
    check("deflate", &zlib(&text()));
    check("deflate", &deflate(&text()));
    check("br", &brotli());
    check("zstd", &zstd(&text()));
    check("zstd", &with_skipped_frame(zstd(&text())));
}

#[test]
fn what_was_encoded_last_is_decoded_first() {
    let check = |encoding: &str, bytes: &[u8]| {
        assert_eq!(decoded(encoding, bytes, LIMIT_BYTES), Ok(Bytes::from(text())), "{encoding}");
    };
    check("br, gzip", &gzip(&brotli()));
    check("gzip,, identity, zstd", &zstd(&gzip(&text())));
    check("deflate, gzip, zstd, gzip", &gzip(&zstd(&gzip(&zlib(&text())))));
    let wrong = decoded("gzip, br", &gzip(&brotli()), LIMIT_BYTES);
    assert_eq!(wrong, Err(Undecodable::Invalid("br")));
}

#[test]
fn several_members_and_frames_are_one_body() {
    let twice = Bytes::from([text(), text()].concat());
    assert_eq!(decoded("gzip", &[gzip(&text()), gzip(&text())].concat(), LIMIT_BYTES), Ok(twice.clone()));
    assert_eq!(decoded("zstd", &[zstd(&text()), zstd(&text())].concat(), LIMIT_BYTES), Ok(twice));
}

#[test]
fn what_is_not_understood_is_named() {
    let check = |encoding: &str, expected: &str| {
        assert_eq!(decoded(encoding, b"x", LIMIT_BYTES).unwrap_err().to_string(), expected);
    };
    check("compress", "the content encoding `compress` is not understood, only gzip, deflate, br, zstd");
    check("gzip, aes128gcm", "the content encoding `aes128gcm` is not understood, only gzip, deflate, br, zstd");
    check("gzip,gzip,gzip,gzip,gzip", "the body has more than 4 content encodings");
    check("gzip", "the body is not valid gzip");
}

#[test]
fn a_body_that_breaks_off_is_refused_wherever_it_does() {
    let check = |encoding: &str, bytes: &[u8]| {
        for end in 1..bytes.len() {
            let cut = decoded(encoding, &bytes[..end], LIMIT_BYTES);
            assert!(matches!(cut, Err(Undecodable::Invalid(_))), "{encoding} up to {end}: {cut:?}");
        }
    };
    check("gzip", &gzip(&text()));
    check("deflate", &zlib(&text()));
    check("deflate", &deflate(&text()));
    check("br", &brotli());
    check("zstd", &zstd(&text()));
}

#[test]
fn an_empty_body_is_empty_in_each_encoding() {
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, br"] {
        assert_eq!(decoded(encoding, b"", LIMIT_BYTES), Ok(Bytes::new()), "{encoding}");
    }
}

#[test]
fn no_body_is_decoded_beyond_the_limit() {
    let check = |encoding: &str, bytes: &[u8]| {
        let expected = Err(Undecodable::TooLarge { limit_bytes: LIMIT_BYTES });
        assert_eq!(decoded(encoding, bytes, LIMIT_BYTES), expected, "{encoding}");
    };
    let zeros = vec![0; 16 * 1024 * 1024];
    check("", &zeros);
    check("gzip", &gzip(&zeros));
    check("deflate", &zlib(&zeros));
    check("deflate", &deflate(&zeros));
    check("br", &hex::decode(BROTLI_BOMB).unwrap());
    check("zstd", &zstd(&zeros));
    check("gzip, gzip", &gzip(&gzip(&zeros)));
    check("zstd", &zstd(&vec![0; LIMIT_BYTES / 2 + 1]).repeat(2));
    // A frame that says it needs a window of 1 GiB.
    check("zstd", b"\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00");
    let full = vec![b'x'; LIMIT_BYTES];
    for (encoding, bytes) in [("gzip", gzip(&full)), ("deflate", zlib(&full)), ("zstd", zstd(&full))] {
        assert_eq!(decoded(encoding, &bytes, LIMIT_BYTES), Ok(full.clone().into()), "{encoding}");
    }
}

#[test]
fn repeated_headers_are_one_list() {
    let mut headers = HeaderMap::new();
    assert_eq!(declared(&headers), "");
    headers.append(CONTENT_ENCODING, HeaderValue::from_static("br"));
    headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(decoded(&declared(&headers), &gzip(&brotli()), LIMIT_BYTES), Ok(Bytes::from(text())));
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(
        encoding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "br, gzip"]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        real in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let _ = decoded(encoding, &bytes, LIMIT_BYTES);
        let real = [("gzip", gzip(&text())), ("deflate", zlib(&text())), ("br", brotli()), ("zstd", zstd(&text()))]
            [real.index(4)].clone();
        let mut damaged = real.1;
        let at = at.index(damaged.len());
        damaged[at] ^= flip;
        if let Ok(body) = decoded(real.0, &damaged, LIMIT_BYTES) {
            prop_assert!(body.len() <= LIMIT_BYTES);
        }
    }
}

#[test]
fn brotli_with_a_large_window_is_refused() {
    // What Node's `zlib.brotliCompressSync` makes of `hello` with a window of 2^25 bytes, which RFC 7932 does not have.
    let large = hex::decode("111908000268656c6c6f03").unwrap();
    assert_eq!(decoded("br", &large, LIMIT_BYTES), Err(Undecodable::Invalid("br")));
}
