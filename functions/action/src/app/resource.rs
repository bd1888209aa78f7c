//! Where requests go: base URLs, and the paths below them with `:name` for each parameter.

use url::Url;

/// The most characters of a base URL or a resource.
pub(crate) const LENGTH_LIMIT_CHARACTERS: usize = 2_000;

/// A piece of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Text that is sent as it is.
    Text(&'a str),
    /// A parameter, without its colon.
    Param(&'a str),
}

/// Splits a resource at its parameters: a colon and the letters, digits, `_` and `-` that follow it, of which the last is
/// no `-`.
pub(crate) fn parts(resource: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = resource;
    let mut text_end = 0;
    while let Some(colon) = rest[text_end..].find(':').map(|at| at + text_end) {
        let after = &rest[colon + 1..];
        let end = after.bytes().position(|byte| !is_name_byte(byte)).unwrap_or(after.len());
        let name = after[..end].trim_end_matches('-');
        if name.is_empty() {
            text_end = colon + 1;
            continue;
        }
        if colon > 0 {
            parts.push(Part::Text(&rest[..colon]));
        }
        parts.push(Part::Param(name));
        rest = &after[name.len()..];
        text_end = 0;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// Returns the names of the parameters of a resource, each once.
pub(crate) fn params(resource: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for part in parts(resource) {
        if let Part::Param(name) = part
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// Whether a byte can stand in the name of a parameter.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
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
    fn a_parameter_is_a_colon_and_a_name() {
        let check = |resource: &str, expected: &[Part<'_>]| assert_eq!(parts(resource), expected, "{resource}");
        let (text, param) = (Part::Text, Part::Param);
        check("/users/:id", &[text("/users/"), param("id")]);
        check("/users/:id/orders/:order-id", &[text("/users/"), param("id"), text("/orders/"), param("order-id")]);
        check("/:a-:b.json", &[text("/"), param("a"), text("-"), param("b"), text(".json")]);
        check("/a:/b", &[text("/a:/b")]);
        check("/::id", &[text("/:"), param("id")]);
        check("/:-/:ü", &[text("/:-/:ü")]);
        check("", &[]);
        assert_eq!(params("/:a/:b/:a"), ["a", "b"]);
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
