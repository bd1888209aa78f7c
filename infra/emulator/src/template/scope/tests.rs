use super::*;

const TEMPLATE: &str = "
Parameters:
  Stage: {Type: String, Default: dev}
  Limit: {Type: Number, Default: 5}
  Names: {Type: CommaDelimitedList, Default: 'a, b'}
Mappings: {Sizes: {dev: {Memory: 128}}}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Not [!Condition IsDev]
  Either: !Or [!Condition IsDev, !Condition IsProd]
Resources:
  Runs: {Type: 'AWS::DynamoDB::Table', Properties: {}}
  Named: {Type: 'AWS::DynamoDB::Table', Properties: {TableName: !Sub '${AWS::StackName}-${Stage}'}}
  Bus: {Type: 'AWS::Events::EventBus', Properties: {Name: !Sub '${AWS::StackName}'}}
  Queue: {Type: 'AWS::SQS::Queue'}
  Key: {Type: 'AWS::SecretsManager::Secret', Properties: {}}
  Work: {Type: 'AWS::Serverless::Function', Properties: {}}
  Loop: {Type: 'AWS::DynamoDB::Table', Properties: {TableName: !Sub '${Loop}'}}
";

fn check(yaml: &str, expected: Result<Value, &str>) {
    let template = Template::parse(TEMPLATE).unwrap();
    let scope = Scope::new(&template, &BTreeMap::new()).unwrap();
    let value = crate::template::yaml::parse(yaml).unwrap();
    match (scope.resolve(&value), expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{yaml}"),
        (Err(error), Err(expected)) => assert!(error.contains(expected), "{yaml}: {error}"),
        (got, expected) => panic!("{yaml}: {got:?} instead of {expected:?}"),
    }
}

#[test]
fn every_intrinsic_function_has_its_meaning() {
    let ok = |value: Value| Ok(value);
    check("plain", ok(json!("plain")));
    check("!Ref Stage", ok(json!("dev")));
    check("!Ref Limit", ok(json!("5")));
    check("!Ref Names", ok(json!(["a", "b"])));
    check("!Ref Runs", ok(json!("hookyard-Runs")));
    check("!Ref Named", ok(json!("hookyard-dev")));
    check("!Ref AWS::Region", ok(json!("us-east-1")));
    check("!Ref Queue", ok(json!("https://sqs.us-east-1.amazonaws.com/000000000000/hookyard-Queue")));
    check("!GetAtt Queue.Arn", ok(json!("arn:aws:sqs:us-east-1:000000000000:hookyard-Queue")));
    check("!GetAtt Bus.Arn", ok(json!("arn:aws:events:us-east-1:000000000000:event-bus/hookyard")));
    check("!GetAtt Bus.Name", ok(json!("hookyard")));
    check("!GetAtt [Work, Arn]", ok(json!("arn:aws:lambda:us-east-1:000000000000:function:hookyard-Work")));
    check("!GetAtt WorkRole.Arn", ok(json!("arn:aws:iam::000000000000:role/hookyard-WorkRole")));
    check("!Sub '${Stage}/${Runs.Arn}/${!x}/${y}'", Err("the template has no y"));
    check("!Sub ['${Stage}-${!x}-${y}', {y: !Ref Limit}]", ok(json!("dev-${x}-5")));
    check("!Join [':', [a, !Ref Stage, 1]]", ok(json!("a:dev:1")));
    check("!Select [1, !Split [',', 'x,y']]", ok(json!("y")));
    check("!If [IsDev, !Ref Stage, no]", ok(json!("dev")));
    check("!If [Either, {a: !If [IsProd, 1, !Ref AWS::NoValue]}, no]", ok(json!({})));
    check("[1, !Ref AWS::NoValue]", ok(json!([1])));
    check("!FindInMap [Sizes, !Ref Stage, Memory]", ok(json!(128)));
    check("!FindInMap [Sizes, prod, Memory]", Err("finds nothing at Sizes.prod.Memory"));
    check("!Ref Nothing", Err("the template has no Nothing"));
    check("!ImportValue x", Err("Fn::ImportValue is not supported here"));
    check("!Ref Loop", Err("it refers to itself"));
    check("'{{resolve:ssm:x}}'", Err("dynamic reference"));
}

#[test]
fn a_secret_is_known_by_an_arn_that_stays_the_same() {
    let template = Template::parse(TEMPLATE).unwrap();
    let scope = Scope::new(&template, &BTreeMap::new()).unwrap();
    let arn = scope.arn("Key").unwrap();
    let start = "arn:aws:secretsmanager:us-east-1:000000000000:secret:hookyard-Key-";
    assert_eq!(arn.strip_prefix(start).map(str::len), Some(6));
    assert_eq!(scope.resolve(&json!({"Ref": "Key"})), Ok(arn.into()));
}

#[test]
fn a_parameter_without_a_value_is_an_error() {
    let template = Template::parse("{Parameters: {Mail: {Type: String}}, Resources: {}}").unwrap();
    let error = Scope::new(&template, &BTreeMap::new()).err().unwrap();
    assert!(error.to_string().contains("Mail.Default"), "{error}");
}
