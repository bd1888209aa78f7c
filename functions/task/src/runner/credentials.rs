//! The access token that a script gets if its function has `executionCredentials`: short-lived, and kept nowhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use shared::auth::{Client, Issuer, Signer};
use shared::event::TenantId;
use shared::{Environment, Error};

use crate::sandbox::{Log, Report};
use crate::store::function::{Function, MASK};

/// How long a token is valid beyond the time that its script may take, in seconds.
const MARGIN_S: i64 = 30;
/// The variables of a script with credentials.
const TOKEN: &str = "HOOKYARD_TOKEN";
const URL: &str = "HOOKYARD_URL";
const API_HOST: &str = "API_HOST";

/// Issues the tokens of scripts.
#[derive(Clone)]
pub(crate) struct Credentials {
    signer: Signer,
    /// Where clients reach the API, if the configuration says so.
    base_url: Option<String>,
}

impl Credentials {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let base_url = environment.base_url().configured().map(str::to_owned);
        Ok(Self { signer: Signer::new(environment, Issuer::Task)?, base_url })
    }

    /// Returns the address of the API if it is one of this machine: the local runtime's, which is refused otherwise.
    pub(crate) fn own_api(&self) -> Option<SocketAddr> {
        self.base_url.as_deref()?.strip_prefix("http://")?.parse().ok()
    }

    /// Returns the variables with which a script of a function calls the API; none if it has no permissions.
    pub(crate) async fn issue(
        &self,
        tenant: &TenantId,
        function: &Function,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut variables = BTreeMap::new();
        if function.permissions().is_empty() {
            return Ok(variables);
        }
        let client = Client {
            id: client_id(&function.name),
            tenant_id: tenant.clone(),
            permissions: function.permissions().to_vec(),
            is_administrator: false,
        };
        let lifetime_s = i64::from(function.time_limit) + MARGIN_S;
        variables.insert(TOKEN.to_owned(), self.signer.issue(client, lifetime_s).await?);
        variables.extend(self.addresses());
        Ok(variables)
    }

    /// Returns the same variables with [`MASK`] in place of the token, for a script that calls nobody.
    pub(crate) fn masked(&self) -> BTreeMap<String, String> {
        let mut variables = self.addresses();
        variables.insert(TOKEN.to_owned(), MASK.to_owned());
        variables
    }

    fn addresses(&self) -> BTreeMap<String, String> {
        let Some(url) = &self.base_url else { return BTreeMap::new() };
        [(URL.to_owned(), url.clone()), (API_HOST.to_owned(), sdk_host(url))].into()
    }
}

/// The id of the client that a function is when its scripts call the API or start tasks.
pub(crate) fn client_id(function_name: &str) -> String {
    format!("function:{function_name}")
}

/// The host for the SDK of Extra Horizon, which prefixes any URL with `api.` that has neither that nor `localhost` in it.
fn sdk_host(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    if host.starts_with("api.") || url.contains("localhost") { url.to_owned() } else { format!("{url}/localhost") }
}

/// Hides a token in what a script prints, also while it runs.
pub(crate) fn hide(log: &Log, variables: &BTreeMap<String, String>) {
    if let Some(token) = variables.get(TOKEN) {
        log.hide(token);
    }
}

/// Replaces a token wherever the script printed it.
pub(crate) fn mask(report: &mut Report, variables: &BTreeMap<String, String>) {
    let Some(token) = variables.get(TOKEN) else { return };
    for line in report.lines.iter_mut().filter(|line| line.message.contains(token)) {
        line.message = line.message.replace(token, MASK);
    }
    if let Err(error) = &mut report.result {
        error.message = error.message.replace(token, MASK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_leaves_its_host_as_it_is() {
        let check = |url: &str, expected: &str| assert_eq!(sdk_host(url), expected);
        check("https://api.example.com", "https://api.example.com");
        check("https://hooks.example.com", "https://hooks.example.com/localhost");
        check("http://localhost:8787", "http://localhost:8787");
        check("http://127.0.0.1:8787", "http://127.0.0.1:8787/localhost");
    }
}
