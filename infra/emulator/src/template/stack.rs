//! The template with everything resolved, as the engines need it.

use std::collections::BTreeMap;

use pattern::Pattern;
use serde_json::{Map, Value};

use super::document::{Resource, Template};
use super::queue::{Feed, Queue, number};
use super::rule::{Rule, RuleTarget, bus_name, rule_target};
use super::scope::{Scope, plain};
use crate::error::EmulatorError;

/// All resources that the engines serve.
pub(crate) struct Stack {
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) buses: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    queues: BTreeMap<String, Queue>,
    /// The queues that feed functions, by the logical id of the queue.
    pub(crate) feeds: BTreeMap<String, Feed>,
    pub(crate) tables: Vec<Table>,
    pub(crate) schedule_groups: Vec<String>,
    /// `CreateSchedule` inputs, with `Name` and `GroupName`.
    pub(crate) schedules: Vec<Map<String, Value>>,
    pub(crate) secrets: Vec<SecretSeed>,
    /// The configuration sets of SES, and the types of events that each publishes on the default bus.
    pub(crate) configuration_sets: BTreeMap<String, Vec<String>>,
}

/// A Lambda function.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout_s: u32,
}

/// A table: its logical id, its name and its properties.
pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) properties: Map<String, Value>,
}

/// A secret as the template describes it.
pub(crate) struct SecretSeed {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) properties: Value,
}

impl Stack {
    /// Resolves the whole template.
    pub(crate) fn new(template: &Template, parameters: &BTreeMap<String, String>) -> Result<Self, EmulatorError> {
        let mut builder = Builder {
            scope: Scope::new(template, parameters)?,
            globals: &template.globals["Function"],
            stack: Self {
                functions: BTreeMap::new(),
                buses: vec!["default".to_owned()],
                rules: Vec::new(),
                queues: BTreeMap::new(),
                feeds: BTreeMap::new(),
                tables: Vec::new(),
                schedule_groups: vec!["default".to_owned()],
                schedules: Vec::new(),
                secrets: Vec::new(),
                configuration_sets: BTreeMap::new(),
            },
        };
        let of = |kind: &'static str| template.resources.iter().filter(move |(_, r)| r.kind == kind);
        // Rules and schedules look up their functions and queues, and mappings both.
        for (id, resource) in of("AWS::Serverless::Function") {
            builder.function(id, resource)?;
        }
        for (id, resource) in of("AWS::SQS::Queue").chain(of("AWS::Lambda::EventSourceMapping")) {
            builder.queue_or_feed(id, resource)?;
        }
        for (id, resource) in &template.resources {
            builder.resource(id, resource)?;
        }
        Ok(builder.stack)
    }

    /// The function that a resource name stands for, with or without version or alias.
    pub(crate) fn function_of_arn(&self, arn: &str) -> Option<&str> {
        let mut parts = arn.split(':').skip(2);
        let name = match (parts.next(), parts.nth(2), parts.next()) {
            (Some("lambda"), Some("function"), Some(name)) => name,
            _ => return None,
        };
        self.function_of(name).map(|(id, _)| id)
    }

    /// The function of a name or resource name, with its logical id.
    pub(super) fn function_of(&self, name_or_arn: &str) -> Option<(&str, &Function)> {
        let name = name_or_arn.rsplit_once(":function:").map_or(name_or_arn, |(_, name)| name);
        self.functions.iter().find(|(_, f)| f.name == name).map(|(id, function)| (id.as_str(), function))
    }

    /// The queue of a resource name, with its logical id.
    pub(super) fn queue_of_arn(&self, arn: &str) -> Option<(&str, &Queue)> {
        self.queues.iter().find(|(_, queue)| queue.arn == arn).map(|(id, queue)| (id.as_str(), queue))
    }
}

struct Builder<'t> {
    scope: Scope<'t>,
    globals: &'t Value,
    stack: Stack,
}

/// The place of a value in the template, for errors.
pub(super) struct Place<'p> {
    id: &'p str,
    prefix: String,
}

impl Place<'_> {
    pub(super) fn error(&self, property: &str, problem: impl ToString) -> EmulatorError {
        EmulatorError::resource(self.id, format!("{}{property}", self.prefix), problem)
    }
}

