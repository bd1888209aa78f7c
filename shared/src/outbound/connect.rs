//! Opening connections: only to checked addresses, and watched.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use thiserror::Error;
use tower::{Layer, Service};

use super::address::{OWN_ADDRESS, is_of_this_machine};
use super::names::{Names, Unresolved};
use super::{OutboundError, refusal};

const IDLE_CONNECTION: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// The progress of the hop that the current task performs.
    pub(super) static PROGRESS: Progress;
}

/// How far a hop has come, shared between the hop and the connector that works for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

/// An idle connection is used: nothing is known but that the request goes out.
const POOLED: u8 = 0;
/// A connection is being opened.
const CONNECTING: u8 = 1;
/// The new connection stands.
const CONNECTED: u8 = 2;
/// An earlier hop was answered.
const ANSWERED: u8 = 3;

impl Progress {
    /// Whether a request may be on its way: anything but the first connection still being opened.
    pub(super) fn may_be_sent(&self) -> bool {
        self.0.load(Ordering::Acquire) != CONNECTING
    }

    /// Whether an earlier hop was answered.
    pub(super) fn is_answered(&self) -> bool {
        self.0.load(Ordering::Acquire) == ANSWERED
    }

    /// Remembers for good that a hop was answered.
    pub(super) fn answered(&self) {
        self.0.store(ANSWERED, Ordering::Release);
    }

    fn set(&self, phase: u8) {
        if !self.is_answered() {
            self.0.store(phase, Ordering::Release);
        }
    }
}

/// The resolver's refusal, found again in the chain of causes of the client's error.
#[derive(Debug, Error)]
#[error("it resolves to {reason}")]
pub(super) struct Refusal {
    /// The kind of address.
    pub(super) reason: &'static str,
}

/// Builds the client below the guard: no redirects, no proxy, no cookies, and perhaps nothing on this machine.
pub(super) fn client(allowed: Arc<[IpNet]>, is_beyond: bool, names: Names) -> Result<reqwest::Client, OutboundError> {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(GuardedResolver { allowed, is_beyond, names: Arc::new(names) })
        .connector_layer(WatchLayer)
        .pool_idle_timeout(IDLE_CONNECTION)
        .build()
        .map_err(|error| {
            let (host, reason) = ("any host".to_owned(), innermost(&error));
            OutboundError::Connect { host, reason, code: None, sent: false }
        })
}

/// Resolves names and passes on the allowed addresses only.
#[derive(Debug)]
struct GuardedResolver {
    allowed: Arc<[IpNet]>,
    /// Whether the addresses of this machine are refused.
    is_beyond: bool,
    names: Arc<Names>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, is_beyond, names) = (self.allowed.clone(), self.is_beyond, self.names.clone());
        Box::pin(async move {
            let addresses = keep_allowed(&names.addresses(name.as_str()).await?, &allowed, is_beyond)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The allowed among the addresses of a name; the first refusal when none is. Port 0 is replaced by that of the URL.
fn keep_allowed(found: &[IpAddr], allowed: &[IpNet], is_beyond: bool) -> Result<Vec<SocketAddr>, Refusal> {
    let own = |ip: IpAddr| (is_beyond && is_of_this_machine(ip)).then_some(OWN_ADDRESS);
    let against = |ip: IpAddr| refusal(ip, allowed).or_else(|| own(ip));
    let kept: Vec<SocketAddr> =
        found.iter().filter(|ip| against(**ip).is_none()).map(|ip| SocketAddr::new(*ip, 0)).collect();
    match found.iter().find_map(|ip| against(*ip)) {
        Some(reason) if kept.is_empty() => Err(Refusal { reason }),
        _ => Ok(kept),
    }
}

/// Tells the hop of the current task when its connection is being opened and when it stands.
#[derive(Clone, Debug)]
struct WatchLayer;

impl<S> Layer<S> for WatchLayer {
    type Service = Watch<S>;

    fn layer(&self, inner: S) -> Watch<S> {
        Watch { inner }
    }
}

#[derive(Clone, Debug)]
struct Watch<S> {
    inner: S,
}

type Connecting<S, R> =
    Pin<Box<dyn Future<Output = Result<<S as Service<R>>::Response, <S as Service<R>>::Error>> + Send>>;

impl<S, R> Service<R> for Watch<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Connecting<S, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connecting = self.inner.call(target);
        let Ok(progress) = PROGRESS.try_with(Clone::clone) else {
            return Box::pin(connecting);
        };
        progress.set(CONNECTING);
        Box::pin(watch(progress, connecting))
    }
}

async fn watch<T, E>(progress: Progress, connecting: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let mut connecting = std::pin::pin!(connecting);
    let result = std::future::poll_fn(|context| {
        // Polled outside the hop's task: the hop took an idle connection, this one is for the pool.
        if PROGRESS.try_with(|_| ()).is_err() {
            progress.set(POOLED);
        }
        connecting.as_mut().poll(context)
    })
    .await;
    if result.is_ok() {
        progress.set(CONNECTED);
    }
    result
}

/// The text of the first cause: the outer ones repeat the URL or say nothing.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "the client cannot be set up".to_owned(), ToString::to_string)
}

pub(super) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut cause = error.source();
    std::iter::from_fn(move || {
        let current = cause?;
        cause = current.source();
        Some(current)
    })
}

/// The name that the system has for the cause, as far as programs look for it.
pub(super) fn code(error: &reqwest::Error) -> Option<&'static str> {
    causes(error).find_map(|cause| match cause.downcast_ref::<Unresolved>() {
        Some(Unresolved::Unknown) => Some("ENOTFOUND"),
        Some(_) => Some("EAI_AGAIN"),
        None => code_of(cause.downcast_ref::<io::Error>()?.kind()),
    })
}

fn code_of(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some("ECONNREFUSED"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof => {
            Some("ECONNRESET")
        }
        io::ErrorKind::HostUnreachable => Some("EHOSTUNREACH"),
        io::ErrorKind::NetworkUnreachable => Some("ENETUNREACH"),
        io::ErrorKind::TimedOut => Some("ETIMEDOUT"),
        io::ErrorKind::BrokenPipe => Some("EPIPE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_allowed_addresses_only() {
        let check = |found: &[&str]| {
            let found: Vec<IpAddr> = found.iter().map(|ip| ip.parse().unwrap()).collect();
            keep_allowed(&found, &[], false)
                .map(|kept| kept.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>())
                .map_err(|refusal| refusal.reason)
        };
        assert_eq!(check(&["10.0.0.1", "8.8.8.8"]), Ok(vec!["8.8.8.8".to_owned()]));
        assert_eq!(check(&["10.0.0.1", "::1"]), Err("a private address"));
        assert_eq!(check(&[]), Ok(vec![]));
    }
}
