//! Tells an ES module from a `CommonJS` or plain script by its keywords.

/// Words after which a `/` starts a regular expression rather than a division.
const BEFORE_EXPRESSION: [&str; 12] =
    ["await", "case", "delete", "do", "else", "in", "instanceof", "new", "of", "return", "typeof", "yield"];

/// Whether the source is an ES module: it has an `export` or an `import` outside all blocks.
///
/// Words inside comments, strings, templates and regular expressions do not count, nor does `import(…)`.
pub(super) fn is_module(source: &str) -> bool {
    let mut scanner = Scanner { rest: source, depth: 0, templates: Vec::new(), regex_allowed: true };
    while let Some(token) = scanner.next_token() {
        let follows = scanner.rest.trim_start();
        match token {
            "export" if scanner.depth == 0 => return true,
            "import" if scanner.depth == 0 && !follows.starts_with('(') => return true,
            "import" if follows.starts_with('.') => return true,
            _ => {}
        }
    }
    false
}

struct Scanner<'a> {
    rest: &'a str,
    /// How many brackets of any kind are open.
    depth: usize,
    /// The depths at which a template continues when its `${` is closed.
    templates: Vec<usize>,
    regex_allowed: bool,
}

impl<'a> Scanner<'a> {
    /// The next word, or the text of anything else; `None` at the end.
    fn next_token(&mut self) -> Option<&'a str> {
        self.skip_space_and_comments();
        let first = self.rest.chars().next()?;
        let token = match first {
            '"' | '\'' => self.take(quoted_length(self.rest, first)),
            '`' => self.template(1),
            '/' if self.regex_allowed => self.take(regex_length(self.rest)),
            '}' if self.templates.last() == Some(&self.depth) => {
                self.templates.pop();
                self.depth = self.depth.saturating_sub(1);
                self.template(1)
            }
            _ if is_word(first) => return Some(self.word()),
            '.' => self.member(),
            _ => self.punctuation(first),
        };
        Some(token)
    }

    fn skip_space_and_comments(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = if self.rest.starts_with("//") || self.rest.starts_with("#!") {
                self.rest.find(['\n', '\r', '\u{2028}', '\u{2029}'])
            } else if self.rest.starts_with("/*") {
                self.rest.get(2..).and_then(|rest| rest.find("*/")).map(|end| end + 4)
            } else {
                return;
            };
            let end = end.unwrap_or(self.rest.len());
            self.rest = self.rest.get(end..).unwrap_or_default();
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (token, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.regex_allowed = false;
        token
    }

    fn word(&mut self) -> &'a str {
        let length = self.rest.find(|character| !is_word(character)).unwrap_or(self.rest.len());
        let word = self.take(length);
        self.regex_allowed = BEFORE_EXPRESSION.contains(&word);
        word
    }

    /// A `.` with the word after it, which is a name and not a keyword; or only dots.
    fn member(&mut self) -> &'a str {
        let dots = self.rest.find(|character| character != '.').unwrap_or(self.rest.len());
        if dots > 1 {
            let token = self.take(dots);
            self.regex_allowed = true;
            return token;
        }
        let name = self.rest[1..].trim_start();
        let start = self.rest.len() - name.len();
        let length = name.find(|character| !is_word(character)).unwrap_or(name.len());
        self.take(start + length)
    }

    fn punctuation(&mut self, first: char) -> &'a str {
        match first {
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let token = self.take(first.len_utf8());
        self.regex_allowed = !matches!(first, ')' | ']' | '}');
        token
    }

    /// The text of a template up to its end or its next `${`.
    fn template(&mut self, start: usize) -> &'a str {
        let bytes = self.rest.as_bytes();
        let mut index = start;
        while index < bytes.len() {
            match bytes[index] {
                b'\\' => index += 1,
                b'`' => return self.take(index + 1),
                b'$' if bytes.get(index + 1) == Some(&b'{') => {
                    self.depth += 1;
                    self.templates.push(self.depth);
                    let token = self.take(index + 2);
                    self.regex_allowed = true;
                    return token;
                }
                _ => {}
            }
            index += 1;
        }
        self.take(bytes.len())
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '#' | '\u{200c}' | '\u{200d}')
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return index,
            _ if character == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a regular expression without its flags, or of only the `/` when none ends on this line.
fn regex_length(text: &str) -> usize {
    let (mut escaped, mut in_class) = (false, false);
    for (index, character) in text.char_indices().skip(1) {
        match character {
            '\n' => return 1,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return index + 1,
            _ => {}
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn modules_are_told_by_their_own_imports_and_exports() {
        let modules = [
            "export default function main() {}",
            "import url from 'url'; url.x()",
            "import 'url'",
            "import{URL}from'url'",
            "/* a */ // b\nexport const main = 1",
            "const a = 1 / 2; export { a }",
            "const r = /[/'\"]/; export { r }",
            "const t = `a${`b${1}`}c`; export { t }",
            "function f() { return import.meta.url }",
            "if (x) { y() }\nexport default 1",
            "const s = 'it\\'s'; export default s",
            "#!/usr/bin/env node\nexport default 1",
            "a = b\n/c/g; export default 1",
        ];
        for source in modules {
            assert!(is_module(source), "{source}");
        }
    }

    #[test]
    fn other_scripts_only_talk_about_them() {
        let scripts = [
            "",
            "module.exports = () => 1",
            "exports.main = 1",
            "function main() { return import('url') }",
            "// export default 1",
            "/* import x from 'y' */ function main() {}",
            "const s = 'export default 1'; const d = \"import 'x'\"",
            "const t = `export default ${1}`",
            "const t = `a\nexport default ${ {a: 1}.a } export`",
            "const r = /export default/",
            "const r = /[/]export default/g",
            "object.export = 1; object . import = 2",
            "const o = { export: 1, import: 2 }",
            "exported = 1; important = 2",
            "x = a ? /export/ : 1",
        ];
        for source in scripts {
            assert!(!is_module(source), "{source}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_or_the_other(source in "\\PC{0,200}") {
            let _ = is_module(&source);
        }

        #[test]
        fn nested_pieces_of_script_hide_and_show_the_word(pieces in prop::collection::vec(0usize..8, 0..12)) {
            const PIECES: [&str; 8] = [
                "'export'; ", "`export ${ {a: 'export'}.a } export`; ", "/export/.test('x'); ", "// export\n",
                "/* export */ ", "a / b / c; ", "({ export: 1 }); ", "f(`${ g(`export`) }`, [ /[/]`/ ]); ",
            ];
            let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
            prop_assert!(!is_module(&text), "{}", text);
            let with_export = format!("{text}export {{}}");
            prop_assert!(is_module(&with_export), "{}", with_export);
        }
    }
}
