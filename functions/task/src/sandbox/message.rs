//! What this process and its worker tell each other, and how that is framed.
//!
//! A frame is the length of a message as four bytes, the lowest first, and the message. Both ends are the same binary,
//! so that the encoding needs no names and no versions.

use std::io::{self, Read, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::event::StepError;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::calls::{Call, CallError};
use super::exchange::{FetchError, FetchRequest, FetchResponse};
use super::journal::Recording;
use super::script::Script;
use super::stop::Reason;

/// The longest message: a script with its files and its input, or the longest body of a request or a response, and what
/// belongs to it.
const LIMIT_BYTES: usize = 16 * 1024 * 1024;
const HEAD_BYTES: usize = 4;

/// What the worker is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// Runs a script, or only compiles it.
    Start { id: u64, script: Script, work: Work },
    /// Hands over how a request of a script has ended.
    Fetched { id: u64, fetch: u32, result: Result<FetchResponse, FetchError> },
    /// Hands over how a call of a script has ended.
    Called { id: u64, call: u32, result: Result<String, CallError> },
    /// Stops a script.
    Stop { id: u64, reason: Reason },
}

/// What the worker tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// It takes scripts.
    Ready,
    /// Something about one script.
    Script { id: u64, said: Said },
}

/// What is told of one script.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// It sends a request.
    Fetch { fetch: u32, request: FetchRequest },
    /// It has given up one of its requests.
    AbortFetch { fetch: u32 },
    /// It asks something of this process.
    Call { id: u32, call: Call },
    /// It printed.
    Print { text: String },
    /// A line of our own for its log.
    Note { text: String },
    /// It has ended.
    Done { result: Result<String, Failure>, recording: Recording },
}

/// What is done with a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Work {
    /// It runs.
    Run,
    /// It is compiled.
    Check,
}

/// The error of a script, without the names and omissions of its JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    kind: Option<String>,
    name: String,
    message: String,
}

impl From<StepError> for Failure {
    fn from(StepError { kind, name, message }: StepError) -> Self {
        Self { kind, name, message }
    }
}

impl From<Failure> for StepError {
    fn from(Failure { kind, name, message }: Failure) -> Self {
        Self { kind, name, message }
    }
}

/// Builds the frame of a message.
pub(super) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = postcard::to_extend(message, vec![0; HEAD_BYTES]).map_err(invalid)?;
    let length = checked(frame.len() - HEAD_BYTES)?;
    let head = u32::try_from(length).map_err(invalid)?;
    frame[..HEAD_BYTES].copy_from_slice(&head.to_le_bytes());
    Ok(frame)
}

/// Reads the next message; `None` when the other end is gone.
pub(super) fn read<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; HEAD_BYTES];
    if let Err(error) = reader.read_exact(&mut head) {
        return ended(error);
    }
    let mut message = vec![0; length(head)?];
    reader.read_exact(&mut message)?;
    postcard::from_bytes(&message).map(Some).map_err(invalid)
}

/// Receives the next message; `None` when the other end is gone.
pub(super) async fn receive<T: DeserializeOwned>(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut head = [0; HEAD_BYTES];
    if let Err(error) = reader.read_exact(&mut head).await {
        return ended(error);
    }
    let mut message = vec![0; length(head)?];
    reader.read_exact(&mut message).await?;
    postcard::from_bytes(&message).map(Some).map_err(invalid)
}

fn ended<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Ok(None),
        _ => Err(error),
    }
}

fn length(head: [u8; HEAD_BYTES]) -> io::Result<usize> {
    checked(usize::try_from(u32::from_le_bytes(head)).map_err(invalid)?)
}

fn checked(length: usize) -> io::Result<usize> {
    match length <= LIMIT_BYTES {
        true => Ok(length),
        false => Err(invalid("the message is too long")),
    }
}

fn invalid(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

/// The worker's way to say something; a script waits while the other end does not listen. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Output(Arc<Mutex<std::fs::File>>);

impl Output {
    pub(super) fn new(file: std::fs::File) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    /// Says something; nobody hears it when the other end is gone.
    pub(super) fn send(&self, message: &FromWorker) {
        let sent =
            frame(message).and_then(|frame| self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&frame));
        if let Err(error) = sent {
            tracing::debug!(%error, "nobody hears the worker");
        }
    }

    /// Says something about one script.
    pub(super) fn say(&self, id: u64, said: Said) {
        self.send(&FromWorker::Script { id, said });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stop(id: u64) -> ToWorker {
        ToWorker::Stop { id, reason: Reason::Abandoned }
    }

    #[tokio::test]
    async fn messages_arrive_one_by_one_in_order() {
        let frames: Vec<u8> = (0..3).flat_map(|id| frame(&stop(id)).unwrap()).collect();
        let (mut blocking, mut asynchronous) = (frames.as_slice(), frames.as_slice());
        for expected in 0..3 {
            let read = read::<ToWorker>(&mut blocking).unwrap().unwrap();
            let received = receive::<ToWorker>(&mut asynchronous).await.unwrap().unwrap();
            for message in [read, received] {
                assert!(matches!(message, ToWorker::Stop { id, .. } if id == expected), "{message:?}");
            }
        }
        assert!(read::<ToWorker>(&mut blocking).unwrap().is_none());
        assert!(receive::<ToWorker>(&mut asynchronous).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_or_cut_off_is_refused() {
        let long = u32::try_from(LIMIT_BYTES).unwrap() + 1;
        let mut cut = frame(&stop(1)).unwrap();
        cut.pop();
        for frame in [long.to_le_bytes().to_vec(), cut] {
            assert!(read::<ToWorker>(&mut frame.as_slice()).is_err());
            assert!(receive::<ToWorker>(&mut frame.as_slice()).await.is_err());
        }
        assert!(frame(&Said::Print { text: "x".repeat(LIMIT_BYTES) }).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_read_makes_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut framed = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
            framed.extend(&bytes);
            let _ = read::<FromWorker>(&mut framed.as_slice());
            let _ = read::<ToWorker>(&mut bytes.as_slice());
        }

        #[test]
        fn a_request_and_its_error_arrive_as_they_were_sent(url: String, body: Vec<u8>, header: [String; 2], name: String) {
            let request =
                FetchRequest { method: "GET".to_owned(), url, headers: vec![header], redirect: "follow".to_owned(), max_redirects: 20, body };
            let said = FromWorker::Script { id: 7, said: Said::Fetch { fetch: 3, request } };
            let again: FromWorker = read(&mut frame(&said).unwrap().as_slice()).unwrap().unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{said:?}"));
            let error = FetchError { name, message: String::new(), code: None };
            let fetched = ToWorker::Fetched { id: 7, fetch: 3, result: Err(error) };
            let again: ToWorker = read(&mut frame(&fetched).unwrap().as_slice()).unwrap().unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{fetched:?}"));
        }
    }
}
