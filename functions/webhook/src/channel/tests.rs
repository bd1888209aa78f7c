use serde_json::json;

use super::*;

fn new(fields: Value) -> Result<(ChannelSettings, Option<Credentials>), Refusal> {
    serde_json::from_value::<NewChannel>(fields).unwrap().checked(TenantId::new("mine"))
}

fn credentials(secret: &str) -> Credentials {
    Credentials::parse(json!({"secret": secret})).unwrap()
}

#[test]
fn what_is_not_said_has_a_default() {
    let (settings, credentials) = new(json!({"platform": "github", "credentials": {"secret": "s"}})).unwrap();
    assert_eq!(
        serde_json::to_value(settings).unwrap(),
        json!({
            "platform": "github", "name": "github", "tenantId": "mine", "dedupWindowSeconds": 86400,
            "unsigned": false,
        })
    );
    assert!(credentials.is_some());
    let (settings, credentials) = new(json!({"unsigned": true})).unwrap();
    assert_eq!((settings.platform.as_str(), settings.unsigned), ("unsigned", true));
    assert!(credentials.is_none());
}

#[test]
fn a_channel_without_a_working_scheme_is_refused_by_field() {
    let secret = json!({"secret": "s"});
    let check = |fields: Value, part: &str| {
        let refusal = new(fields.clone()).unwrap_err();
        assert_eq!(refusal.status, 400);
        assert!(refusal.message.contains(part), "{fields}: {}", refusal.message);
    };
    check(json!({}), "`platform` is required");
    check(
        json!({"platform": "pigeon", "credentials": secret}),
        "`platform` has the unknown value `pigeon`: must be one of `discord`, `github`",
    );
    check(json!({"platform": "github"}), "`credentials` is required, or `unsigned` must be true");
    check(json!({"platform": "github", "unsigned": false}), "`credentials` is required");
    check(json!({"platform": "github", "credentials": {}}), "`credentials.secret`");
    check(json!({"platform": "github", "credentials": secret, "unsigned": true}), "`unsigned`");
    check(json!({"platform": "unsigned"}), "`credentials` is required");
    check(json!({"platform": "unsigned", "credentials": secret}), "`credentials` must be absent");
    check(json!({"platform": "hmac", "credentials": secret}), "`recipe` is required");
    check(json!({"platform": "github", "credentials": secret, "recipe": {"header": "x"}}), "`recipe` is only");
    check(json!({"platform": "hmac", "unsigned": true, "recipe": {"header": ""}}), "`recipe.header`");
    check(
        json!({"platform": "hmac", "credentials": secret, "recipe": {"header": "x", "secretEncoding": "hex"}}),
        "`credentials.secret`",
    );
    check(json!({"platform": "github", "credentials": secret, "name": " "}), "`name`");
    check(json!({"platform": "github", "credentials": secret, "contentType": "image/png"}), "`contentType`");
}

fn change(fields: Value) -> ChannelChange {
    serde_json::from_value(fields).unwrap()
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let (settings, present) = new(json!({"platform": "github", "credentials": {"secret": "s"}})).unwrap();
    let (changed, new) = change(json!({"name": "n"})).apply(settings.clone(), present).unwrap();
    assert_eq!(changed, ChannelSettings { name: "n".to_owned(), ..settings });
    assert_eq!(new, None);
}

#[test]
fn a_change_is_checked_as_a_whole() {
    let hmac = json!({"platform": "hmac", "credentials": {"secret": "text"}, "recipe": {"header": "x"}});
    let check = |fields: Value, expected: Result<Option<Credentials>, &str>| {
        let (settings, present) = new(hmac.clone()).unwrap();
        match (change(fields.clone()).apply(settings, present), expected) {
            (Ok((_, new)), Ok(expected)) => assert_eq!(new, expected, "{fields}"),
            (Err(refusal), Err(part)) => assert!(refusal.message.contains(part), "{fields}: {}", refusal.message),
            (found, expected) => panic!("{fields}: {found:?} is not {expected:?}"),
        }
    };
    let hex = json!({"header": "x", "secretEncoding": "hex"});
    check(json!({"platform": "hmac"}), Ok(None));
    check(json!({"platform": "github"}), Err("`platform` cannot change"));
    check(json!({"tenantId": "mine"}), Ok(None));
    check(json!({"tenantId": "yours"}), Err("`tenantId` cannot change"));
    check(json!({"recipe": hex}), Err("`credentials.secret` must be hex"));
    check(json!({"recipe": hex, "credentials": {"secret": "00"}}), Ok(Some(credentials("00"))));
    check(json!({"credentials": {"secret": ""}}), Err("`credentials.secret`"));
    check(json!({"credentials": {"secret": "new"}}), Ok(Some(credentials("new"))));
    check(json!({"credentials": {"secret": "text"}}), Ok(None));
    check(json!({"unsigned": true}), Ok(None));
    check(json!({"unsigned": true, "credentials": {"secret": "new"}}), Err("`unsigned`"));
}

#[test]
fn an_unsigned_channel_becomes_signed_with_credentials_only() {
    let (settings, _) = new(json!({"platform": "github", "unsigned": true})).unwrap();
    let apply = |fields: Value| change(fields).apply(settings.clone(), None);
    assert!(apply(json!({"name": "n"})).unwrap().0.unsigned);
    assert!(!apply(json!({"credentials": {"secret": "s"}})).unwrap().0.unsigned);
    assert!(apply(json!({"unsigned": false})).unwrap_err().message.contains("`credentials` is required"));
}

#[test]
fn replaced_credentials_stay_valid_for_a_day_or_as_asked() {
    let now = Timestamp::from_second(1000).unwrap();
    let check = |fields: Value, expected: Result<i64, &str>| match (change(fields).previous_valid_until(now), expected)
    {
        (Ok(until), Ok(seconds)) => assert_eq!(until.as_second() - 1000, seconds),
        (Err(refusal), Err(part)) => assert!(refusal.message.contains(part), "{}", refusal.message),
        (found, expected) => panic!("{found:?} is not {expected:?}"),
    };
    check(json!({"credentials": {}}), Ok(86_400));
    check(json!({"credentials": {}, "previousValidSeconds": 0}), Ok(0));
    check(json!({"credentials": {}, "previousValidSeconds": 2_592_001}), Err("30 days"));
    check(json!({"previousValidSeconds": 5}), Err("needs new `credentials`"));
}
