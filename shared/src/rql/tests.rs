use proptest::prelude::*;
use serde_json::json;

use super::*;

fn items() -> Vec<Value> {
    vec![
        json!({"id": "123456789012345678901234", "name": "first", "n": 1, "on": true, "tags": ["a", "b"],
               "at": "2023-06-01T00:00:00.000Z", "ms": 1_685_577_600_000_i64, "owner": {"name": "Ann"},
               "actions": [{"type": "task", "n": 1}, {"type": "mail", "n": 2}], "none": null}),
        json!({"id": "2", "name": "Second (x)", "n": 2.5, "on": false, "tags": [],
               "at": "2023-06-02T12:00:00.000Z", "ms": 1_685_707_200_000_i64, "owner": {"name": "Bob"},
               "actions": [{"type": "task", "n": 3}]}),
        json!({"id": "3", "name": "third", "n": -7, "tags": ["b", "c"], "at": "2024-01-01T00:00:00.000Z"}),
    ]
}

/// The ids' last digits of what the query leaves, in order.
fn found(query: &str) -> String {
    let list = Rql::parse::<Value>(Some(query)).unwrap().apply(&items()).unwrap();
    let last = |item: &Value| item["id"].as_str().unwrap().chars().last().unwrap();
    list.data.iter().map(last).map(|digit| if digit == '4' { '1' } else { digit }).collect()
}

#[test]
fn every_operator_filters() {
    let check = |query: &str, expected: &str| assert_eq!(found(query), expected, "{query}");
    check("", "123");
    check("eq(name,first)", "1");
    check("ne(name,first)", "23");
    check("gt(n,1)", "2");
    check("ge(n,1)", "12");
    check("lt(n,1)", "3");
    check("le(n,2.5)", "123");
    check("like(name,ir)", "13");
    check("in(name,first,third)", "13");
    check("out(name,first,third)", "2");
    check("eq(tags,b)", "13");
    check("ne(tags,b)", "2");
    check("contains(on)", "12");
    check("excludes(on)", "3");
    check("contains(none)", "");
    check("contains(tags,c)", "3");
    check("contains(actions,and(eq(type,task),gt(n,2)))", "2");
    check("contains(actions,eq(type,mail),eq(n,1))", "");
    check("excludes(actions,eq(type,mail))", "23");
    check("eq(owner.name,Ann)", "1");
    check("eq(actions.type,mail)", "1");
    check("eq(actions.0.n,3)", "2");
    check("or(eq(name,first),and(eq(name,third),lt(n,0)))", "13");
    check("eq(on,true)", "1");
    check("eq(on,null)", "3");
    check("eq(none,null)", "123");
    check("eq(id,123456789012345678901234)", "1");
}

#[test]
fn dates_compare_as_instants_with_text_and_with_milliseconds() {
    let check = |query: &str, expected: &str| assert_eq!(found(query), expected, "{query}");
    check("eq(at,2023-06-01T02:00:00%2B02:00)", "1");
    check("eq(at,2023-06-01)", "1");
    check("ge(at,2023%252D06%252D02T00%253A00)", "23");
    check("lt(ms,date:2023-06-02)", "1");
    check("ge(at,epoch:1685707200000)", "23");
    check("gt(at,1685577600000)", "23");
    check("ge(at,1685577600000)", "123");
    check("eq(at,1685577600000)", "1");
    check("in(at,1685577600000,2024-01-01)", "13");
    check("lt(at,1685577600000.5)", "1");
    check("lt(at,99999999999999999999)", "123");
    check("gt(at,number:-1)", "123");
    check("eq(ms,2023-06-01T00:00:00.000Z)", "1");
    check("lt(ms,2023-06-01T00:00:00.0005Z)", "1");
}

#[test]
fn times_are_in_their_order_however_they_are_written() {
    let items = ["05Z", "05.1Z", "05.12Z", "05.123456Z", "05.2Z", "06+00:00", "07.000Z"];
    let items = items.map(|seconds| json!({"at": format!("2026-01-02T03:04:{seconds}"), "name": seconds}));
    let sorted = |query: &str| Rql::parse::<Value>(Some(query)).unwrap().apply(&items).unwrap().data;
    let mut expected = items.to_vec();
    assert_eq!(sorted("sort(at)"), expected);
    expected.reverse();
    assert_eq!(sorted("sort(-at)"), expected);
    assert_eq!(sorted("gt(at,2026-01-02T03:04:05Z)&lt(at,2026-01-02T03:04:05.12Z)"), items[1..2]);
    assert_eq!(sorted("ge(at,1767323045120)&sort(at)&limit(2)"), items[2..4]);
    // Names that only look like a time, or only in part, stay texts.
    let names = json!([{"n": "2026-01-02"}, {"n": "1"}, {"n": "2026-01-02T"}, {"n": null}]);
    let names: Vec<Value> = serde_json::from_value(names).unwrap();
    let texts = Rql::parse::<Value>(Some("sort(n)&select(n)")).unwrap().apply(&names).unwrap().data;
    assert_eq!(texts, [names[3].clone(), names[1].clone(), names[0].clone(), names[2].clone()]);
}

