//! Fetching the files beside a mail.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode_str;
use shared::Refusal;
use shared::outbound::{Outbound, OutboundError, Request};
use url::Url;

use crate::draft::{Attached, MAIL_BYTES, Source, check_file_name, check_media_type};
use crate::letter::File;

/// How long one file may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many files are fetched at once.
const CONCURRENT: usize = 5;
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Why the files of a mail are not there.
#[derive(Debug)]
pub(crate) enum NoFiles {
    /// They never will be.
    Refused(Refusal),
    /// Their server did not answer as it should: another attempt may work.
    Unreachable(String),
}

/// Returns the files of a mail, and fetches those that are elsewhere.
pub(crate) async fn files(outbound: &Outbound, attachments: Vec<Attached>) -> Result<Vec<File>, NoFiles> {
    let files = attachments.into_iter().enumerate();
    let files = files.map(|(index, attached)| file(outbound, index, attached));
    stream::iter(files.collect::<Vec<_>>()).buffered(CONCURRENT).try_collect().await
}

async fn file(outbound: &Outbound, index: usize, attached: Attached) -> Result<File, NoFiles> {
    let Attached { name, kind, source } = attached;
    let url = match source {
        Source::Bytes(content) => {
            let kind = kind.unwrap_or_else(|| UNKNOWN_TYPE.to_owned());
            return Ok(File { name: name.unwrap_or_default(), kind, content });
        }
        Source::Url(url) => url,
    };
    let field = format!("attachments[{index}].url");
    let request = Request { timeout: PATIENCE, max_response_bytes: MAIL_BYTES, ..Request::new(Method::GET, &url) };
    let response = outbound.send(request).await.map_err(|error| failed(&field, &error))?;
    match response.status {
        200..=299 => {}
        status @ (408 | 429 | 500..=599) => return Err(NoFiles::Unreachable(format!("`{field}` answered {status}"))),
        status => return Err(NoFiles::Refused(Refusal::field(&field, format!("answered {status}")))),
    }
    let declared = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let declared = declared.filter(|kind| check_media_type(kind).is_ok()).map(str::to_owned);
    let name = name.or_else(|| name_in(&response.url)).unwrap_or_else(|| format!("attachment-{}", index + 1));
    let kind = kind.or(declared).unwrap_or_else(|| UNKNOWN_TYPE.to_owned());
    Ok(File { name, kind, content: response.body.to_vec() })
}

fn failed(field: &str, error: &OutboundError) -> NoFiles {
    match error {
        OutboundError::Connect { .. } | OutboundError::Timeout { .. } | OutboundError::Failed { .. } => {
            NoFiles::Unreachable(format!("`{field}` could not be fetched: {error}"))
        }
        OutboundError::TooLarge { .. } => NoFiles::Refused(too_large()),
        error => NoFiles::Refused(Refusal::field(field, format!("could not be fetched: {error}"))),
    }
}

/// Refuses a mail that is larger than one can be.
pub(crate) fn too_large() -> Refusal {
    Refusal::too_large(format!("subject, body and attachments have more than {MAIL_BYTES} bytes together"))
}

/// Returns the last part of a URL's path, if a file can have it as a name.
fn name_in(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back()?.to_owned();
    let name = percent_decode_str(&last).decode_utf8_lossy().into_owned();
    check_file_name(&name).is_ok().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_url() {
        let check = |url: &str, expected: Option<&str>| assert_eq!(name_in(url).as_deref(), expected, "{url}");
        check("https://a.test/files/invoice.pdf?x=1", Some("invoice.pdf"));
        check("https://a.test/M%C3%A4rz%20+%26.pdf", Some("März +&.pdf"));
        check("https://a.test/a%0d%0aX.pdf", None);
        check("https://a.test/", None);
        check("https://a.test", None);
    }
}
