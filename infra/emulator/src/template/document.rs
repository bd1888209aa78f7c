//! The SAM template as it is written, before its intrinsic functions are resolved.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::route::{self, Route};
use super::yaml;
use crate::error::EmulatorError;

/// Resource types that would work on AWS and do nothing here, so a template must not use them.
const UNSUPPORTED: [&str; 7] = [
    "AWS::DynamoDB::GlobalTable",
    "AWS::Events::ApiDestination",
    "AWS::Lambda::Function",
    "AWS::Pipes::Pipe",
    "AWS::Serverless::SimpleTable",
    "AWS::Serverless::StateMachine",
    "AWS::StepFunctions::StateMachine",
];

/// A parsed SAM `template.yaml`.
///
/// Intrinsic functions are resolved later, when an emulator opens it with its parameters.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) conditions: Map<String, Value>,
    pub(crate) mappings: Value,
    pub(crate) globals: Value,
    routes: Vec<Route>,
}

#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) kind: String,
    pub(crate) condition: Option<String>,
    pub(crate) properties: Value,
}

impl Resource {
    /// The events of a function: name, type and properties.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let events = self.properties["Events"].as_object();
        events.into_iter().flatten().map(|(name, event)| {
            let kind = event["Type"].as_str().unwrap_or_default();
            (name.as_str(), kind, &event["Properties"])
        })
    }

    pub(crate) fn is_function(&self) -> bool {
        self.kind == "AWS::Serverless::Function"
    }
}

impl Template {
    /// Parses the text of a template.
    ///
    /// # Errors
    /// When the text is not YAML, has no resources, or has one that is not supported here.
    pub fn parse(yaml: &str) -> Result<Self, EmulatorError> {
        let mut document = yaml::parse(yaml).map_err(EmulatorError::Template)?;
        let Value::Object(resources) = document["Resources"].take() else {
            return Err(EmulatorError::Template("it has no Resources".to_owned()));
        };
        let resources = resources
            .into_iter()
            .map(|(id, resource)| Ok((id.clone(), read_resource(&id, resource)?)))
            .collect::<Result<BTreeMap<_, _>, EmulatorError>>()?;
        Ok(Self {
            routes: read_routes(&resources)?,
            resources,
            parameters: object(document["Parameters"].take()),
            conditions: object(document["Conditions"].take()),
            mappings: document["Mappings"].take(),
            globals: document["Globals"].take(),
        })
    }

    /// Logical ids of the functions.
    pub fn function_ids(&self) -> Vec<&str> {
        let functions = self.resources.iter().filter(|(_, r)| r.is_function());
        functions.map(|(id, _)| id.as_str()).collect()
    }

    /// Logical id of the function that answers `method` on `path`.
    ///
    /// As with API Gateway's HTTP APIs, the most specific path wins and `/x` is not `/x/`.
    pub fn route(&self, method: &str, path: &str) -> Option<&str> {
        route::find(&self.routes, method, path)
    }

    /// Logical ids of the rules: `AWS::Events::Rule`, and function id with event name for `EventBridgeRule` events.
    pub fn rules(&self) -> Vec<String> {
        self.listed("AWS::Events::Rule", &["EventBridgeRule", "CloudWatchEvent"])
    }

    /// Logical ids of the tables.
    pub fn tables(&self) -> Vec<String> {
        self.listed("AWS::DynamoDB::Table", &[])
    }

    /// Logical ids of the queues.
    pub fn queues(&self) -> Vec<String> {
        self.listed("AWS::SQS::Queue", &[])
    }

    /// Logical ids of the mappings that feed functions from queues.
    pub fn mappings(&self) -> Vec<String> {
        self.listed("AWS::Lambda::EventSourceMapping", &[])
    }

    /// Logical ids of the schedules: `AWS::Scheduler::Schedule`, and function id with event name for `ScheduleV2` events.
    pub fn schedules(&self) -> Vec<String> {
        self.listed("AWS::Scheduler::Schedule", &["ScheduleV2"])
    }

