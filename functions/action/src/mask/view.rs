//! What a text reads as once it is decoded, and where each byte of that comes from.

use std::borrow::Cow;
use std::ops::Range;

/// How many encodings within one another are decoded.
const LAYERS: usize = 3;
/// How much all readings of a text may take; of a long text there are fewer.
const LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// A text as it reads after some decoding.
pub(super) struct View<'t> {
    bytes: Cow<'t, [u8]>,
    /// Where in the text each byte comes from; as it is where nothing was decoded.
    origins: Option<Vec<(u32, u32)>>,
}

impl View<'_> {
    /// Returns what it reads as.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns which part of the text a part of the view comes from.
    pub(super) fn origin(&self, part: Range<usize>) -> Range<usize> {
        match &self.origins {
            None => part,
            Some(origins) => match (origins.get(part.start), origins.get(part.end.saturating_sub(1))) {
                (Some((start, _)), Some((_, end))) => *start as usize..*end as usize,
                _ => 0..0,
            },
        }
    }
}

/// Returns all that a text can be read as.
pub(super) fn views(text: &str) -> Vec<View<'_>> {
    let mut views = vec![View { bytes: Cow::Borrowed(text.as_bytes()), origins: None }];
    let (mut begin, mut size_bytes) = (0, text.len());
    for _ in 0..LAYERS {
        let end = views.len();
        for (at, decode) in (begin..end).flat_map(|at| DECODES.map(|decode| (at, decode))) {
            if size_bytes > LIMIT_BYTES {
                return views;
            }
            let decoded = decoded(&views[at], decode);
            // The same bytes again, by another way, would be looked through once more.
            if let Some(decoded) = decoded.filter(|decoded| views.iter().all(|view| view.bytes != decoded.bytes)) {
                size_bytes += decoded.bytes.len();
                views.push(decoded);
            }
        }
        begin = end;
    }
    views
}

const DECODES: [Decode; 4] = [percent, form, json, markup];

/// What the beginning of some bytes stands for, and how many they are; `None` if for itself.
type Decode = fn(&[u8]) -> Option<(Piece, usize)>;

enum Piece {
    Byte(u8),
    Char(char),
}

/// Decodes a view; `None` if nothing in it is encoded.
fn decoded(view: &View<'_>, decode: Decode) -> Option<View<'static>> {
    let source = view.bytes();
    let first = (0..source.len()).find(|&at| decode(&source[at..]).is_some())?;
    let mut bytes = Vec::with_capacity(source.len());
    let mut origins: Vec<(u32, u32)> = Vec::with_capacity(source.len());
    let mut at = 0;
    while at < source.len() {
        let found = if at < first { None } else { decode(&source[at..]) };
        let length = found.as_ref().map_or(1, |(_, length)| *length);
        let before = bytes.len();
        match found {
            None => bytes.push(source[at]),
            Some((Piece::Byte(byte), _)) => bytes.push(byte),
            Some((Piece::Char(char), _)) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        let origin = view.origin(at..at + length);
        let origin = (narrow(origin.start), narrow(origin.end));
        origins.resize(origins.len() + bytes.len() - before, origin);
        at += length;
    }
    Some(View { bytes: bytes.into(), origins: Some(origins) })
}

fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// `%2F`, and the `+` of forms.
fn form(bytes: &[u8]) -> Option<(Piece, usize)> {
    if bytes.first() == Some(&b'+') { Some((Piece::Byte(b' '), 1)) } else { percent(bytes) }
}

/// `%2F`.
fn percent(bytes: &[u8]) -> Option<(Piece, usize)> {
    match bytes {
        [b'%', high, low, ..] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let byte = digit(*high)? * 16 + digit(*low)?;
            Some((Piece::Byte(u8::try_from(byte).ok()?), 3))
        }
        _ => None,
    }
}

/// The escapes of JSON texts, and of scripts.
fn json(bytes: &[u8]) -> Option<(Piece, usize)> {
    let [b'\\', kind, ..] = bytes else { return None };
    let byte = match kind {
        b'"' | b'\\' | b'/' | b'\'' => *kind,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'u' => return unicode(bytes),
        _ => return None,
    };
    Some((Piece::Byte(byte), 2))
}

/// `\u00e9`, and pairs of them for what is beyond the basic plane.
fn unicode(bytes: &[u8]) -> Option<(Piece, usize)> {
    let unit = |bytes: &[u8]| {
        let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?, 16).ok()
    };
    let first = unit(bytes)?;
    if let Some(char) = char::from_u32(first.into()) {
        return Some((Piece::Char(char), 6));
    }
    let second = unit(bytes.get(6..)?)?;
    let char = char::decode_utf16([first, second]).next()?.ok()?;
    Some((Piece::Char(char), 12))
}

/// The references of XML and HTML.
fn markup(bytes: &[u8]) -> Option<(Piece, usize)> {
    let rest = bytes.strip_prefix(b"&")?;
    let end = rest.iter().take(10).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&rest[..end]).ok()?;
    let char = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number)?
        }
    };
    Some((Piece::Char(char), end + 2))
}
