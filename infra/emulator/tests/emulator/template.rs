//! What a wiring test asks the template.

use std::collections::BTreeMap;

use emulator::{Emulator, Options, Template};

use crate::support::{TEMPLATE, in_memory, template};

#[test]
fn the_template_lists_what_it_wires() {
    let template = template();
    assert_eq!(template.function_ids(), ["ActionFunction", "TaskFunction"]);
    assert_eq!(template.rules(), ["ActionFunctionCommands", "OnEverything", "TaskFunctionCommands"]);
    assert_eq!(template.tables(), ["Records"]);
    assert_eq!(template.schedules(), ["TaskFunctionSweep"]);
    assert_eq!(template.route("GET", "/tasks/v1/"), Some("TaskFunction"));
    assert_eq!(template.route("GET", "/other"), None);
}

#[tokio::test]
async fn a_function_has_the_environment_of_the_template() {
    let (emulator, _) = in_memory().await;
    let environment = emulator.environment("TaskFunction");
    assert_eq!(environment["BUS"], "hookyard");
    assert_eq!(environment["STAGE"], "dev");
    assert_eq!(environment["TABLE"], "hookyard-Records");
    assert!(environment["KEY_RING"].starts_with("arn:aws:secretsmanager:us-east-1:"));
    assert_eq!(environment["SELF"], "arn:aws:lambda:us-east-1:000000000000:function:hookyard-TaskFunction");
    assert_eq!(environment["ROLE"], "arn:aws:iam::000000000000:role/hookyard-SchedulerRole");
    assert!(emulator.environment("Nothing").is_empty());
}

#[tokio::test]
async fn parameters_can_be_given() {
    let given = [("Stage", "prod"), ("AWS::StackName", "mine")];
    let parameters: BTreeMap<_, _> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let options = Options { parameters, ..Options::default() };
    let emulator = Emulator::open(template(), options).await.unwrap();
    let environment = emulator.environment("TaskFunction");
    assert_eq!((environment["STAGE"].as_str(), environment["BUS"].as_str()), ("prod", "mine"));
}

#[tokio::test]
async fn what_cannot_be_interpreted_is_named() {
    for (from, to, expected) in [
        ("TABLE: !Ref Records", "TABLE: !Ref Missing", "TaskFunction.Environment.Variables"),
        ("[{prefix: audit.}]", "[{prefix: 1}]", "OnEverything.Pattern"),
        ("!GetAtt ActionFunction.Arn}", "!GetAtt DeadLetters.Arn}", "OnEverything.Targets.Arn"),
        ("rate(5 minutes)", "rate(5)", "TaskFunctionSweep.Schedule"),
        ("MaximumRetryAttempts: 2", "MaximumRetryAttempts: many", "TaskFunction.Events.Commands.RetryPolicy"),
        ("PasswordLength: 64", "PasswordLength: 0", "KeyRing.GenerateSecretString"),
        ("BillingMode:", "BillingMod:", "Records.BillingMod"),
        ("Input: '{\"fixed\": true}'", "InputPath: $.detail", "ActionFunction.Events.Commands.InputPath"),
    ] {
        assert!(TEMPLATE.contains(from), "{from}");
        let template = Template::parse(&TEMPLATE.replace(from, to)).unwrap();
        let error = Emulator::open(template, Options::default()).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}