#[test]
fn and_at_the_top_may_select_sort_and_limit() {
    let check = |query: &str, expected: &str| assert_eq!(found(query), expected, "{query}");
    check("and(eq(tags,b),sort(-n),limit(1))", "1");
    check("and(eq(tags,b),and(sort(n),limit(1)))", "3");
    let query = Rql::parse::<Value>(Some("and(eq(n,1),select(name))")).unwrap();
    let list = query.apply(&items()).unwrap();
    assert_eq!((list.data, list.page.total), (vec![json!({"name": "first"})], Some(1)));
    assert_eq!(
        Rql::parse::<Value>(Some("and(skipCount(),eq(n,1))")).unwrap().apply(&items()).unwrap().page.total,
        None
    );
}

#[test]
fn casts_are_strict_and_patterns_match() {
    let check = |query: &str, expected: &str| assert_eq!(found(query), expected, "{query}");
    check("eq(n,string:1)", "");
    check("eq(n,number:1)", "1");
    check("eq(id,number:2)", "");
    check("eq(id,string:2)", "2");
    check("eq(on,boolean:false)", "2");
    check("eq(name,re:^F)", "1");
    check("eq(name,glob:*ir*)", "13");
    check("eq(name,glob:?irst)", "1");
    check("ne(name,glob:*ir*)", "2");
    check("eq(name,glob:.*)", "");
}

#[test]
fn a_cast_has_a_plain_colon_and_what_does_not_fit_it_is_a_text() {
    let names = ["date:x", "x", "string:5", "5"].map(|name| json!({"id": name, "name": name}));
    let check = |query: &str, expected: &[&str]| {
        let list = Rql::parse::<Value>(Some(query)).unwrap().apply(&names).unwrap();
        let found: Vec<&str> = list.data.iter().filter_map(|item| item["name"].as_str()).collect();
        assert_eq!(found, expected, "{query}");
    };
    check("eq(name,date%253Ax)", &["date:x"]);
    check("eq(name,date%3Ax)", &["date:x"]);
    check("eq(name,date:x)", &["x"]);
    check("eq(name,number:x)", &["x"]);
    check("eq(name,boolean:x)", &["x"]);
    check("eq(name,epoch:x)", &["x"]);
    check("eq(name,string%3A5)", &["string:5"]);
    check("eq(name,string:5)", &["5"]);
    check("eq(name,string:string%3A5)", &["string:5"]);
}

#[test]
fn a_value_may_be_encoded_twice_once_or_not_at_all() {
    let check = |query: &str| assert_eq!(found(query), "2", "{query}");
    check("eq(name,Second%2520%2528x%2529)");
    check("eq(name,Second%20%28x%29)");
    check("eq(name,Second %28x%29)");
}

#[test]
fn lists_are_sorted_and_paged_with_a_true_total() {
    let check = |query: &str, expected: &str| assert_eq!(found(query), expected, "{query}");
    check("sort(-n)", "213");
    check("sort(n)", "312");
    check("sort(+on,-at)", "321");
    check("sort(-owner.name)", "213");
    check("sort(n)&limit(1)", "3");
    check("sort(n)&limit(2,1)", "12");
    check("limit(1)&limit(5,2)", "3");
    check("limit(1,9)", "");
    let page = |query| Rql::parse::<Value>(query).unwrap().apply(&items()).unwrap().page;
    assert_eq!(page(None), Page { total: Some(3), offset: 0, limit: 20 });
    assert_eq!(page(Some("limit(9000,1)")), Page { total: Some(3), offset: 1, limit: 50 });
    assert_eq!(page(Some("eq(n,1)&limit(1,1)&skipCount()")), Page { total: None, offset: 1, limit: 1 });
    assert_eq!(page(Some("skip_count()")).total, None);
}

#[test]
fn select_keeps_only_what_it_names() {
    let query = Rql::parse::<Value>(Some("eq(n,1)&select(name,owner.name,actions.n,missing)")).unwrap();
    let expected = json!({"name": "first", "owner": {"name": "Ann"}, "actions": [{"n": 1}, {"n": 2}]});
    assert_eq!(query.apply(&items()).unwrap().data, [expected]);
}

