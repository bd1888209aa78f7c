//! Calls that are tried when a template is saved, so that mistakes in what is written in them are found then.
//!
//! What is not written stands for any value of its type: a call is wrong if it fails whatever that value is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::input::Kind;
use super::super::render::Scene;
use super::{Arguments, LANGUAGE_UNITS, Signature};

/// Options without which others make no sense, each with a value that it can have.
const COMPANIONS: [(&str, &str); 8] = [
    ("currency", "EUR"),
    ("weekday", "long"),
    ("year", "numeric"),
    ("month", "numeric"),
    ("day", "numeric"),
    ("hour", "numeric"),
    ("minute", "numeric"),
    ("second", "numeric"),
];

/// Texts that stand for any text: one that is a number, and one that is a time.
const TEXTS: [&str; 2] = ["1.0625", "2026-01-02T03:04:05.0625Z"];

/// What a template says about a value.
#[derive(Debug, Clone)]
pub(in crate::template) enum Known {
    /// It is written in the template.
    Value(Value),
    /// Its type.
    Kind(Kind),
    /// Nothing.
    Nothing,
}

impl Known {
    fn of_kind(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(_) => Self::Kind(Kind::Boolean),
            Value::Number(_) => Self::Kind(Kind::Number),
            Value::String(_) => Self::Kind(Kind::String),
            Value::Array(_) => Self::Kind(Kind::Array),
            Value::Object(_) => Self::Kind(Kind::Object),
        }
    }

    /// Returns values that it can be: of those that a helper can tell apart, one of each sort.
    fn samples(&self) -> Vec<Value> {
        let texts = TEXTS.map(Value::from);
        match self {
            Self::Value(value) => vec![value.clone()],
            Self::Kind(Kind::Number) => vec![json!(1)],
            Self::Kind(Kind::String) => texts.to_vec(),
            Self::Kind(Kind::Boolean) => vec![json!(true)],
            Self::Kind(Kind::Array) => vec![json!([])],
            Self::Kind(Kind::Object) => vec![json!({})],
            Self::Nothing => [&[json!(1)], texts.as_slice(), &[json!(true), json!([]), json!({})]].concat(),
        }
    }
}

