//! What templates render to, by example and by property.

mod translation;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: &str = "2026-01-02T03:04:05Z";

/// Inputs of every kind, and values for them.
fn inputs() -> (Value, Value) {
    let text = json!({"type": "string"});
    let number = json!({"type": "number"});
    let declared = json!({
        "name": text, "amount": number, "paid": {"type": "boolean"}, "at": text,
        "tags": {"type": "array", "items": text},
        "note": {"type": "string", "required": false},
        "extras": {"type": "array", "items": text, "required": false},
        "discount": {"type": "number", "required": false},
        "order": {"type": "object", "properties": {"lines": {"type": "array", "items": {
            "type": "object", "properties": {"item": text, "price": number}
        }}}},
    });
    let values = json!({
        "name": "<b>Ada</b>", "amount": 1234.56, "paid": true, "at": "2026-03-29T00:59:59Z", "tags": ["a", "b&c"],
        "order": {"lines": [{"item": "tea", "price": 2.5}, {"item": "cake", "price": 4}]},
    });
    (declared, values)
}

fn template(outputs: &Value, translations: &Value) -> Result<Template, Refusal> {
    let body = json!({"name": "test", "inputs": inputs().0, "outputs": outputs, "translations": translations});
    Template::new(read(body.as_object().unwrap().clone())?, "0".repeat(24), NOW.parse().unwrap())
}

fn translations() -> Value {
    json!({
        "greeting": {"EN": "Dear {{name}}", "NL": "Beste {{name}}", "nl-BE": "Dag {{name}}"},
        "bold": {"EN": "<b>{{name}}</b>"},
        "items_one": {"EN": "{{count}} item", "PL": "{{count}} rzecz"},
        "items_few": {"PL": "{{count}} rzeczy"}, "items_many": {"PL": "{{count}} rzeczy!"},
        "items_other": {"EN": "{{count, number}} items"},
        "friend": {"EN": "a friend"}, "friend_female": {"EN": "a girlfriend"},
        "plain": {"EN": "{{- name}}"}, "dutch": {"NL": "Dag", "nl-BE": "Dag"}, "loop": {"EN": "$t(loop)"},
        "letter": {"EN": "$t(greeting): $t( items ), {{note}}"},
        "total": {"EN": "{{order.sum, currency(EUR)}} on {{at, datetime(dateStyle: long)}}"},
    })
}

fn resolved_in(text: &str, language: &str, time_zone: &str) -> Result<String, Refusal> {
    let template = template(&json!({"out": text}), &translations())?;
    let values = inputs().1;
    let filling = Filling {
        inputs: values.as_object().unwrap(),
        language: Some(language),
        time_zone: Some(time_zone),
        now: NOW.parse().unwrap(),
    };
    Ok(template.resolve(&filling)?["out"].as_str().unwrap().to_owned())
}

fn check(text: &str, expected: &str) {
    check_in(text, "EN", expected);
}

/// Spaces that do not break a line are shown as usual ones.
fn check_in(text: &str, language: &str, expected: &str) {
    let resolved = resolved_in(text, language, "UTC").unwrap_or_else(|refusal| panic!("{text}: {}", refusal.message));
    assert_eq!(resolved.replace(['\u{a0}', '\u{202f}'], " "), expected, "{text} in {language}");
}

fn check_at(text: &str, language: &str, time_zone: &str, expected: &str) {
    let resolved =
        resolved_in(text, language, time_zone).unwrap_or_else(|refusal| panic!("{text}: {}", refusal.message));
    assert_eq!(resolved.replace(['\u{a0}', '\u{202f}'], " "), expected, "{text} in {language} at {time_zone}");
}

fn check_refused(text: &str, code: u32, expected: &str) {
    let refusal = resolved_in(text, "EN", "UTC").unwrap_err();
    assert_eq!(
        (refusal.code, refusal.message.as_str()),
        (code, format!("`outputs.out`: {expected}").as_str()),
        "{text}"
    );
}

