//! YAML with CloudFormation's tags, read as JSON with the long forms: `!Ref x` becomes `{"Ref": "x"}`.

use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value as Yaml;

/// Parses a template's text.
pub(crate) fn parse(text: &str) -> Result<Json, String> {
    let yaml: Yaml = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    json(yaml)
}

fn json(yaml: Yaml) -> Result<Json, String> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => Json::Bool(value),
        Yaml::Number(value) => number(&value)?,
        Yaml::String(value) => Json::String(value),
        Yaml::Sequence(values) => values.into_iter().map(json).collect::<Result<_, _>>()?,
        Yaml::Mapping(entries) => Json::Object(
            entries
                .into_iter()
                .map(|(key, value)| Ok((key_text(key)?, json(value)?)))
                .collect::<Result<Map<_, _>, String>>()?,
        ),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let key = match name {
                "Ref" | "Condition" => name.to_owned(),
                _ => format!("Fn::{name}"),
            };
            Json::Object(Map::from_iter([(key, json(tagged.value)?)]))
        }
    })
}

fn number(value: &serde_yaml_ng::Number) -> Result<Json, String> {
    let number = value
        .as_i64()
        .map(Json::from)
        .or_else(|| value.as_u64().map(Json::from))
        .or_else(|| value.as_f64().and_then(serde_json::Number::from_f64).map(Json::Number));
    number.ok_or_else(|| format!("{value} is not a number that JSON can hold"))
}

fn key_text(key: Yaml) -> Result<String, String> {
    match key {
        Yaml::String(key) => Ok(key),
        Yaml::Number(key) => Ok(key.to_string()),
        Yaml::Bool(key) => Ok(key.to_string()),
        other => Err(format!("{other:?} cannot be a key")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn short_tags_become_long_forms() {
        let parsed = super::parse("{a: !Ref X, b: !Sub ['${y}', {y: !GetAtt T.Arn}], 1: [true, 2.5]}").unwrap();
        assert_eq!(
            parsed,
            json!({
                "a": {"Ref": "X"},
                "b": {"Fn::Sub": ["${y}", {"y": {"Fn::GetAtt": "T.Arn"}}]},
                "1": [true, 2.5],
            })
        );
    }
}
