//! `GenerateSecretString`: a random password, alone or inside a JSON template.

use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::{Map, Value};

/// The character classes, with the property that leaves each out.
const CLASSES: [(&str, &str); 4] = [
    ("ExcludeLowercase", "abcdefghijklmnopqrstuvwxyz"),
    ("ExcludeUppercase", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("ExcludeNumbers", "0123456789"),
    ("ExcludePunctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
];

/// Generates a secret value as CloudFormation does.
pub(super) fn generate(recipe: &Value) -> Result<String, String> {
    let password = password(recipe)?;
    let (template, key) = (recipe["SecretStringTemplate"].as_str(), recipe["GenerateStringKey"].as_str());
    match (template, key) {
        (None, None) => Ok(password),
        (Some(template), Some(key)) => {
            let mut object: Map<String, Value> =
                serde_json::from_str(template).map_err(|_| "SecretStringTemplate must be a JSON object".to_owned())?;
            object.insert(key.to_owned(), password.into());
            Ok(Value::Object(object).to_string())
        }
        _ => Err("SecretStringTemplate and GenerateStringKey must be given together".to_owned()),
    }
}

fn password(recipe: &Value) -> Result<String, String> {
    let length = match &recipe["PasswordLength"] {
        Value::Null => Some(32),
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|length| usize::try_from(length).ok()),
    };
    let length = length.filter(|length| (1..=4096).contains(length));
    let length = length.ok_or("PasswordLength must be a number from 1 to 4096")?;
    let flag = |name: &str, default| match &recipe[name] {
        Value::Bool(value) => *value,
        Value::String(text) => text == "true",
        _ => default,
    };
    let excluded = recipe["ExcludeCharacters"].as_str().unwrap_or_default();
    let mut classes: Vec<Vec<char>> = CLASSES
        .into_iter()
        .filter(|(exclude, _)| !flag(exclude, false))
        .map(|(_, letters)| letters.chars().filter(|c| !excluded.contains(*c)).collect())
        .collect();
    if flag("IncludeSpace", false) {
        classes.push(vec![' ']);
    }
    classes.retain(|class| !class.is_empty());
    let all: Vec<char> = classes.concat();
    let mut random = rand::rng();
    let mut letters: Vec<char> = Vec::with_capacity(length);
    if flag("RequireEachIncludedType", true) && length >= classes.len() {
        letters.extend(classes.iter().filter_map(|class| class.choose(&mut random)));
    }
    while letters.len() < length {
        letters.push(*all.choose(&mut random).ok_or("no character is left to choose from")?);
    }
    letters.shuffle(&mut random);
    Ok(letters.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_password_is_put_into_the_template() {
        let recipe = json!({
            "SecretStringTemplate": "{\"client_id\": \"admin\"}",
            "GenerateStringKey": "client_secret",
            "PasswordLength": 64,
            "ExcludePunctuation": true,
        });
        let value: Value = serde_json::from_str(&generate(&recipe).unwrap()).unwrap();
        assert_eq!(value["client_id"], "admin");
        let secret = value["client_secret"].as_str().unwrap();
        assert!(secret.len() == 64 && secret.chars().all(|c| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn an_impossible_recipe_is_refused() {
        for recipe in [
            json!({"PasswordLength": 0}),
            json!({"GenerateStringKey": "a"}),
            json!({"SecretStringTemplate": "[]", "GenerateStringKey": "a"}),
            json!({"ExcludeLowercase": true, "ExcludeUppercase": true, "ExcludeNumbers": true, "ExcludePunctuation": true}),
        ] {
            assert!(generate(&recipe).is_err(), "{recipe}");
        }
    }

    proptest! {
        #[test]
        fn every_included_class_is_there_and_no_excluded_character(
            length in 4_usize..100, punctuation: bool, excluded in "[a-m]{0,5}",
        ) {
            let recipe = json!({
                "PasswordLength": length, "ExcludePunctuation": punctuation, "ExcludeCharacters": excluded,
            });
            let password = generate(&recipe).unwrap();
            prop_assert_eq!(password.len(), length);
            prop_assert!(!password.chars().any(|c| excluded.contains(c)));
            prop_assert!(password.chars().any(|c| c.is_ascii_digit()));
            prop_assert!(password.chars().any(|c| c.is_ascii_lowercase()));
            prop_assert_eq!(password.chars().any(|c| c.is_ascii_punctuation()), !punctuation);
        }
    }
}
