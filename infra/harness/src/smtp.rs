//! A mail server as tests play it, over real SMTP on loopback.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The mail server; it ends when this is dropped.
pub struct SmtpServer {
    port: u16,
    notes: Arc<Mutex<Notes>>,
    task: JoinHandle<()>,
}

/// A mail that the server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The message with its headers.
    pub message: String,
}

#[derive(Default)]
struct Notes {
    received: Vec<Received>,
    /// User and password of each sign-in.
    credentials: Vec<(String, String)>,
    /// What is answered to the next recipients in place of `250`.
    answers: VecDeque<String>,
    /// The recipients that are never taken.
    refused: Vec<String>,
    attempts: usize,
}

impl SmtpServer {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let notes = Arc::<Mutex<Notes>>::default();
        let shared = notes.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = shared.clone();
                // A client that hangs up is its own affair.
                tokio::spawn(async move { drop(Session { notes, mail: Received::empty() }.run(stream).await) });
            }
        });
        Self { port, notes, task }
    }

    /// Returns where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Answers the next recipient with this, such as `451 4.3.0 try again later`.
    pub fn answer_next(&self, answer: &str) {
        lock(&self.notes).answers.push_back(answer.to_owned());
    }

    /// Never takes mails for this address.
    pub fn refuse(&self, address: &str) {
        lock(&self.notes).refused.push(address.to_owned());
    }

    /// Returns the mails so far, the oldest first.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.notes).received.clone()
    }

    /// Returns user and password of each sign-in.
    pub fn credentials(&self) -> Vec<(String, String)> {
        lock(&self.notes).credentials.clone()
    }

    /// Returns how often a recipient was offered.
    pub fn attempts(&self) -> usize {
        lock(&self.notes).attempts
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Received {
    fn empty() -> Self {
        Self { from: String::new(), to: Vec::new(), message: String::new() }
    }
}

/// One connection.
struct Session {
    notes: Arc<Mutex<Notes>>,
    mail: Received,
}

impl Session {
    async fn run(mut self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 localhost ESMTP\r\n").await?;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let command = std::mem::take(&mut line);
            let command = command.trim_end();
            if command.eq_ignore_ascii_case("DATA") {
                stream.write_all(b"354 go on\r\n").await?;
                self.mail.message = message(&mut stream).await?;
                let mail = std::mem::replace(&mut self.mail, Received::empty());
                lock(&self.notes).received.push(mail);
                stream.write_all(b"250 2.0.0 Ok: queued\r\n").await?;
                continue;
            }
            let answer = self.answer(command);
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            if answer.starts_with("221") {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&mut self, command: &str) -> String {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let address =
            || rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address.to_owned());
        let mut notes = lock(&self.notes);
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-localhost\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN".to_owned(),
            "AUTH" => {
                let decoded = STANDARD.decode(rest.trim_start_matches("PLAIN ")).unwrap_or_default();
                let parts: Vec<_> = decoded.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
                if let [_, user, password] = parts.as_slice() {
                    notes.credentials.push((user.to_string(), password.to_string()));
                }
                "235 2.7.0 Authentication successful".to_owned()
            }
            "MAIL" => {
                self.mail = Received { from: address().unwrap_or_default(), ..Received::empty() };
                "250 2.1.0 Ok".to_owned()
            }
            "RCPT" => {
                notes.attempts += 1;
                let address = address().unwrap_or_default();
                if notes.refused.contains(&address) {
                    return "550 5.1.1 user unknown".to_owned();
                }
                match notes.answers.pop_front() {
                    Some(answer) => answer,
                    None => {
                        self.mail.to.push(address);
                        "250 2.1.5 Ok".to_owned()
                    }
                }
            }
            "QUIT" => "221 2.0.0 Bye".to_owned(),
            _ => "250 2.0.0 Ok".to_owned(),
        }
    }
}

/// Reads a message up to the dot, and takes the second dot from lines that begin with two.
async fn message(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let (mut message, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 || line.trim_end_matches(['\r', '\n']) == "." {
            return Ok(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}
