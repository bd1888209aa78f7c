use proptest::prelude::*;
use serde_json::json;

use super::*;

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

fn schema(given: &Value) -> Value {
    normalised(given).unwrap().unwrap()
}

#[test]
fn a_schema_is_given_its_draft() {
    let check = |given: Value, expected: Value| assert_eq!(schema(&given), expected, "{given}");
    check(json!({"type": "object"}), json!({"type": "object", "$schema": DRAFT_7}));
    check(json!("{\"type\": \"object\"}"), json!({"type": "object", "$schema": DRAFT_7}));
    check(json!({"version": 4}), json!({"$schema": "http://json-schema.org/draft-04/schema#"}));
    check(json!({"version": 6}), json!({"$schema": "http://json-schema.org/draft-06/schema#"}));
    check(json!({"version": 7.0}), json!({"$schema": DRAFT_7}));
    check(json!({"version": 5}), json!({"version": 5, "$schema": DRAFT_7}));
    check(json!({"version": "4"}), json!({"version": "4", "$schema": DRAFT_7}));
    let any = json!({"$schema": "http://json-schema.org/schema#", "version": 4});
    check(any.clone(), any);
    let newest = json!({"$schema": "https://json-schema.org/draft/2020-12/schema"});
    check(newest.clone(), newest);
    for none in [Value::Null, json!(""), json!(" ")] {
        assert_eq!(normalised(&none), Ok(None));
    }
}

#[test]
fn what_is_not_a_schema_is_refused() {
    let check = |given: Value, part: &str| {
        let error = normalised(&given).unwrap_err();
        assert!(error.starts_with("unable to parse provided schema: "), "{error}");
        assert!(error.contains(part), "{given}: {error}");
    };
    check(json!("{"), "EOF");
    check(json!("[]"), "JSON object");
    check(json!(5), "JSON object");
    check(json!({"type": "nonsense"}), "nonsense");
    check(json!({"$schema": "http://example.com/x"}), "drafts");
    check(json!({"pattern": "(?=a)b"}), "regex");
    check(json!(format!(r#"{{"const": {}{}}}"#, "[".repeat(64), "]".repeat(64))), "64 levels");
    check(json!({"const": (0..64).fold(json!(1), |inner, _| json!([inner]))}), "64 levels");
    check(json!({"description": "x".repeat(SCHEMA_LIMIT_BYTES)}), "larger");
    check(json!("x".repeat(3 * SCHEMA_LIMIT_BYTES)), "larger");
}

#[test]
fn a_schema_never_reaches_out_of_itself() {
    let check = |reference: &str| {
        let error = normalised(&json!({"properties": {"a": {"$ref": reference}}})).unwrap_err();
        assert!(error.contains("not a reference to a place within it"), "{error}");
    };
    check("http://169.254.169.254/latest/meta-data");
    check("file:///etc/passwd");
    check("other.json");
    check("#name");
    check("#/definitions/missing");
    let nested = json!({"properties": {"a": {"$id": "http://example.com/", "type": "object"}}});
    assert!(normalised(&nested).unwrap_err().contains("`$id`"));
    assert!(normalised(&json!({"$id": "http://example.com/", "properties": {"id": {"type": "string"}}})).is_ok());
}

#[test]
fn bodies_are_checked_and_the_error_says_what_is_wrong() {
    let seed = schema(&json!(
        r#"{"$schema": "http://json-schema.org/schema#", "type": "object", "additionalProperties": false,
            "required": ["success"], "properties": {"success": {"type": "boolean"}}}"#
    ));
    assert_eq!(check_here(&seed, &json!({"success": true})), Ok(()));
    let wrong = |body: Value, part: &str| {
        let error = check_here(&seed, &body).unwrap_err();
        assert!(error.starts_with("unable to validate body: ") && error.contains(part), "{body}: {error}");
    };
    wrong(Value::Null, "null");
    wrong(json!({}), "required");
    wrong(json!({"success": "true"}), "at /success");
    wrong(json!({"success": true, "more": 1}), "more");
    let long = check_here(&seed, &json!({"success": "x".repeat(10_000)})).unwrap_err();
    assert!(long.len() < 600);
}

#[test]
fn each_draft_is_checked_by_its_own_rules() {
    // The fourth draft says that an exclusive maximum is a boolean, the later ones a number.
    let fourth = schema(&json!({"version": 4, "maximum": 5, "exclusiveMaximum": true}));
    assert!(check_here(&fourth, &json!(5)).is_err());
    let seventh = schema(&json!({"exclusiveMaximum": 5}));
    assert!(check_here(&seventh, &json!(5)).is_err() && check_here(&seventh, &json!(4)).is_ok());
    let newest =
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{"type": "string"}]});
    assert!(check_here(&schema(&newest), &json!([1])).is_err());
}

/// A chain of definitions, each naming the next one `times` times.
fn chain(length: usize, times: usize) -> Value {
    let name = |n: usize| json!({"$ref": format!("#/definitions/a{n}")});
    let mut definitions: Map<String, Value> =
        (0..length).map(|n| (format!("a{n}"), json!({"allOf": vec![name(n + 1); times]}))).collect();
    definitions.insert(format!("a{length}"), json!({"type": "object"}));
    json!({"definitions": definitions, "allOf": [name(0)]})
}

#[test]
fn schemas_whose_work_explodes_are_refused() {
    assert!(normalised(&chain(8, 2)).is_ok());
    assert!(normalised(&chain(9, 8)).unwrap_err().contains("multiply"));
    assert!(normalised(&chain(40, 1)).unwrap_err().contains("follow one another"));
    for looping in [
        json!({"$ref": "#"}),
        json!({"anyOf": [{"not": {"$ref": "#"}}]}),
        json!({"properties": {"a": {"$ref": "#/properties/a"}}}),
    ] {
        assert!(normalised(&looping).unwrap_err().contains("refers to itself"), "{looping}");
    }
}

#[test]
fn a_recursive_schema_takes_bodies_as_deep_as_its_work_allows() {
    let nested = |depth: usize| (0..depth).fold(json!({}), |body, _| json!({ "x": body }));
    let list = schema(&json!({"properties": {"x": {"$ref": "#"}}}));
    assert_eq!(check_here(&list, &nested(60)), Ok(()));
    let triple = schema(&json!({"properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}, {"$ref": "#"}]}}}));
    assert_eq!(check_here(&triple, &nested(5)), Ok(()));
    assert!(check_here(&triple, &nested(30)).unwrap_err().contains("too deeply nested"));
}

#[tokio::test]
async fn the_longest_chain_and_the_deepest_body_fit_the_stack() {
    let mut chain = chain(10, 1);
    chain["definitions"]["a10"] = json!({"properties": {"x": {"$ref": "#"}}});
    let body = (0..63).fold(json!({}), |body, _| json!({ "x": body }));
    assert_eq!(check(schema(&chain), body).await.unwrap(), Ok(()));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}|\\{\"[a-z$]{0,6}\": ?[0-9a-z\"\\[\\]{}]{0,12}\\}") {
        if let Ok(Some(schema)) = normalised(&json!(text)) {
            let _ = check_here(&schema, &json!({"a": [1]}));
        }
    }
}
