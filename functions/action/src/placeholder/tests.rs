use super::*;
use serde_json::json;

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn sources() -> Sources {
    Sources {
        input: Some(json!({
            "email": "Ada@Example.com ", "count": 3, "price": 2.5, "yes": true, "none": null, "text": "12",
            "items": [1, "two", {"id": "x"}], "user": {"a": {"b": "deep"}}, "[0]": "named",
        })),
        values: vec![json!("from the event"), json!({"a": [1, "x"]}), json!(7)],
        auths: BTreeMap::from([
            ("token_access".to_owned(), json!({"token": "t0k3n", "headers": {"key": "in headers"}})),
            ("other".to_owned(), json!({"header": "plain"})),
        ]),
        default_auth: Some(tag("token_access")),
        secrets: BTreeMap::from([("KEY".to_owned(), "s3cr3t".to_owned())]),
        session: Some((tag("checkout"), json!({"user": {"id": 5}, "checkout": 1}))),
        variables: BTreeMap::from([("shop".to_owned(), map(json!({"region": "eu", "list": [{"a": 1}]})))]),
        constants: BTreeMap::from([("shop".to_owned(), map(json!({"version": 2})))]),
        response: Some(json!({"body": {"id": 9}})),
        default: Some(json!("fallback")),
        now: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
    }
}

fn check(text: &str, expected: Value) {
    assert_eq!(resolve(&json!(text), &sources()), Ok(expected), "{text}");
}

fn refused(text: &str, expected: &str) {
    let violation = resolve(&json!(text), &sources()).expect_err(text);
    assert_eq!(format!("{} {}", violation.selector, violation.rule), expected, "{text}");
}

#[test]
fn a_text_that_is_exactly_one_placeholder_keeps_the_type() {
    check("$Input{count}", json!(3));
    check("$Input{items}", json!([1, "two", {"id": "x"}]));
    check("$Input{none}", Value::Null);
    check("$Input{items}{[2]}{id}", json!("x"));
    check("$Input{items}{1}", json!("two"));
    check("$Input{[0]}", json!("named"));
    check("$Input{user}{a}{b}", json!("deep"));
    check("$Auth{token_access}{token}", json!("t0k3n"));
    check("$Auth{token_access}{headers}{key}", json!("in headers"));
    check("$Auth{token_access}{header}{key}", json!("in headers"));
    check("$Auth{token_access}{query}{token}", json!("t0k3n"));
    check("$Auth{other}{header}", json!("plain"));
    check("$Auth{token}", json!("t0k3n"));
    check("$Secret{KEY}", json!("s3cr3t"));
    check("$Session{checkout}{user}{id}", json!(5));
    check("$Session{user}{id}", json!(5));
    check("$Session{checkout}", json!({"user": {"id": 5}, "checkout": 1}));
    check("$Variable{shop}{region}", json!("eu"));
    check("$Variable{shop}{list}{[0]}{a}", json!(1));
    check("$Constant{shop}{version}", json!(2));
    check("$Response{body}{id}", json!(9));
    check("$Default", json!("fallback"));
    check("$Now", json!(1_700_000_000_123_i64));
    check("$Now()", json!(1_700_000_000_123_i64));
    check("$Value{1}", json!({"a": [1, "x"]}));
    check("$Size{$Input{items}}", json!(3));
    check("$Size{$Input{user}}", json!(1));
    check("$Length{ $Input{items} }", json!(3));
    check("$Length{'caf\u{e9}'}", json!(4));
}

#[test]
fn within_a_longer_text_everything_is_text() {
    check("Bearer $Auth{token_access}{token}", json!("Bearer t0k3n"));
    check("$Input{count}$Input{price}", json!("32.5"));
    check("a $Input{yes} b $Input{none} c $Value{1}", json!("a true b null c {\"a\":[1,\"x\"]}"));
    check("at $Now.", json!("at 1700000000123."));
    check("at $Now()s", json!("at 1700000000123s"));
    check("US$$Input{count}", json!("US$3"));
    check("$Uppercase($Pick($Input{email}, 0))$Substring($Input{email}, 1)", json!("Ada@Example.com "));
    check("$Value{0}{x}$Value{2}", json!("from the event{x}7"));
    let value = json!({"$Input{count}": ["$Input{count}", {"a": "n=$Input{count}"}], "b": 1});
    let expected = json!({"$Input{count}": [3, {"a": "n=3"}], "b": 1});
    assert_eq!(resolve(&value, &sources()), Ok(expected));
}