/// Tries a call, and returns what is known of its value; the error names the helper.
pub(in crate::template) fn run(
    signature: &Signature,
    scene: &Scene,
    parameters: &[Known],
    options: &BTreeMap<&str, Known>,
) -> Result<Known, String> {
    let samples: Vec<Vec<Value>> = parameters.iter().map(Known::samples).collect();
    let companions = COMPANIONS.map(|(name, value)| (name, Value::from(value)));
    let is_written = |known: &Known| matches!(known, Known::Value(_));
    let mut mistakes = Vec::new();
    for round in 0..samples.iter().map(Vec::len).max().unwrap_or(1) {
        for with_companions in [true, false] {
            if scene.charge(LANGUAGE_UNITS).is_err() {
                return Ok(Known::Nothing);
            }
            let parameters = samples.iter().filter_map(|samples| samples.get(round % samples.len().max(1))).collect();
            let written = options.iter().filter_map(|(name, known)| match known {
                Known::Value(value) => Some((*name, value)),
                _ => None,
            });
            let present = companions.iter().map(|(name, value)| (*name, value));
            let present = present
                .filter(|(name, _)| with_companions && options.get(name).is_some_and(|known| !is_written(known)));
            let arguments = Arguments { parameters, options: written.chain(present).collect() };
            match (signature.trial)(scene, &arguments) {
                Ok(value) => return Ok(Known::of_kind(&value)),
                Err(rule) => mistakes.push(rule),
            }
            if options.values().all(is_written) {
                break;
            }
        }
    }
    // What is wrong with a sample alone is no mistake of the author, who does not know it.
    let is_of_author = |rule: &&String| !TEXTS.iter().any(|text| rule.contains(text));
    let mistake = mistakes.iter().find(is_of_author).or(mistakes.first());
    Err(format!("`{}` {}", signature.name, mistake.map_or("cannot be called so", String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::super::super::syntax::tests::check;

    #[test]
    fn what_is_written_in_a_call_is_tried() {
        let wrong = |text: &str, rule: &str| check(text, Err(&format!("{rule} (line 1, column 1)")));
        wrong("{{currency name}}", "`currency` needs the option `currency`, such as `currency=\"EUR\"`");
        let code = "`currency` has as its option `currency` `euro`, which is not an ISO code such as `EUR`";
        wrong("{{currency name currency='euro'}}", code);
        wrong("{{#if (eq name (currency name currency='euro'))}}x{{/if}}", code);
        wrong("{{number 5 style='currency' currency='euro'}}", &code.replace("`currency` has", "`number` has"));
        let rule = "`relativetime` has as its option `range` the unknown unit `fortnight`: must be one of `second`, \
            `minute`, `hour`, `day`, `week`, `month`, `quarter`, `year`";
        wrong("{{relativetime name range='fortnight'}}", rule);
        let rule = "`datetime` takes a time such as `2026-01-02T03:04:05Z`, not the text `29/03/2026`";
        wrong("{{datetime '29/03/2026'}}", rule);
        let zone = "`datetime` has an option `timeZone` that must be a time zone of the IANA such as `Europe/Brussels`";
        wrong("{{datetime name timeZone='Mars'}}", zone);
        let parts = "`datetime` cannot write these parts of a time together: add the larger ones";
        wrong("{{datetime name minute='numeric'}}", parts);
        wrong("{{length order}}", "`length` takes a text or an array, not an object");
        wrong("{{length (sum 1 2)}}", "`length` takes a text or an array, not a number");
        wrong("{{length (eq 1 2)}}", "`length` takes a text or an array, not a boolean");
        wrong("{{number tags}}", "`number` takes a number, not an array");
        wrong(
            "{{number name minimumFractionDigits=3 maximumFractionDigits=1}}",
            "`number` must not have a larger `minimumFractionDigits` than `maximumFractionDigits`",
        );
        wrong("{{sum 1 'x'}}", "`sum` takes numbers, not a string");
        wrong("{{sum order.lines.[0].price name}}", "`sum` takes numbers, not a string");
        wrong("{{mod order.lines.[0].price 0}}", "`mod` cannot divide by zero");
        wrong("{{gt name 1}}", "`gt` compares two numbers or two texts, not a string with a number");
        wrong("{{includes name 5}}", "`includes` takes a text to look for in a text, not a number");
        wrong("{{includes order 5}}", "`includes` takes an array or a text, not an object");
        wrong("{{lookup name 1}}", "`lookup` takes an object or an array, not a string");
        wrong("{{join tags sep=5}}", "`join` must have a text as its option `sep`, not a number");
        wrong("{{escape order}}", "`escape` takes a text, not an object");
        wrong("{{t 5}}", "`t` takes the key of a translation, not a number");
        wrong("{{t 'a' count='many'}}", "`t` takes a number, not the text `many`");
        wrong("{{t 'a' count=1 ordinal='x'}}", "`t` must have true or false as its option `ordinal`");
        wrong("{{#each name}}x{{/each}}", "`each` takes an array or an object, not a string");
        check(
            "{{#each tags}}{{currency this currency='x'}}{{/each}}",
            Err(
                "`currency` has as its option `currency` `x`, which is not an ISO code such as `EUR` (line 1, column 15)",
            ),
        );
    }

    #[test]
    fn what_depends_on_an_input_is_not_refused() {
        for text in [
            "{{currency name currency=name}} {{currency 5 currency=name currencyDisplay='code'}}",
            "{{datetime name}} {{datetime name hour=name minute='2-digit'}} {{datetime 0 dateStyle=name}}",
            "{{datetime 0 year='numeric' month=name day='numeric'}} {{datetime 0 timeZone=name}}",
            "{{number name}} {{number (sum 1 2) style=name minimumFractionDigits=name maximumFractionDigits=0}}",
            "{{relativetime name}} {{relativetime name range=name}} {{relativetime '2026-01-02'}}",
            "{{divide 1 order.lines.[0].price}} {{gt name 'a'}} {{length name}} {{length tags}} {{length (join tags)}}",
            "{{#each tags}}{{gt this 5}}{{gt this 'a'}}{{gt 5 @index}}{{includes this 5}}{{includes this 'a'}}{{/each}}",
            "{{#each order.lines}}{{sum price 1}}{{divide 1 price}}{{length item}}{{number price}}{{mod 1 price}}{{/each}}",
            "{{lookup tags 7}} {{lookup order name}} {{length (lookup tags 0)}} {{#each (lookup order 'lines')}}x{{/each}}",
            "{{#with order}}{{#each lines}}{{datetime price}}{{relativetime price range='days'}}{{/each}}{{/with}}",
            "{{t name}} {{t 'a' count=order.lines.[0].price context=name}} {{number (t 'a')}} {{datetime (t 'b')}}",
        ] {
            check(text, Ok(()));
        }
    }
}