#[test]
fn inputs_are_escaped_unless_three_braces_say_otherwise() {
    check("Hello {{@inputs.name}}", "Hello &lt;b&gt;Ada&lt;/b&gt;");
    check("Hello {{name}}", "Hello &lt;b&gt;Ada&lt;/b&gt;");
    check("Hello {{{@inputs.name}}}{{&name}}", "Hello <b>Ada</b><b>Ada</b>");
    check("{{join @inputs.tags sep=' & '}} {{{join @inputs.tags}}}", "a &amp; b&amp;c a, b&c");
    check("[{{@inputs.note}}]{{#if @inputs.note}}x{{else}}none{{/if}}", "[]none");
    check("{{@inputs.amount}} {{@inputs.paid}} {{@inputs.order.lines.[1].price}}", "1234.56 true 4");
    check(r"\{{name}} {{! a comment }}{{~#if paid~}} yes {{~/if~}}.", "{{name}} yes.");
}

#[test]
fn blocks_render_for_what_they_are_given() {
    check("{{#each @inputs.tags}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", "0a,1b&amp;c");
    check(
        "{{#each order.lines as |line n|}}{{n}}:{{line.item}}={{price}}/{{@root.name}} {{/each}}",
        "0:tea=2.5/&lt;b&gt;Ada&lt;/b&gt; 1:cake=4/&lt;b&gt;Ada&lt;/b&gt; ",
    );
    check("{{#each order}}{{@key}}{{#each this}}{{item}}{{@../key}}{{/each}}{{/each}}", "linestealinescakelines");
    check("{{#with (lookup order.lines 0)}}{{item}}{{#if price}}!{{/if}}{{/with}}", "tea!");
    check("{{#each extras}}x{{else}}nothing{{/each}}{{#with note}}x{{else}}none{{/with}}", "nothingnone");
    check("{{#if (and paid (not note))}}a{{else if paid}}b{{else}}c{{/if}}", "a");
    check_refused(
        "{{#each name}}x{{/each}}",
        1004,
        "`each` takes an array or an object, not a string (line 1, column 1)",
    );
    check_refused("{{#each tags}}{{missing}}{{/each}}", 1005, "`missing` is missing (line 1, column 15)");
    check_refused("a\n {{@inputs.tags.[9]}}", 1005, "`@inputs.tags.[9]` is missing (line 2, column 2)");
}

#[test]
fn logic_and_comparisons_are_blocks_and_values() {
    check("{{#and paid name}}Valid{{else}}Invalid{{/and}} {{and paid note}}", "Valid false");
    check("{{#or note paid}}yes{{else}}no{{/or}} {{#not note}}yes{{/not}} {{not paid}}", "yes yes false");
    check("{{eq amount 1234.56}} {{eq 1 1.0}} {{eq '1' 1}} {{ne name 'x'}}", "true true false true");
    check("{{gt amount 50}} {{ge 2 2}} {{lt 'a' 'b'}} {{le 3 2}} {{gt discount 1}}", "true true true false false");
    check("{{#le (sum amount 1) 1300}}Buy{{else}}Don't{{/le}}", "Buy");
    check_refused(
        "{{gt name 1}}",
        1004,
        "`gt` compares two numbers or two texts, not a string with a number (line 1, column 1)",
    );
}

#[test]
fn calculations_are_those_of_javascript() {
    check("{{sum 2 3 4}} {{subtract 10 3 2}} {{multiply 2 3 4}} {{divide 20 2 2}} {{mod 10 3}}", "9 5 24 5 1");
    check("{{floor 4.8}} {{ceil 4.2}} {{round 4.5}} {{round -4.5}} {{floor -4.2}} {{mod -7 3}}", "4 5 5 -4 -5 -1");
    check("{{divide 1 4}} {{sum 0.5 0.25}} {{multiply 1.5 2}}", "0.25 0.75 3");
    check_refused("{{divide 1 (lookup tags 0)}}", 1005, "`divide` takes numbers, not a string (line 1, column 1)");
    check_refused("{{divide 1 (subtract amount amount)}}", 1005, "`divide` cannot divide by zero (line 1, column 1)");
    check_refused("{{sum name 1}}", 1004, "`sum` takes numbers, not a string (line 1, column 1)");
}

