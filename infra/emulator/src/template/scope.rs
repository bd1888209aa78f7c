//! CloudFormation's intrinsic functions, resolved to the names of the embedded engines.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{Resource, Template};
use super::name;
use crate::arn::{ACCOUNT, REGION, arn};
use crate::error::EmulatorError;

/// How deeply values may refer to each other.
const DEPTH: usize = 32;

/// The values of the names in a template.
pub(crate) struct Scope<'t> {
    template: &'t Template,
    parameters: BTreeMap<String, Value>,
    stack_name: String,
}

impl<'t> Scope<'t> {
    /// Gives every parameter its value: the one given, or its default.
    pub(crate) fn new(template: &'t Template, given: &BTreeMap<String, String>) -> Result<Self, EmulatorError> {
        let mut parameters = BTreeMap::new();
        for (name, declared) in &template.parameters {
            let value = match (given.get(name), &declared["Default"]) {
                (Some(value), _) => Value::String(value.clone()),
                (None, Value::Null) => {
                    let problem = "the parameter has no default and no value was given";
                    return Err(EmulatorError::resource(name, "Default", problem));
                }
                (None, Value::String(default)) => Value::String(default.clone()),
                (None, default) => Value::String(default.to_string()),
            };
            let list = declared["Type"].as_str().is_some_and(is_list);
            parameters.insert(name.clone(), if list { split(&value, ",") } else { value });
        }
        let stack_name = given.get("AWS::StackName");
        Ok(Self { template, parameters, stack_name: stack_name.map_or("hookyard", String::as_str).to_owned() })
    }

    /// Whether a resource exists: it has no condition, or one that holds.
    pub(crate) fn exists(&self, resource: &Resource) -> Result<bool, String> {
        match &resource.condition {
            Some(name) => self.condition(&json!({"Condition": name}), 0),
            None => Ok(true),
        }
    }

    /// The value with every intrinsic function replaced by what it means.
    pub(crate) fn resolve(&self, value: &Value) -> Result<Value, String> {
        self.value(value, 0)
    }

    /// The name that an engine knows a resource by.
    pub(crate) fn name(&self, id: &str) -> Result<String, String> {
        self.resource_name(id, 0)
    }

    /// The Amazon resource name of a resource.
    pub(crate) fn arn(&self, id: &str) -> Result<String, String> {
        self.resource_arn(id, 0)
    }

