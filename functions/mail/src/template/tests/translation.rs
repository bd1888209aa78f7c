//! What `t` makes of translations.

use super::*;

#[test]
fn translations_are_found_by_language_count_and_context() {
    check("{{t 'greeting' name='Ada'}}", "Dear Ada");
    check_in("{{t 'greeting' name='Ada'}}", "NL", "Beste Ada");
    check_in("{{t 'greeting' name='Ada'}}", "nl_BE", "Dag Ada");
    check_in("{{t 'greeting' name='Ada'}}", "nl-NL", "Beste Ada");
    check_in("{{t 'greeting' name='Ada'}}", "FR", "Dear Ada");
    check("{{t 'items' count=1}} {{t 'items' count=1000}}", "1 item 1,000 items");
    check_in("{{t 'items' count=1}} {{t 'items' count=3}} {{t 'items' count=5}}", "PL", "1 rzecz 3 rzeczy 5 rzeczy!");
    check(
        "{{t 'friend'}} {{t 'friend' context='female'}} {{t 'friend' context='x'}}",
        "a friend a girlfriend a friend",
    );
    check("{{t 'greeting' name=(join @inputs.tags)}}", "Dear a, b&amp;c");
    let needed = "`t` is not given `name`, which the text of `greeting` needs";
    check_refused("{{t 'greeting'}}", 1004, needed);
    check_refused("{{t (join 'greeting')}}", 1005, &format!("{needed} (line 1, column 1)"));
    let unknown = "`t` names the unknown key `greetng`: did you mean `greeting`?";
    check_refused("{{t 'greetng'}}", 1004, unknown);
}

#[test]
fn the_braces_around_a_call_decide_what_is_escaped() {
    check("{{t 'bold' name=@inputs.name}}", "&lt;b&gt;&lt;b&gt;Ada&lt;/b&gt;&lt;/b&gt;");
    check("{{{t 'bold' name=@inputs.name}}}{{&t 'plain' name=name}}", "<b><b>Ada</b></b><b>Ada</b>");
    check("{{{t 'bold' name=(escape @inputs.name)}}}", "<b>&lt;b&gt;Ada&lt;/b&gt;</b>");
    check("{{t 'plain' name=\"O'Brien\"}} {{{t 'plain' name=\"O'Brien\"}}}", "O&#x27;Brien O'Brien");
    check(
        "{{{join tags (t 'bold' name=name)}}} {{& join tags (t 'plain' name='&') }}",
        "a, b&c, <b><b>Ada</b></b> a, b&c, &",
    );
    check("{{~&toJsonString name~}}", "\"<b>Ada</b>\"");
    check("{{{escape amount}}} {{escape '<'}}", "1234.56 &amp;lt;");
}

#[test]
fn a_text_can_stand_in_another() {
    check("{{t 'letter' name='Ada' count=2 note='$t(friend)'}}", "Dear Ada: 2 items, $t(friend)");
    check_in(
        "{{t 'letter' name='$t(friend)' count=1 note='$t(friend)'}}",
        "NL",
        "Beste $t(friend): 1 item, $t(friend)",
    );
    check_refused(
        "{{t (join 'loop')}}",
        1005,
        "`t` finds texts in each other more than 8 deep at `loop` (line 1, column 1)",
    );
}

#[test]
fn a_text_that_is_there_in_another_language_is_not_unknown() {
    let expected = "`t` finds no text in FR or EN: there is only `dutch` in NL and nl-BE (line 1, column 1)";
    let refusal = resolved_in("{{t 'dutch'}}", "FR", "UTC").unwrap_err();
    assert_eq!(refusal.message, format!("`outputs.out`: {expected}"));
    let expected = "`t` finds no text in EN: there is only `items_few` in PL, `items_many` in PL, `items_one` in EN and PL, \
        `items_other` in EN (line 1, column 1)";
    check_refused("{{t 'items'}}", 1005, expected);
}

#[test]
fn texts_are_checked_when_they_are_saved() {
    let check = |text: &str, expected: &str| {
        let refusal = template(&json!({"out": "x"}), &json!({"a": {"EN": text}, "b": {"EN": "b"}})).unwrap_err();
        assert_eq!((refusal.code, refusal.message), (15, format!("`translations.a.EN` {expected}")), "{text}");
    };
    check("{{total, curency(EUR)}}", "has the unknown format `curency`: did you mean `currency`?");
    let currency =
        "has a format whose `currency` has as its option `currency` `euro`, which is not an ISO code such as `EUR`";
    check("{{total, currency(euro)}}", currency);
    check(
        "{{at, datetime(dateStile: long)}}",
        "has a format whose `datetime` has the unknown option `dateStile`: did you mean `dateStyle`?",
    );
    check("Hello {{name", "has `{{` without `}}`");
    check("Hello {{ }}", "names no argument between its braces");
    check("$t(b", "has `$t(` without `)`");
    check("$t(letter)", "names the unknown key `letter`: `translations` has no such key");
    check(
        "$t(b, {\"count\": 2})",
        "must have a key alone in `$t(b, {\"count\": 2})`: it gets the arguments of this text",
    );
}
