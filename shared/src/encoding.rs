//! Bodies that were compressed on their way, decoded within a limit, whatever size they claim to have.

use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::error::Refusal;

/// The encodings that are understood, as `Accept-Encoding` names them.
pub const UNDERSTOOD: &str = "gzip, deflate, br, zstd";
/// The most encodings on top of each other; honest senders use one.
const CHAIN_LIMIT: usize = 4;
/// The window that RFC 9659 lets a sender of `zstd` rely on.
const ZSTD_WINDOW_BYTES: usize = 8 * 1024 * 1024;
/// How much more room an inflated body gets at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// The longest part of an unknown encoding that is repeated, in characters.
const NAME_LIMIT: usize = 40;

/// Why a body cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// The encoding is not one of those that are understood.
    #[error("the content encoding `{0}` is not understood, only {UNDERSTOOD}")]
    Unknown(String),
    /// More encodings are on top of each other than anybody needs.
    #[error("the body has more than {CHAIN_LIMIT} content encodings")]
    TooMany,
    /// The body is not what its encoding says, or breaks off.
    #[error("the body is not valid {0}")]
    Invalid(&'static str),
    /// The decoded body is over the limit.
    #[error("the decoded body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
}

impl From<Undecodable> for Refusal {
    fn from(error: Undecodable) -> Self {
        let message = error.to_string();
        match error {
            Undecodable::Unknown(_) | Undecodable::TooMany => Self::not_understood(message),
            Undecodable::Invalid(_) => Self::body_format(message),
            Undecodable::TooLarge { .. } => Self::too_large(message),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Returns the value of `Content-Encoding`, with the values of repeated headers in one list; empty without one.
pub fn declared(headers: &HeaderMap) -> String {
    let values = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

/// Decodes a body by the value of its `Content-Encoding`, where the encoding that was applied last comes last.
///
/// Neither the decoded body nor anything on the way to it has more than `limit_bytes` bytes. An empty body is empty in
/// each encoding, as answers without a body may still name one.
pub fn decoded(encoding: &str, bytes: &[u8], limit_bytes: usize) -> Result<Bytes, Undecodable> {
    let chain = chain(encoding)?;
    let too_large = Undecodable::TooLarge { limit_bytes };
    if bytes.len() > limit_bytes {
        return Err(too_large);
    }
    let mut chain = chain.into_iter().rev();
    let Some(last) = chain.next().filter(|_| !bytes.is_empty()) else {
        return Ok(Bytes::copy_from_slice(bytes));
    };
    let mut body = last.decoded(bytes, limit_bytes)?;
    for encoding in chain {
        body = encoding.decoded(&body, limit_bytes)?;
    }
    Ok(body.into())
}

/// Reads a list of encodings, which may have empty items.
fn chain(list: &str) -> Result<Vec<Encoding>, Undecodable> {
    let mut chain = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if chain.len() == CHAIN_LIMIT {
            return Err(Undecodable::TooMany);
        }
        match name.to_ascii_lowercase().as_str() {
            "identity" => {}
            "gzip" | "x-gzip" => chain.push(Encoding::Gzip),
            "deflate" => chain.push(Encoding::Deflate),
            "br" => chain.push(Encoding::Brotli),
            "zstd" => chain.push(Encoding::Zstd),
            _ => return Err(Undecodable::Unknown(name.chars().take(NAME_LIMIT).collect())),
        }
    }
    Ok(chain)
}

impl Encoding {
    fn decoded(self, bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Undecodable> {
        match self {
            Self::Gzip => read(MultiGzDecoder::new(bytes), "gzip", limit_bytes),
            Self::Deflate => inflated(bytes, limit_bytes),
            Self::Brotli => unbrotlied(bytes, limit_bytes),
            Self::Zstd => unframed(bytes, limit_bytes),
        }
    }
}

fn read(decoder: impl Read, name: &'static str, limit_bytes: usize) -> Result<Vec<u8>, Undecodable> {
    let mut body = Vec::new();
    let read = decoder.take(limit_bytes as u64 + 1).read_to_end(&mut body);
    match read {
        _ if body.len() > limit_bytes => Err(Undecodable::TooLarge { limit_bytes }),
        Err(_) => Err(Undecodable::Invalid(name)),
        Ok(_) => Ok(body),
    }
}

/// Decodes `br` with the windows of RFC 7932, as those of its extension take up to a gigabyte.
fn unbrotlied(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Undecodable> {
    let (small, words, codes) = (StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let mut state = BrotliState::new_strict(small, words, codes);
    let (mut body, mut buffer) = (Vec::new(), vec![0; CHUNK_BYTES]);
    let (mut left, mut read, mut total) = (bytes.len(), 0, 0);
    loop {
        let (mut free, mut written) = (buffer.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            bytes,
            &mut free,
            &mut written,
            &mut buffer,
            &mut total,
            &mut state,
        );
        body.extend_from_slice(&buffer[..written]);
        match result {
            _ if body.len() > limit_bytes => return Err(Undecodable::TooLarge { limit_bytes }),
            BrotliResult::ResultSuccess => return Ok(body),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => return Err(Undecodable::Invalid("br")),
        }
    }
}

/// Decodes `deflate`: zlib by the standard, and the bare stream that some senders mean by it.
fn inflated(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Undecodable> {
    let invalid = Undecodable::Invalid("deflate");
    // RFC 1950: the method is 8, and the first two bytes are a multiple of 31.
    let is_zlib =
        matches!(*bytes, [cmf, flg, ..] if cmf & 0x0f == 8 && u16::from_be_bytes([cmf, flg]).is_multiple_of(31));
    let mut inflater = Decompress::new(is_zlib);
    let mut body = Vec::new();
    loop {
        body.reserve(CHUNK_BYTES);
        let before = (inflater.total_in(), inflater.total_out());
        let rest = usize::try_from(before.0).ok().and_then(|read| bytes.get(read..)).unwrap_or_default();
        let status = inflater.decompress_vec(rest, &mut body, FlushDecompress::None);
        let is_stuck = before == (inflater.total_in(), inflater.total_out());
        match status {
            _ if body.len() > limit_bytes => return Err(Undecodable::TooLarge { limit_bytes }),
            Ok(Status::StreamEnd) => return Ok(body),
            Ok(_) if !is_stuck => {}
            _ => return Err(invalid),
        }
    }
}

/// Decodes `zstd`, which may have several frames, and some that are to be skipped.
fn unframed(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Undecodable> {
    let invalid = Undecodable::Invalid("zstd");
    let too_large = Undecodable::TooLarge { limit_bytes };
    // One decoder for all frames: each frame may ask for a window of its own.
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(limit_bytes.max(ZSTD_WINDOW_BYTES) as u64);
    let (mut rest, mut body) = (bytes, Vec::new());
    while !rest.is_empty() {
        match StreamingDecoder::new_with_decoder(&mut rest, &mut decoder) {
            Ok(frame) => {
                let frame = read(frame, "zstd", limit_bytes - body.len());
                body.extend(frame.map_err(|error| if error == invalid { error } else { too_large.clone() })?);
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let after = usize::try_from(length).ok().and_then(|length| rest.get(length..));
                rest = after.ok_or_else(|| invalid.clone())?;
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(too_large),
            Err(_) => return Err(invalid),
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