    fn value(&self, value: &Value, depth: usize) -> Result<Value, String> {
        if depth > DEPTH {
            return Err("it refers to itself".to_owned());
        }
        match value {
            Value::Object(map) => match intrinsic(map) {
                Some((name, argument)) => self.call(name, argument, depth + 1),
                None => map
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.value(value, depth + 1)?)))
                    .filter(|entry| !matches!(entry, Ok((_, Value::Null))))
                    .collect::<Result<Map<_, _>, _>>()
                    .map(Value::Object),
            },
            Value::Array(values) => values
                .iter()
                .filter(|value| **value != json!({"Ref": "AWS::NoValue"}))
                .map(|value| self.value(value, depth + 1))
                .collect(),
            Value::String(text) if text.contains("{{resolve:") => {
                Err(format!("the dynamic reference {text:?} is not supported here"))
            }
            other => Ok(other.clone()),
        }
    }

    fn call(&self, name: &str, argument: &Value, depth: usize) -> Result<Value, String> {
        match name {
            "Ref" => self.reference(&self.text(argument, depth)?, depth),
            "Fn::GetAtt" => self.attribute_of(argument, depth),
            "Fn::Sub" => self.substitute(argument, depth),
            "Fn::Join" => {
                let (separator, values) = self.pair(argument, "Fn::Join", depth)?;
                let values = values.as_array().ok_or("Fn::Join needs a list")?.clone();
                let texts: Result<Vec<_>, _> = values.iter().map(plain).collect();
                Ok(texts?.join(&plain(&separator)?).into())
            }
            "Fn::Split" => {
                let (separator, text) = self.pair(argument, "Fn::Split", depth)?;
                Ok(split(&text, &plain(&separator)?))
            }
            "Fn::Select" => {
                let (index, values) = self.pair(argument, "Fn::Select", depth)?;
                let index: usize = plain(&index)?.parse().map_err(|_| "Fn::Select needs an index".to_owned())?;
                let selected = values.get(index).cloned();
                selected.ok_or_else(|| format!("Fn::Select finds nothing at {index}"))
            }
            "Fn::If" => self.choose(argument, depth),
            "Fn::FindInMap" => self.find_in_map(argument, depth),
            "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" => Err(format!("{name} belongs in Conditions")),
            _ => Err(format!("{name} is not supported here")),
        }
    }

    /// A list of two values, resolved.
    fn pair(&self, argument: &Value, name: &str, depth: usize) -> Result<(Value, Value), String> {
        match argument.as_array().map(Vec::as_slice) {
            Some([one, two]) => Ok((self.value(one, depth)?, self.value(two, depth)?)),
            _ => Err(format!("{name} needs a list of two values")),
        }
    }

    fn text(&self, value: &Value, depth: usize) -> Result<String, String> {
        plain(&self.value(value, depth)?)
    }

    fn reference(&self, name: &str, depth: usize) -> Result<Value, String> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        let text = match name {
            "AWS::AccountId" => ACCOUNT.to_owned(),
            "AWS::NoValue" => return Ok(Value::Null),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::Region" => REGION.to_owned(),
            "AWS::StackId" => arn("cloudformation", &format!("stack/{}/local", self.stack_name)),
            "AWS::StackName" => self.stack_name.clone(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => match name::kind(self.template, name)? {
                "AWS::SecretsManager::Secret" | "AWS::SNS::Topic" => self.resource_arn(name, depth)?,
                "AWS::SQS::Queue" => {
                    let queue = self.resource_name(name, depth)?;
                    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}")
                }
                _ => self.resource_name(name, depth)?,
            },
        };
        Ok(text.into())
    }

    fn attribute_of(&self, argument: &Value, depth: usize) -> Result<Value, String> {
        let (id, attribute) = match argument {
            Value::String(path) => path.split_once('.').map(|(id, a)| (id, a.to_owned())),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(id), attribute] => Some((id.as_str(), self.text(attribute, depth)?)),
                _ => None,
            },
            _ => None,
        }
        .ok_or("Fn::GetAtt needs a resource and an attribute")?;
        self.attribute(id, &attribute, depth).map(Value::String)
    }

    fn attribute(&self, id: &str, attribute: &str, depth: usize) -> Result<String, String> {
        let kind = name::kind(self.template, id)?;
        match (kind, attribute) {
            (_, "Arn" | "TopicArn") | ("AWS::SecretsManager::Secret", "Id") => self.resource_arn(id, depth),
            (_, "Name" | "QueueName" | "TopicName") | ("AWS::Serverless::HttpApi", "ApiId") => {
                self.resource_name(id, depth)
            }
            ("AWS::SQS::Queue", "QueueUrl") => plain(&self.reference(id, depth)?),
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => {
                let api = self.resource_name(id, depth)?;
                Ok(format!("https://{api}.execute-api.{REGION}.amazonaws.com"))
            }
            _ => Err(format!("{id} ({kind}) has no attribute {attribute} here")),
        }
    }

    fn resource_name(&self, id: &str, depth: usize) -> Result<String, String> {
        let kind = name::kind(self.template, id)?;
        if kind == "AWS::Serverless::HttpApi" {
            return Ok(id.to_ascii_lowercase());
        }
        let resource = self.template.resources.get(id);
        match resource.map(|resource| &resource.properties[name::property(kind)]) {
            None | Some(Value::Null) => Ok(format!("{}-{id}", self.stack_name)),
            Some(name) => self.text(name, depth + 1),
        }
    }

    fn resource_arn(&self, id: &str, depth: usize) -> Result<String, String> {
        let (kind, name) = (name::kind(self.template, id)?, self.resource_name(id, depth)?);
        Ok(name::resource_arn(kind, &name, &format!("{}/{id}", self.stack_name)))
    }

    /// Replaces `${Name}`, `${Name.Attribute}` and `${!Literal}`.
    fn substitute(&self, argument: &Value, depth: usize) -> Result<Value, String> {
        let none = Value::Null;
        let (text, given) = match argument {
            Value::String(text) => (text, &none),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(text), given] => (text, given),
                _ => return Err("Fn::Sub needs a string and a map".to_owned()),
            },
            _ => return Err("Fn::Sub needs a string".to_owned()),
        };
        let mut result = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find("${") {
            let (before, after) = rest.split_at(start);
            let end = after.find('}').ok_or("Fn::Sub has a \"${\" without \"}\"")?;
            let name = after[2..end].trim();
            result.push_str(before);
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str(&format!("${{{literal}}}"));
            } else if let Some(value) = given.get(name) {
                result.push_str(&self.text(value, depth)?);
            } else if let Some((id, attribute)) = name.split_once('.') {
                result.push_str(&self.attribute(id, attribute, depth)?);
            } else {
                result.push_str(&plain(&self.reference(name, depth)?)?);
            }
            rest = &after[end + 1..];
        }
        result.push_str(rest);
        Ok(result.into())
    }

    fn choose(&self, argument: &Value, depth: usize) -> Result<Value, String> {
        match argument.as_array().map(Vec::as_slice) {
            Some([name, then, otherwise]) => {
                let holds = self.condition(&json!({"Condition": name}), depth)?;
                self.value(if holds { then } else { otherwise }, depth)
            }
            _ => Err("Fn::If needs a condition and two values".to_owned()),
        }
    }

    fn find_in_map(&self, argument: &Value, depth: usize) -> Result<Value, String> {
        let path: Vec<_> = argument
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(|part| self.text(part, depth))
            .collect::<Result<_, _>>()?;
        let found = match path.as_slice() {
            [map, first, second] => self.template.mappings[map][first].get(second),
            _ => None,
        };
        let found = found.cloned();
        found.ok_or_else(|| format!("Fn::FindInMap finds nothing at {}", path.join(".")))
    }

    fn condition(&self, value: &Value, depth: usize) -> Result<bool, String> {
        let called = value.as_object().and_then(intrinsic);
        let (name, argument) = called.ok_or("a condition must be a function")?;
        if depth > DEPTH {
            return Err("the condition refers to itself".to_owned());
        }
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut holding = parts.iter().map(|part| self.condition(part, depth + 1));
        match name {
            "Condition" => {
                let name = argument.as_str().unwrap_or_default();
                let condition = self.template.conditions.get(name);
                let condition = condition.ok_or_else(|| format!("no condition {name:?}"))?;
                self.condition(condition, depth + 1)
            }
            "Fn::Equals" => {
                let (one, two) = self.pair(argument, name, depth)?;
                Ok(plain(&one)? == plain(&two)?)
            }
            "Fn::Not" => holding.next().unwrap_or(Ok(false)).map(|holds| !holds),
            "Fn::And" => holding.try_fold(true, |all, holds| Ok(all && holds?)),
            "Fn::Or" => holding.try_fold(false, |any, holds| Ok(any || holds?)),
            _ => Err(format!("{name} is not a condition")),
        }
    }
}

/// Text of a scalar.
pub(crate) fn plain(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        other => Err(format!("{other} is not a string")),
    }
}

fn intrinsic(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = map.iter().next().filter(|_| map.len() == 1)?;
    let known = name == "Ref" || name == "Condition" || name.starts_with("Fn::");
    known.then_some((name.as_str(), argument))
}

fn is_list(kind: &str) -> bool {
    kind == "CommaDelimitedList" || kind.starts_with("List<")
}

fn split(text: &Value, separator: &str) -> Value {
    let parts = text.as_str().unwrap_or_default().split(separator);
    parts.map(str::trim).collect()
}
