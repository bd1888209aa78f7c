//! The queues that feed functions: when they show again what a function has failed to take.

use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;

use super::batch::Message;
use crate::aws::Aws;
use crate::error::Error;

/// The longest wait before a message is received again.
const LONGEST_WAIT_S: i32 = 60;

/// The queues of a function on AWS.
#[derive(Debug, Clone)]
pub(super) struct Queues(aws_sdk_sqs::Client);

impl Queues {
    pub(super) fn new(aws: &Aws) -> Self {
        Self(aws_sdk_sqs::Client::new(&aws.config))
    }

    /// Lets the messages of a queue be received again after a while instead of after the queue's visibility time-out,
    /// which is made for functions that end without a word.
    ///
    /// Where that fails, they come after the time-out.
    pub(super) async fn show_soon(&self, messages: &[&Message]) {
        let Some(url) = messages.first().and_then(|message| url(&message.event_source_arn)) else { return };
        let entries = messages.iter().map(|message| entry(message)).collect::<Result<Vec<_>, _>>();
        let changed = match entries {
            Ok(entries) => {
                let change = self.0.change_message_visibility_batch().queue_url(url).set_entries(Some(entries));
                change.send().await.map_err(Error::cannot("change the visibility of messages"))
            }
            Err(error) => Err(Error::new("change the visibility of messages", error)),
        };
        match changed {
            Ok(changed) => {
                for failed in changed.failed() {
                    let (message_id, code) = (failed.id(), failed.code());
                    tracing::warn!(message_id, code, "a message stays hidden until the time-out of its queue");
                }
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "messages stay hidden until the time-out of their queue");
            }
        }
    }
}

fn entry(message: &Message) -> Result<ChangeMessageVisibilityBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(&message.message_id)
        .receipt_handle(&message.receipt_handle)
        .visibility_timeout(wait_s(message.receives(), rand::random_range(0.5..=1.0)))
        .build()
}

/// Exponential, from one second to a minute; `jitter` is a factor from 0.5 to 1.
fn wait_s(receives: u32, jitter: f64) -> i32 {
    let doubled = 2_i32.saturating_pow(receives.saturating_sub(1)).min(LONGEST_WAIT_S);
    (1..=doubled).rfind(|wait_s| f64::from(*wait_s) <= f64::from(doubled) * jitter).unwrap_or(1)
}

/// The URL of a queue, by its resource name.
fn url(arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let (Some("arn"), Some(partition), Some("sqs")) = (parts.next(), parts.next(), parts.next()) else { return None };
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("https://sqs.{region}.{suffix}/{account}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_a_second_to_a_minute() {
        let check = |receives: u32, jitter: f64, expected: i32| assert_eq!(wait_s(receives, jitter), expected);
        for (receives, expected) in [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (50, 60), (u32::MAX, 60)] {
            check(receives, 1.0, expected);
        }
        check(1, 0.5, 1);
        check(7, 0.5, 30);
        check(3, 0.8, 3);
    }

    #[test]
    fn a_resource_name_says_where_its_queue_is() {
        let check = |arn: &str, expected: Option<&str>| assert_eq!(url(arn).as_deref(), expected, "{arn}");
        check("arn:aws:sqs:eu-west-1:123456789012:q", Some("https://sqs.eu-west-1.amazonaws.com/123456789012/q"));
        check("arn:aws-cn:sqs:cn-north-1:1:q", Some("https://sqs.cn-north-1.amazonaws.com.cn/1/q"));
        check("arn:aws:sns:eu-west-1:123456789012:q", None);
        check("arn:aws:sqs", None);
        check("", None);
    }
}