#[test]
fn texts_and_arrays_are_measured_searched_and_joined() {
    check("{{length tags}} {{length name}} {{length 'é😀'}} {{length note}}", "2 10 2 0");
    check("{{#includes tags 'a'}}has{{/includes}} {{includes name 'Ada'}} {{includes tags 'x'}}", "has true false");
    check("{{join 'apple' 'banana' sep=' - '}} {{join tags 1 true}}", "apple - banana a, b&amp;c, 1, true");
    check("{{{toJsonString order}}}", r#"{"lines":[{"item":"tea","price":2.5},{"item":"cake","price":4}]}"#);
    check("{{toJsonString tags}}", "[&quot;a&quot;,&quot;b&amp;c&quot;]");
    check("{{{toJsonString '</script></b>'}}}", r#""<\/script></b>""#);
    check("{{lookup tags 1}} {{lookup (lookup order.lines 0) 'item'}}", "b&amp;c tea");
    check_refused("{{lookup tags 5}}", 1005, "`lookup` finds no `5` (line 1, column 1)");
}

#[test]
fn numbers_are_written_as_the_language_has_them() {
    check("{{number amount}} {{number 1234.5678}} {{number '0.10'}}", "1,234.56 1,234.568 0.1");
    check_in("{{number amount}}", "DE", "1.234,56");
    check_in("{{number 1234567.891 maximumFractionDigits=1}}", "FR", "1 234 567,9");
    check_in("{{number 1234.56 style='decimal' maximumSignificantDigits=3}}", "NL", "1.230");
    check("{{number 5 minimumFractionDigits=2}} {{number 5 minimumIntegerDigits=3}}", "5.00 005");
    check(
        "{{number 0.256 style='percent'}} {{number 3 signDisplay='always'}} {{number 1234 useGrouping=false}}",
        "26% +3 1234",
    );
    check("{{currency amount currency='EUR'}} {{currency 5 currency='JPY'}}", "€1,234.56 ¥5");
    check_in("{{currency 1234.56 currency=\"EUR\"}}", "FR", "1 234,56 €");
    check(
        "{{currency 1234.56 currency='USD' maximumFractionDigits=0}} {{currency 2 currency='USD' currencyDisplay='name'}}",
        "$1,235 2.00 US dollars",
    );
    check("{{number 2 style='currency' currency='EUR' currencyDisplay='code'}}", "EUR 2.00");
    check_refused(
        "{{currency 5}}",
        1004,
        "`currency` needs the option `currency`, such as `currency=\"EUR\"` (line 1, column 1)",
    );
    check_refused(
        "{{number at}}",
        1005,
        "`number` takes a number, not the text `2026-03-29T00:59:59Z` (line 1, column 1)",
    );
    check_refused("{{number 'x'}}", 1004, "`number` takes a number, not the text `x` (line 1, column 1)");
    check_refused(
        "{{number 5 style='percnt'}}",
        1004,
        "`number` has as its option `style` the unknown value `percnt`: did you mean `percent`? (line 1, column 1)",
    );
}

#[test]
fn times_are_written_in_their_language_and_zone() {
    let parts = "weekday=\"short\" year=\"numeric\" month=\"long\" day=\"2-digit\" hour=\"2-digit\"";
    check(&format!("{{{{datetime 0 {parts}}}}}"), "Thu, January 01, 1970 at 12 AM");
    check("{{datetime 0}} {{datetime at dateStyle='long'}}", "1/1/1970 March 29, 2026");
    check("{{datetime 'now' dateStyle='medium' timeStyle='short'}}", "Jan 2, 2026, 3:04 AM");
    check_in(
        "{{datetime 0 weekday='long' year='numeric' month='long' day='numeric'}}",
        "NL",
        "donderdag 1 januari 1970",
    );
    check_in("{{datetime 0 dateStyle='full'}}", "DE", "Donnerstag, 1. Januar 1970");
    check_in("{{datetime 0 hour='numeric' minute='2-digit'}}", "FR", "00:00");
    check("{{datetime 0 hour='numeric' minute='2-digit' hour12=false}} {{datetime 0 month='short'}}", "00:00 Jan");
    check("{{datetime '2026-01-02' year='2-digit' month='2-digit' day='2-digit'}}", "01/02/26");
    check_refused(
        "{{datetime 'soon'}}",
        1004,
        "`datetime` takes a time such as `2026-01-02T03:04:05Z`, not the text `soon` (line 1, column 1)",
    );
    check_refused(
        "{{datetime 0 year='numeric' day='numeric'}}",
        1004,
        "`datetime` cannot write these parts of a date together: add the month and the day (line 1, column 1)",
    );
}

#[test]
fn clocks_that_are_put_forward_and_back_are_followed() {
    let clock = "hour='2-digit' minute='2-digit' second='2-digit' hour12=false timeZoneName='short'";
    let at = |time: &str| format!("{{{{datetime '{time}' {clock}}}}}");
    check_at(&at("2026-03-29T00:59:59Z"), "NL", "Europe/Brussels", "01:59:59 CET");
    check_at(&at("2026-03-29T01:00:00Z"), "NL", "Europe/Brussels", "03:00:00 CEST");
    check_at(&at("2026-10-25T00:59:59Z"), "NL", "Europe/Brussels", "02:59:59 CEST");
    check_at(&at("2026-10-25T01:00:00Z"), "NL", "Europe/Brussels", "02:00:00 CET");
    check_at(&at("2026-03-29T01:00:00Z"), "EN", "Europe/Brussels", "03:00:00 GMT+2");
    check_at(&at("2026-06-01T00:00:00Z"), "EN", "Asia/Kolkata", "05:30:00 GMT+5:30");
    check_at(&at("2026-06-01T00:00:00Z"), "EN", "America/New_York", "20:00:00 EDT");
    check_at("{{datetime 0 timeZone='America/New_York' dateStyle='short'}}", "EN", "Asia/Tokyo", "12/31/69");
    check_at("{{datetime 0 hour='numeric' timeZoneName='shortOffset'}}", "EN", "Asia/Kathmandu", "5 AM GMT+5:30");
    check_at(
        "{{datetime 0 hour='numeric' minute='numeric' timeZoneName='longOffset'}}",
        "FR",
        "Asia/Kathmandu",
        "05:30 UTC+05:30",
    );
    for wrong in ["Mars/Base", "+02:00", "../etc/passwd", "europe brussels"] {
        assert_eq!(resolved_in("x", "EN", wrong).unwrap_err().code, 15, "{wrong}");
    }
}

/// What `Intl.DateTimeFormat` of Node writes for the same.
#[test]
fn a_long_time_names_its_zone() {
    let at = "2026-03-29T01:00:00Z";
    let brussels = |style: &str, language: &str, expected: &str| {
        check_at(&format!("{{{{datetime '{at}' {style}}}}}"), language, "Europe/Brussels", expected);
    };
    brussels("timeStyle='medium'", "NL", "03:00:00");
    brussels("timeStyle='long'", "NL", "03:00:00 CEST");
    brussels("timeStyle='full'", "NL", "03:00:00 Midden-Europese zomertijd");
    brussels("timeStyle='full'", "DE", "03:00:00 Mitteleuropäische Sommerzeit");
    brussels("timeStyle='full'", "ZH", "中欧夏令时间 03:00:00");
    brussels("dateStyle='long' timeStyle='long'", "EN", "March 29, 2026 at 3:00:00 AM GMT+2");
    brussels("hour='numeric' timeZoneName='long'", "EN", "3 AM Central European Summer Time");
    brussels("hour='numeric' timeZoneName='longGeneric'", "EN", "3 AM Central European Time");
    let eastern = format!("{{{{datetime '{at}' timeStyle='full'}}}}");
    check_at(&eastern, "EN", "America/New_York", "9:00:00 PM Eastern Daylight Time");
    check_at(&eastern, "EN", "UTC", "1:00:00 AM Coordinated Universal Time");
    check_at(
        "{{datetime '2026-07-01T12:00:00Z' timeStyle='full'}}",
        "EN",
        "Europe/Dublin",
        "1:00:00 PM Irish Standard Time",
    );
}

#[test]
fn distances_in_time_are_counted_or_measured_from_now() {
    check("{{relativetime -1 range='days' style='long'}} {{relativetime 3 range='hour'}}", "1 day ago in 3 hours");
    check("{{relativetime -1 range='day' numeric='auto'}} {{relativetime 2}}", "yesterday in 2 days");
    check_in("{{relativetime -3 range='months'}}", "NL", "3 maanden geleden");
    check("{{relativetime '2026-01-02T01:00:00Z'}} {{relativetime '2027-01-03T00:00:00Z'}}", "2 hours ago in 1 year");
    check("{{relativetime '2026-01-04T03:04:05Z' range='hours'}}", "in 48 hours");
}

#[test]
fn what_takes_too_much_is_stopped() {
    let items: Vec<String> = (0..1000).map(|n| format!("item {n}")).collect();
    let inputs = json!({"tags": items, "big": "x".repeat(200_000)});
    let check = |text: &str, expected: &str| {
        let body = json!({"name": "t", "outputs": {"out": text}, "inputs": {
            "tags": {"type": "array", "items": {"type": "string"}}, "big": {"type": "string"},
        }});
        let template =
            Template::new(read(body.as_object().unwrap().clone()).unwrap(), String::new(), NOW.parse().unwrap());
        let filling =
            Filling { inputs: inputs.as_object().unwrap(), language: None, time_zone: None, now: NOW.parse().unwrap() };
        let refusal = template.unwrap().resolve(&filling).unwrap_err();
        assert!(refusal.code == 1005 && refusal.message.contains(expected), "{}", refusal.message);
    };
    let nested = |inner: &str| format!("{}{inner}{}", "{{#each @inputs.tags}}".repeat(4), "{{/each}}".repeat(4));
    check(&nested(""), "takes more work than is allowed");
    check(&nested("x"), "takes more work than is allowed");
    check(&nested("{{@inputs.big}}"), "the outputs have more than 1048576 bytes");
    check("{{#each tags}}{{#if (join @inputs.big @inputs.big)}}{{/if}}{{/each}}", "takes more work than is allowed");
    check(&format!("{{{{length (join {})}}}}", "@inputs.big ".repeat(20)), "makes a text of more than 1048576 bytes");
    check(
        "{{#each tags}}{{#with (join @inputs.tags)}}{{#if this}}{{/if}}{{/with}}{{/each}}",
        "more work than is allowed",
    );
}

#[test]
fn the_output_that_fails_is_named_for_programs_too() {
    let refusal = template(&json!({"subject": "fine", "body": "{{#if paid}}"}), &json!(null)).unwrap_err();
    assert_eq!((refusal.status.as_u16(), refusal.code, refusal.name), (400, 1004, "TEMPLATE_SYNTAX_EXCEPTION"));
    assert_eq!(refusal.extra["syntaxError"]["output"], "body");
    let refusal = resolved_in("{{divide 1 (subtract 1 1)}}", "EN", "UTC").unwrap_err();
    assert_eq!((refusal.status.as_u16(), refusal.name), (400, "TEMPLATE_RESOLVING_EXCEPTION"));
    let expected = json!({"output": "out", "message": "`divide` cannot divide by zero (line 1, column 1)"});
    assert_eq!(refusal.extra["resolveError"], expected);
}

/// Texts made of what means something in a template.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("{{"),
        Just("}}"),
        Just("{{{"),
        Just("}}}"),
        Just("{{#each @inputs.tags}}"),
        Just("{{/each}}"),
        Just("{{#if name}}"),
        Just("{{else}}"),
        Just("{{/if}}"),
        Just("@inputs.name"),
        Just("{{@inputs.name}}"),
        Just("{{toJsonString @inputs}}"),
        Just("{{t 'greeting' name=name}}"),
        Just("("),
        Just(")"),
        Just("["),
        Just("]"),
        Just("'"),
        Just("\""),
        Just("\\"),
        Just("|"),
        Just("this"),
        Just("../"),
        Just("@root"),
        Just("@"),
        Just("."),
        Just("/"),
        Just(" "),
        Just("~"),
        Just("="),
        Just("!--"),
        Just("<b>"),
        Just("&"),
        Just("sum"),
        Just("eq"),
        Just("1"),
        Just("-"),
        Just("é😀"),
        Just("as |x|"),
        Just("{{> x}}"),
        Just("^"),
        Just("else if"),
    ];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn with_name(text: &str, name: &str) -> Result<String, Refusal> {
    let body = json!({
        "name": "t", "inputs": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
        "outputs": {"out": text}, "translations": {"greeting": {"EN": "Dear {{name}}"}},
    });
    let template = Template::new(read(body.as_object().unwrap().clone())?, String::new(), NOW.parse().unwrap())?;
    let inputs = json!({"name": name, "tags": [name, "b"]});
    let filling =
        Filling { inputs: inputs.as_object().unwrap(), language: None, time_zone: None, now: NOW.parse().unwrap() };
    Ok(template.resolve(&filling)?["out"].as_str().unwrap().to_owned())
}

proptest! {
    #[test]
    fn whatever_a_template_is_it_renders_or_says_why_not(text in hostile()) {
        if let Err(refusal) = with_name(&text, "Ada") {
            prop_assert!(matches!(refusal.code, 15 | 1004 | 1005), "{}", refusal.message);
        }
    }

    #[test]
    fn any_text_at_all_renders_or_says_why_not(text in "\\PC{0,80}") {
        if let Err(refusal) = with_name(&text, "Ada") {
            prop_assert!(matches!(refusal.code, 15 | 1004 | 1005), "{}", refusal.message);
        }
    }

    /// The value of an input is text, whatever it looks like: it is neither rendered nor markup.
    #[test]
    fn an_input_is_never_a_template_nor_markup(name in hostile()) {
        let escaped = handlebars::html_escape(&name);
        let check = |text: &str, expected: String| {
            prop_assert_eq!(with_name(text, &name).map_err(|refusal| refusal.message), Ok(expected));
            Ok(())
        };
        check("{{@inputs.name}}", escaped.clone())?;
        check("{{{@inputs.name}}}", name.clone())?;
        check("{{#each tags}}{{#if @first}}{{this}}{{/if}}{{/each}}", escaped.clone())?;
        check("{{#with (lookup tags 0)}}{{this}}{{/with}}", escaped.clone())?;
        check("{{t 'greeting' name=name}}", format!("Dear {escaped}"))?;
        check("{{{t 'greeting' name=name}}}", format!("Dear {name}"))?;
        check("{{{t 'greeting' name=(escape name)}}}", format!("Dear {escaped}"))?;
        check("{{join tags sep='|'}}", format!("{escaped}|b"))?;
        check("{{toJsonString name}}", handlebars::html_escape(&json!(name).to_string()))?;
    }

    #[test]
    fn calculations_and_comparisons_agree_with_a_naive_model(a in -1000i32..1000, b in -1000i32..1000) {
        let check = |text: String, expected: String| {
            prop_assert_eq!(with_name(&text, "x").map_err(|refusal| refusal.message), Ok(expected));
            Ok(())
        };
        check(format!("{{{{sum {a} {b}}}}}"), (a + b).to_string())?;
        check(format!("{{{{subtract {a} {b}}}}}"), (a - b).to_string())?;
        check(format!("{{{{multiply {a} {b}}}}}"), (a * b).to_string())?;
        check(format!("{{{{gt {a} {b}}}}}"), (a > b).to_string())?;
        check(format!("{{{{le {a} {b}}}}}"), (a <= b).to_string())?;
        check(format!("{{{{eq {a} {b}}}}}"), (a == b).to_string())?;
        check(format!("{{{{floor (divide {a} 4)}}}}"), a.div_euclid(4).to_string())?;
        if b != 0 {
            check(format!("{{{{mod {a} {b}}}}}"), (a % b).to_string())?;
        }
    }
}