#[test]
fn a_lost_ampersand_between_operators_is_forgiven() {
    assert_eq!(found("eq(tags,b)sort(-n)&&limit(1)"), "1");
    assert_eq!(found("or(eq(name,first)eq(name,third))limit(5)"), "13");
}

#[test]
fn what_is_not_rql_is_refused_with_its_place() {
    let check = |query: &str, part: &str| {
        let refusal = Rql::parse::<Value>(Some(query)).unwrap_err();
        assert_eq!((refusal.code, refusal.status.as_u16()), (19, 400), "{query}");
        assert!(refusal.message.contains(part), "{query}: {}", refusal.message);
    };
    check("name", "`eq(field,value)`");
    check("=5", "a field is a name");
    check("eq(a,b)&near(x,1)", "`near(x,1)` (character 9): no such operator");
    check("eq(a", "at its end (character 5): expected `,` or `)`");
    check("eq(a&b)", "expected `,` or `)`");
    check("eq(a)", "a field and a value");
    check("eq(a,f(x))", "%28");
    check("eq(a,%FF)", "UTF-8");
    check("eq(,b)", "a field is a name");
    check("eq(a..b,1)", "a field is a name");
    check("in(a)", "at least one value");
    check("and()", "at least one condition");
    check("or(a,b)", "a condition such as");
    check("or(limit(5),eq(a,b))", "only at the top");
    check("contains(a,limit(5))", "only at the top");
    check("and(limit(5),b)", "a condition such as");
    check("limit(0)", "at least 1");
    check("limit(-1)", "whole numbers");
    check("limit(x)", "whole numbers");
    check("eq(a,re:()", "(character");
    check("eq(a,re:%28)", "not a valid regular expression");
    check("gt(a,re:x)", "only be equal");
    check("select()", "at least one field");
    check("eq(a,re:(a{1000}){1000})", "(character");
    check("eq(a,re:%28a{900}%29{900})", "not a valid regular expression");
}

#[test]
fn a_query_that_is_too_long_is_refused_as_that() {
    let check = |query: &str, part: &str| {
        let refusal = Rql::parse::<Value>(Some(query)).unwrap_err();
        assert_eq!((refusal.code, refusal.name), (21, "LONG_QUERY_EXCEPTION"), "{query}");
        assert!(refusal.message.contains(part), "{query}: {}", refusal.message);
    };
    check(&format!("{}eq(a,b){}", "and(".repeat(8), ")".repeat(8)), "nested up to 8");
    check(&"eq(a,b)&".repeat(129), "128 operators");
    check(&format!("in(a{})", ",b".repeat(512)), "512 arguments");
    check(&format!("eq(a,{})", "x".repeat(9000)), "8192 bytes");
}

#[test]
fn comparisons_may_be_written_with_a_sign() {
    let check = |query: &str, expected: &str| assert_eq!(found(query), expected, "{query}");
    check("n>=1", "12");
    check("n>1&name!=third", "2");
    check("n%3C1", "3");
    check("name=first", "1");
    check("name==first", "1");
    check("name=in=(first,third)&sort(n)", "31");
    check("name=like=ir", "13");
    check("or(n=1,n<0)", "13");
    check("and(on=true,limit(1))", "1");
    check("at>=2023-06-02T00:00", "23");
    check("contains(actions,and(type=task,n>2))", "2");
    // Within the value of an operator a sign is a character.
    check("eq(name,a=b)", "");
}

#[test]
fn the_text_of_a_top_level_eq_is_returned() {
    let check = |query: &str, expected: Option<&str>| {
        assert_eq!(Rql::parse::<Value>(Some(query)).unwrap().eq("id"), expected, "{query}");
    };
    check("eq(id,abc)", Some("abc"));
    check("gt(n,1)&eq(id,123456789012345678901234)", Some("123456789012345678901234"));
    // A text that is a time equals its milliseconds, another text its time, and no field null.
    check("eq(id,5)", None);
    check("eq(id,2026-01-02)", None);
    check("eq(id,null)", None);
    check("and(eq(id,string:5))", Some("5"));
    check("or(eq(id,abc))", None);
    check("ne(id,abc)", None);
    check("eq(id,re:a)", None);
    check("eq(name,abc)", None);
}

/// Encodes as client libraries do: everything but letters and digits.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

