//! Functions whose tasks are done by a function of AWS Lambda instead of a script.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::Clock;
use shared::event::{STEP_OUTPUT_LIMIT_BYTES, StepError};
use shared::invoker::Invoker;
use shared::{Error, Refusal};

use crate::sandbox::{BeforeEffect, Log, Recording, Report, clipped_error, result_of};

/// The `runtime` of these functions.
pub(crate) const RUNTIME: &str = "lambda";
/// The longest name or ARN, and the longest qualifier.
const NAME_LIMIT_BYTES: usize = 140;
const QUALIFIER_LIMIT_BYTES: usize = 128;

/// A function of AWS Lambda.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LambdaTarget {
    /// Its name or its ARN.
    pub(crate) function_name: String,
    /// A version or an alias, unless the ARN names one; the latest version if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) qualifier: Option<String>,
}

impl LambdaTarget {
    /// Refuses what cannot name a function.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let Some(has_qualifier) = qualifier_of(&self.function_name) else {
            let rule = "must be the name or the ARN of a function of AWS Lambda";
            return Err(Refusal::field("lambda.functionName", rule));
        };
        match &self.qualifier {
            Some(qualifier) if !is_qualifier(qualifier) => {
                Err(Refusal::field("lambda.qualifier", "must be a version, an alias or `$LATEST`"))
            }
            Some(_) if has_qualifier => {
                Err(Refusal::field("lambda.qualifier", "must be absent, as `lambda.functionName` has one"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a name or ARN ends with a qualifier; `None` if it is neither.
fn qualifier_of(name: &str) -> Option<bool> {
    let parts: Vec<&str> = name.split(':').collect();
    let (function, qualifier) = match parts.as_slice() {
        [function] => (function, None),
        [function, qualifier] => (function, Some(qualifier)),
        [account, "function", function] if is_account(account) => (function, None),
        ["arn", partition, "lambda", region, account, "function", rest @ ..]
            if partition.starts_with("aws") && is_word(region) && is_account(account) =>
        {
            match rest {
                [function] => (function, None),
                [function, qualifier] => (function, Some(qualifier)),
                _ => return None,
            }
        }
        _ => return None,
    };
    let is_valid = name.len() <= NAME_LIMIT_BYTES
        && is_word(function)
        && function.len() <= 64
        && qualifier.is_none_or(|qualifier| is_qualifier(qualifier));
    is_valid.then_some(qualifier.is_some())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_qualifier(text: &str) -> bool {
    text == "$LATEST" || (is_word(text) && text.len() <= QUALIFIER_LIMIT_BYTES)
}

/// Invokes the function with the task as scripts get it, and reports how that ended.
///
/// # Errors
///
/// When `before_effect` fails, as the function was then not invoked.
pub(crate) async fn run(
    invoker: &Invoker,
    target: &LambdaTarget,
    input: String,
    time_limit: Duration,
    before_effect: BeforeEffect,
    clock: &Clock,
) -> Result<Report, Error> {
    before_effect().await?.acts()?;
    let invoked = invoker.invoke(&target.function_name, target.qualifier.as_deref(), input.into_bytes());
    let invocation = match tokio::time::timeout(time_limit, invoked).await {
        Ok(Ok(invocation)) => invocation,
        Ok(Err(error)) => return Ok(Report::failed(clipped_error(error))),
        Err(_) => {
            let message = format!("the Lambda function did not answer within {} seconds", time_limit.as_secs());
            return Ok(Report::failed(runtime("TimeLimitExceeded", message)));
        }
    };
    let log = Log::default();
    for line in invocation.log_tail.lines() {
        log.keep(clock.now(), line.to_owned());
    }
    let result = match invocation.has_failed {
        true => Err(failure(&invocation.payload)),
        false => returned(&invocation.payload),
    };
    Ok(Report { result, lines: log.lines(), recording: Recording::Off })
}

/// What the function returned; nothing is null.
fn returned(payload: &[u8]) -> Result<Value, StepError> {
    if payload.len() > STEP_OUTPUT_LIMIT_BYTES {
        let message = format!("the result is longer than {STEP_OUTPUT_LIMIT_BYTES} bytes of JSON");
        return Err(runtime(StepError::OUTPUT_TOO_LARGE, message));
    }
    match str::from_utf8(payload) {
        Ok(text) if text.trim().is_empty() => Ok(Value::Null),
        Ok(text) => result_of(text),
        Err(_) => Err(runtime("InvalidResult", "the result is not valid UTF-8")),
    }
}

/// Why the function failed, as its runtime describes it.
fn failure(payload: &[u8]) -> StepError {
    let described: Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = |name: &str| described.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("errorType").unwrap_or("LambdaRuntimeError");
    clipped_error(runtime(name, text("errorMessage").unwrap_or("the Lambda function failed")))
}

fn runtime(name: &str, message: impl Into<String>) -> StepError {
    StepError { kind: Some("runtime".to_owned()), name: name.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_target_is_a_name_or_an_arn_with_one_qualifier_at_most() {
        let check = |name: &str, qualifier: Option<&str>, expected: Option<&str>| {
            let target = LambdaTarget { function_name: name.to_owned(), qualifier: qualifier.map(str::to_owned) };
            let message = target.check().err().map(|refusal| refusal.message);
            let is_expected = match (&message, expected) {
                (Some(message), Some(field)) => message.starts_with(&format!("`{field}`")),
                (message, expected) => message.is_none() && expected.is_none(),
            };
            assert!(is_expected, "{name} {qualifier:?}: {message:?}");
        };
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        for name in ["f", "my_Function-2", "f:live", "123456789012:function:f", arn, &format!("{arn}:7")] {
            check(name, None, None);
        }
        for qualifier in ["live", "7", "$LATEST"] {
            check("f", Some(qualifier), None);
            check(arn, Some(qualifier), None);
        }
        check(&format!("{arn}:7"), Some("live"), Some("lambda.qualifier"));
        check("f:live", Some("live"), Some("lambda.qualifier"));
        check("f", Some("a b"), Some("lambda.qualifier"));
        check("f", Some(""), Some("lambda.qualifier"));
        let long = "f".repeat(65);
        for name in ["", "a b", "f/../g", "f?x", "é", "arn:aws:s3:::bucket", "1:function:f", ":", "f:", long.as_str()]
        {
            check(name, None, Some("lambda.functionName"));
        }
    }

    #[test]
    fn an_answer_is_json_or_nothing() {
        assert_eq!(returned(b"{\"a\":1}"), Ok(json!({"a": 1})));
        assert_eq!(returned(b""), Ok(Value::Null));
        let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
        let long = format!("\"{}\"", "x".repeat(STEP_OUTPUT_LIMIT_BYTES));
        for (payload, name) in [
            (deep.as_bytes(), "OutputTooLarge"),
            (long.as_bytes(), "OutputTooLarge"),
            (b"nonsense".as_slice(), "InvalidResult"),
            (&[0xff], "InvalidResult"),
        ] {
            assert_eq!(returned(payload).unwrap_err().name, name);
        }
    }

    #[test]
    fn an_error_has_the_name_that_the_function_gave_it() {
        let error = failure(br#"{"errorType":"TypeError","errorMessage":"no","trace":["at f"]}"#);
        assert_eq!(
            (error.kind.as_deref(), error.name.as_str(), error.message.as_str()),
            (Some("runtime"), "TypeError", "no")
        );
        assert_eq!(failure(b"").name, "LambdaRuntimeError");
        assert!(failure(json!({"errorMessage": "x".repeat(100_000)}).to_string().as_bytes()).message.len() < 10_000);
    }
}
