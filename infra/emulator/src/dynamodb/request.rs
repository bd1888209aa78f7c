//! Requests read as the engine's types, and their mistakes as AWS's errors.

use dynoxide::DynoxideError;
use serde::de::DeserializeOwned;

/// Reads a request; the engine marks the kind of an error in its message.
pub(super) fn read<Request: DeserializeOwned>(body: &[u8]) -> dynoxide::Result<Request> {
    serde_json::from_slice(body).map_err(|error| refusal(&error.to_string()))
}

/// Turns a parser's message into the error that it is marked as.
pub(super) fn refusal(message: &str) -> DynoxideError {
    let text = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let (marker, rest) = text.split_once(':').unwrap_or_default();
    match marker {
        "SERIALIZATION" | "SERIALIZATION_AS_READ" => DynoxideError::SerializationException(rest.to_owned()),
        "VALIDATION" | "VALIDATION_AS_READ" | "VALIDATION_REQUEST" => {
            DynoxideError::ValidationException(rest.to_owned())
        }
        _ if ["missing field", "unknown variant", "invalid type: null", "AttributeValue"]
            .iter()
            .any(|part| text.contains(part)) =>
        {
            DynoxideError::ValidationException(text.to_owned())
        }
        _ => DynoxideError::SerializationException(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_markers_do_not_reach_the_wire() {
        for (message, kind, expected) in [
            ("VALIDATION:too long at line 1 column 2", "ValidationException", "too long"),
            ("VALIDATION_REQUEST:bad: x", "ValidationException", "bad: x"),
            ("SERIALIZATION:no list", "SerializationException", "no list"),
            ("missing field `Key` at line 1 column 2", "ValidationException", "missing field `Key`"),
            ("expected value at line 1 column 1", "SerializationException", "expected value"),
        ] {
            let refusal = refusal(message);
            assert_eq!(refusal.to_string(), expected);
            assert!(refusal.error_type().ends_with(kind), "{message}");
        }
    }
}
