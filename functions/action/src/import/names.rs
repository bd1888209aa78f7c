//! Tags and slugs that are made of what people have written.

use std::collections::BTreeSet;

use crate::app::resource::is_word;
use crate::tag::{Slug, TAG_LIMIT_CHARACTERS, Tag};

/// Room for what tells tags apart that would be the same.
const SUFFIX_CHARACTERS: usize = 6;

/// Makes a tag of a text; empty if it has neither letters nor digits of ASCII.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len().min(TAG_LIMIT_CHARACTERS));
    for char in text.chars() {
        if slug.len() >= TAG_LIMIT_CHARACTERS - SUFFIX_CHARACTERS {
            break;
        }
        match char {
            _ if char.is_ascii_alphanumeric() => slug.push(char),
            '.' | '-' | '_' => slug.push(char),
            _ if !slug.is_empty() && !slug.ends_with('_') => slug.push('_'),
            _ => {}
        }
    }
    let slug = slug.trim_matches(['_', '.', '-']);
    if slug.chars().any(|char| char.is_ascii_alphanumeric()) { slug.to_owned() } else { String::new() }
}

/// The tags that are taken.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeSet<String>);

impl Taken {
    /// Makes a tag of the first of these texts whose tag is free, or numbers the last one.
    pub(super) fn tag(&mut self, texts: &[&str]) -> Option<Tag> {
        let slugs: Vec<String> = texts.iter().map(|text| slug(text)).filter(|slug| !slug.is_empty()).collect();
        let last = slugs.last()?.clone();
        let numbered = (2..100_000).map(|number| format!("{last}-{number}"));
        let free = slugs.into_iter().chain(numbered).find(|slug| !self.0.contains(slug))?;
        self.0.insert(free.clone());
        Tag::parse(&free).ok()
    }
}

/// What environments are commonly called, and their slugs.
const ENVIRONMENTS: [(&str, &str); 12] = [
    ("production", "prd"),
    ("prod", "prd"),
    ("live", "prd"),
    ("sandbox", "sbx"),
    ("staging", "stg"),
    ("stage", "stg"),
    ("development", "dev"),
    ("develop", "dev"),
    ("dev", "dev"),
    ("test", "tst"),
    ("local", "loc"),
    ("demo", "dmo"),
];

/// Makes the slug of an environment of its description, unlike those that are taken.
pub(super) fn env_slug(description: &str, taken: &[Slug]) -> Option<Slug> {
    let description = description.to_lowercase();
    let is_word_of = |name: &str| description.split(|char: char| !is_word(char)).any(|word| word.starts_with(name));
    let known = ENVIRONMENTS.iter().find(|(name, _)| is_word_of(name)).map(|(_, slug)| (*slug).to_owned());
    let letters: String = description.chars().filter(char::is_ascii_lowercase).take(3).collect();
    let first = taken.is_empty().then(|| "prd".to_owned());
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap_or_default());
    let numbered = (0..676).map(|number| format!("e{}{}", letter(number / 26), letter(number)));
    let candidates = known.into_iter().chain(first).chain(Some(letters)).chain(numbered);
    candidates.filter_map(|text| Slug::parse(&text).ok()).find(|slug| !taken.contains(slug))
}

/// Writes text of a path so that none of it can be a parameter or leave the path; what is encoded already stays so.
///
/// `after_parameter` says that a parameter ends where the text begins. A colon there, as in `/{id}:cancel`, stays unless one
/// of the parameters could be meant.
pub(super) fn path_text(text: &str, after_parameter: bool, parameters: &[&str]) -> String {
    let verb = text.strip_prefix(':').filter(|verb| after_parameter && verb.starts_with(is_word));
    let is_verb = verb.is_some_and(|verb| !parameters.iter().any(|name| verb.starts_with(name)));
    let mut written = String::with_capacity(text.len());
    for (index, char) in text.char_indices() {
        let is_at_start = if index == 0 { !after_parameter } else { text[..index].ends_with('/') };
        match char {
            ':' if index == 0 && is_verb => written.push(char),
            ':' if is_at_start || index == 0 => written.push_str("%3A"),
            _ if index == 0 && after_parameter && is_word(char) => written.push_str(&encoded(char)),
            '?' | '#' | '\\' | '{' | '}' | '"' | '<' | '>' => written.push_str(&encoded(char)),
            _ if char.is_whitespace() || char.is_control() => written.push_str(&encoded(char)),
            _ => written.push(char),
        }
    }
    written
}

fn encoded(char: char) -> String {
    let mut bytes = [0; 4];
    char.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_made_of_what_people_write() {
        let check = |text: &str, expected: &str| assert_eq!(slug(text), expected, "{text}");
        check("Swagger Petstore", "Swagger_Petstore");
        check("pets/list", "pets_list");
        check("  --Get: (all) users!! ", "Get_all_users");
        check("größe", "gr_e");
        check("日本語", "");
        check("__", "");
        assert!(slug(&"x".repeat(500)).len() < TAG_LIMIT_CHARACTERS);
        let mut taken = Taken::default();
        let mut tag = |texts: &[&str]| taken.tag(texts).map(|tag| tag.to_string());
        assert_eq!(tag(&["list"]).as_deref(), Some("list"));
        assert_eq!(tag(&["list", "users.list"]).as_deref(), Some("users.list"));
        assert_eq!(tag(&["list", "users.list"]).as_deref(), Some("users.list-2"));
        assert_eq!(tag(&["日本語"]), None);
    }

    #[test]
    fn environments_have_the_slugs_that_people_expect() {
        let slugs = |descriptions: &[&str]| {
            let mut taken: Vec<Slug> = Vec::new();
            for description in descriptions {
                taken.push(env_slug(description, &taken).unwrap());
            }
            taken.iter().map(|slug| slug.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(slugs(&[""]), ["prd"]);
        assert_eq!(slugs(&["Production server", "The staging server", "Sandbox"]), ["prd", "stg", "sbx"]);
        assert_eq!(slugs(&["Staging", "Live", "Live too", "", ""]), ["stg", "prd", "liv", "eaa", "eab"]);
    }

    #[test]
    fn text_of_a_path_stays_text() {
        let check = |text: &str, after: bool, expected: &str| {
            assert_eq!(path_text(text, after, &["cancelled"]), expected, "{text}")
        };
        check("/a/b", false, "/a/b");
        check("/:a/b:c", false, "/%3Aa/b:c");
        check("s.json", true, "%73.json");
        check(".json", true, ".json");
        check(":cancel", true, ":cancel");
        check(":cancelled", true, "%3Acancelled");
        check(":", true, "%3A");
        check("/a b?c#d", true, "/a%20b%3Fc%23d");
        check("ü", true, "%C3%BC");
    }
}
