//! Brotli.

use std::io::Write;

use brotli::enc::{BrotliEncoderParams, StandardAlloc};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, CompressorWriter};

use super::{Done, Failure, Options, Output, PART_BYTES, Problem};

/// The bits of the smallest window for which more input makes a difference.
const MIN_WINDOW_BITS: u32 = 16;

/// From which quality on the encoder tries everything, and how many bytes it compresses then before the script may be
/// stopped; otherwise it is some fifty times as fast.
const THOROUGH_QUALITY: u32 = 10;
const THOROUGH_BYTES: usize = 32 * 1024;
const FLUSHED_BYTES: usize = 1024 * 1024;

pub(super) fn compress(input: &[u8], options: &Options<'_>, output: &mut Output<'_, '_>) -> Done {
    // A window larger than the input only takes memory.
    let needed = usize::BITS - input.len().leading_zeros();
    let params = BrotliEncoderParams {
        quality: i32::try_from(options.quality).unwrap_or_default(),
        lgwin: i32::from(options.window_bits).min(i32::try_from(needed.max(MIN_WINDOW_BITS)).unwrap_or_default()),
        size_hint: input.len(),
        ..BrotliEncoderParams::default()
    };
    let mut writer = CompressorWriter::with_params(Parts { output, failure: None }, PART_BYTES, &params);
    let at_once = if options.quality >= THOROUGH_QUALITY { THOROUGH_BYTES } else { FLUSHED_BYTES };
    // What is flushed was compressed, so that the script can be stopped before the next part.
    let finished = input.chunks(at_once).try_for_each(|part| writer.write_all(part).and_then(|()| writer.flush()));
    let Parts { output, failure } = writer.into_inner();
    match (failure, finished) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => output.push(&[]),
        (None, Err(error)) => Err(Problem::new("ERR__ERROR_COMPRESSION", -2, &error.to_string()).into()),
    }
}

/// Passes on what the encoder writes, and keeps why that failed.
struct Parts<'a, 'b, 'js> {
    output: &'a mut Output<'b, 'js>,
    failure: Option<Failure>,
}

impl Write for Parts<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.failure.is_none() {
            self.failure = self.output.push(bytes).err();
        }
        match self.failure {
            None => Ok(bytes.len()),
            Some(_) => Err(std::io::ErrorKind::Other.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn decompress(input: &[u8], options: &Options<'_>, output: &mut Output<'_, '_>) -> Done {
    // A large window could take a gigabyte, which is why it has to be asked for.
    let (bytes, words, codes) = (StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let mut state = BrotliState::new_strict(bytes, words, codes);
    let mut buffer = vec![0; PART_BYTES];
    let (mut left, mut read, mut total) = (input.len(), 0, 0);
    loop {
        let (mut free, mut written) = (buffer.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            input,
            &mut free,
            &mut written,
            &mut buffer,
            &mut total,
            &mut state,
        );
        output.push(&buffer[..written])?;
        match result {
            BrotliResult::ResultSuccess => return Ok(()),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput if options.complete => return Err(Problem::truncated().into()),
            BrotliResult::NeedsMoreInput => return Ok(()),
            BrotliResult::ResultFailure => {
                let name = format!("{:?}", state.error_code);
                let code = format!("ERR_{}", name.trim_start_matches("BROTLI_DECODER"));
                return Err(Problem::new(&code, state.error_code as i32, "Decompression failed").into());
            }
        }
    }
}
