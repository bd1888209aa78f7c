//! AWS Lambda functions of others that do our work.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_lambda::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::aws::Aws;
use crate::config::Config;
use crate::event::StepError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Invokes AWS Lambda functions, each exactly once per call.
#[derive(Debug, Clone)]
pub struct Invoker(aws_sdk_lambda::Client);

/// What an invoked function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What it returned, or its error as Lambda describes it.
    pub payload: Vec<u8>,
    /// Whether the function failed.
    pub has_failed: bool,
    /// The end of its log.
    pub log_tail: String,
}

impl Invoker {
    /// Returns what invokes functions on AWS, or at `LAMBDA_ENDPOINT` if the configuration names one.
    pub fn new(aws: &Aws, config: &Config) -> Self {
        // A second attempt by the SDK could run a function twice.
        let mut builder = Builder::from(&aws.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = config.optional("LAMBDA_ENDPOINT") {
            builder.set_endpoint_url(Some(endpoint.to_owned())).set_http_client(None);
        }
        Self(aws_sdk_lambda::Client::from_conf(builder.build()))
    }

    /// Invokes a function with JSON and waits for its answer, for as long as that takes.
    ///
    /// # Errors
    ///
    /// When there is no answer of the function: its outcome is unknown, or it was not invoked under the name of Lambda's error.
    pub async fn invoke(
        &self,
        function_name: &str,
        qualifier: Option<&str>,
        payload: Vec<u8>,
    ) -> Result<Invocation, StepError> {
        let sent = self
            .0
            .invoke()
            .function_name(function_name)
            .set_qualifier(qualifier.map(str::to_owned))
            .log_type(LogType::Tail)
            .payload(Blob::new(payload))
            .send()
            .await;
        let answer = sent.map_err(|error| not_invoked(function_name, &error))?;
        let log_tail = answer.log_result.and_then(|tail| STANDARD.decode(tail).ok()).unwrap_or_default();
        Ok(Invocation {
            payload: answer.payload.map(Blob::into_inner).unwrap_or_default(),
            has_failed: answer.function_error.is_some(),
            log_tail: String::from_utf8_lossy(&log_tail).into_owned(),
        })
    }
}

fn not_invoked<R: fmt::Debug + 'static>(function_name: &str, error: &SdkError<InvokeError, R>) -> StepError {
    let cannot = |name: &str, why: &str| {
        StepError::invocation(name, format!("the Lambda function `{function_name}` cannot be invoked: {why}"))
    };
    let unknown = || {
        let message = format!("the connection to the Lambda function `{function_name}` was lost before it answered");
        StepError::invocation(StepError::OUTCOME_UNKNOWN, message)
    };
    match error {
        SdkError::ServiceError(refused) => {
            let name = refused.err().code().unwrap_or("LambdaInvocationError");
            cannot(name, refused.err().message().unwrap_or("Lambda does not say why"))
        }
        SdkError::DispatchFailure(failure)
            if !failure.is_user() && !is_connect(failure.as_connector_error().and_then(Error::source)) =>
        {
            unknown()
        }
        SdkError::ResponseError(_) => unknown(),
        _ => {
            let causes = std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string);
            cannot("ServiceUnreachable", &causes.last().unwrap_or_else(|| "it cannot be reached".to_owned()))
        }
    }
}

/// Tells whether there was no connection on which the request could have been sent.
fn is_connect(cause: Option<&(dyn Error + 'static)>) -> bool {
    // The HTTP client says this of a connection that was never established, and nothing of its type is public here.
    let is_connect = |text: &str| text == "client error (Connect)" || text.contains("HTTP connect timeout");
    std::iter::successors(cause, |&error| error.source()).any(|error| is_connect(&error.to_string()))
}
