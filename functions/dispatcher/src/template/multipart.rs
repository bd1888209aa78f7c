//! Values in a `multipart` body, which stay in the part in which their placeholder stands.

use std::borrow::Cow;

use super::{Part, Template};

/// What means something in the header of a part, and how it is written there, as browsers do.
const OF_A_HEADER: [(char, &str); 3] = [('"', "%22"), ('\r', "%0D"), ('\n', "%0A")];

/// The line with which each part of a body begins.
#[derive(Debug)]
pub(super) struct Delimiter(String);

impl Delimiter {
    /// Finds the delimiter in the author's own text: the first line that begins with two hyphens, up to a placeholder.
    pub(super) fn of(template: &Template) -> Option<Self> {
        let mut is_start_of_line = true;
        for part in &template.parts {
            let Part::Text(text) = part else {
                is_start_of_line = false;
                continue;
            };
            for (at, line) in text.split('\n').enumerate() {
                if (at > 0 || is_start_of_line) && line.starts_with("--") {
                    return Some(Self(line.trim_end().to_owned()));
                }
            }
            is_start_of_line = text.ends_with('\n');
        }
        None
    }

    /// Writes a value after a text; `None` if it would begin another part there.
    pub(super) fn written<'v>(&self, before: &str, value: &'v str) -> Option<Cow<'v, str>> {
        let Self(delimiter) = self;
        let part = before.rfind(delimiter.as_str()).map(|at| &before[at..]);
        if part.is_some_and(|part| !part.contains("\n\n") && !part.contains("\n\r\n")) {
            if !value.contains(OF_A_HEADER.map(|(char, _)| char)) {
                return Some(Cow::Borrowed(value));
            }
            let escape = |text: String, (char, written): &(char, &str)| text.replace(*char, written);
            return Some(Cow::Owned(OF_A_HEADER.iter().fold(value.to_owned(), escape)));
        }
        (!value.contains(delimiter.as_str())).then_some(Cow::Borrowed(value))
    }

    /// Whether a whole text has more delimiters than the author has written: values have made one together.
    pub(super) fn is_made_in(&self, text: &str, template: &Template) -> bool {
        let count = |text: &str| text.matches(self.0.as_str()).count();
        let authored = template.parts.iter().map(|part| match part {
            Part::Text(text) => count(text),
            Part::Placeholder(_) => 0,
        });
        count(text) > authored.sum()
    }
}
