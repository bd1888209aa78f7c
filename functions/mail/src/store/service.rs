//! The mail service: Amazon SES.

use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, MessageTag, RawMessage};
use shared::{Environment, Error};

use crate::address::Mailing;
use crate::letter::Letter;

/// How long the service may take to accept a mail, which has up to 14 MB on the way.
const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// The tag by which the service says which mail of ours it speaks of, even where its answer was lost.
pub(crate) const MAIL_TAG: &str = "hookyard-mail";

/// What came of handing a mail to the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// It took it, under this id.
    Accepted(String),
    /// It takes no more at the moment, so that another attempt may work.
    Throttled(String),
    /// It did not take it, and never will.
    Refused { code: String, message: String },
    /// It may have taken it.
    Unknown(String),
}

/// Sends mails.
#[derive(Debug, Clone)]
pub(crate) struct MailService {
    client: Client,
    configuration_set: Option<String>,
}

impl MailService {
    /// Sends with the configuration set that `MAIL_CONFIGURATION_SET` names.
    pub(crate) fn new(environment: &Environment) -> Self {
        // A second attempt by the SDK could send a mail twice.
        let config = Builder::from(environment.aws.config()).retry_config(RetryConfig::disabled()).timeout_config(
            TimeoutConfig::builder().connect_timeout(CONNECT_PATIENCE).operation_timeout(PATIENCE).build(),
        );
        let configuration_set = environment.config.optional("MAIL_CONFIGURATION_SET").map(str::to_owned);
        Self { client: Client::from_conf(config.build()), configuration_set }
    }

    /// Hands a mail to the service once.
    pub(crate) async fn send(&self, id: &str, letter: &Letter, mime: Vec<u8>) -> Result<Handed, Error> {
        let addresses = |list: &[Mailing]| Some(list.iter().map(Mailing::address).collect::<Vec<_>>());
        let destination = Destination::builder()
            .set_to_addresses(addresses(&letter.to))
            .set_cc_addresses(addresses(&letter.cc))
            .set_bcc_addresses(addresses(&letter.bcc))
            .build();
        let doing = "build a request to the mail service";
        let raw = RawMessage::builder().data(Blob::new(mime)).build().map_err(Error::cannot(doing))?;
        let tag = MessageTag::builder().name(MAIL_TAG).value(id).build().map_err(Error::cannot(doing))?;
        let sent = self
            .client
            .send_email()
            .destination(destination)
            .content(EmailContent::builder().raw(raw).build())
            .email_tags(tag)
            .set_configuration_set_name(self.configuration_set.clone());
        Ok(match sent.send().await {
            Ok(answer) => Handed::Accepted(answer.message_id.unwrap_or_default()),
            Err(error) => failed(&error),
        })
    }
}

fn failed(error: &SdkError<SendEmailError>) -> Handed {
    let SdkError::ServiceError(answer) = error else {
        // Nobody knows how far the request has come, if it was built at all.
        return match error {
            SdkError::ConstructionFailure(_) => refused("ConstructionFailure", "the request could not be built"),
            _ => Handed::Unknown("the mail service did not answer".to_owned()),
        };
    };
    let (status, error) = (answer.raw().status().as_u16(), answer.err());
    let code = error.code().unwrap_or("Unknown");
    let message = error.message().unwrap_or("it does not say why");
    let is_throttled =
        code.contains("Throttl") || matches!(code, "TooManyRequestsException" | "LimitExceededException");
    match status {
        _ if is_throttled => Handed::Throttled(format!("{code}: {message}")),
        400..=499 => refused(code, message),
        _ => Handed::Unknown(format!("the mail service answered {status}, {code}")),
    }
}

fn refused(code: &str, message: &str) -> Handed {
    Handed::Refused { code: code.to_owned(), message: message.to_owned() }
}
