//! What a `content-type` says about a body.

/// The syntax of a body, as far as anybody here writes or escapes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// JSON, and the types that are made of it, such as `application/problem+json` or `application/x-ndjson`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data` and its like.
    Multipart,
    /// XML and HTML, and the types that are made of them, such as `application/soap+xml`.
    Markup,
    /// Anything else.
    Other,
}

impl Media {
    /// Returns the syntax that a `content-type` names, whatever its parameters.
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.split_once('/') {
            Some(("application", "x-www-form-urlencoded")) => Self::Form,
            Some(("multipart", _)) => Self::Multipart,
            Some((_, subtype)) if subtype.contains("json") => Self::Json,
            Some((_, "html")) => Self::Markup,
            Some((_, subtype)) if subtype == "xml" || subtype.ends_with("+xml") => Self::Markup,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syntax_is_in_the_name_and_not_in_the_parameters() {
        let check = |content_type: &str, expected| assert_eq!(Media::of(content_type), expected, "{content_type}");
        check("application/json", Media::Json);
        check(" Application/JSON ; charset=utf-8", Media::Json);
        check("application/vnd.api+json", Media::Json);
        check("application/x-ndjson", Media::Json);
        check("application/x-www-form-urlencoded;charset=UTF-8", Media::Form);
        check("multipart/form-data; boundary=json", Media::Multipart);
        check("text/xml", Media::Markup);
        check("application/soap+xml", Media::Markup);
        check("text/html", Media::Markup);
        check("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Media::Other);
        check("text/plain; x=application/json", Media::Other);
        check("json", Media::Other);
        check("", Media::Other);
    }
}
