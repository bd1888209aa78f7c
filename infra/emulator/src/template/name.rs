//! What the engines call the resources of a template.

use super::document::Template;
use crate::arn::{ACCOUNT, arn};

/// The type of a resource, those that SAM adds by itself included.
pub(super) fn kind<'t>(template: &'t Template, id: &str) -> Result<&'t str, String> {
    if let Some(resource) = template.resources.get(id) {
        return Ok(&resource.kind);
    }
    let function = id.strip_suffix("Role");
    let of_function = function.and_then(|f| template.resources.get(f));
    match (id, of_function) {
        ("ServerlessHttpApi", _) => Ok("AWS::Serverless::HttpApi"),
        (_, Some(function)) if function.is_function() => Ok("AWS::IAM::Role"),
        _ => Err(format!("the template has no {id}")),
    }
}

/// The property that names a resource of a type.
pub(super) fn property(kind: &str) -> &'static str {
    match kind {
        "AWS::DynamoDB::Table" => "TableName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::Serverless::Function" => "FunctionName",
        _ => "Name",
    }
}

/// The Amazon resource name of a resource; `seed` is what a secret's suffix depends on.
pub(super) fn resource_arn(kind: &str, name: &str, seed: &str) -> String {
    match kind {
        "AWS::DynamoDB::Table" => arn("dynamodb", &format!("table/{name}")),
        "AWS::Events::EventBus" => arn("events", &format!("event-bus/{name}")),
        "AWS::Events::Rule" => arn("events", &format!("rule/{name}")),
        "AWS::IAM::Role" => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        "AWS::Logs::LogGroup" => arn("logs", &format!("log-group:{name}:*")),
        "AWS::SQS::Queue" => arn("sqs", name),
        "AWS::Scheduler::Schedule" => arn("scheduler", &format!("schedule/default/{name}")),
        "AWS::Scheduler::ScheduleGroup" => arn("scheduler", &format!("schedule-group/{name}")),
        "AWS::SecretsManager::Secret" => arn("secretsmanager", &format!("secret:{name}-{}", suffix(seed))),
        "AWS::Serverless::Function" => arn("lambda", &format!("function:{name}")),
        kind => {
            let service = kind.split("::").nth(1).unwrap_or_default();
            arn(&service.to_ascii_lowercase(), name)
        }
    }
}

/// Six characters that stay the same for the same secret, as Secrets Manager appends to its names.
fn suffix(seed: &str) -> String {
    const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut state = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut letter = || {
        let index = state % 52;
        state /= 52;
        usize::try_from(index).map_or('a', |index| char::from(LETTERS[index]))
    };
    (0..6).map(|_| letter()).collect()
}
