//! The host functions of a script for bytes and texts: encodings, comparing and searching.
//!
//! They get parts of buffers and allocate what they return in the engine, so that it counts towards the script's memory.

use encoding_rs::{DecoderResult, Encoding};
use memchr::memmem;
use rquickjs::{ArrayBuffer, Ctx, Error, Function, Object, Result, String as JsString, TypedArray};

const HEX: &[u8; 16] = b"0123456789abcdef";
/// How many bytes are decoded as a whole.
const SHORT_BYTES: usize = 48 * 1024;
/// The longest part of a character that can be left over, in any encoding without a shift state.
const MAX_PENDING_BYTES: usize = 3;

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("utf8Length", Function::new(ctx.clone(), |text: JsString<'js>| Ok::<_, Error>(cstring(text)?.len()))?)?;
    host.set("isUtf8", Function::new(ctx.clone(), is_utf8)?)?;
    host.set("base64Encode", Function::new(ctx.clone(), base64_encode)?)?;
    host.set("base64Decode", Function::new(ctx.clone(), base64_decode)?)?;
    host.set("hexEncode", Function::new(ctx.clone(), hex_encode)?)?;
    host.set("hexDecode", Function::new(ctx.clone(), hex_decode)?)?;
    host.set("compare", Function::new(ctx.clone(), compare)?)?;
    host.set("search", Function::new(ctx.clone(), search)?)?;
    host.set("searchLast", Function::new(ctx.clone(), search_last)?)?;
    host.set("encodingName", Function::new(ctx.clone(), encoding_name)?)?;
    host.set("decode", Function::new(ctx.clone(), decode)?)?;
    host.set("pendingBytes", Function::new(ctx.clone(), pending_bytes)?)
}

/// Adds the functions that turn text into bytes, and bytes into text.
pub(super) fn install_text<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("utf8Encode", Function::new(ctx.clone(), utf8_encode)?)?;
    host.set("utf8Decode", Function::new(ctx.clone(), utf8_decode)?)
}

/// Adds the function that reads short texts.
pub(super) fn install_short_text<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("shortText", Function::new(ctx.clone(), short_text)?)
}

/// The text of a string in UTF-8, allocated in the engine. The string must be well formed.
pub(super) fn cstring(text: JsString<'_>) -> Result<rquickjs::CString<'_>> {
    // The engine has thrown already.
    text.to_cstring().map_err(|_| Error::Exception)
}

/// A part of a buffer.
fn part<'a>(buffer: &'a ArrayBuffer<'_>, offset: usize, length: usize) -> &'a [u8] {
    let bytes = buffer.as_bytes().unwrap_or_default();
    bytes.get(offset..offset.saturating_add(length)).unwrap_or_default()
}

/// The text of bytes, without a byte order mark; nothing for longer ones, which are decoded in parts.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn short_text<'js>(ctx: Ctx<'js>, bytes: TypedArray<'js, u8>) -> Result<Option<JsString<'js>>> {
    let Some(bytes) = bytes.as_bytes().filter(|bytes| bytes.len() <= SHORT_BYTES) else { return Ok(None) };
    let text = String::from_utf8_lossy(bytes);
    JsString::from_str(ctx, text.strip_prefix('\u{feff}').unwrap_or(&text)).map(Some)
}

