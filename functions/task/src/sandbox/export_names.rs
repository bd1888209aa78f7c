//! The names under which an ES module can import what a `CommonJS` file exports, found in its text before it runs.
//!
//! As Node.js does, this recognises the ways in which people and compilers write exports; whatever else a file exports is
//! there on the default export.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::package::{By, Format, Found, Package};

/// How many files that export what others do are followed.
const FILES_LIMIT: usize = 100;

/// `exports.name =`, `exports["name"] =` and `Object.defineProperty(exports, "name"`.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"[A-Za-z_$][\w$]*";
    let assigned = format!(r#"\bexports\s*(?:\.\s*({name})|\[\s*["']({name})["']\s*\])\s*=(?:[^=]|$)"#);
    let defined = format!(r#"defineProperty\s*\(\s*(?:module\s*\.\s*)?exports\s*,\s*["']({name})["']"#);
    Regex::new(&format!("{assigned}|{defined}")).ok()
});
/// The start of an object that becomes all exports.
static OBJECT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bmodule\s*\.\s*exports\s*=\s*\{").ok());
/// The next member of such an object, as far as its name can be told.
static MEMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let space = r"(?:\s|//[^\n]*\n|/\*(?s:.*?)\*/)*";
    let name = r#"([A-Za-z_$][\w$]*)|["']([A-Za-z_$][\w$]*)["']"#;
    Regex::new(&format!(
        r#"\A{space}(?:\.\.\.\s*require\(\s*["']([^"']+)["']\s*\)|(?:async\s+)?(?:{name})){space}(,|\}}|:|\()"#
    ))
    .ok()
});
/// A simple value and the comma after it.
static VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\A\s*(?:[\w$.]+|"[^"\n]*"|'[^'\n]*'|require\(\s*["'][^"']+["']\s*\)[\w$.]*)\s*,"#).ok()
});
/// All exports of another file.
static HANDED_ON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let required = r#"require\(\s*["']([^"']+)["']\s*\)"#;
    Regex::new(&format!(r"(?:\bmodule\s*\.\s*exports\s*=\s*|__exportStar\(\s*|\b__export\(\s*){required}")).ok()
});

/// The names, without `default`.
pub(super) fn export_names(package: &Package, path: &str) -> BTreeSet<String> {
    let (mut names, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![path.to_owned()]);
    while let Some(path) = open.pop() {
        if seen.len() >= FILES_LIMIT || package.format(&path) == Format::Json || !seen.insert(path.clone()) {
            continue;
        }
        let Some(text) = package.text(&path) else { continue };
        let (found, handed_on) = names_in(&text);
        names.extend(found);
        for name in handed_on {
            if let Ok(Found::File(file)) = package.resolve(&path, &name, By::Require) {
                open.push(file);
            }
        }
    }
    names.remove("default");
    names
}

/// The names that a text exports, and the modules whose exports it hands on.
fn names_in(text: &str) -> (BTreeSet<String>, Vec<String>) {
    let (mut names, mut handed_on) = (BTreeSet::new(), Vec::new());
    for found in ASSIGNED.iter().flat_map(|assigned| assigned.captures_iter(text)) {
        names.extend(found.iter().skip(1).flatten().map(|name| name.as_str().to_owned()));
    }
    for found in HANDED_ON.iter().flat_map(|handed_on| handed_on.captures_iter(text)) {
        handed_on.extend(found.get(1).map(|name| name.as_str().to_owned()));
    }
    for object in OBJECT.iter().flat_map(|object| object.find_iter(text)) {
        members(&text[object.end()..], &mut names, &mut handed_on);
    }
    (names, handed_on)
}

/// Reads the members of an object up to the first one whose end cannot be told.
fn members(mut rest: &str, names: &mut BTreeSet<String>, handed_on: &mut Vec<String>) {
    while let Some(member) = MEMBER.as_ref().as_ref().and_then(|member| member.captures(rest)) {
        handed_on.extend(member.get(1).map(|name| name.as_str().to_owned()));
        names.extend(member.get(2).or_else(|| member.get(3)).map(|name| name.as_str().to_owned()));
        let (Some(whole), Some(end)) = (member.get(0), member.get(4)) else { return };
        rest = &rest[whole.end()..];
        match end.as_str() {
            "," => {}
            ":" => match VALUE.as_ref().as_ref().and_then(|value| value.find(rest)) {
                Some(value) => rest = &rest[value.end()..],
                None => return,
            },
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_found_as_people_and_compilers_write_them() {
        let check = |text: &str, names: &[&str], handed_on: &[&str]| {
            let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let handed_on: Vec<String> = handed_on.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names_in(text), (expected, handed_on), "{text}");
        };
        check("exports.a = exports.b = void 0; module.exports.c = 1; exports['d'] = 2", &["a", "b", "c", "d"], &[]);
        check("if (exports.a == 1) {} exports.b.c = 1", &[], &[]);
        check("Object.defineProperty(exports, \"__esModule\", { value: true });", &["__esModule"], &[]);
        check("module.exports = { a, 'b': 1, c: require('./c'), d: () => 1, e }", &["a", "b", "c", "d"], &[]);
        check("0 && (module.exports = {\n  a,\n  // two\n  b,\n});", &["a", "b"], &[]);
        check("module.exports = { ...require('./x'), run() {} }", &["run"], &["./x"]);
        check("module.exports = require('./lib')", &[], &["./lib"]);
        check("__exportStar(require(\"./a\"), exports);", &[], &["./a"]);
        check("module.exports = function () {}", &[], &[]);
        check("", &[], &[]);
    }
}
