//! Every operator on plain fields, with the examples of the AWS documentation.

use pattern::Pattern;

use crate::{check, json};

const EC2: &str = r#"{
    "version": "0", "id": "ddddd4-aaaa-7777-4444-345dd43cc333",
    "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": "012345679012",
    "time": "2017-10-02T16:24:49Z", "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
    "detail": {
        "c-count": 5, "d-count": 3, "x-limit": 301.8, "source-ip": "10.0.0.33",
        "instance-id": "i-000000aaaaaa00000", "state": "running"
    }
}"#;

#[test]
fn the_examples_of_the_documentation_match_as_documented() {
    check(r#"{"source": ["aws.ec2"], "detail": {"state": ["running"]}}"#, EC2, true);
    check(r#"{"source": ["aws.ec2"], "detail": {"state": ["stopped"]}}"#, EC2, false);
    check(
        r#"{"resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
            "detail": {"state": ["initializing", "running"]}}"#,
        EC2,
        true,
    );
    check(r#"{"time": [{"prefix": "2017-10-02"}]}"#, EC2, true);
    check(r#"{"source": [{"suffix": "ec2"}]}"#, EC2, true);
    check(r#"{"source": [{"equals-ignore-case": "AWS.EC2"}]}"#, EC2, true);
    check(r#"{"source": [{"wildcard": "aws.*"}]}"#, EC2, true);
    check(
        r#"{"time": [{"prefix": "2017-10-02"}], "detail": {
            "state": [{"anything-but": "initializing"}], "c-count": [{"numeric": [">", 0, "<=", 5]}],
            "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"anything-but": [100, 200, 300]}],
            "source-ip": [{"cidr": "10.0.0.0/8"}]}}"#,
        EC2,
        true,
    );
    check(
        r#"{"detail": {"$or": [{"c-count": [{"numeric": [">", 9]}]}, {"d-count": [{"numeric": ["<", 10]}]},
            {"x-limit": [{"numeric": ["=", 3.018e2]}]}]}}"#,
        EC2,
        true,
    );
}