fn utf8_encode<'js>(ctx: Ctx<'js>, text: JsString<'js>) -> Result<ArrayBuffer<'js>> {
    ArrayBuffer::new_copy(ctx, cstring(text)?.as_str().as_bytes())
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn utf8_decode<'js>(ctx: Ctx<'js>, buffer: ArrayBuffer<'js>, offset: usize, length: usize) -> Result<JsString<'js>> {
    JsString::from_str(ctx, &String::from_utf8_lossy(part(&buffer, offset, length)))
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn is_utf8(buffer: ArrayBuffer<'_>, offset: usize, length: usize) -> bool {
    std::str::from_utf8(part(&buffer, offset, length)).is_ok()
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn base64_encode(buffer: ArrayBuffer<'_>, offset: usize, length: usize, url: bool) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let engine = if url { &URL_SAFE_NO_PAD } else { &STANDARD };
    engine.encode(part(&buffer, offset, length))
}

/// Decodes as Node.js does: both alphabets, whatever is in neither is skipped, and `=` is the end.
fn base64_decode<'js>(ctx: Ctx<'js>, text: JsString<'js>, last: bool) -> Result<Object<'js>> {
    let text = cstring(text)?;
    let (mut bytes, mut digits, mut bits, mut ended) = (Vec::with_capacity(text.len() / 4 * 3 + 3), 0, 0_u32, false);
    let mut rest = String::new();
    for character in text.as_str().bytes() {
        if character == b'=' {
            ended = true;
            break;
        }
        let Some(digit) = base64_digit(character) else { continue };
        rest.push(char::from(character));
        (bits, digits) = (bits << 6 | u32::from(digit), digits + 1);
        if digits == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, digits) = (0, 0);
            rest.clear();
        }
    }
    if (last || ended) && digits >= 2 {
        let padded = bits << (6 * (4 - digits));
        bytes.extend_from_slice(&padded.to_be_bytes()[1..digits]);
    }
    let decoded = Object::new(ctx.clone())?;
    decoded.set("bytes", ArrayBuffer::new_copy(ctx, bytes)?)?;
    decoded.set("rest", rest)?;
    decoded.set("ended", ended)?;
    Ok(decoded)
}

fn base64_digit(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn hex_encode(buffer: ArrayBuffer<'_>, offset: usize, length: usize) -> String {
    let bytes = part(&buffer, offset, length);
    let digit = |digit: u8| char::from(HEX[usize::from(digit & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Decodes up to the first pair that is not hexadecimal.
fn hex_decode<'js>(ctx: Ctx<'js>, text: JsString<'js>) -> Result<ArrayBuffer<'js>> {
    let text = cstring(text)?;
    let digit = |character: u8| char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_str().as_bytes().chunks_exact(2);
    let bytes = pairs.map_while(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    ArrayBuffer::new_copy(ctx, bytes.collect::<Vec<u8>>())
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn compare(
    a: ArrayBuffer<'_>,
    start_a: usize,
    length_a: usize,
    b: ArrayBuffer<'_>,
    start_b: usize,
    length_b: usize,
) -> i8 {
    part(&a, start_a, length_a).cmp(part(&b, start_b, length_b)) as i8
}

/// A part of a buffer, as scripts pass it.
type Part<'js> = (ArrayBuffer<'js>, usize, usize);

/// Where one part is found in another at or after an index; -1 if it is not.
fn search<'js>(
    haystack: ArrayBuffer<'js>,
    start: usize,
    length: usize,
    needle: ArrayBuffer<'js>,
    needle_start: usize,
    needle_length: usize,
    from: usize,
) -> i64 {
    found((haystack, start, length), (needle, needle_start, needle_length), |haystack, needle| {
        haystack.get(from..).and_then(|rest| memmem::find(rest, needle)).map(|index| index + from)
    })
}

/// Where one part is found in another at or before an index; -1 if it is not.
fn search_last<'js>(
    haystack: ArrayBuffer<'js>,
    start: usize,
    length: usize,
    needle: ArrayBuffer<'js>,
    needle_start: usize,
    needle_length: usize,
    from: usize,
) -> i64 {
    found((haystack, start, length), (needle, needle_start, needle_length), |haystack, needle| {
        let end = from.saturating_add(needle.len()).min(haystack.len());
        memmem::rfind(&haystack[..end], needle)
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn found(haystack: Part<'_>, needle: Part<'_>, find: impl FnOnce(&[u8], &[u8]) -> Option<usize>) -> i64 {
    let index = find(part(&haystack.0, haystack.1, haystack.2), part(&needle.0, needle.1, needle.2));
    index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1)
}

fn encoding(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.as_bytes())
}

/// The name of the encoding with this label, as scripts see it.
fn encoding_name(label: JsString<'_>) -> Result<Option<String>> {
    Ok(encoding(cstring(label)?.as_str()).map(|encoding| encoding.name().to_ascii_lowercase()))
}

/// The text of bytes in an encoding; `null` if they are invalid and the decoder is fatal. Keeps a byte order mark.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn decode<'js>(
    ctx: Ctx<'js>,
    label: String,
    buffer: ArrayBuffer<'js>,
    offset: usize,
    length: usize,
    fatal: bool,
) -> Result<Option<JsString<'js>>> {
    let bytes = part(&buffer, offset, length);
    let Some(encoding) = encoding(&label) else {
        return Ok(None);
    };
    let text = match fatal {
        true => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        false => Some(encoding.decode_without_bom_handling(bytes).0),
    };
    text.map(|text| JsString::from_str(ctx, &text)).transpose()
}

/// How many bytes at the end begin a character that is not complete.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn pending_bytes(label: String, buffer: ArrayBuffer<'_>, offset: usize, length: usize) -> usize {
    let bytes = part(&buffer, offset, length);
    let Some(encoding) = encoding(&label) else {
        return 0;
    };
    let complete = |end: usize| is_complete(encoding, &bytes[..end]);
    (0..=MAX_PENDING_BYTES.min(bytes.len())).find(|left| complete(bytes.len() - left)).unwrap_or(0)
}

/// Whether the last character is complete: ending here makes no difference to the decoder.
fn is_complete(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or_default());
    if !matches!(decode_all(&mut decoder, bytes, &mut text), Some(())) {
        return true;
    }
    let before = text.len();
    let end = decoder.decode_to_string_without_replacement(&[], &mut text, true).0;
    matches!(end, DecoderResult::InputEmpty) && text.len() == before
}

/// Decodes what can be decoded, with replacements.
fn decode_all(decoder: &mut encoding_rs::Decoder, bytes: &[u8], text: &mut String) -> Option<()> {
    let (result, _, _) = decoder.decode_to_string(bytes, text, false);
    matches!(result, encoding_rs::CoderResult::InputEmpty).then_some(())
}
