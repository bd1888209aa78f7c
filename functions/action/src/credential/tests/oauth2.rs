use super::*;

/// What the endpoint got, as a form.
fn form(setup: &Setup) -> BTreeMap<String, String> {
    let request = setup.endpoint.requests().pop().unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/token"));
    assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(request.header("accept"), "application/json");
    form_urlencoded::parse(request.text.as_bytes()).into_owned().collect()
}

fn authorization(setup: &Setup) -> String {
    setup.endpoint.requests().pop().unwrap().header("authorization").to_owned()
}

fn fields(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_client_proves_itself_in_the_header_or_in_the_body() {
    let setup = Setup::lasting(3600).await;
    let url = format!("{}/token", setup.endpoint.url());
    let app = setup.app(json!({"setup_type": "oauth2", "token_url": url, "scopes": ["read", "write"]}));
    setup.give(json!({"client_id": "a client", "client_secret": "s:e+c/é", "token_params": {"audience": "all"}})).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-1");
    let asked = [("grant_type", "client_credentials"), ("scope", "read write"), ("audience", "all")];
    assert_eq!(form(&setup), fields(&asked));
    // RFC 6749, 2.3.1: both parts as a form has them, before they are joined.
    assert_eq!(authorization(&setup), format!("Basic {}", STANDARD.encode("a+client:s%3Ae%2Bc%2F%C3%A9")));

    setup.give(json!({"client_id": "c", "client_secret": "s", "client_auth": "body"})).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-2");
    let asked =
        [("grant_type", "client_credentials"), ("scope", "read write"), ("client_id", "c"), ("client_secret", "s")];
    assert_eq!((form(&setup), authorization(&setup)), (fields(&asked), String::new()));

    setup.give(json!({"client_id": "public", "refresh_token": "r1"})).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-3");
    let asked = [("grant_type", "refresh_token"), ("refresh_token", "r1"), ("client_id", "public")];
    assert_eq!((form(&setup), authorization(&setup)), (fields(&asked), String::new()));
}

#[tokio::test]
async fn a_token_lasts_as_its_answer_says() {
    let check = async |expires_in: Value, expected_s: i64| {
        let mut body = json!({"access_token": "t"});
        if expires_in != "absent" {
            body["expires_in"] = expires_in.clone();
        }
        let setup = Setup::answering(move |_| Answer::ok(body.clone())).await;
        setup.give(client()).await;
        setup.token(&setup.oauth2()).await.unwrap();
        let stored = setup.services.credentials.get(&setup.place, &tag("main")).await.unwrap().unwrap();
        let token = stored.token.unwrap();
        assert_eq!(token.expires_at.duration_since(token.obtained_at).as_secs(), expected_s, "{expires_in}");
    };
    check(json!(60), 60).await;
    check(json!("120"), 120).await;
    check(json!(59.9), 59).await;
    check(json!(0), 0).await;
    check(json!(-5), 0).await;
    check(json!(1e300), 10 * 366 * 86_400).await;
    check(json!("absent"), 3_600).await;
    check(Value::Null, 3_600).await;
}

#[tokio::test]
async fn a_rotated_refresh_token_is_stored_before_its_access_token_is_used() {
    let count = AtomicUsize::new(1);
    let setup = Setup::answering(move |_| {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        let next = format!("refresh-{count}");
        Answer::ok(json!({"access_token": format!("token-{count}"), "expires_in": 100, "refresh_token": next}))
    })
    .await;
    let app = setup.oauth2();
    let data = json!({"client_id": "c", "refresh_token": "refresh-1"});
    setup.give(data.clone()).await;
    let loaded = setup.load(&app).await.unwrap();
    assert_eq!(loaded.auths["main"], json!({"access_token": "token-2", "expires_in": 100}));
    assert_eq!(form(&setup)["refresh_token"], "refresh-1");
    setup.pass(100);
    assert_eq!(setup.token(&app).await.unwrap(), "token-3");
    assert_eq!(form(&setup)["refresh_token"], "refresh-2");
    // The same data again, as by a script that stores it at every deployment, does not bring the first one back.
    setup.give(data).await;
    setup.pass(100);
    assert_eq!(setup.token(&app).await.unwrap(), "token-4");
    assert_eq!(form(&setup)["refresh_token"], "refresh-3");
    // Other data does.
    setup.give(json!({"client_id": "c", "refresh_token": "refresh-9"})).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-5");
    assert_eq!(form(&setup)["refresh_token"], "refresh-9");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_stored_also_when_the_run_goes_away() {
    let setup = Setup::answering(|_| Answer::ok(json!({"access_token": "t", "refresh_token": "refresh-2"}))).await;
    let app = setup.oauth2();
    setup.give(json!({"client_id": "c", "refresh_token": "refresh-1"})).await;
    let asked = harness::until("the request", async || if setup.asked() > 0 { Ok(()) } else { Err(()) });
    tokio::select! {
        biased;
        () = asked => {}
        _ = setup.load(&app) => panic!("the run must not be over"),
    }
    let rotated = harness::until("the refresh token", async || {
        let stored = setup.services.credentials.get(&setup.place, &tag("main")).await.unwrap().unwrap();
        stored.rotated.ok_or("none")
    });
    assert_eq!(rotated.await.refresh_token, "refresh-2");
    assert_eq!(setup.token(&app).await.unwrap(), "t");
    assert_eq!(setup.asked(), 1);
}

#[tokio::test]
async fn a_refresh_token_survives_a_database_that_fails_for_a_while() {
    let setup = Setup::answering(|_| Answer::ok(json!({"access_token": "t", "refresh_token": "refresh-2"}))).await;
    let app = setup.oauth2();
    setup.give(json!({"client_id": "c", "refresh_token": "refresh-1"})).await;
    // The first write is that of the lease.
    setup.world.emulator.pass("dynamodb.PutItem", 1);
    setup.world.emulator.throttle("dynamodb.PutItem", 4);
    assert_eq!(Box::pin(setup.world.pass_time(setup.token(&app))).await.unwrap(), "t");
    let stored = setup.services.credentials.get(&setup.place, &tag("main")).await.unwrap().unwrap();
    assert_eq!((stored.rotated.unwrap().refresh_token.as_str(), setup.asked()), ("refresh-2", 1));
}

#[tokio::test]
async fn what_an_endpoint_answers_instead_of_a_token_is_a_failure_that_says_so() {
    let check = async |answer: Answer, kind: FailureType, expected: &str| {
        let setup = Setup::answering(move |_| answer.clone()).await;
        setup.give(client()).await;
        let failure = setup.load(&setup.oauth2()).await.err().unwrap();
        assert_eq!((failure.kind, failure.status), (kind, None), "{failure:?}");
        assert!(failure.message.contains(expected) && failure.message.contains("`main`"), "{}", failure.message);
        assert!(!failure.message.contains("s3cret"), "{}", failure.message);
        assert_eq!(setup.asked(), 1);
    };
    let invalid = FailureType::InvalidResponse;
    check(Answer::ok(json!("not JSON")), invalid, "no JSON object").await;
    check(Answer::ok(json!([1])), invalid, "no JSON object").await;
    check(Answer::ok(json!({"token": "t"})), invalid, "`access_token`").await;
    check(Answer::ok(json!({"access_token": ""})), invalid, "`access_token`").await;
    check(Answer::ok(json!({"access_token": "t", "expires_in": "soon"})), invalid, "`expires_in`").await;
    check(Answer::ok(json!({"access_token": "t".repeat(70_000)})), invalid, "65536 bytes").await;
    let redirect = Answer::status(307, json!({})).header("location", &"http://169.254.169.254/latest/meta-data");
    check(redirect, invalid, "redirects").await;
    check(Answer::status(503, json!({})), FailureType::ServiceUnavailable, "answered 503").await;
    let denied = |error: &str| Answer::status(400, json!({"error": error, "error_description": "s3cret is wrong"}));
    check(denied("invalid_client"), FailureType::Unauthorized, "400 invalid_client *** is wrong; check `client_id`")
        .await;
    check(denied("invalid_scope"), FailureType::Unauthorized, "check the scopes").await;
    check(Answer::status(404, json!("nothing")), FailureType::Unauthorized, "answered 404").await;
    let busy = Answer::status(429, json!({})).header("retry-after", &7);
    check(busy, FailureType::RateLimited, "too often").await;
}

#[tokio::test]
async fn a_guarded_address_gets_no_credentials() {
    let setup = Setup::lasting(10).await;
    setup.give(client()).await;
    let app = setup.app(json!({"setup_type": "oauth2", "token_url": "http://10.0.0.1/token"}));
    assert_eq!(setup.load(&app).await.err().unwrap().kind, FailureType::Forbidden);
}

#[tokio::test]
async fn a_refresh_token_that_is_used_up_is_not_sent_again_and_again() {
    let setup = Setup::answering(|_| Answer::status(400, json!({"error": "invalid_grant"}))).await;
    let app = setup.oauth2();
    setup.give(json!({"client_id": "c", "refresh_token": "refresh-1"})).await;
    for _ in 0..3 {
        let failure = setup.load(&app).await.err().unwrap();
        assert_eq!(failure.kind, FailureType::Unauthorized);
        assert!(failure.message.contains("authorize the app again"), "{}", failure.message);
        setup.pass(60);
    }
    assert_eq!(setup.asked(), 1);
    setup.pass(3_600);
    assert!(setup.load(&app).await.is_err());
    assert_eq!(setup.asked(), 2, "after an hour it is tried once more");
    setup.give(json!({"client_id": "c", "refresh_token": "refresh-2"})).await;
    assert!(setup.load(&app).await.is_err());
    assert_eq!(setup.asked(), 3, "new data is tried at once");
}

#[tokio::test]
async fn an_endpoint_that_asks_for_patience_gets_it() {
    let setup = Setup::lasting(100).await;
    setup.endpoint.answer_next(Answer::status(429, json!({})).header("retry-after", &30));
    let app = setup.oauth2();
    setup.give(client()).await;
    assert_eq!(setup.load(&app).await.err().unwrap().retry_after_ms, Some(30_000));
    setup.pass(29);
    assert!(setup.load(&app).await.is_err());
    setup.pass(1);
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-1", 2));
}
