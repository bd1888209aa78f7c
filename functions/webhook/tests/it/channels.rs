//! The routes that manage channels.

use serde_json::{Value, json};

use crate::setup::{BODY, Request, SECRET, Setup, github, webhook};

#[tokio::test]
async fn a_channel_is_created_shown_listed_changed_and_deleted() {
    let setup = Setup::new().await;
    let new = json!({"platform": "github", "name": "Code", "credentials": {"secret": SECRET}});
    let created = setup.api("POST", "/channels", new).await;
    assert_eq!(created.status, 200);
    let id = created.body["channelId"].as_str().unwrap();
    let expected = json!({
        "channelId": id, "platform": "github", "name": "Code", "tenantId": "mine", "dedupWindowSeconds": 86400,
        "unsigned": false, "createdAt": "2026-01-02T03:04:05.678Z", "updatedAt": "2026-01-02T03:04:05.678Z",
        "webhookUrl": format!("https://abc123.execute-api.eu-central-1.amazonaws.com/webhooks/{id}"),
    });
    assert_eq!(created.body, expected);
    assert_eq!(setup.api("GET", &format!("/channels/{id}"), Value::Null).await.body, expected);
    let list = setup.api("GET", "/channels", Value::Null).await.body;
    assert_eq!(list, json!({"page": {"total": 1, "offset": 0, "limit": 20}, "data": [expected]}));

    setup.clock.advance(jiff::SignedDuration::from_secs(1));
    let changed = setup.api("PUT", &format!("/channels/{id}"), json!({"name": "Other", "tenantId": "mine"})).await;
    assert_eq!((changed.status, changed.body), (200, json!({"affectedRecords": 1})));
    let shown = setup.api("GET", &format!("/channels/{id}"), Value::Null).await.body;
    assert_eq!((&shown["name"], &shown["tenantId"]), (&json!("Other"), &json!("mine")));
    assert_eq!(shown["updatedAt"], "2026-01-02T03:04:06.678Z");
    assert_eq!(shown["createdAt"], expected["createdAt"]);

    let deleted = setup.api("DELETE", &format!("/channels/{id}"), Value::Null).await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"affectedRecords": 1})));
    for (method, body) in [("GET", Value::Null), ("PUT", json!({"name": "n"})), ("DELETE", Value::Null)] {
        assert_eq!(setup.api(method, &format!("/channels/{id}"), body).await.status, 404, "{method}");
    }
}

#[tokio::test]
async fn that_a_channel_comes_and_goes_is_a_fact_without_secrets() {
    let setup = Setup::new().await;
    let new = json!({"platform": "github", "name": "Code", "tenantId": "yours", "credentials": {"secret": SECRET}});
    let administrator = setup.administrator().await;
    let created = setup.api_as(&administrator, "POST", "/channels", new).await;
    let id = created.body["channelId"].as_str().unwrap();
    let registered = setup.facts("channel.registered").await;
    let origin =
        json!({"tenantId": "yours", "channelId": id, "platform": "github", "timestamp": 1_767_323_045_678_i64});
    let mut expected = origin.clone();
    expected["config"] = json!({
        "platform": "github", "name": "Code", "tenantId": "yours", "dedupWindowSeconds": 86400, "unsigned": false,
    });
    assert_eq!((registered.len(), &registered[0]["content"]), (1, &expected));
    assert_eq!(registered[0]["tenantId"], "yours");
    let request = Request::new("DELETE", &format!("/channels/{id}")).bearer(&administrator);
    assert_eq!(setup.send(request.header("x-tenant-id", "yours")).await.status, 200);
    let unregistered = setup.facts("channel.unregistered").await;
    assert_eq!((unregistered.len(), &unregistered[0]["content"]), (1, &origin));
}

#[tokio::test]
async fn a_channel_whose_coming_cannot_be_told_does_not_come() {
    let setup = Setup::new().await;
    setup.emulator.throttle("eventbridge.PutEvents", 3);
    assert_eq!(setup.api("POST", "/channels", json!({"unsigned": true})).await.status, 503);
    assert!(setup.records().await.is_empty());
}

