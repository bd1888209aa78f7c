//! The addresses of a host's name.
//!
//! Names are chosen by users, and a name whose servers never answer keeps whoever asks waiting. So nothing here waits on
//! a thread: the system's own resolver would, on the same threads that tables use. Names are also looked up a few at a
//! time for each domain, so that one that hangs does not use up the sockets, or the turns, of the others.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, Resolver, TokioResolver};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long a name may take, with all that waits before it.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a name server may take before it is asked again.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the system's configuration is used before it is read again, as a computer changes networks.
const CONFIGURATION_AGE: Duration = Duration::from_secs(60);
/// How many groups of domains there are, and how many names of a group are looked up at once.
const GROUPS: usize = 64;
const LOOKUPS_OF_A_GROUP: usize = 4;

/// Why a name has no addresses.
#[derive(Debug, Error)]
pub(super) enum Unresolved {
    /// No server knows it.
    #[error("the name is not known")]
    Unknown,
    /// No server answered in time.
    #[error("no name server has answered in time")]
    TimedOut,
    /// Something else.
    #[error("the name cannot be looked up: {0}")]
    Failed(String),
}

/// Looks names up, as the system's configuration says.
#[derive(Debug)]
pub(super) struct Names {
    /// Where the names are looked up instead of where the system says.
    fixed: Option<ResolverConfig>,
    current: Mutex<Option<(Instant, Current)>>,
    groups: [Semaphore; GROUPS],
    hasher: RandomState,
}

/// What was built from the configuration.
#[derive(Clone)]
struct Current {
    resolver: TokioResolver,
    hosts: Arc<Hosts>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl Names {
    /// Looks names up where the system does.
    pub(super) fn of_system() -> Self {
        Self::new(None)
    }

    /// Looks names up at given servers.
    #[cfg(test)]
    pub(super) fn at(servers: ResolverConfig) -> Self {
        Self::new(Some(servers))
    }

    fn new(fixed: Option<ResolverConfig>) -> Self {
        let groups = std::array::from_fn(|_| Semaphore::new(LOOKUPS_OF_A_GROUP));
        Self { fixed, current: Mutex::default(), groups, hasher: RandomState::new() }
    }

    /// Returns the addresses of a name, at least one.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let Current { resolver, hosts } = self.current()?;
        if let Some(known) = in_hosts(&hosts, name) {
            return Ok(known);
        }
        let lookup = async {
            let _turn = self.groups[self.group(name)].acquire().await;
            resolver.lookup_ip(name).await
        };
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(found)) => Ok(found.iter().collect()),
            Ok(Err(error)) => Err(unresolved(&error)),
            Err(_) => Err(Unresolved::TimedOut),
        }
    }

    /// Returns the group of a name: that of the domain that somebody registered, as far as its length shows.
    fn group(&self, name: &str) -> usize {
        let name = name.trim_end_matches('.');
        let start = name.rmatch_indices('.').nth(1).map_or(0, |(dot, _)| dot + 1);
        let hash = self.hasher.hash_one(name[start..].to_ascii_lowercase());
        usize::try_from(hash % GROUPS as u64).unwrap_or_default()
    }

    fn current(&self) -> Result<Current, Unresolved> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((built_at, built)) = &*current
            && built_at.elapsed() < CONFIGURATION_AGE
        {
            return Ok(built.clone());
        }
        let built = build(self.fixed.clone()).map_err(|error| Unresolved::Failed(error.to_string()))?;
        *current = Some((Instant::now(), built.clone()));
        Ok(built)
    }
}

fn build(fixed: Option<ResolverConfig>) -> Result<Current, NetError> {
    let (config, mut options) = match fixed {
        Some(servers) => (servers, ResolverOpts::default()),
        None => read_system_conf().unwrap_or_else(|_| (on_this_machine(), ResolverOpts::default())),
    };
    options.timeout = options.timeout.min(SERVER_TIMEOUT);
    // One socket for each question, as descriptors are few.
    options.num_concurrent_reqs = 1;
    options.max_active_requests = 2 * GROUPS * LOOKUPS_OF_A_GROUP;
    // The file is read here, for its names need no turn.
    options.use_hosts_file = ResolveHosts::Never;
    let resolver =
        Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()?;
    Ok(Current { resolver, hosts: Arc::new(Hosts::from_system().unwrap_or_default()) })
}

/// Where the system's own resolver looks without a configuration.
fn on_this_machine() -> ResolverConfig {
    ResolverConfig::from_name_servers(vec![NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into())])
}

/// Returns the addresses that the file of hosts has for a name.
fn in_hosts(hosts: &Hosts, name: &str) -> Option<Vec<IpAddr>> {
    let name = Name::from_utf8(name).ok()?;
    let of_type = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
    let found: Vec<Lookup> = [RecordType::A, RecordType::AAAA].into_iter().filter_map(of_type).collect();
    let records = found.iter().flat_map(|lookup| lookup.answers());
    let addresses: Vec<IpAddr> = records.filter_map(|record| record.data.ip_addr()).collect();
    (!addresses.is_empty()).then_some(addresses)
}

fn unresolved(error: &NetError) -> Unresolved {
    match error {
        NetError::Timeout => Unresolved::TimedOut,
        NetError::Dns(DnsError::NoRecordsFound(_)) => Unresolved::Unknown,
        other => Unresolved::Failed(other.to_string()),
    }
}
