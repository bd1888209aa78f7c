//! Batches of `PartiQL` statements.

use serde_json::{Value, json};
use tables::Engine;

use crate::support::{TABLE, ask, create, done, open, put};

fn run(engine: &Engine, statements: &[(&str, Value)]) -> Vec<Value> {
    let statements: Vec<Value> = statements
        .iter()
        .map(|(text, parameters)| match parameters.is_null() {
            true => json!({"Statement": text}),
            false => json!({"Statement": text, "Parameters": parameters}),
        })
        .collect();
    let answer = done(engine, "BatchExecuteStatement", &json!({"Statements": statements}));
    answer["Responses"].as_array().unwrap().clone()
}

fn item(engine: &Engine, sk: &str) -> Value {
    let key = json!({"pk": {"S": "p"}, "sk": {"S": sk}});
    done(engine, "GetItem", &json!({"TableName": TABLE, "Key": key, "ConsistentRead": true}))["Item"].clone()
}

#[test]
fn each_statement_has_its_own_condition_and_its_own_error() {
    let engine = open(None);
    create(&engine);
    done(&engine, "PutItem", &put("there", "old"));
    done(&engine, "PutItem", &put("gone", "old"));
    let insert = "INSERT INTO \"things\" VALUE {'pk': ?, 'sk': ?, 'text': ?}";
    let update = "UPDATE \"things\" SET \"text\" = ? WHERE pk = ? AND sk = ? AND \"text\" = ?";
    let delete = "DELETE FROM \"things\" WHERE pk = ? AND sk = ? AND attribute_exists(\"text\")";
    let [p, there, new, old] = ["p", "there", "new", "old"].map(|text| json!({"S": text}));
    let responses = run(
        &engine,
        &[
            (insert, json!([p, new, new])),
            (update, json!([new, p, there, old])),
            (update, json!([new, p, {"S": "missing"}, old])),
            (delete, json!([p, {"S": "gone"}])),
            (delete, json!([p, {"S": "never"}])),
            ("UPDATE \"unheard\" SET a = ? WHERE pk = ?", json!([p, p])),
            ("UPDATE things SET", Value::Null),
        ],
    );
    let codes: Vec<&str> = responses.iter().map(|response| response["Error"]["Code"].as_str().unwrap_or("-")).collect();
    assert_eq!(codes, ["-", "-", "ConditionalCheckFailed", "-", "-", "ResourceNotFound", "ValidationError"]);
    assert_eq!((&item(&engine, "new")["text"], &item(&engine, "there")["text"]), (&new, &new));
    assert!(item(&engine, "gone").is_null() && item(&engine, "missing").is_null());

    let again = [(insert, json!([p, new, old])), (update, json!([old, p, there, old]))];
    let statements: Vec<Value> = again
        .iter()
        .map(|(text, parameters)| {
            json!({"Statement": text, "Parameters": parameters, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"})
        })
        .collect();
    let answer = done(&engine, "BatchExecuteStatement", &json!({"Statements": statements}));
    assert_eq!(answer["Responses"][0]["Error"]["Code"], "DuplicateItem");
    let failed = &answer["Responses"][1];
    assert_eq!((&failed["Error"]["Item"]["text"], &failed["TableName"]), (&new, &json!(TABLE)));
}

fn start() -> Value {
    json!({"pk": {"S": "p"}, "sk": {"S": "k"}, "n": {"N": "1"}, "list": {"L": [{"N": "1"}]},
        "set": {"SS": ["a"]}, "map": {"M": {"x": {"S": "y"}}}, "quo\"te": {"S": "q"}})
}

/// Runs an update, in which `@` stands for the place of the item, and asserts what has changed.
fn check_update(engine: &Engine, statement: &str, parameters: Value, changed: &Value) {
    done(engine, "PutItem", &json!({"TableName": TABLE, "Item": start()}));
    let text = format!("UPDATE \"things\" {}", statement.replace('@', "WHERE pk = 'p' AND sk = 'k'"));
    assert_eq!(run(engine, &[(&text, parameters)])[0].get("Error"), None, "{statement}");
    let mut expected = start();
    for (name, value) in changed.as_object().unwrap() {
        expected[name] = value.clone();
    }
    expected.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    assert_eq!(item(engine, "k"), expected, "{statement}");
}

#[test]
fn every_update_does_what_it_says() {
    let engine = open(None);
    create(&engine);
    let check = |statement: &str, parameters: Value, changed: Value| {
        check_update(&engine, statement, parameters, &changed);
    };
    check("SET n = ? @", json!([{"N": "2"}]), json!({"n": {"N": "2"}}));
    let several = json!({"n": {"N": "2"}, "b": {"BOOL": true}, "c": {"NULL": true}});
    check("SET n = n + 1, b = TRUE SET c = NULL @;", Value::Null, several);
    check("SET n = -1.5e1 REMOVE list @", Value::Null, json!({"n": {"N": "-15"}, "list": null}));
    check("set n = n - ? @ and n between 0 and 5", json!([{"N": "3"}]), json!({"n": {"N": "-2"}}));
    check("SET map.x = ? @", json!([{"S": "z"}]), json!({"map": {"M": {"x": {"S": "z"}}}}));
    let quoted = json!({"map": {"M": {"x": {"S": "y"}, "y": {"S": "it's"}}}});
    check("SET \"map\".\"y\" = 'it''s' @", Value::Null, quoted);
    let appended = json!({"list": {"L": [{"N": "1"}, {"N": "2"}, {"M": {"a": {"SS": ["b"]}}}]}});
    check("SET list = list_append(list, [2, {'a': <<'b'>>}]) @", Value::Null, appended);
    check("SET list[0] = ? @", json!([{"N": "9"}]), json!({"list": {"L": [{"N": "9"}]}}));
    check("SET \"set\" = set_add(\"set\", <<'b'>>) @", Value::Null, json!({"set": {"SS": ["a", "b"]}}));
    check("SET \"set\" = set_delete(\"set\", ?) @", json!([{"SS": ["a"]}]), json!({"set": null}));
    check("SET \"quo\"\"te\" = 'r' @", Value::Null, json!({"quo\"te": {"S": "r"}}));
}

#[test]
fn every_condition_decides() {
    let engine = open(None);
    create(&engine);
    let holds = [
        "n = 1",
        "1 = n",
        "n <> 2",
        "n != 2",
        "n >= 1 AND n < 2",
        "n IN [1, 2]",
        "n IN (3, 1)",
        "n NOT IN [3]",
        "NOT (n = 2 OR n = 3)",
        "absent IS MISSING",
        "n IS NOT MISSING",
        "n IS NOT NULL",
        "attribute_exists(map.x)",
        "attribute_not_exists(map.y)",
        "attribute_type(n, 'N')",
        "begins_with(map.x, 'y')",
        "contains(list, 1)",
        "size(list) = 1",
        "n NOT BETWEEN 2 AND 3",
        "list[0] = 1",
    ];
    for condition in holds {
        let changed = json!({"a": {"N": "1"}});
        check_update(&engine, &format!("SET a = 1 @ AND {condition}"), Value::Null, &changed);
        let fails = format!("UPDATE things SET a = 1 WHERE pk = 'p' AND sk = 'k' AND NOT ({condition})");
        assert_eq!(run(&engine, &[(&fails, Value::Null)])[0]["Error"]["Code"], "ConditionalCheckFailed", "{condition}");
    }
}

#[test]
fn reads_and_writes_return_what_they_are_asked_for() {
    let engine = open(None);
    create(&engine);
    done(&engine, "PutItem", &json!({"TableName": TABLE, "Item": start()}));
    let one = |text: &str| run(&engine, &[(text, Value::Null)])[0]["Item"].clone();
    let selected = one("SELECT n, \"map\" FROM things WHERE sk = 'k' AND 'p' = pk");
    assert_eq!(selected, json!({"n": {"N": "1"}, "map": {"M": {"x": {"S": "y"}}}}));
    assert_eq!(one("SELECT * FROM things WHERE pk = 'p' AND sk = 'other'"), Value::Null);
    let update = "UPDATE things SET n = n + 1 WHERE pk = 'p' AND sk = 'k'";
    assert_eq!(one(&format!("{update} RETURNING MODIFIED NEW *")), json!({"n": {"N": "2"}}));
    assert_eq!(one(&format!("{update} RETURNING MODIFIED OLD *")), json!({"n": {"N": "2"}}));
    assert_eq!(one(&format!("{update} RETURNING ALL NEW *"))["n"], json!({"N": "4"}));
    assert_eq!(one("DELETE FROM things WHERE pk = 'p' AND sk = 'k' RETURNING ALL OLD *")["n"], json!({"N": "4"}));
    assert_eq!(one("SELECT * FROM things WHERE pk = 'p' AND sk = 'k'"), Value::Null);
}

#[test]
fn what_is_not_understood_is_the_error_of_its_statement() {
    let engine = open(None);
    create(&engine);
    let place = "WHERE pk = 'p' AND sk = 'k'";
    let nested = format!("UPDATE things SET a = 1 {place} AND {}", "NOT ".repeat(500));
    let deep = format!("INSERT INTO things VALUE {{'pk': 'p', 'sk': 'k', 'a': {}1", "[".repeat(500));
    let long = format!("DELETE FROM things {place} AND a = '{}'", "x".repeat(8192));
    let cases = [
        ("", "SELECT, INSERT, UPDATE or DELETE"),
        ("SELECT 'a' FROM things", "a name"),
        ("SELECT map.x FROM things WHERE pk = 'p' AND sk = 'k'", "whole attributes"),
        ("SELECT * FROM things WHERE pk = 'p'", "primary key"),
        ("SELECT * FROM things WHERE pk = 'p' AND sk = 'k' AND a = 1", "primary key"),
        ("SELECT * FROM things.byColor WHERE color = 'red'", "primary key"),
        ("INSERT INTO things VALUE {'pk': 'p', 'pk': 'q'}", "named twice"),
        ("INSERT INTO things VALUE {'pk': 'p'}", "Missing the key sk"),
        ("INSERT INTO things VALUE {'pk': 'p', 'sk': ?}", "Number of parameters"),
        ("INSERT INTO things VALUE {'pk': 'p', 'sk': 'k', 'a': <<1, 'x'>>}", "one type"),
        ("INSERT INTO things {'pk': 'p', 'sk': 'k'}", "Expected VALUE"),
        ("UPDATE things WHERE pk = 'p' AND sk = 'k'", "SET or REMOVE"),
        ("UPDATE things SET sk = 'x' WHERE pk = 'p' AND sk = 'k'", "part of the key"),
        ("UPDATE things SET a = 1 SET a.b = 2 WHERE pk = 'p' AND sk = 'k'", "overlap"),
        ("UPDATE things SET a = b WHERE pk = 'p' AND sk = 'k'", "Expected"),
        ("UPDATE things SET a = 1", "mandatory equality"),
        ("UPDATE things SET a = 1 WHERE pk = 'p' OR sk = 'k'", "mandatory equality"),
        ("UPDATE things SET a = 1 WHERE pk = 'p' AND pk = 'q' AND sk = 'k'", "same key"),
        ("UPDATE things SET a = 1 WHERE pk = 1 AND sk = 'k'", "does not match the schema"),
        ("DELETE FROM things WHERE pk = 'p' AND sk = 'k' RETURNING ALL NEW *", "ALL OLD"),
        ("DELETE FROM things WHERE pk = 'p' AND sk = 'k' AND a < TRUE", "operand type"),
        ("DELETE FROM things WHERE pk = 'p' AND sk = 'k' AND a LIKE 'b'", "a comparison"),
        ("DELETE FROM things WHERE pk = 'p' AND sk = 'k", "not closed"),
        ("DROP TABLE things", "SELECT, INSERT"),
        ("DELETE FROM things WHERE pk = 'p' AND sk = 'k'; DELETE FROM things", "the end"),
        ("UPDATE things SET n = 1e400 WHERE pk = 'p' AND sk = 'k'", "overflow"),
        (&nested, "nests too deep"),
        (&deep, "nests too deep"),
        (&long, "8192"),
        ("DELETE FROM things WHERE pk = 'p' AND sk = 'k' AND § = 1", "Unexpected character"),
    ];
    for (statement, expected) in cases {
        let responses = run(&engine, &[(statement, Value::Null)]);
        let message = responses[0]["Error"]["Message"].as_str().unwrap_or_default();
        assert_eq!(responses[0]["Error"]["Code"], "ValidationError", "{statement}");
        assert!(message.contains(expected), "{statement}: {message}");
    }
}

#[test]
fn a_batch_that_cannot_be_run_as_a_whole_is_refused() {
    let engine = open(None);
    create(&engine);
    let statement = |text: &str| json!({"Statement": text});
    let read = |key: usize| statement(&format!("SELECT * FROM things WHERE pk = 'p' AND sk = '{key}'"));
    let write = |key: usize| statement(&format!("INSERT INTO things VALUE {{'pk': 'p', 'sk': '{key}'}}"));
    let check = |statements: Vec<Value>, expected: &str| {
        let (status, body) = ask(&engine, "BatchExecuteStatement", &json!({"Statements": statements}));
        assert_eq!(status, 400, "{body}");
        assert!(body["__type"].as_str().unwrap().ends_with("#ValidationException"), "{body}");
        assert!(body["message"].as_str().unwrap().contains(expected), "{body}");
    };
    check(vec![], "less than or equal to 25");
    check((0..26).map(write).collect(), "less than or equal to 25");
    check(vec![read(1), write(2)], "Read and write");
    check(vec![write(1), write(1)], "duplicates");
    check(vec![json!({"Statement": "x", "Limit": 1})], "Limit");
    assert!(item(&engine, "1").is_null());
    let all: Vec<Value> = (0..25).map(write).collect();
    done(&engine, "BatchExecuteStatement", &json!({"Statements": all}));
    assert!(!item(&engine, "24").is_null());
}