#[tokio::test]
async fn a_channel_whose_going_cannot_be_told_stays() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    setup.emulator.throttle("eventbridge.PutEvents", 3);
    let path = format!("/channels/{id}");
    assert_eq!(setup.api("DELETE", &path, Value::Null).await.status, 503);
    assert_eq!(setup.api("GET", &path, Value::Null).await.status, 200);
    assert_eq!(setup.api("DELETE", &path, Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_list_is_filtered_sorted_and_paged() {
    let setup = Setup::new().await;
    for name in ["a", "b", "c"] {
        setup.clock.advance(jiff::SignedDuration::from_secs(1));
        setup.channel(json!({"name": name, "unsigned": true})).await;
    }
    setup.github_channel().await;
    let list = async |query: &str| {
        let answer = setup.api("GET", &format!("/channels?{query}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let names = answer.body["data"].as_array().unwrap().iter().map(|channel| channel["name"].clone());
        names.collect::<Vec<Value>>()
    };
    assert_eq!(list("eq(platform,unsigned)").await, ["a", "b", "c"]);
    assert_eq!(list("eq(platform,unsigned)&sort(-name)&limit(1,1)").await, ["b"]);
    assert_eq!(list("eq(name,github)").await, ["github"]);
    assert_eq!(setup.api("GET", "/channels?eq(", Value::Null).await.status, 400);
}

#[tokio::test]
async fn every_route_needs_its_permission() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let path = format!("/channels/{id}");
    let new = json!({"unsigned": true});
    let routes = [
        ("GET", "/channels", "VIEW_CHANNELS", Value::Null),
        ("GET", path.as_str(), "VIEW_CHANNELS", Value::Null),
        ("POST", "/channels", "CREATE_CHANNELS", new),
        ("PUT", path.as_str(), "UPDATE_CHANNELS", json!({"name": "n"})),
        ("DELETE", path.as_str(), "DELETE_CHANNELS", Value::Null),
        ("POST", "/channels/rotate", "ROTATE_KEYS", Value::Null),
    ];
    let all = routes.each_ref().map(|(_, _, permission, _)| *permission);
    for (method, path, permission, body) in routes {
        let request = |token: &str| {
            let request = Request::new(method, path).header("authorization", &format!("Bearer {token}"));
            request.header("content-type", "application/json").body(body.to_string())
        };
        let others: Vec<&str> = all.iter().copied().filter(|other| *other != permission).collect();
        let refused = setup.send(request(&setup.token(&others).await)).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{method} {path}");
        assert_eq!(setup.send(request("none")).await.status, 401, "{method} {path}");
        assert_eq!(setup.send(request(&setup.token(&[permission]).await)).await.status, 200, "{method} {path}");
    }
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let setup = Setup::new().await;
    let check = async |body: Value, code: u32, part: &str| {
        let answer = setup.api("POST", "/channels", body.clone()).await;
        let message = answer.body["message"].as_str().unwrap();
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(code)), "{body}: {message}");
        assert!(message.contains(part), "{body}: {message}");
    };
    check(json!({"platform": 5}), 15, "`platform`").await;
    check(json!({"platform": "github"}), 14, "`credentials`").await;
    check(json!({"platform": "hmac", "recipe": {}}), 14, "`recipe").await;
    check(json!({"platform": "hmac", "recipe": {"header": "x", "algorithm": "md5"}}), 15, "`recipe.algorithm`").await;
    let recipe = json!({"header": "x", "signedString": "{bdy}"});
    check(json!({"platform": "hmac", "unsigned": true, "recipe": recipe}), 15, "`recipe.signedString`").await;
    check(json!({"platform": "github", "credentials": SECRET}), 15, "`credentials`").await;
    let with = |name: &str, value: Value| {
        let mut new = json!({"platform": "github", "credentials": {"secret": SECRET}});
        new[name] = value;
        new
    };
    check(with("apiUrl", json!("https://example.org")), 15, "`apiUrl`").await;
    check(with("dedupWindowSeconds", json!(2_592_001)), 15, "`dedupWindowSeconds`").await;
    check(with("dedupWindowSeconds", json!(-1)), 15, "`dedupWindowSeconds`").await;
    let send = json!({"send": {"count": 1, "seconds": 1}});
    check(with("rateLimits", send), 15, "`rateLimits.send`").await;
    let ingest = |count: u32, seconds: u32| json!({"ingest": {"count": count, "seconds": seconds}});
    check(with("rateLimits", ingest(0, 1)), 15, "`rateLimits.ingest.count`").await;
    check(with("rateLimits", ingest(1_001, 1)), 15, "`rateLimits.ingest.count`").await;
    check(with("rateLimits", ingest(1, 0)), 15, "`rateLimits.ingest.seconds`").await;
    check(with("rateLimits", ingest(1, 86_401)), 15, "`rateLimits.ingest.seconds`").await;
    check(
        with("rateLimits", json!({"igest": null})),
        15,
        "`rateLimits`: unknown field `igest`: did you mean `ingest`?",
    )
    .await;
    check(with("naem", json!("n")), 15, "unknown field `naem`: did you mean `name`?").await;
    check(with("platform", json!("gihub")), 15, "`platform` has the unknown value `gihub`: did you mean `github`?")
        .await;
    let misspelt = json!({"secert": SECRET});
    check(with("credentials", misspelt), 15, "`credentials`: unknown field `secert`: did you mean `secret`?").await;
    let recipe = json!({"header": "x", "singedString": "{body}"});
    check(with("recipe", recipe), 15, "`recipe`: unknown field `singedString`: did you mean `signedString`?").await;
    check(with("tenantId", json!("x".repeat(257))), 15, "`tenantId`").await;
    check(json!([{"platform": "github"}]), 15, "must be an object").await;
    let id = setup.github_channel().await;
    let ignored = setup.api("PUT", &format!("/channels/{id}"), json!({"secret": "new"})).await;
    assert_eq!((ignored.status, &ignored.body["code"]), (400, &json!(15)), "{}", ignored.body);
    assert!(ignored.body["message"].as_str().unwrap().contains("unknown field `secret`"), "{}", ignored.body);
    let moved = setup.api("PUT", &format!("/channels/{id}"), json!({"tenantId": "yours"})).await;
    assert_eq!((moved.status, &moved.body["code"]), (400, &json!(15)), "{}", moved.body);
    let queried = setup.api("GET", "/channels?eq(nmae,n)", Value::Null).await;
    assert_eq!((queried.status, &queried.body["code"]), (400, &json!(19)), "{}", queried.body);
}

#[tokio::test]
async fn two_secrets_are_valid_during_a_rotation() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let path = format!("/channels/{id}");
    let status = async |secret: &str| setup.send(github(&id, secret, BODY)).await.status;
    assert_eq!((status(SECRET).await, status("second").await), (200, 401));

    let rotation = json!({"credentials": {"secret": "second"}, "previousValidSeconds": 60});
    assert_eq!(setup.api("PUT", &path, rotation.clone()).await.status, 200);
    assert_eq!((status(SECRET).await, status("second").await, status("third").await), (200, 200, 401));
    let shown = setup.api("GET", &path, Value::Null).await.body;
    assert_eq!(shown["previousValidUntil"], "2026-01-02T03:05:05.678Z");

    // The same change once more, as after a lost reply, must not push the first secret out.
    assert_eq!(setup.api("PUT", &path, rotation).await.status, 200);
    assert_eq!(status(SECRET).await, 200);

    setup.clock.advance(jiff::SignedDuration::from_secs(59));
    assert_eq!(status(SECRET).await, 200);
    setup.clock.advance(jiff::SignedDuration::from_secs(1));
    assert_eq!((status(SECRET).await, status("second").await), (401, 200));
    assert_eq!(setup.api("GET", &path, Value::Null).await.body.get("previousValidUntil"), None);

    let at_once = json!({"credentials": {"secret": "third"}, "previousValidSeconds": 0});
    assert_eq!(setup.api("PUT", &path, at_once).await.status, 200);
    assert_eq!((status("second").await, status("third").await), (401, 200));
}