#[test]
fn what_is_no_known_name_with_brackets_is_text() {
    for text in [
        "",
        "$",
        "$$",
        "$5",
        "US$",
        "5 $ {x}",
        "${Input}",
        "$ Input{a}",
        "$Secret",
        "$Input",
        "$Add",
        "$Nowhere",
        "$Default_x",
        "$now",
        "$e{}",
        "$foo(x)",
        "$Add (1)",
        "\\",
        "\\\\$5",
        "a\\b{",
        "\\{",
        "$Input[a]",
        "$ref",
        "$é{",
        "$ThisIsAVeryLongNameThatIsNotKnown{x}",
    ] {
        check(text, json!(text));
        assert!(!is_open(&json!([{"a": text}])), "{text}");
    }
}

#[test]
fn a_backslash_makes_text_of_a_placeholder() {
    check("\\$Secret{KEY}", json!("$Secret{KEY}"));
    check("\\\\$Secret{KEY}", json!("\\s3cr3t"));
    check("\\\\\\$Secret{KEY}", json!("\\$Secret{KEY}"));
    check("a\\b$Secret{KEY}", json!("a\\bs3cr3t"));
    check("\\$Secrte{KEY}", json!("$Secrte{KEY}"));
    check("\\$Now and $Now", json!("$Now and 1700000000123"));
    check("$Input{count}\\{x}", json!("3{x}"));
    check("$Input{count}\\\\\\{x}", json!("3\\{x}"));
    check("$Concat(['\\$Secret{KEY}', '\\'\\\"\\\\\\n', \"'\"])", json!("$Secret{KEY}'\"\\\n'"));
    assert!(is_open(&json!("\\$Secret{KEY}")));
}

#[test]
fn what_is_missing_is_named() {
    refused("$Secret{NOPE}", "$Secret{NOPE} does not exist");
    refused("x $Auth{nope}{token}", "$Auth{nope}{token} names an auth that does not exist here");
    refused("$Auth{token_access}{nope}", "$Auth{token_access}{nope} does not exist");
    refused("$Auth{nope}", "$Auth{nope} does not exist");
    refused("$Input{user}{nope}", "$Input{user}{nope} does not exist");
    refused("$Input{items}{[3]}", "$Input{items}{[3]} does not exist");
    refused("$Session{nope}", "$Session{nope} does not exist");
    refused("$Variable{shop}{nope}", "$Variable{shop}{nope} does not exist");
    refused("$Constant{nope}{version}", "$Constant{nope}{version} names an app that is not the one of this run");
    refused("$Response{nope}", "$Response{nope} does not exist");
    refused("$Value{3}", "$Value{3} does not exist: only steps of dispatchers have values");
    refused(
        "$Sequence{main}{create}{id}",
        "$Sequence{main}{create}{id} is not supported: in a dispatcher, `{{ steps.NAME.output }}` is the output of an \
         earlier step",
    );
    let none = Sources {
        input: None,
        values: Vec::new(),
        auths: BTreeMap::new(),
        default_auth: None,
        secrets: BTreeMap::new(),
        session: None,
        variables: BTreeMap::new(),
        constants: BTreeMap::new(),
        response: None,
        default: None,
        now: Timestamp::UNIX_EPOCH,
    };
    for (text, rule) in [
        ("$Input{a}", "cannot be used here"),
        ("$Auth{token}", "needs an auth, and the app has none"),
        ("$Session{a}", "needs a session, and there is none"),
        ("$Response{a}", "needs an answer, and there is none"),
        ("$Default", "has no declared default here"),
        ("$Value{0}", "does not exist: only steps of dispatchers have values"),
    ] {
        assert_eq!(resolve(&json!(text), &none), Err(Violation { selector: text.to_owned(), rule: rule.to_owned() }));
    }
}

