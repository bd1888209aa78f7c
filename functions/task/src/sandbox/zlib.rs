//! The host functions of a script for compressed data.
//!
//! What they produce goes part by part into the engine, so that it counts towards the script's memory at once, and
//! between two parts they look whether the script must stop.

mod brotli;

use std::rc::Rc;

use flate2::{Compress, Compression, Decompress, DecompressError, FlushCompress, FlushDecompress, Status};
use rquickjs::{Array, ArrayBuffer, Ctx, Exception, Function, Object, Result, TypedArray};

use super::host::Host;

/// How much is read or written before the script may be stopped.
const PART_BYTES: usize = 64 * 1024;
/// What a `Z_FINISH` of the options is called there.
const FINISH: i32 = 4;

const DATA_ERROR: i32 = -3;
const BUFFER_ERROR: i32 = -5;
const NEEDS_DICTIONARY: i32 = 2;

type Bytes<'js> = TypedArray<'js, u8>;

/// Why data cannot be decompressed, in the words of the libraries that Node.js uses.
struct Problem {
    code: String,
    errno: i32,
    message: String,
}

impl Problem {
    fn new(code: &str, errno: i32, message: &str) -> Self {
        Self { code: code.to_owned(), errno, message: message.to_owned() }
    }

    fn truncated() -> Self {
        Self::new("Z_BUF_ERROR", BUFFER_ERROR, "unexpected end of file")
    }

    fn too_large() -> Self {
        Self::new("ERR_BUFFER_TOO_LARGE", 0, "")
    }

    fn data(error: &DecompressError) -> Self {
        match error.needs_dictionary() {
            Some(_) => Self::new("Z_NEED_DICT", NEEDS_DICTIONARY, "Missing dictionary"),
            None => Self::new("Z_DATA_ERROR", DATA_ERROR, error.message().unwrap_or("invalid data")),
        }
    }
}

/// Why there is no output: the script must stop, or its data is at fault.
enum Failure {
    Engine(rquickjs::Error),
    Data(Problem),
}

impl From<rquickjs::Error> for Failure {
    fn from(error: rquickjs::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Data(problem)
    }
}

type Done = std::result::Result<(), Failure>;

/// What a script asks for.
struct Options<'js> {
    level: u32,
    window_bits: u8,
    quality: u32,
    dictionary: Option<Bytes<'js>>,
    max_output: usize,
    /// Whether data that ends early is an error.
    complete: bool,
}

impl<'js> Options<'js> {
    fn read(options: &Object<'js>) -> Result<Self> {
        let level: i32 = options.get("level")?;
        let finish: i32 = options.get("finishFlush")?;
        let max_output: f64 = options.get("maxOutputLength")?;
        Ok(Self {
            level: u32::try_from(level).unwrap_or(Compression::default().level()),
            window_bits: options.get("windowBits")?,
            quality: options.get("quality")?,
            dictionary: options.get("dictionary")?,
            // A script's number beyond what memory can have is as good as the largest.
            max_output: max_output as usize,
            complete: finish == FINISH,
        })
    }

    fn dictionary(&self) -> Option<&[u8]> {
        self.dictionary.as_ref().and_then(|dictionary| dictionary.as_bytes())
    }
}

/// Where the parts go.
struct Output<'a, 'js> {
    ctx: &'a Ctx<'js>,
    host: &'a Host,
    parts: Array<'js>,
    produced: usize,
    max: usize,
}

impl Output<'_, '_> {
    fn push(&mut self, part: &[u8]) -> Done {
        if self.host.interrupts() {
            return Err(Exception::throw_internal(self.ctx, "interrupted").into());
        }
        if part.is_empty() {
            return Ok(());
        }
        self.produced += part.len();
        if self.produced > self.max {
            return Err(Problem::too_large().into());
        }
        self.parts.set(self.parts.len(), ArrayBuffer::new_copy(self.ctx.clone(), part)?)?;
        Ok(())
    }
}

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    let host = host.clone();
    let transform =
        move |ctx: Ctx<'js>, mode: String, input: Bytes<'js>, options: Object<'js>| -> Result<Object<'js>> {
            let options = Options::read(&options)?;
            let parts = Array::new(ctx.clone())?;
            let mut output =
                Output { ctx: &ctx, host: &host, parts: parts.clone(), produced: 0, max: options.max_output };
            let done = transform(&mode, input.as_bytes().unwrap_or_default(), &options, &mut output);
            let result = Object::new(ctx.clone())?;
            match done {
                Ok(()) => result.set("parts", parts)?,
                Err(Failure::Engine(error)) => return Err(error),
                Err(Failure::Data(Problem { code, errno, message })) => {
                    result.set("code", code)?;
                    result.set("errno", errno)?;
                    result.set("message", message)?;
                }
            }
            Ok(result)
        };
    functions.set("zlib", Function::new(ctx.clone(), transform)?)
}