#[test]
fn a_literal_is_equal_in_type_and_value() {
    let on = |rule: &str, value: &str, expected| {
        check(&format!(r#"{{"a": [{rule}]}}"#), &format!(r#"{{"a": {value}}}"#), expected);
    };
    on(r#""x""#, r#""x""#, true);
    on(r#""x""#, r#""X""#, false);
    on(r#""x", "y""#, r#""y""#, true);
    on(r#""""#, r#""""#, true);
    on(r#""""#, "null", false);
    on("null", "null", true);
    on("null", r#""""#, false);
    on("null", r#""null""#, false);
    on("true", "true", true);
    on("true", "false", false);
    on("true", r#""true""#, false);
    on("1", "true", false);
    on(r#""1""#, "1", false);
    on("1", r#""1""#, false);
    on(r#"{"exactly": "x"}"#, r#""x""#, true);
    on(r#"{"exactly": "x"}"#, r#""xy""#, false);
}

#[test]
fn numbers_are_equal_by_value() {
    let on = |rule: &str, value: &str, expected| {
        check(&format!(r#"{{"a": [{rule}]}}"#), &format!(r#"{{"a": {value}}}"#), expected);
    };
    on("300", "300.0", true);
    on("300", "3.0e2", true);
    on("3.0e2", "300", true);
    on("0", "-0.0", true);
    on("0.1", "0.10000", true);
    on("0.000001", "1e-6", true);
    on("300", "300.000001", false);
    on("123456789012", "123456789012", true);
    on("123456789012", "123456789013", false);
    on("0.1234567", "0.1234567", true);
    on("0.1234567", "0.123456", false);
    on("123456789012", "1.23456789012e11", true);
    on("1767323045678", "1767323045678.0", true);
    on("1e300", "1.0e300", true);
    on("1e300", "1e301", false);
    on("52.52", "52.520", true);
    on("9007199254740993", "9007199254740992", true);
    on("18446744073709551615", "1.8446744073709552e19", true);
    on(r#"{"anything-but": 5000000001}"#, "5000000001", false);
    on(r#"{"anything-but": [0.1234567, 1e300]}"#, "1e300", false);
    on(r#"{"anything-but": [0.1234567, 1e300]}"#, "0.12345678", true);
}

#[test]
fn strings_are_compared_at_the_start_the_end_and_without_case() {
    let on = |rule: &str, value: &str, expected| {
        check(&format!(r#"{{"a": [{rule}]}}"#), &format!(r#"{{"a": {value}}}"#), expected);
    };
    on(r#"{"prefix": "us-"}"#, r#""us-east-1""#, true);
    on(r#"{"prefix": "us-"}"#, r#""eu-west-1""#, false);
    on(r#"{"prefix": ""}"#, r#""anything""#, true);
    on(r#"{"prefix": ""}"#, "1", false);
    on(r#"{"prefix": "1"}"#, "12", false);
    on(r#"{"prefix": {"equals-ignore-case": "EventB"}}"#, r#""EVENTBRIDGE""#, true);
    on(r#"{"prefix": {"equals-ignore-case": "EventB"}}"#, r#""an eventb""#, false);
    on(r#"{"suffix": ".png"}"#, r#""a.png""#, true);
    on(r#"{"suffix": ".png"}"#, r#""a.PNG""#, false);
    on(r#"{"suffix": ""}"#, r#""""#, true);
    on(r#"{"suffix": {"equals-ignore-case": ".png"}}"#, r#""a.PNG""#, true);
    on(r#"{"suffix": {"equals-ignore-case": ".png"}}"#, r#""png""#, false);
    on(r#"{"equals-ignore-case": "alice"}"#, r#""Alice""#, true);
    on(r#"{"equals-ignore-case": "alice"}"#, r#""Alices""#, false);
    on(r#"{"equals-ignore-case": "null"}"#, "null", false);
    on(r#"{"wildcard": "dir/*.png"}"#, r#""dir/a/b.png""#, true);
    on(r#"{"wildcard": "dir/*.png"}"#, r#""dir/.jpg""#, false);
    on(r#"{"wildcard": "*"}"#, "5", false);
    on(r#"{"wildcard": "\\*"}"#, r#""*""#, true);
    on(r#"{"wildcard": "\\*"}"#, r#""a""#, false);
}

#[test]
fn anything_but_is_the_opposite_for_values_of_every_type() {
    let on = |rule: &str, value: &str, expected| {
        check(&format!(r#"{{"a": [{{"anything-but": {rule}}}]}}"#), &format!(r#"{{"a": {value}}}"#), expected);
    };
    on(r#""initializing""#, r#""running""#, true);
    on(r#""initializing""#, r#""initializing""#, false);
    on(r#""initializing""#, "null", true);
    on(r#""initializing""#, "7", true);
    on(r#""7""#, "7", true);
    on(r#"["stopped", "overloaded"]"#, r#""overloaded""#, false);
    on(r#"["stopped", "overloaded"]"#, r#""running""#, true);
    on("123", "123.0", false);
    on("123", "124", true);
    on("123", r#""123""#, true);
    on("[100, 200, 300]", "2e2", false);
    on("[100, 200, 300]", "201", true);
    on("[100, 200, 300]", "123456789012", true);
    on(r#"{"prefix": "init"}"#, r#""initializing""#, false);
    on(r#"{"prefix": "init"}"#, r#""running""#, true);
    on(r#"{"prefix": ["init", "over"]}"#, r#""overloaded""#, false);
    on(r#"{"suffix": "ing"}"#, r#""initializing""#, false);
    on(r#"{"suffix": [".txt", ".jpg"]}"#, r#""a.jpg""#, false);
    on(r#"{"suffix": [".txt", ".jpg"]}"#, r#""a.png""#, true);
    on(r#"{"equals-ignore-case": "initializing"}"#, r#""INITIALIZING""#, false);
    on(r#"{"equals-ignore-case": ["initializing", "stopped"]}"#, r#""Stopped""#, false);
    on(r#"{"equals-ignore-case": ["initializing", "stopped"]}"#, r#""Running""#, true);
    on(r#"{"wildcard": "*/lib/*"}"#, r#""/usr/lib/x""#, false);
    on(r#"{"wildcard": "*/lib/*"}"#, r#""/usr/bin/x""#, true);
    on(r#"{"wildcard": ["*/lib/*", "*/bin/*"]}"#, r#""/usr/bin/x""#, false);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"b": "y"}"#, false);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": ["x", "y"]}"#, true);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": ["x", "x"]}"#, false);
}

#[test]
fn numeric_compares_numbers_only() {
    let on = |rule: &str, value: &str, expected| {
        check(&format!(r#"{{"a": [{{"numeric": {rule}}}]}}"#), &format!(r#"{{"a": {value}}}"#), expected);
    };
    on(r#"["=", 100]"#, "1e2", true);
    on(r#"["=", 100]"#, "100.000001", false);
    on(r#"["<", 10]"#, "10", false);
    on(r#"["<", 10]"#, "9.999999", true);
    on(r#"["<=", 10]"#, "10.0", true);
    on(r#"[">", 10]"#, "10", false);
    on(r#"[">", 10]"#, "10.000001", true);
    on(r#"[">=", 10]"#, "10", true);
    on(r#"[">", 0, "<=", 5]"#, "0", false);
    on(r#"[">", 0, "<=", 5]"#, "5", true);
    on(r#"[">=", 0, "<", 5]"#, "0", true);
    on(r#"[">=", 0, "<", 5]"#, "5", false);
    on(r#"[">", -5e9]"#, "5000000000", true);
    on(r#"[">", 0]"#, "5000000001", true);
    on(r#"[">", 0]"#, r#""1""#, false);
    on(r#"[">", 0]"#, "true", false);
    on(r#"[">", 0]"#, "0.1234567", true);
    on(r#"[">", 0]"#, "1767323045678", true);
    on(r#"[">=", 1767323045678]"#, "1767323045677", false);
    on(r#"[">", 1767323045677, "<", 1767323045679]"#, "1767323045678", true);
    on(r#"[">", 50]"#, "52.52", true);
    on(r#"[">", 50]"#, "50.00000000000001", true);
    on(r#"["=", 52.52]"#, "52.52", true);
    on(r#"["<", 0.3]"#, "0.30000000000000004", false);
    on(r#"[">", 907.3038322028688]"#, "907.3038322028689", true);
    on(r#"["=", 432.95284981322555]"#, "432.9528498132255", false);
    on(r#"[">", 0]"#, "5e-324", true);
    on(r#"[">", 0]"#, "-0.0", false);
    on(r#"[">=", 0]"#, "-0.0", true);
    on(r#"["<", 0]"#, "-5e-324", true);
    on(r#"[">", 1e308]"#, "1.7976931348623157e308", true);
    on(r#"["<", 1e308]"#, "-1.7976931348623157e308", true);
    on(r#"[">", 18446744073709551614]"#, "1e20", true);
    on(r#"["=", 9223372036854775807]"#, "9223372036854775808", true);
    on(r#"[">", -2, "<", -1]"#, "-1.5", true);
}

#[test]
fn cidr_compares_addresses_of_its_family() {
    let on = |rule: &str, value: &str, expected| {
        check(&format!(r#"{{"a": [{{"cidr": "{rule}"}}]}}"#), &format!(r#"{{"a": {value}}}"#), expected);
    };
    on("10.0.0.0/24", r#""10.0.0.255""#, true);
    on("10.0.0.0/24", r#""10.0.1.0""#, false);
    on("2001:db8::/32", r#""2001:db8::1""#, true);
    on("2001:db8::/32", r#""10.0.0.1""#, false);
    on("10.0.0.0/24", r#""no address""#, false);
    on("10.0.0.0/24", "10", false);
}

#[test]
fn exists_looks_at_values_and_not_at_objects() {
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": 1}"#, true);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": null}"#, true);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": ""}"#, true);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"b": 1}"#, false);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": {"b": 1}}"#, false);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": []}"#, false);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": [1]}"#, true);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": 1}"#, false);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": null}"#, false);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"b": 1}"#, true);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": {"c1": 100}}"#, true);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": []}"#, true);
    check(r#"{"a": [{"exists": false}]}"#, "{}", true);
    check(r#"{"a": {"b": [{"exists": false}]}}"#, r#"{"a": 1}"#, true);
    check(r#"{"a": [{"exists": false}, "x"]}"#, r#"{"a": "x"}"#, true);
    check(r#"{"a": [{"exists": false}, "x"]}"#, r#"{"b": "x"}"#, true);
    check(r#"{"a": [{"exists": false}, "x"]}"#, r#"{"a": "y"}"#, false);
}

#[test]
fn all_fields_must_match_at_their_depth() {
    check(r#"{"a": {"b": [1]}, "c": [2]}"#, r#"{"a": {"b": 1}, "c": 2, "d": 3}"#, true);
    check(r#"{"a": {"b": [1]}, "c": [2]}"#, r#"{"a": {"b": 1}, "c": 3}"#, false);
    check(r#"{"a": {"b": [1]}}"#, r#"{"b": 1}"#, false);
    check(r#"{"a": {"b": [1]}}"#, r#"{"a": 1}"#, false);
    check(r#"{"a": [1]}"#, r#"{"a": {"a": 1}}"#, false);
    check(r#"{"a": [1]}"#, r#"[{"a": 1}]"#, false);
    check(r#"{"a": [{"exists": false}]}"#, "7", false);
}

#[test]
fn a_dotted_name_equals_nesting_on_both_sides() {
    check(r#"{"detail.state": ["x"]}"#, r#"{"detail": {"state": "x"}}"#, true);
    check(r#"{"detail": {"state": ["x"]}}"#, r#"{"detail.state": "x"}"#, true);
    check(r#"{"a.b": {"c": [1]}}"#, r#"{"a": {"b.c": 1}}"#, true);
    check(r#"{"a": {"b": [1]}}"#, r#"{"a": {"b": 2}, "a.b": 1}"#, true);
    check(r#"{"a.b": [{"exists": false}]}"#, r#"{"a": {"b": 2}}"#, false);
    check(r#"{"a.": [1]}"#, r#"{"a": {"": 1}}"#, true);
    check(r#"{"": {"a": [1]}}"#, r#"{"": {"a": 1}}"#, true);
    check(r#"{"": {"a": [1]}}"#, r#"{"a": 1}"#, false);
}

#[test]
fn one_branch_of_an_or_must_match_with_the_fields_around_it() {
    let metrics = r#"{"source": ["aws.cloudwatch"], "$or": [{"metricName": ["CPUUtilization", "ReadLatency"]},
        {"metricType": ["MetricType"], "namespace": ["AWS/EC2"], "$or": [{"metricId": [1234]}, {"spaceId": [1000]}]},
        {"scope": ["Service"]}]}"#;
    check(metrics, r#"{"source": "aws.cloudwatch", "metricName": "ReadLatency"}"#, true);
    check(metrics, r#"{"source": "aws.cloudwatch", "scope": "Service"}"#, true);
    check(metrics, r#"{"source": "aws.ec2", "scope": "Service"}"#, false);
    check(metrics, r#"{"source": "aws.cloudwatch"}"#, false);
    let inner = r#"{"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/EC2", "spaceId": "#;
    check(metrics, &format!("{inner}1000}}"), true);
    check(metrics, &format!("{inner}1001}}"), false);

    let parallel = r#"{"$or": [{"a": [1]}, {"b": [1]}], "d": {"$or": [{"a": [1]}, {"b": {"c": [1]}}]}}"#;
    check(parallel, r#"{"b": 1, "d": {"b": {"c": 1}}}"#, true);
    check(parallel, r#"{"b": 1, "a": 1}"#, false);
    check(parallel, r#"{"d": {"a": 1}}"#, false);
    check(r#"{"$or": [{"a": [{"exists": false}]}, {"b": [1]}]}"#, r#"{"a": 1, "b": 2}"#, false);
}

#[test]
fn the_pattern_without_fields_matches_every_event() {
    for event in [json("{}"), json(r#"{"a": 1}"#), json("[]"), json("null")] {
        assert!(Pattern::any().matches(&event), "{event}");
        assert_eq!(Pattern::any().explain(&event), None);
    }
}

#[test]
fn a_pattern_takes_memory_for_each_of_its_combinations() {
    let size_bytes = |pattern: &str| Pattern::compile(&json(pattern)).unwrap().size_bytes();
    let one = size_bytes(r#"{"a": [1], "b": [1]}"#);
    assert!(size_bytes(r#"{"$or": [{"a": [1]}, {"a": [2]}], "b": [1]}"#) > one + one / 4);
}