#[test]
fn what_cannot_be_read_is_said_without_repeating_it() {
    let check = |text: &str, expected: &str| {
        refused(text, expected);
        assert!(references(&json!({"a": [text]})).is_err(), "{text}");
        assert!(is_open(&json!({"a": [text]})), "{text}");
    };
    check("$Secrte{KEY}", "$Secrte is unknown: did you mean `$Secret`? (`\\$Secrte` is the text itself)");
    check("$add(1)", "$add is unknown: did you mean `$Add`? (`\\$add` is the text itself)");
    check("$Secret{KEY", "$Secret is not closed by `}` (at character 8)");
    check("$Secret(KEY)", "$Secret takes stages in braces, not arguments in parentheses (at character 8)");
    check("$Secret{}", "$Secret has an empty stage (at character 8)");
    check("$Secret{A}{B}", "$Secret has more than 1 stage (`\\{` is a text) (at character 11)");
    check("$Variable{a}", "$Variable{a} has fewer than 2 stages");
    check("$Add{1}", "$Add takes arguments in parentheses (at character 5)");
    check("$Now{1}", "$Now has neither stages nor arguments (at character 5)");
    check("$Value{x}", "$Value takes the position of a value (at character 10)");
    check(
        "$Size{x}",
        "$Size has no argument: it must be a placeholder, an operator, a quoted string, a number, `true`, \
         `false`, `null`, an array or an object (at character 7)",
    );
    check("$Size{$Input{a}", "$Size is not closed by `}` (at character 16)");
    check("$Add(1, 2", "$Add has neither `,` nor `)` (at character 10)");
    check("$Add(1 2)", "$Add has neither `,` nor `)` (at character 8)");
    check("$Add()", "$Add takes at least 1 arguments, not 0");
    check("$Substring('a')", "$Substring takes 2 or 3 arguments, not 1");
    check("$Trim('a', 'b')", "$Trim takes 1 arguments, not 2");
    check("$Trim('pass", "$Trim has a string that is not closed (at character 12)");
    check("$Trim('\\d')", "$Trim has an unknown escape in a string (`\\\\` is a backslash) (at character 8)");
    check("$Trim($foo)", "$Trim has something that is neither a placeholder nor an operator (at character 7)");
    check("$Add(1-2)", "$Add has a number that cannot be read (at character 9)");
    let stage = "has a placeholder or a brace within a stage, which must be a literal name";
    for nested in ["$Input{$Now}", "$Input{$Value{0}}", "$Input{a{b}", "$Secret{$Input{a}}", "$Size{$Input{$Add(1)}}"] {
        let violation = references(&json!(nested)).unwrap_err();
        assert!(violation.rule.starts_with(stage), "{nested}: {}", violation.rule);
    }
    check(&format!("$Secret{{{}}}", "x".repeat(257)), "$Secret has a stage of more than 256 bytes (at character 8)");
    let deep = format!("{}1{}", "$Add(".repeat(33), ")".repeat(33));
    assert!(references(&json!(deep)).unwrap_err().rule.starts_with("nests more than 32 levels deep"));
    let many = format!("$Add({}1)", "1,".repeat(1_000));
    assert!(references(&json!(many)).unwrap_err().rule.starts_with("has more than 1000 items in a list"));
    let many = json!(vec!["$Now".repeat(1_000); 51]);
    assert!(references(&many).unwrap_err().rule.starts_with("comes after 50000 placeholders"));
}