fn transform(mode: &str, input: &[u8], options: &Options<'_>, output: &mut Output<'_, '_>) -> Done {
    let (level, bits) = (Compression::new(options.level), options.window_bits);
    match mode {
        "gzip" => compress(Compress::new_gzip(level, bits), input, options, output),
        "deflate" => compress(Compress::new_with_window_bits(level, true, bits), input, options, output),
        "deflateRaw" => compress(Compress::new_with_window_bits(level, false, bits), input, options, output),
        "gunzip" => decompress_members(input, options, output),
        "inflate" => {
            decompress(Decompress::new_with_window_bits(true, bits), input, options, output)?;
            Ok(())
        }
        "inflateRaw" => {
            let mut raw = Decompress::new_with_window_bits(false, bits);
            if let Some(dictionary) = options.dictionary() {
                raw.set_dictionary(dictionary).map_err(|error| Problem::data(&error))?;
            }
            decompress(raw, input, options, output)?;
            Ok(())
        }
        "brotliCompress" => brotli::compress(input, options, output),
        _ => brotli::decompress(input, options, output),
    }
}

fn compress(mut state: Compress, input: &[u8], options: &Options<'_>, output: &mut Output<'_, '_>) -> Done {
    if let Some(dictionary) = options.dictionary() {
        let bad = |_| Problem::new("ERR_ZLIB_INITIALIZATION_FAILED", -2, "Failed to set dictionary");
        state.set_dictionary(dictionary).map_err(bad)?;
    }
    let mut buffer = vec![0; PART_BYTES];
    loop {
        let read = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
        let rest = input.get(read..).unwrap_or_default();
        let (part, flush) = match rest.len() > PART_BYTES {
            true => (&rest[..PART_BYTES], FlushCompress::None),
            false => (rest, FlushCompress::Finish),
        };
        let before = state.total_out();
        let status = state.compress(part, &mut buffer, flush);
        let written = usize::try_from(state.total_out() - before).unwrap_or_default();
        output.push(&buffer[..written])?;
        match status {
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(Problem::new("Z_STREAM_ERROR", -2, &error.to_string()).into()),
        }
    }
}

/// Decompresses one stream and returns how many bytes it has.
fn decompress(
    mut state: Decompress,
    input: &[u8],
    options: &Options<'_>,
    output: &mut Output<'_, '_>,
) -> std::result::Result<usize, Failure> {
    let mut buffer = vec![0; PART_BYTES];
    loop {
        let read = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
        let rest = input.get(read..).unwrap_or_default();
        let before = state.total_out();
        let status = state.decompress(rest, &mut buffer, FlushDecompress::None);
        let written = usize::try_from(state.total_out() - before).unwrap_or_default();
        output.push(&buffer[..written])?;
        match status {
            Ok(Status::StreamEnd) => return Ok(usize::try_from(state.total_in()).unwrap_or(usize::MAX)),
            Ok(_) if written == 0 && state.total_in() as usize == read => {
                return if options.complete { Err(Problem::truncated().into()) } else { Ok(input.len()) };
            }
            Ok(_) => {}
            Err(error) => resume(&mut state, &error, options)?,
        }
    }
}

/// Sets the dictionary that the data asks for.
fn resume(state: &mut Decompress, error: &DecompressError, options: &Options<'_>) -> std::result::Result<(), Problem> {
    let (Some(_), Some(dictionary)) = (error.needs_dictionary(), options.dictionary()) else {
        return Err(Problem::data(error));
    };
    let set = state.set_dictionary(dictionary);
    set.map(|_| ()).map_err(|_| Problem::new("Z_NEED_DICT", NEEDS_DICTIONARY, "Bad dictionary"))
}

/// Decompresses gzip, whose members follow each other and may be padded with zeros.
fn decompress_members(input: &[u8], options: &Options<'_>, output: &mut Output<'_, '_>) -> Done {
    let mut rest = input;
    loop {
        let read = decompress(Decompress::new_gzip(options.window_bits), rest, options, output)?;
        rest = rest.get(read..).unwrap_or_default();
        if rest.first().is_none_or(|byte| *byte == 0) {
            return Ok(());
        }
    }
}
