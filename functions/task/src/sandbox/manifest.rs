//! The `package.json` of a package, as far as it says which of its files a name means.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// How deep conditions may nest.
const DEPTH_LIMIT: usize = 16;

/// What a `package.json` says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Manifest {
    #[serde(default, deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) main: Option<String>,
    /// `module` or `commonjs`.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub(super) kind: Option<String>,
    pub(super) exports: Option<Target>,
    pub(super) imports: Option<Target>,
}

impl Manifest {
    /// Reads a manifest; one that is not what it should be says nothing.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// A text; anything else says nothing.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// What a name is mapped to: a path, the first that fits of some, or by conditions and names in their order.
#[derive(Debug)]
pub(super) enum Target {
    Path(String),
    Any(Vec<Self>),
    By(Vec<(String, Self)>),
    Nothing,
}

impl Target {
    /// The path that a key of `exports` or `imports` is mapped to, such as `.`, `./sub` or `#name`.
    pub(super) fn find(&self, key: &str, conditions: &[&str]) -> Option<String> {
        match self {
            Self::By(members) if members.iter().any(|(name, _)| name.starts_with(['.', '#'])) => {
                let (target, rest) = matching(members, key)?;
                target.path(rest, conditions, 0)
            }
            _ if key == "." => self.path("", conditions, 0),
            _ => None,
        }
    }

    fn path(&self, rest: &str, conditions: &[&str], depth: usize) -> Option<String> {
        match self {
            _ if depth > DEPTH_LIMIT => None,
            Self::Path(path) => Some(path.replace('*', rest)),
            Self::Any(targets) => targets.iter().find_map(|target| target.path(rest, conditions, depth + 1)),
            Self::By(members) => {
                let mut fitting = members.iter().filter(|(name, _)| conditions.contains(&name.as_str()));
                fitting.find_map(|(_, target)| target.path(rest, conditions, depth + 1))
            }
            Self::Nothing => None,
        }
    }
}

/// The member for a key, and what the `*` of its name stands for; of patterns the one with the longest start wins.
fn matching<'a, 'k>(members: &'a [(String, Target)], key: &'k str) -> Option<(&'a Target, &'k str)> {
    if let Some((_, target)) = members.iter().find(|(name, _)| name == key) {
        return Some((target, ""));
    }
    let fits = |(name, target): &'a (String, Target)| {
        let (start, end) = name.split_once('*')?;
        let rest = key.strip_prefix(start)?.strip_suffix(end).filter(|rest| !rest.is_empty())?;
        Some((start.len(), target, rest))
    };
    let best = members.iter().filter_map(fits).max_by_key(|(length, ..)| *length);
    best.map(|(_, target, rest)| (target, rest))
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Targets)
    }
}

struct Targets;

impl<'de> Visitor<'de> for Targets {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, a list or an object")
    }

    fn visit_str<E>(self, path: &str) -> Result<Target, E> {
        Ok(Target::Path(path.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Target, E> {
        Ok(Target::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Target, E> {
        Ok(Target::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Target, E> {
        Ok(Target::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Target, E> {
        Ok(Target::Nothing)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Target, E> {
        Ok(Target::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Target, A::Error> {
        let mut targets = Vec::new();
        while let Some(target) = list.next_element()? {
            targets.push(target);
        }
        Ok(Target::Any(targets))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Target, A::Error> {
        let mut members: Vec<(String, Target)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.iter().any(|(known, _)| *known == name) {
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom("a name is there twice"));
            }
            members.push((name, map.next_value()?));
        }
        Ok(Target::By(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRE: [&str; 3] = ["node", "require", "default"];
    const IMPORT: [&str; 3] = ["node", "import", "default"];

    #[test]
    fn exports_map_names_by_conditions_in_their_order() {
        let check = |exports: &str, key: &str, expected: [Option<&str>; 2]| {
            let target: Target = serde_json::from_str(exports).unwrap();
            let found = [target.find(key, &REQUIRE), target.find(key, &IMPORT)];
            assert_eq!(found.each_ref().map(Option::as_deref), expected, "{exports} {key}");
        };
        let both = |path| [Some(path), Some(path)];
        check(r#""./a.js""#, ".", both("./a.js"));
        check(r#""./a.js""#, "./b", [None, None]);
        check(r#"{"import": "./a.mjs", "require": "./a.cjs"}"#, ".", [Some("./a.cjs"), Some("./a.mjs")]);
        check(r#"{"default": "./a.js", "require": "./a.cjs"}"#, ".", both("./a.js"));
        check(
            r#"{".": {"browser": "./b.js", "default": {"require": "./c.cjs", "default": "./d.js"}}}"#,
            ".",
            [Some("./c.cjs"), Some("./d.js")],
        );
        check(r#"{".": "./a.js", "./sub": "./lib/sub.js"}"#, "./sub", both("./lib/sub.js"));
        check(r#"{".": "./a.js"}"#, "./lib/sub.js", [None, None]);
        check(r#"{"./*": "./lib/*.js", "./x/*": "./y/*.js"}"#, "./x/deep/er", both("./y/deep/er.js"));
        check(r#"{"./*": "./lib/*.js", "./internal/*": null}"#, "./internal/a", [None, None]);
        check(r#"{".": [{"worker": "./w.js"}, "./a.js"]}"#, ".", both("./a.js"));
        check(r##"{"#dep": {"node": "./n.js", "default": "./d.js"}}"##, "#dep", both("./n.js"));
        check("5", ".", [None, None]);
    }

    #[test]
    fn a_manifest_that_is_not_json_says_nothing() {
        assert!(Manifest::read("{").main.is_none());
        assert!(Manifest::read(r#"{"main": 5, "type": ["module"]}"#).main.is_none());
        assert_eq!(Manifest::read(r#"{"main": "a.js", "x": {"y": 1}}"#).main.as_deref(), Some("a.js"));
    }
}
