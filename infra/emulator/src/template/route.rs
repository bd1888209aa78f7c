//! The routes of an HTTP API, matched as API Gateway does: the most specific path wins, then the method.

/// A route key such as `GET /pets/{id}`.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Upper case; `None` is `ANY`.
    method: Option<String>,
    path: Path,
    /// Logical id of the function behind the route.
    pub(crate) function: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    Default,
    Segments(Vec<Segment>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    One,
    Rest,
}

impl Route {
    pub(crate) fn parse(method: &str, path: &str, function: &str) -> Result<Self, String> {
        let method = method.to_ascii_uppercase();
        let any = matches!(method.as_str(), "ANY" | "X-AMAZON-APIGATEWAY-ANY-METHOD");
        Ok(Self { method: (!any).then_some(method), path: Path::parse(path)?, function: function.to_owned() })
    }

    /// Whether two routes have the same route key.
    pub(crate) fn same_key(&self, other: &Self) -> bool {
        self.method == other.method && self.path == other.path
    }

    fn rank(&self, method: &str, path: &str) -> Option<(Vec<u8>, bool)> {
        let exact = self.method.is_some();
        let takes = self.method.as_deref().is_none_or(|own| own == method);
        let rank = self.path.rank(path)?;
        takes.then_some((rank, exact))
    }
}

impl Path {
    fn parse(path: &str) -> Result<Self, String> {
        if path == "$default" {
            return Ok(Self::Default);
        }
        let rest = path.strip_prefix('/').ok_or_else(|| format!("the path {path:?} must start with \"/\""))?;
        let segments: Vec<_> = rest.split('/').map(Segment::parse).collect();
        let greedy = segments.iter().position(|s| *s == Segment::Rest);
        match greedy {
            Some(at) if at + 1 < segments.len() => Err(format!("in {path:?}, only the last part may be greedy")),
            _ => Ok(Self::Segments(segments)),
        }
    }

    /// How specific the match is, part by part from the left; `None` when there is no match.
    fn rank(&self, path: &str) -> Option<Vec<u8>> {
        let Self::Segments(segments) = self else {
            return Some(Vec::new());
        };
        let mut rest = Some(path.strip_prefix('/')?);
        let mut rank = Vec::with_capacity(segments.len());
        for segment in segments {
            let left = rest?;
            let (part, after) = match left.split_once('/') {
                Some((part, after)) => (part, Some(after)),
                None => (left, None),
            };
            rest = after;
            match segment {
                Segment::Literal(literal) if literal == part => rank.push(3),
                Segment::One if !part.is_empty() => rank.push(2),
                Segment::Rest if !left.is_empty() => {
                    rank.push(1);
                    return Some(rank);
                }
                _ => return None,
            }
        }
        rest.is_none().then_some(rank)
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            Some(name) if name.ends_with('+') => Self::Rest,
            Some(_) => Self::One,
            None => Self::Literal(text.to_owned()),
        }
    }
}

/// The function that answers `method` on `path`.
pub(crate) fn find<'r>(routes: &'r [Route], method: &str, path: &str) -> Option<&'r str> {
    let method = method.to_ascii_uppercase();
    routes
        .iter()
        .filter_map(|route| Some((route.rank(&method, path)?, route)))
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, route)| route.function.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, expected: Option<&str>) {
        let routes: Vec<_> = [
            ("GET", "/pets/dog/1", "dog-one"),
            ("GET", "/pets/dog/{id}", "dog"),
            ("ANY", "/pets/{kind}/1", "kind-one"),
            ("GET", "/pets/{proxy+}", "pets"),
            ("POST", "/pets", "create"),
            ("ANY", "/callbacks/{proxy+}", "callbacks"),
            ("POST", "/callbacks/{proxy+}", "callbacks-post"),
        ]
        .into_iter()
        .map(|(method, path, function)| Route::parse(method, path, function).unwrap())
        .collect();
        assert_eq!(find(&routes, method, path), expected, "{method} {path}");
    }

    #[test]
    fn the_most_specific_route_wins() {
        check("GET", "/pets/dog/1", Some("dog-one"));
        check("GET", "/pets/dog/2", Some("dog"));
        check("get", "/pets/dog/2", Some("dog"));
        check("GET", "/pets/cat/1", Some("kind-one"));
        check("POST", "/pets/dog/1", Some("kind-one"));
        check("GET", "/pets/cat/2", Some("pets"));
        check("GET", "/pets/a/b/c/", Some("pets"));
        check("GET", "/pets", None);
        check("GET", "/pets/", None);
        check("POST", "/pets", Some("create"));
        check("POST", "/pets/", None);
        check("DELETE", "/callbacks/1", Some("callbacks"));
        check("POST", "/callbacks/1/2", Some("callbacks-post"));
        check("GET", "/elsewhere", None);
        check("GET", "no-slash", None);
    }

    #[test]
    fn the_default_route_takes_what_no_other_takes() {
        let routes =
            [Route::parse("ANY", "$default", "default").unwrap(), Route::parse("GET", "/{proxy+}", "greedy").unwrap()];
        assert_eq!(find(&routes, "GET", "/a"), Some("greedy"));
        assert_eq!(find(&routes, "POST", "/a"), Some("default"));
        assert_eq!(find(&routes, "GET", "/"), Some("default"));
    }

    #[test]
    fn a_greedy_part_in_the_middle_is_refused() {
        assert!(Route::parse("GET", "/{all+}/x", "f").is_err());
        assert!(Route::parse("GET", "x", "f").is_err());
    }
}
