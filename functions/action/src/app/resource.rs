//! Where requests go: base URLs, and the paths below them with `:name` for each parameter.

use url::Url;

/// The most characters of a base URL or a resource.
pub(crate) const LENGTH_LIMIT_CHARACTERS: usize = 2_000;

/// Returns the names of the parameters of a resource, each once.
///
/// A parameter is the longest declared name after a colon. At the beginning of a segment it need not be declared; later on
/// an undeclared one is text, as in `/operations/:id:cancel`.
pub(crate) fn params<'a>(resource: &'a str, declared: &[&str]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for segment in resource.split('/') {
        let mut from = 0;
        while let Some(colon) = segment[from..].find(':').map(|offset| from + offset) {
            from = colon + 1;
            let rest = &segment[from..];
            let known = longest(rest, declared).or_else(|| if colon == 0 { word(rest) } else { None });
            let Some(bytes) = known else { continue };
            from += bytes;
            if !names.contains(&&rest[..bytes]) {
                names.push(&rest[..bytes]);
            }
        }
    }
    names
}

/// The bytes of the longest of these names that a text begins with as a whole word.
fn longest(text: &str, names: &[&str]) -> Option<usize> {
    let ends = |rest: &str| !rest.starts_with(is_word);
    let found = names.iter().filter(|name| !name.is_empty() && text.strip_prefix(**name).is_some_and(ends));
    found.map(|name| name.len()).max()
}

/// The bytes of the word that a text begins with.
fn word(text: &str) -> Option<usize> {
    let end = text.find(|next: char| !is_word(next)).unwrap_or(text.len());
    (end > 0).then_some(end)
}

/// Whether a character continues a word.
pub(crate) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Says which rule a resource breaks.
pub(crate) fn check_resource(resource: &str) -> Result<(), String> {
    if !resource.starts_with('/') {
        return Err("must begin with `/`, as it is appended to the base URL".to_owned());
    }
    check_text(resource)?;
    if let Some(wrong) = resource.chars().find(|char| matches!(char, '?' | '#')) {
        return Err(format!("must not have `{wrong}`: the fields of the query string are declared in `query`"));
    }
    if resource.split('/').any(is_dots) {
        return Err("must not have the segments `.` and `..`".to_owned());
    }
    if let Some(open) = resource.chars().find(|char| matches!(char, '{' | '}')) {
        return Err(format!("must not have `{open}`: a parameter is written `:name`"));
    }
    Ok(())
}

/// Says which rule a base URL, or another URL that is called, breaks.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    if text.contains('{') || text.contains('}') {
        return Err("must not have placeholders: only inputs, defaults and what auths add are resolved".to_owned());
    }
    check_text(text)?;
    let url = Url::parse(text).map_err(|_| "must be a URL such as `https://api.example.com/v1`".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || !text.contains("://") {
        return Err("must begin with `https://` or `http://`".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("must name a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err("must not have credentials in it: they belong to the access tag".to_owned());
    }
    Ok(())
}

/// Says which rule the base URL of an environment breaks.
pub(crate) fn check_base_url(text: &str) -> Result<(), String> {
    check_url(text)?;
    match text.chars().find(|char| matches!(char, '?' | '#')) {
        Some(wrong) => Err(format!("must not have `{wrong}`, as the resource is appended to it")),
        None => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.chars().count() > LENGTH_LIMIT_CHARACTERS {
        return Err(format!("must have at most {LENGTH_LIMIT_CHARACTERS} characters"));
    }
    match text.chars().any(|char| char.is_whitespace() || char.is_control() || char == '\\') {
        true => Err("must not have spaces, control characters or `\\`".to_owned()),
        false => Ok(()),
    }
}

/// Whether a segment means the same or the outer folder, also in percent encoding.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_declared_name_after_a_colon_or_a_word_at_the_beginning_of_a_segment() {
        let check = |resource: &str, declared: &[&str], expected: &[&str]| {
            assert_eq!(params(resource, declared), expected, "{resource}");
        };
        check("/users/:id", &[], &["id"]);
        check("/users/:id/orders/:order-id", &[], &["id", "order"]);
        check("/users/:id/orders/:order-id", &["order-id", "order"], &["id", "order-id"]);
        check("/:a/:b/:a", &[], &["a", "b"]);
        check("/operations/:id:cancel", &[], &["id"]);
        check("/operations/:id:verb", &["verb"], &["id", "verb"]);
        check("/:a.json/x:y/:/::z", &[], &["a"]);
        check("/:ids", &["id"], &["ids"]);
        check("/:größe", &[], &["größe"]);
        check("", &["a"], &[]);
    }

    #[test]
    fn a_resource_stays_below_its_base_url() {
        for fine in ["/", "/users/:id", "/a/b.json", "/a;x=1/b,c", "/%20"] {
            assert_eq!(check_resource(fine), Ok(()), "{fine}");
        }
        let long = format!("/{}", "x".repeat(2_000));
        let wrong = [
            "",
            "users",
            "@evil.test",
            "/a?b",
            "/a#b",
            "/a/../b",
            "/%2E%2e",
            "/a b",
            "/{id}",
            "/a\\b",
            "/\u{7f}",
            &long,
        ];
        for wrong in wrong {
            assert!(check_resource(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_base_url_names_a_host_and_no_credentials() {
        for fine in ["https://a.test", "http://127.0.0.1:8080/v1/", "https://[::1]/x", "https://münchen.test"] {
            assert_eq!(check_base_url(fine), Ok(()), "{fine}");
        }
        let wrong = [
            "",
            "a.test",
            "//a.test",
            "ftp://a.test",
            "https://",
            "https://u:p@a.test",
            "https://u@a.test",
            "https://a.test?x=1",
            "https://a.test#x",
            "https://$Variable{app}{host}",
            "https://{host}",
            "https:a.test",
            "https://a.test/ x",
            "https://a.test:99999",
            "javascript:alert(1)",
            "https:\\\\a.test",
        ];
        for wrong in wrong {
            assert!(check_base_url(wrong).is_err(), "{wrong}");
        }
    }
}
