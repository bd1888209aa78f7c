use proptest::prelude::*;
use serde_json::json;

use super::pattern::tests::noise;
use super::*;

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

fn schema(given: &Value) -> Value {
    normalised(given).unwrap().unwrap()
}

/// Normalises and compiles a schema on a thread with room for it.
fn compiled(given: &Value) -> Result<Compiled, String> {
    let schema = normalised(given)?.unwrap();
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(move || compile(&schema)).unwrap().join().unwrap()
}

/// Checks a body on a thread with room for it; returns what it cost, too.
fn measured(given: &Value, body: &Value) -> (Result<(), String>, u64) {
    let (compiled, body) = (compiled(given).unwrap(), body.clone());
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(move || compiled.check(&body)).unwrap().join().unwrap()
}

fn check_here(given: &Value, body: &Value) -> Result<(), String> {
    measured(given, body).0
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
        let error = compiled(&given).map(drop).unwrap_err();
        assert!(error.starts_with("unable to parse provided schema: "), "{error}");
        assert!(error.contains(part), "{given}: {error}");
    };
    check(json!("{"), "EOF");
    check(json!("[]"), "JSON object");
    check(json!(5), "JSON object");
    check(json!({"type": "nonsense"}), "nonsense");
    check(json!({"$schema": "http://example.com/x"}), "drafts");
    check(json!({"pattern": "(?=a)b"}), "(?=a)b");
    check(json!({"patternProperties": {"(a)\\1": true}}), r"(a)\\1");
    check(json!({"properties": {"a": {"pattern": r"(\p{L}{1,1000}){9}"}}}), "too much memory");
    check(json!(format!(r#"{{"const": {}{}}}"#, "[".repeat(64), "]".repeat(64))), "64 levels");
    check(json!({"const": (0..64).fold(json!(1), |inner, _| json!([inner]))}), "64 levels");
    check(json!({"description": "x".repeat(SCHEMA_LIMIT_BYTES)}), "larger");
    check(json!("x".repeat(3 * SCHEMA_LIMIT_BYTES)), "larger");
}

#[test]
fn a_schema_never_reaches_out_of_itself() {
    for reference in [
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "other.json",
        "#name",
        "#/definitions/missing",
    ] {
        let error = compiled(&json!({"properties": {"a": {"$ref": reference}}})).map(drop).unwrap_err();
        assert!(error.starts_with("unable to parse provided schema: "), "{error}");
    }
}

#[test]
fn references_are_resolved_within_the_document() {
    let newest = "https://json-schema.org/draft/2020-12/schema";
    let middle = "https://json-schema.org/draft/2019-09/schema";
    let check = |schema: Value| {
        assert_eq!(check_here(&schema, &json!({"a": 1})), Ok(()), "{schema}");
        assert!(check_here(&schema, &json!({"a": "x"})).is_err(), "{schema}");
    };
    let number = json!({"type": "integer"});
    check(json!({"properties": {"a": {"$ref": "#a"}}, "definitions": {"n": {"$id": "#a", "type": "integer"}}}));
    check(json!({
        "version": 4, "properties": {"a": {"$ref": "#a"}}, "definitions": {"n": {"id": "#a", "type": "integer"}},
    }));
    check(json!({
        "$id": "http://example.com/root.json", "properties": {"a": {"$ref": "http://example.com/root.json#/definitions/n"}},
        "definitions": {"n": number},
    }));
    check(json!({
        "$id": "http://example.com/root.json", "properties": {"a": {"$ref": "item.json"}},
        "definitions": {"n": {"$id": "item.json", "type": "integer"}},
    }));
    check(json!({"properties": {"a": {"$id": "http://example.com/", "type": "integer"}}}));
    check(
        json!({"$schema": newest, "properties": {"a": {"$ref": "#a"}}, "$defs": {"n": {"$anchor": "a", "type": "integer"}}}),
    );
    check(json!({
        "$schema": newest, "properties": {"a": {"$dynamicRef": "#n"}},
        "$defs": {"n": {"$dynamicAnchor": "n", "type": "integer"}},
    }));
    check(json!({
        "$schema": middle, "$recursiveAnchor": true, "anyOf": [{"type": "integer"}, {"type": "object"}],
        "additionalProperties": {"$recursiveRef": "#"},
    }));
}

#[test]
fn a_schema_may_be_a_boolean() {
    for (given, expected) in
        [(json!(true), true), (json!("true"), true), (json!(false), false), (json!("false"), false)]
    {
        assert_eq!(check_here(&given, &json!({})).is_ok(), expected, "{given}");
    }
}

#[test]
fn the_drafts_before_2019_assert_formats() {
    let check = |draft: &str, format: &str, text: &str, expected: bool| {
        let schema = json!({"$schema": draft, "properties": {"a": {"format": format}}});
        assert_eq!(check_here(&schema, &json!({"a": text})).is_ok(), expected, "{draft} {format} {text}");
    };
    for draft in ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema#", DRAFT_7] {
        check(draft, "email", "a@example.com", true);
        check(draft, "email", "no address", false);
        check(draft, "date-time", "2026-01-02T03:04:05Z", true);
        check(draft, "date-time", "yesterday", false);
        check(draft, "ipv4", "127.0.0.256", false);
    }
    check(DRAFT_7, "idn-email", "ä@bücher.example", true);
    check(DRAFT_7, "idn-email", "2962", false);
    check(DRAFT_7, "idn-hostname", "bücher.example", true);
    check(DRAFT_7, "idn-hostname", "〮한국.example", false);
    check("https://json-schema.org/draft/2020-12/schema", "email", "no address", true);
    check("https://json-schema.org/draft/2019-09/schema", "email", "no address", true);
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
fn honest_schemas_and_bodies_are_far_below_the_budget() {
    let check = |schema: Value, body: Value| {
        let (result, cost) = measured(&schema, &body);
        assert!(result.is_ok() && cost < BUDGET / 4, "{result:?} for {cost} of {BUDGET}: {:.200}", schema.to_string());
    };
    let tree = json!({
        "definitions": {"node": {
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z0-9]{1,20}$"},
                "children": {"type": "array", "items": {"$ref": "#/definitions/node"}},
            },
        }},
        "$ref": "#/definitions/node",
    });
    for levels in [30, 31] {
        let leaves: Vec<_> = (0..5_000).map(|n| json!({"name": format!("leaf{n}")})).collect();
        let wide = json!({"name": "wide", "children": leaves});
        check(tree.clone(), (0..levels - 1).fold(wide, |node, _| json!({"name": "n", "children": [node]})));
    }
    let list = json!({"properties": {"x": {"$ref": "#"}, "y": {"type": "integer"}}, "additionalProperties": false});
    check(list, (0..63).fold(json!({"y": 1}), |body, _| json!({"x": body, "y": 1})));
    for pattern in ["^.{0,255}$", "^.{0,1000}$", r"\p{L}{1,100}", r"\p{L}{1,1000}", r"^[\p{L}\p{N} ]{0,255}$"] {
        check(json!({"properties": {"a": {"pattern": pattern}}}), json!({"a": "ä".repeat(250)}));
        check(json!({"patternProperties": {pattern: {"type": "integer"}}}), json!({"eins": 1, "zwei": 2}));
    }
    let both = json!({
        "properties": {"rows": {"items": {"type": "object", "additionalProperties": {"items": {"type": "number"}}}}},
        "additionalProperties": {"additionalProperties": {"items": {"type": "string"}}},
    });
    let row = |n: usize| json!({format!("column{}", n % 7): [n, n + 1]});
    check(both, json!({"rows": (0..3_000).map(row).collect::<Vec<_>>(), "more": {"texts": ["a", "b"]}}));
    let unique = json!({"properties": {"ids": {"uniqueItems": true, "items": {"enum": (0..400).collect::<Vec<_>>()}}}});
    check(unique, json!({"ids": (0..400).collect::<Vec<_>>()}));
}

