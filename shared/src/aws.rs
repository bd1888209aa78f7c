//! The clients of the AWS services that the functions use.

use aws_config::SdkConfig;

/// One client per AWS service, built once per process.
#[derive(Debug, Clone)]
pub struct Aws {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) eventbridge: aws_sdk_eventbridge::Client,
    pub(crate) scheduler: aws_sdk_scheduler::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    /// For clients that few functions need.
    pub(crate) config: SdkConfig,
}

impl Aws {
    /// Builds the clients from a configuration of the SDK.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            eventbridge: aws_sdk_eventbridge::Client::new(config),
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
