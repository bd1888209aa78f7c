//! How the mistakes that the platforms find are answered.

use shared::Refusal;
use shared::json::Problem;

/// How a webhook proves who sent it.
const SIGNATURE: &str = r#"Signature realm="hookyard""#;

/// Turns an error of a platform into the answer that it deserves.
pub(crate) fn refusal(error: platform::Error) -> Refusal {
    match error {
        platform::Error::Field { field, rule } => Refusal::field(&field, rule),
        platform::Error::MissingField(field) => Refusal::missing_field(&field),
        platform::Error::UnknownCredential { name, known } => {
            Problem::unknown(&name, known).within("credentials").into()
        }
        platform::Error::EmptyBody => Refusal::empty_body(),
        platform::Error::Body(message) => Refusal::body_format(message),
        platform::Error::Charset(_) => Refusal::not_understood(error.to_string()),
        platform::Error::TooLarge(message) => Refusal::too_large(message),
        platform::Error::Unverified(unverified) => {
            Refusal::unauthenticated(unverified.to_string()).challenging(SIGNATURE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::{Error, Unverified};

    #[test]
    fn each_mistake_has_its_status_and_code_and_keeps_its_words() {
        let check = |error: Error, status: u16, code: u32| {
            let answer = refusal(error.clone());
            assert_eq!((answer.status.as_u16(), answer.code), (status, code), "{error}");
            assert_eq!(answer.message, error.to_string());
        };
        check(Error::field("to.id", "must not be empty"), 400, 15);
        check(Error::missing_field("to.id"), 400, 14);
        let unknown = Error::UnknownCredential { name: "tokn".to_owned(), known: vec!["token"] };
        assert_eq!(refusal(unknown).message, "`credentials`: unknown field `tokn`: did you mean `token`?");
        check(Error::EmptyBody, 400, 13);
        check(Error::Body("the body is not valid JSON".to_owned()), 400, 22);
        check(Error::Charset("utf-7".to_owned()), 415, 22);
        check(Error::TooLarge("the webhook is too large".to_owned()), 413, 22);
        check(Error::Unverified(Unverified::Mismatch), 401, 106);
    }
}
