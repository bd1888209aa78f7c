//! Every event that a rule matches waits in a queue of its rule, and the queue feeds a function that is served.

use emulator::{Clock, Emulator, Options, Template};
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// The template as JSON; a tag such as `!GetAtt` is the only key of an object.
fn template() -> Value {
    untagged(&serde_yaml_ng::from_str(local::TEMPLATE).unwrap())
}

fn untagged(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string().trim_start_matches('!').to_owned();
            Value::Object(Map::from_iter([(tag, untagged(&tagged.value))]))
        }
        Yaml::Mapping(map) => {
            let key = |key: &Yaml| key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
            Value::Object(map.iter().map(|(name, value)| (key(name), untagged(value))).collect())
        }
        Yaml::Sequence(values) => values.iter().map(untagged).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

/// The resources of a type, with their properties.
fn of_type<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let found = resources.filter(|(_, resource)| resource["Type"] == kind);
    found.map(|(id, resource)| (id.as_str(), &resource["Properties"])).collect()
}

fn arn(id: &str) -> Value {
    json!({"GetAtt": format!("{id}.Arn")})
}

/// The one resource of a type with this property.
fn the<'t>(template: &'t Value, kind: &str, pointer: &str, value: &Value) -> (&'t str, &'t Value) {
    let found = of_type(template, kind).into_iter();
    let found: Vec<_> = found.filter(|(_, properties)| properties.pointer(pointer) == Some(value)).collect();
    let [one] = found.as_slice() else { panic!("{} of {kind} with {pointer} {value}", found.len()) };
    *one
}

fn timeout_s(template: &Value, function: &str) -> u64 {
    let own = template["Resources"][function]["Properties"]["Timeout"].as_u64();
    own.unwrap_or_else(|| template["Globals"]["Function"]["Timeout"].as_u64().unwrap())
}

#[test]
fn every_rule_sends_to_a_queue_of_its_own_that_feeds_a_function_which_is_served() {
    let template = template();
    let rules = of_type(&template, "AWS::Events::Rule");
    assert_eq!(rules.len(), of_type(&template, "AWS::Lambda::EventSourceMapping").len());
    for (rule, properties) in rules {
        let [target] = properties["Targets"].as_array().unwrap().as_slice() else { panic!("{rule}") };
        let queue = target["Arn"]["GetAtt"].as_str().unwrap().trim_end_matches(".Arn");
        assert_eq!(target["DeadLetterConfig"]["Arn"], arn("FailedDeliveries"), "{rule}");
        let (_, mapping) = the(&template, "AWS::Lambda::EventSourceMapping", "/EventSourceArn", &arn(queue));
        let function = mapping["FunctionName"]["Ref"].as_str().unwrap();
        assert!(local::FUNCTIONS.iter().any(|(id, _)| *id == function), "{rule}: {function}");
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{rule}");
        assert!(mapping["BatchSize"].as_u64().unwrap() <= 10, "{rule}");
        let parameter = mapping["ScalingConfig"]["MaximumConcurrency"]["Ref"].as_str().unwrap();
        assert_eq!(template["Parameters"][parameter]["Type"], "Number", "{rule}");

        let settings = &template["Resources"][queue]["Properties"];
        assert_eq!(settings["SqsManagedSseEnabled"], true, "{queue}");
        assert_eq!(settings["RedrivePolicy"]["deadLetterTargetArn"], arn("DeadLetters"), "{queue}");
        assert!(settings["VisibilityTimeout"].as_u64().unwrap() >= 6 * timeout_s(&template, function), "{queue}");
        // The time before counts in the queue of dead letters, too.
        let kept = |queue: &str| template["Resources"][queue]["Properties"]["MessageRetentionPeriod"].as_u64();
        assert!(kept(queue) < kept("DeadLetters"), "{queue}");

        let (_, policy) = the(&template, "AWS::SQS::QueuePolicy", "/Queues/0/Ref", &json!(queue));
        let [statement] = policy["PolicyDocument"]["Statement"].as_array().unwrap().as_slice() else { panic!() };
        let condition = json!({"ArnEquals": {"aws:SourceArn": arn(rule)}});
        assert_eq!((&statement["Condition"], &statement["Action"]), (&condition, &json!("sqs:SendMessage")), "{queue}");
        assert_eq!((&statement["Resource"], &policy["Queues"]), (&arn(queue), &json!([{"Ref": queue}])), "{queue}");
        let policies = template["Resources"][function]["Properties"]["Policies"].to_string();
        assert!(policies.contains(&arn(queue).to_string()), "{function} may not receive from {queue}");
    }
}

#[test]
fn no_queue_is_without_a_reader_or_an_alarm() {
    let template = template();
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
    let watched = |queue: &str| {
        let name = json!({"GetAtt": format!("{queue}.QueueName")}).to_string();
        alarms.iter().any(|(_, alarm)| alarm.to_string().contains(&name))
    };
    for (queue, properties) in of_type(&template, "AWS::SQS::Queue") {
        assert!(watched(queue), "no alarm watches {queue}");
        let is_read = of_type(&template, "AWS::Lambda::EventSourceMapping")
            .iter()
            .any(|(_, mapping)| mapping["EventSourceArn"] == arn(queue));
        assert_eq!(is_read, properties.get("RedrivePolicy").is_some(), "{queue}");
    }
    for (function, properties) in of_type(&template, "AWS::Serverless::Function") {
        let events = properties["Events"].as_object().unwrap();
        let past_a_queue = events.values().find(|event| event["Type"] == "EventBridgeRule");
        assert_eq!(past_a_queue, None, "{function}");
    }
}

#[tokio::test]
async fn the_emulator_serves_every_queue_of_the_template() {
    let parsed = Template::parse(local::TEMPLATE).unwrap();
    let (mappings, queues) = (parsed.mappings(), parsed.queues());
    assert!(mappings.len() >= 10 && queues.len() == mappings.len() + 2, "{queues:?} {mappings:?}");
    Emulator::open(parsed, Options { clock: Clock::system(), ..Options::default() }).await.unwrap();
    for (from, to) in [
        ("FunctionName: !Ref MailFunction", "FunctionName: other"),
        ("Arn: !GetAtt FactQueue.Arn", "Arn: !GetAtt FailedDeliveries.Arn"),
        ("EventSourceArn: !GetAtt FactQueue.Arn", "EventSourceArn: !GetAtt Bus.Arn"),
    ] {
        let parsed = Template::parse(&local::TEMPLATE.replace(from, to)).unwrap();
        assert!(Emulator::open(parsed, Options::default()).await.is_err(), "{to}");
    }
}

/// A batch ends with its slowest event, and a script may run for minutes.
#[test]
fn no_invocation_has_more_scripts_than_one() {
    let template = template();
    let (_, mapping) = the(&template, "AWS::Lambda::EventSourceMapping", "/EventSourceArn", &arn("TaskRequestedQueue"));
    assert_eq!(mapping["BatchSize"], 1);
}
