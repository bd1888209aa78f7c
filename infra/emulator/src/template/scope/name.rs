//! What the engines call the resources of a template.

use serde_json::Value;

use super::{Scope, plain};
use crate::{ACCOUNT, REGION};

impl Scope<'_> {
    pub(super) fn attribute(&self, id: &str, attribute: &str, depth: usize) -> Result<String, String> {
        let kind = self.kind(id)?;
        match (kind, attribute) {
            (_, "Arn" | "TopicArn") => self.resource_arn(id, depth),
            (_, "Name" | "QueueName" | "TopicName") => self.resource_name(id, depth),
            ("AWS::SecretsManager::Secret", "Id") => self.resource_arn(id, depth),
            ("AWS::SQS::Queue", "QueueUrl") => plain(&self.reference(id, depth)?),
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => {
                let api = self.resource_name(id, depth)?;
                Ok(format!("https://{api}.execute-api.{REGION}.amazonaws.com"))
            }
            ("AWS::Serverless::HttpApi", "ApiId") => self.resource_name(id, depth),
            _ => Err(format!("{id} ({kind}) has no attribute {attribute} here")),
        }
    }

    /// The type of a resource, those that SAM makes by itself included.
    pub(super) fn kind(&self, id: &str) -> Result<&str, String> {
        if let Some(resource) = self.template.resources.get(id) {
            return Ok(&resource.kind);
        }
        let function = id.strip_suffix("Role");
        let of_function = function.and_then(|f| self.template.resources.get(f));
        match (id, of_function) {
            ("ServerlessHttpApi", _) => Ok("AWS::Serverless::HttpApi"),
            (_, Some(function)) if function.is_function() => Ok("AWS::IAM::Role"),
            _ => Err(format!("the template has no {id}")),
        }
    }

    pub(super) fn resource_name(&self, id: &str, depth: usize) -> Result<String, String> {
        let kind = self.kind(id)?;
        let property = match kind {
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::IAM::Role" => "RoleName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::Serverless::HttpApi" => return Ok(id.to_ascii_lowercase()),
            _ => "Name",
        };
        let resource = self.template.resources.get(id);
        match resource.map(|resource| &resource.properties[property]) {
            None | Some(Value::Null) => Ok(format!("{}-{id}", self.stack_name)),
            Some(name) => self.text(name, depth + 1),
        }
    }

    pub(super) fn resource_arn(&self, id: &str, depth: usize) -> Result<String, String> {
        let name = self.resource_name(id, depth)?;
        Ok(match self.kind(id)? {
            "AWS::DynamoDB::Table" => arn("dynamodb", &format!("table/{name}")),
            "AWS::Events::EventBus" => arn("events", &format!("event-bus/{name}")),
            "AWS::Events::Rule" => arn("events", &format!("rule/{name}")),
            "AWS::IAM::Role" => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "AWS::Logs::LogGroup" => arn("logs", &format!("log-group:{name}:*")),
            "AWS::SQS::Queue" => arn("sqs", &name),
            "AWS::Scheduler::Schedule" => arn("scheduler", &format!("schedule/default/{name}")),
            "AWS::Scheduler::ScheduleGroup" => arn("scheduler", &format!("schedule-group/{name}")),
            "AWS::SecretsManager::Secret" => {
                let suffix = suffix(&format!("{}/{id}", self.stack_name));
                arn("secretsmanager", &format!("secret:{name}-{suffix}"))
            }
            "AWS::Serverless::Function" => function_arn(&name),
            kind => {
                let service = kind.split("::").nth(1).unwrap_or_default();
                arn(&service.to_ascii_lowercase(), &name)
            }
        })
    }
}

/// The resource name of a function.
fn function_arn(name: &str) -> String {
    arn("lambda", &format!("function:{name}"))
}

/// An Amazon resource name in this region and account.
pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
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