impl Builder<'_> {
    fn function(&mut self, id: &str, resource: &Resource) -> Result<(), EmulatorError> {
        let fail = |problem: String| EmulatorError::resource(id, "Environment.Variables", problem);
        if !self.scope.exists(resource).map_err(fail)? {
            return Ok(());
        }
        let own = &resource.properties["Environment"]["Variables"];
        let mut environment = BTreeMap::new();
        for variables in [&self.globals["Environment"]["Variables"], own] {
            for (name, value) in variables.as_object().into_iter().flatten() {
                let value = self.scope.resolve(value).map_err(fail)?;
                environment.insert(name.clone(), plain(&value).map_err(fail)?);
            }
        }
        let name = self.scope.name(id).map_err(fail)?;
        let timed = if resource.properties["Timeout"].is_null() { self.globals } else { &resource.properties };
        let place = Place { id, prefix: String::new() };
        let timeout_s = number(&place, timed, "Timeout", 1..=900, Some(3))?;
        let function = Function { name, environment, timeout_s };
        self.stack.functions.insert(id.to_owned(), function);
        Ok(())
    }

    /// Adds a queue, or lets one feed a function.
    fn queue_or_feed(&mut self, id: &str, resource: &Resource) -> Result<(), EmulatorError> {
        let place = Place { id, prefix: String::new() };
        let fail = |problem: String| place.error("Properties", problem);
        if !self.scope.exists(resource).map_err(fail)? {
            return Ok(());
        }
        let properties = self.scope.resolve(&resource.properties).map_err(fail)?;
        if resource.kind == "AWS::SQS::Queue" {
            let arn = self.scope.arn(id).map_err(fail)?;
            self.stack.queues.insert(id.to_owned(), Queue::read(&place, arn, &properties)?);
            return Ok(());
        }
        let (queue, feed) = Feed::read(&place, &properties, &self.stack)?;
        match self.stack.feeds.insert(queue.clone(), feed) {
            Some(other) => {
                let problem = format!("{queue} feeds {} already", other.function);
                Err(place.error("EventSourceArn", problem))
            }
            None => Ok(()),
        }
    }

    fn resource(&mut self, id: &str, resource: &Resource) -> Result<(), EmulatorError> {
        let place = Place { id, prefix: String::new() };
        let fail = |problem: String| place.error("Properties", problem);
        if !self.scope.exists(resource).map_err(fail)? {
            return Ok(());
        }
        let name = || self.scope.name(id).map_err(fail);
        let resolved = || self.scope.resolve(&resource.properties).map_err(fail);
        match resource.kind.as_str() {
            "AWS::DynamoDB::Table" => {
                let table = Table { id: id.to_owned(), name: name()?, properties: into_map(resolved()?) };
                self.stack.tables.push(table);
            }
            "AWS::Events::EventBus" => self.stack.buses.push(name()?),
            "AWS::Events::Rule" => self.rule(&place, &resolved()?)?,
            "AWS::Scheduler::ScheduleGroup" => self.stack.schedule_groups.push(name()?),
            "AWS::Scheduler::Schedule" => {
                let mut schedule = into_map(resolved()?);
                schedule.insert("Name".to_owned(), name()?.into());
                self.stack.schedules.push(schedule);
            }
            "AWS::SecretsManager::Secret" => {
                let secret = SecretSeed {
                    id: id.to_owned(),
                    name: name()?,
                    arn: self.scope.arn(id).map_err(fail)?,
                    properties: resolved()?,
                };
                self.stack.secrets.push(secret);
            }
            "AWS::SES::ConfigurationSet" => drop(self.stack.configuration_sets.entry(name()?).or_default()),
            "AWS::SES::ConfigurationSetEventDestination" => self.mail_events(&place, &resolved()?)?,
            "AWS::Serverless::Function" => self.events(id, resource)?,
            _ => {}
        }
        Ok(())
    }

    /// Adds what a configuration set publishes.
    fn mail_events(&mut self, place: &Place<'_>, properties: &Value) -> Result<(), EmulatorError> {
        let destination = &properties["EventDestination"];
        let bus = destination["EventBridgeDestination"]["EventBusArn"].as_str();
        if bus.map(bus_name) != Some("default") {
            let problem = "only the default event bus is supported here";
            return Err(place.error("EventDestination", problem));
        }
        if destination["Enabled"] == false {
            return Ok(());
        }
        let name = properties["ConfigurationSetName"].as_str().unwrap_or_default();
        let kinds = destination["MatchingEventTypes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let published = self.stack.configuration_sets.entry(name.to_owned()).or_default();
        // CloudFormation writes them as `deliveryDelay`, or as the API does, as `DELIVERY_DELAY`.
        published.extend(kinds.map(|kind| kind.replace('_', "").to_ascii_uppercase()));
        Ok(())
    }

    fn events(&mut self, id: &str, resource: &Resource) -> Result<(), EmulatorError> {
        for (name, kind, properties) in resource.events() {
            let place = Place { id, prefix: format!("Events.{name}.") };
            let resolve = || {
                let resolved = self.scope.resolve(properties);
                resolved.map_err(|problem| place.error("Properties", problem))
            };
            match kind {
                "EventBridgeRule" | "CloudWatchEvent" => {
                    let properties = resolve()?;
                    let target = rule_target(&place, &properties, id, None)?;
                    self.add_rule(&place, &properties, &properties["Pattern"], vec![target])?;
                }
                "ScheduleV2" => {
                    let schedule = self.schedule(id, name, into_map(resolve()?));
                    let schedule = schedule.map_err(|p| place.error("Properties", p))?;
                    self.stack.schedules.push(schedule);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Turns the properties of a `ScheduleV2` event into those of a schedule.
    fn schedule(
        &self,
        function: &str,
        event: &str,
        mut properties: Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let mut target = Map::new();
        target.insert("Arn".to_owned(), self.scope.arn(function)?.into());
        for name in ["Input", "RetryPolicy"] {
            if let Some(value) = properties.remove(name) {
                target.insert(name.to_owned(), value);
            }
        }
        for name in ["DeadLetterConfig", "OmitName", "PermissionsBoundary", "RoleArn"] {
            properties.remove(name);
        }
        let off = || serde_json::json!({"Mode": "OFF"});
        properties.entry("FlexibleTimeWindow").or_insert_with(off);
        let name = properties.remove("Name");
        let name = name.unwrap_or_else(|| format!("{function}{event}").into());
        properties.insert("Name".to_owned(), name);
        properties.insert("Target".to_owned(), target.into());
        Ok(properties)
    }

    fn rule(&mut self, place: &Place<'_>, properties: &Value) -> Result<(), EmulatorError> {
        if !properties["ScheduleExpression"].is_null() {
            let problem = "use AWS::Scheduler::Schedule instead";
            return Err(place.error("ScheduleExpression", problem));
        }
        let targets = properties["Targets"].as_array().map(Vec::as_slice);
        let mut built = Vec::new();
        for target in targets.unwrap_or_default() {
            let arn = target["Arn"].as_str().unwrap_or_default();
            let function = self.stack.function_of_arn(arn).map(|id| (id, None));
            let queue = || {
                let (id, _) = self.stack.queue_of_arn(arn)?;
                Some((id, Some(self.stack.feeds.get(id)?)))
            };
            let (id, feed) = function.or_else(queue).ok_or_else(|| {
                let problem = format!("{arn} is neither a function of this template nor a queue that feeds one");
                place.error("Targets.Arn", problem)
            })?;
            built.push(rule_target(place, target, id, feed)?);
        }
        self.add_rule(place, properties, &properties["EventPattern"], built)
    }

    fn add_rule(
        &mut self,
        place: &Place<'_>,
        properties: &Value,
        pattern: &Value,
        targets: Vec<RuleTarget>,
    ) -> Result<(), EmulatorError> {
        if properties["State"] == "DISABLED" {
            return Ok(());
        }
        let pattern = Pattern::compile(pattern).map_err(|e| place.error("Pattern", e))?;
        let bus = properties["EventBusName"].as_str().unwrap_or("default");
        self.stack.rules.push(Rule { bus: bus_name(bus).to_owned(), pattern, targets });
        Ok(())
    }
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