    fn listed(&self, kind: &str, events: &[&str]) -> Vec<String> {
        let mut ids = Vec::new();
        for (id, resource) in &self.resources {
            if resource.kind == kind {
                ids.push(id.clone());
            }
            let of_kind = resource.events().filter(|(_, kind, _)| events.contains(kind));
            ids.extend(of_kind.map(|(name, ..)| format!("{id}{name}")));
        }
        ids
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn read_resource(id: &str, mut resource: Value) -> Result<Resource, EmulatorError> {
    let kind = resource["Type"].as_str().unwrap_or_default().to_owned();
    if kind.is_empty() {
        return Err(EmulatorError::resource(id, "Type", "it is missing"));
    }
    if UNSUPPORTED.contains(&kind.as_str()) {
        let problem = format!("{kind} is not supported here");
        return Err(EmulatorError::resource(id, "Type", problem));
    }
    let condition = resource["Condition"].as_str().map(str::to_owned);
    let properties = resource["Properties"].take();
    let read = Resource { kind, condition, properties };
    for (name, kind, _) in read.events().filter(|_| read.is_function()) {
        let known = ["HttpApi", "EventBridgeRule", "CloudWatchEvent", "ScheduleV2"];
        if !known.contains(&kind) {
            let property = format!("Events.{name}.Type");
            let problem = format!("{kind:?} is not one of {}", known.join(", "));
            return Err(EmulatorError::resource(id, property, problem));
        }
    }
    Ok(read)
}

fn read_routes(resources: &BTreeMap<String, Resource>) -> Result<Vec<Route>, EmulatorError> {
    let mut routes: Vec<Route> = Vec::new();
    for (id, resource) in resources.iter().filter(|(_, r)| r.is_function()) {
        for (name, _, properties) in resource.events().filter(|(_, kind, _)| *kind == "HttpApi") {
            let fail =
                |part: &str, problem: String| EmulatorError::resource(id, format!("Events.{name}.{part}"), problem);
            let method = text_or(properties, "Method", "ANY").map_err(|p| fail("Method", p))?;
            let path = text_or(properties, "Path", "$default").map_err(|p| fail("Path", p))?;
            let route = Route::parse(method, path, id).map_err(|p| fail("Path", p))?;
            if let Some(other) = routes.iter().find(|other| other.same_key(&route)) {
                let problem = format!("{} has the same route {method} {path}", other.function);
                return Err(fail("Path", problem));
            }
            routes.push(route);
        }
    }
    Ok(routes)
}

fn text_or<'v>(properties: &'v Value, name: &str, default: &'v str) -> Result<&'v str, String> {
    match &properties[name] {
        Value::Null => Ok(default),
        Value::String(text) => Ok(text),
        _ => Err("it must be a string".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(yaml: &str) -> String {
        Template::parse(yaml).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_work_here_is_refused_by_name() {
        let function = |event: &str| {
            format!("Resources: {{F: {{Type: 'AWS::Serverless::Function', Properties: {{Events: {{E: {event}}}}}}}}}")
        };
        for (yaml, expected) in [
            ("[", "cannot read the template: "),
            ("Description: x", "it has no Resources"),
            ("Resources: {A: {}}", "A.Type of the template: it is missing"),
            ("Resources: {A: {Type: 'AWS::Pipes::Pipe'}}", "AWS::Pipes::Pipe is not supported here"),
            (&function("{Type: SQS}"), "F.Events.E.Type of the template: \"SQS\" is not one of"),
            (&function("{Type: HttpApi, Properties: {Path: x}}"), "F.Events.E.Path"),
            (&function("{Type: HttpApi, Properties: {Path: /x, Method: !Ref M}}"), "it must be a string"),
            (
                &function(
                    "{Type: HttpApi, Properties: {Path: /x}}, G: {Type: HttpApi, Properties: {Path: /x, Method: any}}",
                ),
                "F has the same route",
            ),
        ] {
            let refusal = refusal(yaml);
            assert!(refusal.contains(expected), "{yaml}: {refusal}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_template_panics(key in "[A-Za-z:.]{0,9}", value in "(!(Sub|Ref|GetAtt|If|Join) )?[${}!.A-Za-z, \\[\\]'\"]{0,24}") {
            let yaml = format!("Resources: {{A: {{Type: 'AWS::DynamoDB::Table', Properties: {{{key}: {value}}}}}}}");
            if let Ok(template) = Template::parse(&yaml) {
                let _ = crate::template::Stack::new(&template, &BTreeMap::new());
            }
        }
    }
}