#[test]
fn operators_do_what_their_examples_say() {
    check("$Add(10, 20, 30)", json!(60));
    check("$Add( $Pick('12345', 0), $Substring('98765', 2, 4) )", json!(77));
    check("$Add(1.5, 1.5)", json!(3));
    check("$Add(0.1, 0.25)", json!(0.35));
    check("$Add(9007199254740993, 1)", json!(9_007_199_254_740_994_i64));
    check("$Add(18446744073709551614, 1)", json!(u64::MAX));
    check("$Subtract(100, 20, 30)", json!(50));
    check("$Subtract( $Add(2, 3), $Pick('678', 1) )", json!(-2));
    check("$Concat([\"2024\", \"07\", \"15\"], \"-\")", json!("2024-07-15"));
    check("$Concat([$Trim('  hello  '), $Pick($Split('a,b,c', ','), 1)], '-')", json!("hello-b"));
    check("$Concat([\n  $Add( $Pick('12', 0), 5 ),\n  true], '_')", json!("6_true"));
    check("$Concat([])", json!(""));
    check("$Substring(\"Ductape\", 0, 4)", json!("Duct"));
    check("$Substring('4242', -2)", json!("42"));
    check("$Substring('abc', -9, -1)", json!("ab"));
    check("$Substring('abc', 2, 1)", json!(""));
    check("$Substring('äöü', 1, 99)", json!("öü"));
    check("$Trim(\"\\nNewLine\\t\")", json!("NewLine"));
    check("$Split(\"one-two-three\", \"-\")", json!(["one", "two", "three"]));
    check("$Split('äb', '')", json!(["ä", "b"]));
    check("$Pick(\"Hello\", 1)", json!("e"));
    check("$Pick(['a', 'b'], -1)", json!("b"));
    check("$Pick($Input{user}, 'a')", json!({"b": "deep"}));
    check("$Join([[{id: 1}, {\"id\": 2}], [{'id': 3}]])", json!([{"id": 1}, {"id": 2}, {"id": 3}]));
    check("$Join(['John', 'Doe'], ' & ')", json!("John & Doe"));
    check("$Uppercase('straße')", json!("STRASSE"));
    check("$Lowercase($Trim($Input{email}))", json!("ada@example.com"));
    check("$Replace(\"2024-02-09\", \"-\", \"/\")", json!("2024/02/09"));
    check("$Filter([1, 2, 3, 4, 5], \">\", 3)", json!([4, 5]));
    check("$Filter(['b', 'a', 1, null], '<=', 'a')", json!(["a"]));
    check("$Filter([1, 1.0, '1', null], '==', 1)", json!([1, 1.0]));
    check("$Filter([1, 'a'], '!==', 1)", json!(["a"]));
    check("$Find([{id: 1, s: 'pending'}, {id: 2, s: 'done'}], '==', 'done')", json!({"id": 2, "s": "done"}));
    check("$Filter([{id: 1, s: 'pending'}, {id: 2, s: 'done'}], '!==', 'done')", json!([{"id": 1, "s": "pending"}]));
    check("$Find([1, 2], '>', 5)", Value::Null);
    check("$Filter([$Size{$Input{items}}], '>=', 3)", json!([3]));
    check("$Trim('$Input{count} $Value{0} ')", json!("3 from the event"));
    check("$Add($Value{2}, '$Value{2}')", json!(14));
}

#[test]
fn operators_refuse_what_they_cannot_take() {
    refused("$Add('x')", "$Add takes a number as argument 1, not a string");
    refused("$Add(1, null)", "$Add takes a number as argument 2, not null");
    refused("$Add(1e308, 1e308)", "$Add makes a number that is too large");
    refused("$Add(18446744073709551615, 1)", "$Add makes a number that is too large");
    refused("$Concat('a')", "$Concat takes an array as argument 1, not a string");
    refused("$Concat([null])", "$Concat takes an array of strings, numbers and booleans as argument 1, not null");
    refused("$Substring('a', 0.5)", "$Substring takes a whole number as argument 2, not a number");
    refused("$Trim(1)", "$Trim takes a string as argument 1, not a number");
    refused("$Pick([1], 1)", "$Pick picks what does not exist");
    refused("$Pick('a', -2)", "$Pick picks what does not exist");
    refused("$Pick(true, 0)", "$Pick takes an array, a string or an object as argument 1, not a boolean");
    refused("$Join([1])", "$Join takes an array of arrays as argument 1, not a number");
    refused("$Replace('a', '', 'b')", "$Replace replaces an empty string, which is everywhere and nowhere");
    refused("$Find([1], '=', 1)", "$Find takes one of `>`, `<`, `>=`, `<=`, `==`, `!==` as argument 2");
    refused("$Find('a', '==', 1)", "$Find takes an array as argument 1, not a string");
    refused("$Size{1}", "$Size takes an array or an object, not a number");
    refused("$Length{$Input{user}}", "$Length takes an array or a string, not an object");
    refused(
        "$Dateformat('soon', 'YYYY')",
        "$Dateformat takes a time such as 2026-01-02, 2026-01-02T03:04:05Z or milliseconds since 1970",
    );
}