#[test]
fn a_check_over_its_budget_ends() {
    let check = |schema: Value, body: Value| {
        let (result, cost) = measured(&schema, &body);
        let error = result.unwrap_err();
        assert!(error.contains("more work than a callback allows"), "{error}");
        assert!(cost <= BUDGET);
    };
    let noise = noise(240_000);
    let patterns: Vec<_> = (0..800).map(|n| json!({"pattern": format!("[ab]*b[ab]{{12}}{}x", n % 7)})).collect();
    check(json!({"properties": {"a": {"not": {"anyOf": patterns}}}}), json!({ "a": noise }));
    let names: Map<String, Value> =
        (0..300).map(|n| (format!("[ab]*b[ab]{{14}}{n}x"), json!({"type": "object"}))).collect();
    check(json!({"patternProperties": names, "additionalProperties": {"type": "integer"}}), json!({ noise: 1 }));
    let contains: Vec<_> = (0..600).map(|n| json!({"contains": {"required": [n.to_string()]}})).collect();
    let objects: Vec<_> = (0..30_000).map(|_| json!({"x": {}})).collect();
    check(json!({"properties": {"a": {"not": {"anyOf": contains}}}}), json!({ "a": objects }));
}

#[test]
fn references_that_multiply_or_loop_end() {
    for schema in [chain(8, 2), chain(9, 8), chain(300, 2), chain(400, 1)] {
        let (result, _) = measured(&schema, &json!({"a": 1}));
        assert!(result.is_ok() || result.unwrap_err().contains("more work"), "{:.100}", schema.to_string());
    }
    for looping in [
        json!({"$ref": "#"}),
        json!({"anyOf": [{"not": {"$ref": "#"}}]}),
        json!({"properties": {"a": {"$ref": "#/properties/a"}}}),
    ] {
        if let Ok(compiled) = compiled(&looping) {
            let _ = compiled.check(&json!({"a": {"a": 1}}));
        }
    }
    let nested = |depth: usize| (0..depth).fold(json!({}), |body, _| json!({ "x": body }));
    let triple = json!({"properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}, {"$ref": "#"}]}}});
    assert_eq!(check_here(&triple, &nested(5)), Ok(()));
    let (result, cost) = measured(&triple, &nested(63));
    assert!(result.is_ok() || cost > BUDGET / 2, "{result:?} {cost}");
}

#[test]
fn the_longest_chain_and_the_deepest_body_do_not_overflow_the_stack() {
    let mut chain = chain(500, 1);
    chain["definitions"]["a500"] = json!({"properties": {"x": {"$ref": "#"}}});
    let body = (0..63).fold(json!({}), |body, _| json!({ "x": body }));
    let (result, _) = measured(&chain, &body);
    assert!(result.is_ok() || result.unwrap_err().contains("more work"));
}

#[tokio::test]
async fn checks_that_cost_much_are_taken_a_few_times_only() {
    let checks = Checks::new();
    let schema = schema(&json!({"properties": {"a": {"pattern": "[ab]*b[ab]{300}x"}}}));
    let noise = noise(240_000);
    let mut attempts = 0;
    loop {
        match checks.check("costly", schema.clone(), json!({ "a": noise })).await.unwrap() {
            Err(Unfit::Exhausted) => break,
            Err(Unfit::Wrong(_)) => attempts += 1,
            Ok(()) => panic!("it does not match"),
        }
        assert!(attempts <= ALLOWANCE / COST_OF_ATTEMPT);
    }
    assert!(attempts >= 10, "{attempts}");
    assert_eq!(checks.check("another", schema, json!({})).await.unwrap(), Ok(()));
}

/// Walks the official suite; `cargo test -p callback -- --ignored` with the folder of its tests in `JSON_SCHEMA_SUITE`.
#[test]
#[ignore = "needs the official test suite, see CONTRIBUTING.md"]
#[expect(clippy::disallowed_methods, reason = "a test that somebody starts by hand")]
fn the_official_suite_passes() {
    let suite = std::path::PathBuf::from(std::env::var("JSON_SCHEMA_SUITE").unwrap());
    let drafts = [
        ("draft4", "http://json-schema.org/draft-04/schema#"),
        ("draft6", "http://json-schema.org/draft-06/schema#"),
        ("draft7", DRAFT_7),
        ("draft2019-09", "https://json-schema.org/draft/2019-09/schema"),
        ("draft2020-12", "https://json-schema.org/draft/2020-12/schema"),
    ];
    let (mut passed, mut refused, mut failed) = (0, Vec::new(), Vec::new());
    for (draft, uri) in drafts {
        for file in std::fs::read_dir(suite.join(draft)).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let groups: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            for group in groups {
                let mut schema = group["schema"].clone();
                if let Some(schema) = schema.as_object_mut() {
                    schema.entry("$schema").or_insert_with(|| uri.into());
                }
                let place = format!("{draft}/{}: {}", file.file_stem().unwrap().display(), group["description"]);
                let Ok(compiled) = compiled(&schema) else {
                    refused.push(place);
                    continue;
                };
                for case in group["tests"].as_array().unwrap() {
                    let (result, _) = compiled.check(&case["data"]);
                    match result.is_ok() == (case["valid"] == true) {
                        true => passed += 1,
                        false => failed.push(format!("{place}: {}: {result:?}", case["description"])),
                    }
                }
            }
        }
    }
    // References to other documents, and vocabularies of others, are refused by design.
    let is_remote =
        |place: &String| ["/refRemote:", "/vocabulary:", "/dynamicRef:"].iter().any(|file| place.contains(file));
    refused.retain(|place| !is_remote(place));
    assert!(refused.is_empty(), "refused:\n{}", refused.join("\n"));
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), passed + failed.len(), failed.join("\n"));
    assert!(passed > 4_000, "{passed}");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}|\\{\"[a-z$]{0,6}\": ?[0-9a-z\"\\[\\]{}]{0,12}\\}") {
        if let Ok(Some(schema)) = normalised(&json!(text)) {
            let _ = compile(&schema).map(|compiled| compiled.check(&json!({"a": [1]})));
        }
    }
}
