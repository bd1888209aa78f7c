//! Says which known name a mistyped one was probably meant to be.

/// Returns the known name that is nearest to `name`, if one is near enough to be what was meant.
///
/// Case, `_` and `-` do not count; beyond that about every third letter may differ.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(name);
    let near = |candidate: &'a str| {
        let distance = strsim::damerau_levenshtein(&plain, &self::plain(candidate));
        (distance <= (plain.chars().count() / 3).max(1)).then_some((distance, candidate))
    };
    known.into_iter().filter_map(near).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Says that a name is not known: with the nearest known one, or else with all of them.
pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let name: String = name.chars().take(QUOTE_LIMIT_CHARACTERS).collect();
    if let Some(nearest) = nearest(&name, known.clone()) {
        return format!("unknown {what} `{name}`: did you mean `{nearest}`?");
    }
    let known: Vec<String> = known.into_iter().map(|known| format!("`{known}`")).collect();
    format!("unknown {what} `{name}`: must be one of {}", known.join(", "))
}

/// How much of a name that is not known is quoted, so that an answer stays small.
const QUOTE_LIMIT_CHARACTERS: usize = 100;

fn plain(name: &str) -> String {
    name.chars()
        .filter(|char| !matches!(char, '_' | '-'))
        .flat_map(char::to_lowercase)
        .take(QUOTE_LIMIT_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_recognised_and_another_word_is_not() {
        let check = |name, expected: Option<&str>| {
            assert_eq!(nearest(name, ["filter", "eventType", "actions", "tags"]), expected, "{name}");
        };
        check("filtre", Some("filter"));
        check("event_type", Some("eventType"));
        check("eventtype", Some("eventType"));
        check("action", Some("actions"));
        check("tag", Some("tags"));
        check("secret", None);
        check("", None);
    }

    #[test]
    fn what_is_not_known_is_said_with_what_is() {
        assert_eq!(unknown("field", "filtre", ["filter", "tags"]), "unknown field `filtre`: did you mean `filter`?");
        assert_eq!(unknown("type", "sms", ["http", "task"]), "unknown type `sms`: must be one of `http`, `task`");
        assert!(unknown("type", &"x".repeat(10_000), ["http"]).len() < 200);
    }
}