proptest! {
    #[test]
    fn parsing_never_panics(query in "[a-z(),&%0-9:.+*-]{0,60}|\\PC{0,40}") {
        let _ = Rql::parse::<Value>(Some(&query)).map(|query| query.apply(&items()));
    }

    #[test]
    fn well_formed_queries_apply_without_a_panic(
        operator in "eq|ne|gt|ge|lt|le|like|in|out|contains|excludes", field in "[a-z]{1,4}(\\.[a-z0-9]{1,3}){0,2}",
        value in "(re:|glob:|date:|epoch:|string:)?[a-z0-9.:%-]{0,12}",
    ) {
        let _ = Rql::parse::<Value>(Some(&format!("{operator}({field},{value})"))).map(|query| query.apply(&items()));
    }

    #[test]
    fn a_value_encoded_twice_arrives_as_it_was(text in "\\PC{0,30}|[%0-9A-F]{0,12}") {
        let query = format!("eq(name,string:{})", encoded(&encoded(&text)));
        let query = Rql::parse::<Value>(Some(&query)).unwrap();
        prop_assert_eq!(query.eq("name"), Some(text.as_str()));
    }

    #[test]
    fn eq_agrees_with_a_plain_comparison(names in prop::collection::vec("[a-c1]{0,2}", 0..20), name in "[a-c1]{0,2}") {
        let items: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        let query = Rql::parse::<Value>(Some(&format!("eq(name,{name})"))).unwrap();
        let expected = names.iter().filter(|other| **other == name).count();
        prop_assert_eq!(query.apply(&items).unwrap().page.total, Some(expected));
    }

    #[test]
    fn sorting_keeps_a_total_order(
        texts in prop::collection::vec("2026-01-0[1-3](T0[1-3]:00(:00(\\.[0-9]{1,3})?)?Z)?|[a-c]|", 0..40),
        numbers in prop::collection::vec(prop_oneof![
            (9_007_199_254_740_990_i64..9_007_199_254_740_996).prop_map(Value::from),
            (9_007_199_254_740_990_i64..9_007_199_254_740_996).prop_map(|n| Value::from(n as f64)),
            Just(Value::Null),
        ], 0..40),
    ) {
        let values: Vec<Value> = texts.into_iter().map(Value::from).chain(numbers).collect();
        let items: Vec<Value> = values.iter().map(|value| json!({ "v": value })).collect();
        let query = Rql::parse::<Value>(Some("sort(v)")).unwrap().unlimited();
        let sorted = query.apply(&items).unwrap().data;
        prop_assert_eq!(sorted.len(), items.len());
        prop_assert_eq!(query.apply(&sorted).unwrap().data, sorted);
    }

    #[test]
    fn pages_put_together_are_the_sorted_list(numbers in prop::collection::vec(-50i64..50, 0..60), size in 1usize..20) {
        let items: Vec<Value> = numbers.iter().map(|n| json!({ "n": n })).collect();
        let mut paged = Vec::new();
        for offset in (0..numbers.len()).step_by(size) {
            let query = Rql::parse::<Value>(Some(&format!("sort(n)&limit({size},{offset})"))).unwrap();
            paged.extend(query.apply(&items).unwrap().data.into_iter().map(|item| item["n"].as_i64().unwrap()));
        }
        let mut sorted = numbers;
        sorted.sort_unstable();
        prop_assert_eq!(paged, sorted);
    }
}

#[test]
fn a_field_that_the_items_do_not_have_is_refused_with_the_nearest_one() {
    #[derive(serde::Serialize, utoipa::ToSchema)]
    struct Item {
        actions: Vec<Value>,
        data: Value,
        error: Option<Failure>,
        attempts: Vec<Failure>,
        by_name: std::collections::BTreeMap<String, Failure>,
        creation_timestamp: i64,
        #[serde(flatten)]
        named: Named,
    }
    #[derive(serde::Serialize, utoipa::ToSchema)]
    struct Named {
        name: String,
        tags: Option<Vec<String>>,
    }
    #[derive(serde::Serialize, utoipa::ToSchema)]
    struct Failure {
        kind: Option<String>,
        message: String,
    }
    let check = |query: &str, expected: Option<&str>| {
        let message = Rql::parse::<Item>(Some(query)).err().map(|refusal| refusal.message).unwrap_or_default();
        assert!(expected.map_or(message.is_empty(), |expected| message.contains(expected)), "{query}: {message}");
    };
    check("eq(name,a)&sort(-name)&select(name,actions)", None);
    check("contains(actions,and(eq(type,task),eq(functionName,f)))", None);
    check("eq(data.any.thing,1)", None);
    check("eq(nmae,a)", Some("unknown field `nmae`: did you mean `name`?"));
    check("or(eq(name,a),eq(action,b))", Some("did you mean `actions`?"));
    check("sort(-create)", Some("unknown field `create`: must be one of"));
    check("select(names)", Some("did you mean `name`?"));
    check("eq(error.message,a)&sort(attempts.0.kind)&select(by_name.any.message,tags.0)", None);
    check("ge(creationTimestamp,5)&select(creationTimestamp,byName.any.kind)", None);
    check("eq(error.mesage,a)", Some("unknown field `error.mesage`: did you mean `error.message`?"));
    check("sort(-attempts.0.kid)", Some("did you mean `attempts.0.kind`?"));
    check("contains(attempts,or(eq(kind,a),eq(mesage,b)))", Some("did you mean `attempts.message`?"));
    check("and(select(attempts.name))", Some("unknown field `attempts.name`"));
    check("excludes(by_name.x.kinds)", Some("did you mean `by_name.x.kind`?"));
    check("eq(name.first,a)", Some("`name` has no fields"));
    check("eq(tags.a,b)", Some("`tags` has no fields"));
}

