//! The SMTP server that mails are relayed to, as a URL names it.

use std::fmt;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

/// How long one exchange with the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An SMTP server, perhaps with credentials, which nothing shows.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    /// The host and the port.
    server: String,
}

/// Why a URL cannot be that of an SMTP server; it never repeats the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSmtp {
    /// It is not a URL, or one of something else.
    #[error("it must be `smtp://` or `smtps://` with a host, and perhaps `user:password@`, a port and `?tls=required`")]
    Url,
    /// A password would be sent where others can read it.
    #[error(
        "it has a password, which others could read on the way: use `smtps://`, or `smtp://…?tls=required` for STARTTLS"
    )]
    ClearPassword,
}

/// How an attempt to relay a mail to one recipient failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether it can never work.
    pub(super) is_permanent: bool,
    pub(super) message: String,
}

impl Smtp {
    /// Reads a URL such as `smtps://user:password@mail.example.com`; `?tls=required` on `smtp://` means STARTTLS.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn parse(url: &str) -> Result<Self, UnusableSmtp> {
        let rest = url.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        let (scheme, rest) = rest.ok_or(UnusableSmtp::Url)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, server) =
            authority.rsplit_once('@').map_or((None, authority), |(user, server)| (Some(user), server));
        let is_safe = scheme == "smtps" || rest.contains("tls=required") || is_loopback(server);
        if !matches!(scheme.as_str(), "smtp" | "smtps")
            || server.is_empty()
            || user.is_some_and(|user| !user.contains(':'))
        {
            return Err(UnusableSmtp::Url);
        }
        if user.is_some() && !is_safe {
            return Err(UnusableSmtp::ClearPassword);
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| UnusableSmtp::Url)?;
        Ok(Self { transport: transport.timeout(Some(PATIENCE)).build(), server: server.to_owned() })
    }

    /// Offers a message to the server for one recipient.
    pub(super) async fn relay(&self, from: &str, to: &str, raw: &[u8]) -> Result<String, Failure> {
        let address = |text: &str| text.parse::<Address>().map_err(|error| Failure::permanent(error.to_string()));
        let envelope = Envelope::new(Some(address(from)?), vec![address(to)?]);
        let envelope = envelope.map_err(|error| Failure::permanent(error.to_string()))?;
        match self.transport.send_raw(&envelope, raw).await {
            Ok(response) => Ok(format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" "))),
            Err(error) => Err(Failure { is_permanent: error.is_permanent(), message: chain(&error) }),
        }
    }
}

impl Failure {
    fn permanent(message: String) -> Self {
        Self { is_permanent: true, message }
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server).finish_non_exhaustive()
    }
}

fn is_loopback(server: &str) -> bool {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_and_nothing_shows_its_password() {
        let check = |url: &str, expected: Result<&str, UnusableSmtp>| {
            let parsed = Smtp::parse(url);
            let shown = format!("{parsed:?} {}", parsed.as_ref().err().map(ToString::to_string).unwrap_or_default());
            assert!(!shown.contains("secret"), "{shown}");
            assert_eq!(parsed.as_ref().map(|smtp| smtp.server.as_str()).map_err(|error| *error), expected, "{url}");
        };
        check("smtp://127.0.0.1:2525", Ok("127.0.0.1:2525"));
        check("smtps://me:secret@mail.example.com", Ok("mail.example.com"));
        check("smtp://me:secret@mail.example.com:587?tls=required", Ok("mail.example.com:587"));
        check("smtp://me:secret@[::1]:587", Ok("[::1]:587"));
        check("smtp://me:secret@mail.example.com", Err(UnusableSmtp::ClearPassword));
        check("smtp://me:secret@mail.example.com?tls=opportunistic", Err(UnusableSmtp::ClearPassword));
        for wrong in
            ["", "secret", "http://me:secret@a.test", "smtp://", "smtps://secret@a.test", "smtp://a.test?tls=x"]
        {
            check(wrong, Err(UnusableSmtp::Url));
        }
    }
}