#[tokio::test]
async fn a_change_counts_at_once_here_and_within_five_seconds_elsewhere() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let elsewhere = setup.another();
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    assert_eq!(github(&id, SECRET, BODY).send_to(&elsewhere).await.status, 200);
    assert_eq!(setup.api("DELETE", &format!("/channels/{id}"), Value::Null).await.status, 200);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 404);
    setup.clock.advance(jiff::SignedDuration::from_millis(4_999));
    assert_eq!(github(&id, SECRET, BODY).send_to(&elsewhere).await.status, 200);
    setup.clock.advance(jiff::SignedDuration::from_millis(1));
    assert_eq!(github(&id, SECRET, BODY).send_to(&elsewhere).await.status, 404);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_a_deleted_channel() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let elsewhere = setup.another();
    assert_eq!(github(&id, SECRET, BODY).send_to(&elsewhere).await.status, 200);
    assert_eq!(setup.api("DELETE", &format!("/channels/{id}"), Value::Null).await.status, 200);
    setup.clock.set("2026-01-02T02:00:00Z".parse().unwrap());
    assert_eq!(github(&id, SECRET, BODY).send_to(&elsewhere).await.status, 404);
}

#[tokio::test]
async fn an_unsigned_channel_takes_everything_until_it_gets_a_secret() {
    let setup = Setup::new().await;
    let id = setup.channel(json!({"platform": "github", "unsigned": true})).await;
    assert_eq!(setup.send(webhook(&id, BODY)).await.status, 200);
    let signed = json!({"credentials": {"secret": SECRET}});
    assert_eq!(setup.api("PUT", &format!("/channels/{id}"), signed).await.status, 200);
    assert_eq!(setup.send(webhook(&id, BODY)).await.status, 401);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    assert_eq!(setup.api("PUT", &format!("/channels/{id}"), json!({"unsigned": true})).await.status, 200);
    assert_eq!(setup.send(webhook(&id, BODY)).await.status, 200);
}

