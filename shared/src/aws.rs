//! The clients of the AWS services that the functions use.

use aws_config::SdkConfig;

use crate::bus::Entries;
use crate::gather::Gatherer;
use crate::table::TableGatherers;

/// How the SDK calls the scheme of requests that carry no signature.
const UNSIGNED: &str = "noAuth";

/// One client per AWS service, built once per process, and what gathers the requests of all that use them.
#[derive(Debug, Clone)]
pub struct Aws {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    /// Gathers what is published on the bus.
    pub(crate) entries: Gatherer<Entries>,
    /// Gathers what is read from tables and written to them.
    pub(crate) tables: TableGatherers,
    pub(crate) scheduler: aws_sdk_scheduler::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    /// For clients that few functions need.
    pub(crate) config: SdkConfig,
}

impl Aws {
    /// Builds the clients from a configuration of the SDK.
    pub fn new(config: &SdkConfig) -> Self {
        let (mut tables, mut events) =
            (aws_sdk_dynamodb::config::Builder::from(config), aws_sdk_eventbridge::config::Builder::from(config));
        if is_unsigned(config) {
            tables.set_allow_no_auth();
            events.set_allow_no_auth();
        }
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(tables.build());
        Self {
            entries: Gatherer::new(Entries(aws_sdk_eventbridge::Client::from_conf(events.build()))),
            tables: TableGatherers::new(&dynamodb),
            dynamodb,
            scheduler: aws_sdk_scheduler::Client::new(config),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            config: config.clone(),
        }
    }

    /// Returns what the clients are built from, for one that a single function needs.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Builds the clients as Lambda runs them: region, credentials and `AWS_ENDPOINT_URL*` from the environment.
    pub async fn from_env() -> Self {
        Self::new(&aws_config::load_defaults(aws_config::BehaviorVersion::v2026_01_12()).await)
    }
}

/// Whether requests need no signature, as where nothing checks one; signing is a fifth of what a small request costs.
fn is_unsigned(config: &SdkConfig) -> bool {
    let preferred = config.auth_scheme_preference().cloned().into_iter().flatten().next();
    preferred.is_some_and(|scheme| scheme.inner() == UNSIGNED)
}
