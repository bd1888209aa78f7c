//! The modules that a `CommonJS` script requires before it does anything else, so that it cannot run without them.
//!
//! Only statements at the very start count that cannot be skipped: what follows anything else may never be reached, or
//! may be prepared for a module that is not there.

use std::sync::LazyLock;

use regex::Regex;

/// What may stand between statements.
const SPACE: &str = r"(?:\s|;|//[^\n]*|/\*(?s:.*?)\*/)*";
/// Statements that neither fail nor require anything: directives, and what compilers write at the start of a module.
const PLAIN: &str = r#"(?:"use strict"|'use strict'|Object\.defineProperty\(exports, ?["']__esModule["'], ?\{ ?value: ?(?:true|!0) ?\}\)|(?:exports\.[\w$]+ ?= ?)+void 0)"#;
/// `require("name")` as a statement of its own or as the first part of what a variable is set to.
const REQUIRE: &str =
    r#"(?:(?:const|let|var)\s+(?:[\w$]+|\{[^{}()=\[\]]*\})\s*=\s*)?require\(\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)')\s*\)"#;
/// The end of such a statement.
const END: &str = r"(?:\.[\w$]+)*[ \t]*(?:;|//[^\n]*\n|\r?\n|$)";

static SKIPPED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"\A(?:#![^\n]*\n)?{SPACE}(?:{PLAIN}[ \t]*(?:;|\r?\n|$){SPACE})*")).ok());
static REQUIRED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!(r"\A{REQUIRE}")).ok());
static ENDED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!(r"\A{END}")).ok());
static SHADOWED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"function[\s*]+require\b").ok());

/// The names, in their order.
pub(super) fn leading_requires(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    // A function of that name would take the place of the one that a script is given.
    if SHADOWED.as_ref().is_none_or(|shadowed| shadowed.is_match(source)) {
        return names;
    }
    let mut rest = source;
    loop {
        rest = after(SKIPPED.as_ref(), rest).unwrap_or(rest);
        let Some(found) = REQUIRED.as_ref().and_then(|required| required.captures(rest)) else { return names };
        let (Some(whole), Some(name)) = (found.get(0), found.get(1).or_else(|| found.get(2))) else { return names };
        names.push(name.as_str());
        match after(ENDED.as_ref(), &rest[whole.end()..]) {
            Some(next) => rest = next,
            None => return names,
        }
    }
}

fn after<'a>(pattern: Option<&Regex>, text: &'a str) -> Option<&'a str> {
    pattern?.find(text).map(|found| &text[found.end()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        assert_eq!(leading_requires(source), expected, "{source}");
    }

    #[test]
    fn what_a_script_begins_with_is_required() {
        check(
            "const a = require('a');\nlet { b, c: d } = require(\"b/c\").x\nvar e=require('@s/e')\nf()",
            &["a", "b/c", "@s/e"],
        );
        check("#!/usr/bin/env node\n'use strict';\n// one\n/* two\n */ require('a');", &["a"]);
        check("const a = require('a')(1);\nconst b = require('b')", &["a"]);
        check("const a = require('a'), b = require('b');", &["a"]);
        check(
            "\"use strict\";\nObject.defineProperty(exports, \"__esModule\", { value: true });\nexports.a = exports.b = void 0;\nconst a_1 = require(\"a\");",
            &["a"],
        );
        check("require('a') || 1", &["a"]);
    }

    #[test]
    fn what_may_never_be_reached_is_not() {
        check("try { require('a') } catch {}", &[]);
        check("if (false) require('a')", &[]);
        check("const f = () => require('a')", &[]);
        check("const a = x || require('a')", &[]);
        check("const a = x ? 1 : require('a')", &[]);
        check("let a; try { a = require('a') } catch {}", &[]);
        check("exports.main = () => 1\nconst a = require('a')", &[]);
        check("return;\nrequire('a')", &[]);
        check("require('a');\nfunction require(name) {}", &[]);
        check("const a = require(name)", &[]);
        check("const a = require('a' + 1)", &[]);
        check("const { x = require('b') } = y", &[]);
        check("// require('a')\n/* require('b') */ `require('c')`", &[]);
        check("", &[]);
    }
}