#[test]
fn names_are_known_in_both_cases_and_values_by_what_a_field_can_have() {
    #[derive(serde::Serialize, utoipa::ToSchema)]
    #[serde(rename_all = "camelCase")]
    struct Item {
        started_at: jiff::Timestamp,
        ended_at: Option<jiff::Timestamp>,
        is_open: bool,
        status: State,
        states: Option<Vec<State>>,
        previous: Option<State>,
        steps: Vec<Step>,
        free: String,
    }
    #[derive(serde::Serialize, utoipa::ToSchema)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "they are described, never made")]
    enum State {
        InProgress,
        Failed,
    }
    #[derive(serde::Serialize, utoipa::ToSchema)]
    #[serde(rename_all = "camelCase")]
    struct Step {
        function_name: String,
    }
    let check = |query: &str, expected: Result<&str, &str>| match (Rql::parse::<Item>(Some(query)), expected) {
        (Ok(read), Ok(printed)) => assert_eq!(read.to_string(), printed, "{query}"),
        (Err(refusal), Err(part)) => assert!(refusal.message.contains(part), "{query}: {}", refusal.message),
        (read, expected) => panic!("{query}: {read:?} instead of {expected:?}"),
    };
    check("eq(steps.function_name,f)&sort(-started_at)", Ok("eq(steps.functionName,f)&sort(-startedAt)"));
    check("contains(steps,eq(function_name,f))", Ok("contains(steps,eq(functionName,f))"));
    check(
        "ge(started_at,2026-01-31)&lt(endedAt,1769846400000)&eq(endedAt,null)",
        Ok("ge(startedAt,2026-01-31)&lt(endedAt,1769846400000)&eq(endedAt,null)"),
    );
    check("ge(startedAt,yesterday)", Err("`yesterday` is no time"));
    check("in(endedAt,2026-01-31,2026-13-45)", Err("`2026-13-45` is no time"));
    check("eq(isOpen,True)", Err("`True` is neither"));
    check("eq(is_open,true)&ne(isOpen,null)", Ok("eq(isOpen,true)&ne(isOpen,null)"));
    check("eq(status,fialed)", Err("unknown value `fialed`: did you mean `failed`?"));
    check("out(states,failed,done)", Err("unknown value `done`: must be one of `inProgress`, `failed`"));
    check("contains(states,Failed)", Err("did you mean `failed`?"));
    check(
        "eq(previous,re:^in)&like(status,fai)&eq(free,anything)",
        Ok("eq(previous,re:%5Ein)&like(status,fai)&eq(free,anything)"),
    );
}

#[test]
fn a_change_of_all_that_is_found_takes_conditions_alone() {
    #[derive(serde::Serialize, utoipa::ToSchema)]
    struct Item {
        id: String,
    }
    let is_taken = |query: &str| Rql::parse_conditions::<Item>(Some(query)).is_ok();
    for query in ["eq(id,a)", "&eq(id,a)&", "and(eq(id,a),ne(id,b))", "or(eq(id,a),eq(id,b))"] {
        assert!(is_taken(query), "{query}");
    }
    let nothing = ["", "&", "sort(id)", "limit(1)", "select(id)", "skipCount()", "and(limit(1))", "and(and(sort(id)))"];
    for query in nothing {
        assert!(!is_taken(query), "{query}");
        let with_condition = format!("{query}&eq(id,a)");
        assert_eq!(is_taken(&with_condition), query.trim_matches('&').is_empty(), "{with_condition}");
    }
    assert!(Rql::parse_conditions::<Item>(None).is_err());
}