#[tokio::test]
async fn of_changes_at_once_none_undoes_another() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let path = format!("/channels/{id}");
    let fields = json!({"name": "Code", "dedupWindowSeconds": 60, "contentType": "application/x-www-form-urlencoded"});
    let one_each = fields.as_object().unwrap().iter().map(|(name, value)| json!({name: value}));
    let changes = one_each.map(|change| setup.api("PUT", &path, change));
    for answer in futures::future::join_all(changes).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let shown = setup.api("GET", &path, Value::Null).await.body;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(shown[name], *value, "{name}");
    }
}

#[tokio::test]
async fn a_secret_that_was_copied_with_a_line_break_is_refused_when_it_is_saved() {
    let setup = Setup::new().await;
    let platforms = setup.api("GET", "/platforms", Value::Null).await.body;
    let platforms = platforms["data"].as_array().unwrap_or_else(|| platforms.as_array().unwrap()).clone();
    let check = async |method: &str, path: &str, body: Value, name: &str| {
        let answer = setup.api(method, path, body).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        let field = format!("`credentials.{name}`");
        assert!(answer.status == 400 && message.contains(&field), "{path} {name}: {}", answer.body);
    };
    for platform in platforms {
        for credential in platform["credentials"].as_array().unwrap() {
            let name = credential["name"].as_str().unwrap();
            for secret in ["hush\n", "hush\r\n", " hush", "hush\t", "hu\nsh", "hush\u{a0}"] {
                let new = json!({"platform": platform["platform"], "credentials": {name: secret}});
                check("POST", "/channels", new, name).await;
            }
        }
    }
    let id = setup.github_channel().await;
    check("PUT", &format!("/channels/{id}"), json!({"credentials": {"secret": "hush\n"}}), "secret").await;
    let telegram = setup.channel(json!({"platform": "telegram", "credentials": {"secretToken": "hush"}})).await;
    let candidate = json!({"credentials": {"secretToken": "hush", "botToken": "1:hush\n"}});
    check("POST", &format!("/channels/{telegram}/validate"), candidate, "botToken").await;
}