#[test]
fn a_date_is_written_in_every_token() {
    let date = |date: &str, format: &str, expected: &str| {
        check(&format!("$Dateformat({date}, '{format}')"), json!(expected));
    };
    date("'2024-02-09'", "DD/MM/YYYY", "09/02/2024");
    date("'2024-02-09T15:30:00'", "hh:mm A", "03:30 PM");
    date("'2024-07-05'", "MMM DD, YYYY", "Jul 05, 2024");
    date("'2024-02-09T08:05:09Z'", "YYYY YY MMMM MMM MM M DD D dddd ddd", "2024 24 February Feb 02 2 09 9 Friday Fri");
    date("'2024-02-09T08:05:09Z'", "HH H hh h mm m ss s A a", "08 8 08 8 05 5 09 9 AM am");
    date("'2024-02-09T00:00:00+02:00'", "D H [at] h a", "8 22 at 10 pm");
    date("1700000000123", "YYYY-MM-DDTHH:mm:ss.SSS", "2023-11-14T22:13:20.123");
    date("$Now", "YYYY é %Y", "2023 é %Y");
    date("$Add($Now, 0.0)", "[[", "[[");
}

#[test]
fn what_operators_multiply_is_bounded() {
    let mut sources = sources();
    sources.input = Some(json!({"a": "a".repeat(1_000), "b": "b".repeat(100_000), "list": vec![1; 100_000]}));
    let tenfold = |text: &str| format!("$Concat([{}])", [text; 10].join(","));
    for text in [
        "$Replace($Input{a}, 'a', $Input{b})".to_owned(),
        "$Concat($Split($Input{a}, ''), $Input{b})".to_owned(),
        tenfold(&tenfold(&tenfold("$Input{b}"))),
        format!("$Length{{{}}}", tenfold(&tenfold(&tenfold("$Input{b}")))),
        "$Input{b}".repeat(11),
        format!("$Join([{}])", vec!["$Input{list}"; 1_000].join(",")),
        "$Length{$Input{b}}".repeat(1_000),
    ] {
        let violation = resolve(&json!(text), &sources).unwrap_err();
        assert!(violation.rule.contains(" bytes"), "{violation:?}");
    }
    let violation = resolve(&json!(vec!["$Input{b}"; 11]), &sources).unwrap_err();
    assert_eq!(violation.rule, "makes the input larger than 1048576 bytes");
    let mut deep = json!(1);
    for _ in 0..60 {
        deep = json!([deep]);
    }
    sources.input = Some(json!({"deep": deep}));
    let mut value = json!("$Input{deep}");
    for _ in 0..60 {
        value = json!([value]);
    }
    assert!(resolve(&value, &sources).unwrap_err().rule.starts_with("nests more than 96 levels"));
}

#[test]
fn references_name_what_must_be_read() {
    let value =
        json!({"a": ["x $Auth{t}{k} $Secret{S}", {"b": "$Concat(['$Secret{IN}', $Session{a}], $Size{[$Auth{f}]})"}]});
    let expected = References {
        auths: BTreeSet::from(["t".to_owned()]),
        default_auth: true,
        secrets: BTreeSet::from(["IN".to_owned(), "S".to_owned()]),
        session: true,
        values: false,
    };
    assert_eq!(references(&value), Ok(expected));
    assert!(references(&json!(["$Trim('$Value{0}')"])).unwrap().values);
    assert_eq!(references(&json!({"$Secret{S}": "\\$Secret{S} $Input{a} $Now", "b": 5})), Ok(References::default()));
}
